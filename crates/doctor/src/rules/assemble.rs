//! Cases, outlooks and hits to a report.

use super::Settings;
use super::case::{Case, cases};
use super::cluster;
use super::finding::{is_provider, of_case, of_cluster, place};
use super::names::{Kind, Names};
use super::outlook::{Index, Outlook, outlook};
use super::table::{RULES, doomed, invalidated, self_heals};
use crate::facts::{Facts, Missing, Refusal, Source};
use crate::knowledge::Knowledge;
use crate::report::{
    ClientRow, Coverage, DeadlineKind, Finding, Gap, Report, State, Verdict, Window, Workload,
};
use jeton_core::time::UnixTime;
use std::collections::BTreeSet;

/// Seconds a log must cover before silence means anything: a day, for what runs once a day.
const MIN_WINDOW_SECONDS: i64 = 24 * 3600;

/// Gaps that do not keep a verdict from being "yes".
const HARMLESS: [&str; 6] = [
    "no-token-requests",
    "unknown-records",
    "broken-records",
    "not-granted-secrets",
    "extension-off",
    "extension-unknown",
];

/// Makes the report.
pub fn report(facts: &Facts, knowledge: &Knowledge, settings: &Settings) -> Report {
    let index = Index::new(facts);
    let (cases, lost) = cases(facts, knowledge);
    let mut judged: Vec<(Case<'_>, Outlook)> = cases
        .into_iter()
        .map(|case| {
            let outlook = outlook(&index, &case, settings);
            (case, outlook)
        })
        .collect();
    judged.sort_by(|(a, x), (b, y)| order(a, x).cmp(&order(b, y)));
    let mut names = Names::new(settings.redact, knowledge);
    let coverage = coverage(facts, &mut names);
    let mut findings = Vec::new();
    let workloads = judged
        .iter()
        .map(|(case, outlook)| workload(case, outlook, (knowledge, settings), &mut names, &mut findings))
        .collect();
    for rule in cluster::RULES {
        let hits = (rule.check)(facts, &lost, knowledge);
        let told = hits.iter().map(|hit| of_cluster(rule.id, rule.severity, hit, settings.lang, &mut names));
        findings.extend(told);
    }
    // A stable sort: among equals the order of the workloads, which is by deadline.
    findings.sort_by_key(|finding| finding.severity);
    Report {
        api_version: "jeton.dev/v1",
        kind: "DoctorReport",
        generated: settings.now.rfc3339(),
        verdict: verdict(&judged, &coverage, (facts, &lost), cluster::outdated(facts, knowledge), &mut names),
        coverage,
        workloads,
        findings,
    }
}

fn order<'a>(case: &'a Case<'_>, outlook: &'a Outlook) -> impl Ord + 'a {
    let rank = if self_heals(case, outlook) { State::Unknown } else { outlook.state };
    let deadline = outlook.deadline.map_or(i64::MAX, UnixTime::millis);
    (rank, deadline, &case.account, &case.owner, &case.user_agent)
}

fn workload(
    case: &Case<'_>,
    outlook: &Outlook,
    known: (&Knowledge, &Settings),
    names: &mut Names,
    all: &mut Vec<Finding>,
) -> Workload {
    let held = RULES.iter().filter(|rule| (rule.check)(case, outlook));
    let findings: Vec<Finding> =
        held.map(|rule| of_case((rule.id, rule.severity), case, outlook, known, names)).collect();
    let time = |at: Option<UnixTime>| at.map(UnixTime::rfc3339);
    let labels = case.pods.first().map(|pod| pod.labels.clone()).unwrap_or_default();
    let row = Workload {
        namespace: names.of(Kind::Namespace, &case.account.namespace),
        service_account: names.of(Kind::Account, &case.account.name),
        owner: names.of(Kind::Owner, &case.owner),
        pods: case.pod_names.iter().map(|pod| names.of(Kind::Pod, pod)).collect(),
        container: container(case).map(|name| names.of(Kind::Container, &name)),
        provider: is_provider(case),
        state: outlook.state,
        client: ClientRow {
            name: names.of(Kind::Program, &case.client.library),
            version: case.client.version.as_ref().map(|version| names.of(Kind::Version, version)),
            user_agent: names.of(Kind::Agent, &case.user_agent),
            token_reload: case.client.token_reload,
            ca_reload: case.client.ca_reload.clone(),
            found_by: if case.seen { "user-agent" } else { "none" },
        },
        deadline: time(outlook.deadline),
        deadline_kind: if outlook.deadline.is_some() { outlook.kind } else { DeadlineKind::None },
        cause: outlook.cause,
        confidence: outlook.confidence,
        uses: case.uses.iter().map(|one| one.uses).sum(),
        first_seen: time(case.uses.iter().filter_map(|one| one.first).min()),
        last_seen: time(case.uses.iter().filter_map(|one| one.last).max()),
        findings: findings.iter().map(|finding| finding.id.clone()).collect(),
        labels: labels.into_iter().map(|(name, value)| (name, names.of(Kind::Team, &value))).collect(),
    };
    all.extend(findings);
    row
}

/// The container, when only one has a token of this sort: from a Secret or from a projected volume.
fn container(case: &Case<'_>) -> Option<String> {
    let tokens = case.pods.iter().flat_map(|pod| &pod.tokens);
    let own = tokens.filter(|token| !case.seen || token.kind.is_projected() != case.legacy);
    let names: BTreeSet<&str> = own.map(|token| token.container.as_str()).collect();
    if names.len() == 1 { names.into_iter().next().map(str::to_owned) } else { None }
}

fn coverage(facts: &Facts, names: &mut Names) -> Vec<Coverage> {
    let gaps = |source: &Source, names: &Names| {
        let mut all: Vec<&Missing> = source.missing.iter().collect();
        // What a cluster leaves open about the extension stands beside what was not granted.
        let more = facts.clusters.iter().filter(|c| c.name == source.name).flat_map(|c| &c.unknown);
        all.extend(more.filter(|gap| !source.missing.contains(gap)));
        let mut gaps: Vec<Gap> =
            all.iter().map(|gap| Gap { id: gap.id, detail: names.detail(&gap.detail) }).collect();
        let short = source.window.filter(|(a, b)| b.seconds() - a.seconds() < MIN_WINDOW_SECONDS);
        if let Some((from, to)) = short {
            gaps.push(Gap { id: "short-window", detail: format!("{} s", to.seconds() - from.seconds()) });
        }
        gaps
    };
    let cover = |source: &Source| Coverage {
        source: names.of(Kind::Source, &source.name),
        window: source.window.map(|(from, to)| Window { from: from.rfc3339(), to: to.rfc3339() }),
        read: source.read,
        skipped: source.skipped,
        missing: gaps(source, names),
        error: source.error.as_deref().map(|error| names.error(error)),
    };
    facts.sources.iter().map(cover).collect()
}

fn verdict(
    judged: &[(Case<'_>, Outlook)],
    coverage: &[Coverage],
    (facts, lost): (&Facts, &[&Refusal]),
    addons: usize,
    names: &mut Names,
) -> Verdict {
    let count =
        |check: &dyn Fn(&Case<'_>, &Outlook) -> bool| judged.iter().filter(|(c, o)| check(c, o)).count();
    let blocks = |case: &Case<'_>, outlook: &Outlook| {
        (matches!(outlook.state, State::Stale | State::Expired) && !self_heals(case, outlook))
            || doomed(case, outlook)
    };
    let fails =
        |case: &Case<'_>, outlook: &Outlook| (blocks(case, outlook) || invalidated(case)) && outlook.alive;
    let first = judged
        .iter()
        .filter(|(case, outlook)| fails(case, outlook))
        .filter_map(|(case, outlook)| Some((outlook.deadline?, outlook.kind, case)))
        .min_by_key(|(at, ..)| *at);
    let blockers = count(&blocks) + addons;
    let unknown = count(&|case, outlook| outlook.state == State::Unknown && !doomed(case, outlook));
    let window: i64 = window(facts);
    let gap = coverage.iter().any(|source| {
        source.error.is_some()
            || source.missing.iter().any(|gap| gap.id != "short-window" && !HARMLESS.contains(&gap.id))
    });
    let seen = judged.iter().any(|(case, _)| case.seen);
    let safe = if blockers > 0 {
        "no"
    } else if unknown > 0 || gap || !seen || !lost.is_empty() || window < MIN_WINDOW_SECONDS {
        "unknown"
    } else {
        "yes"
    };
    Verdict {
        will_fail: count(&fails) + addons,
        first_deadline: first.map(|(at, ..)| at.rfc3339()),
        first_deadline_kind: first.map_or(DeadlineKind::None, |(_, kind, _)| kind),
        first_workload: first.map(|(.., case)| place(case, names)),
        safe_to_disable_extension: safe,
        blockers,
        self_healing: count(&self_heals),
        fine: count(&|_, outlook| outlook.state == State::Fresh),
        unknown,
        legacy: count(&|_, outlook| outlook.state == State::Legacy),
    }
}

/// Seconds that all logs together span.
fn window(facts: &Facts) -> i64 {
    let from = facts.sources.iter().filter_map(|s| s.window).map(|w| w.0).min();
    let to = facts.sources.iter().filter_map(|s| s.window).map(|w| w.1).max();
    from.zip(to).map_or(0, |(from, to)| to.seconds() - from.seconds())
}
