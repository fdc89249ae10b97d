//! Cases, outlooks and hits to a report.

use super::Settings;
use super::case::{Case, cases};
use super::cluster::{self, Hit};
use super::outlook::{Index, Outlook, outlook};
use super::table::{RULES, doomed, self_heals};
use crate::facts::{Facts, Refusal, Source};
use crate::knowledge::Knowledge;
use crate::knowledge::texts::{self, Lang, fill};
use crate::report::{
    ClientRow, Coverage, DeadlineKind, Evidence, Finding, Gap, Report, Severity, State, Verdict, Window,
    Workload,
};
use jeton_core::time::UnixTime;
use std::collections::BTreeSet;

/// Seconds a log must cover before silence means anything: a day, for what runs once a day.
const MIN_WINDOW_SECONDS: i64 = 24 * 3600;

/// Gaps that do not keep a verdict from being "yes".
const HARMLESS: [&str; 4] = ["no-token-requests", "unknown-records", "broken-records", "not-granted-secrets"];

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
    let mut findings = Vec::new();
    let workloads =
        judged.iter().map(|(case, outlook)| workload(case, outlook, settings, &mut findings)).collect();
    for rule in cluster::RULES {
        let hits = (rule.check)(facts, &lost, knowledge);
        findings.extend(hits.into_iter().map(|hit| of_cluster(rule.id, rule.severity, hit, settings.lang)));
    }
    findings.sort_by(|a, b| (a.severity, &a.id).cmp(&(b.severity, &b.id)));
    let coverage = coverage(facts);
    Report {
        api_version: "jeton.dev/v1",
        kind: "DoctorReport",
        generated: settings.now.rfc3339(),
        verdict: verdict(&judged, &coverage, facts, &lost),
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

fn workload(case: &Case<'_>, outlook: &Outlook, settings: &Settings, all: &mut Vec<Finding>) -> Workload {
    let held = RULES.iter().filter(|rule| (rule.check)(case, outlook));
    let findings: Vec<Finding> =
        held.map(|rule| of_case(rule.id, rule.severity, case, outlook, settings)).collect();
    let time = |at: Option<UnixTime>| at.map(UnixTime::rfc3339);
    let row = Workload {
        namespace: case.account.namespace.clone(),
        service_account: case.account.name.clone(),
        owner: case.owner.clone(),
        pods: case.pod_names.iter().cloned().collect(),
        container: container(case),
        state: outlook.state,
        client: ClientRow {
            name: case.client.library.clone(),
            version: case.client.version.clone(),
            user_agent: case.user_agent.clone(),
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
        labels: case.pods.first().map(|pod| pod.labels.clone()).unwrap_or_default(),
    };
    all.extend(findings);
    row
}

/// The container, when every pod has just one with a token.
fn container(case: &Case<'_>) -> Option<String> {
    let names: BTreeSet<&str> =
        case.pods.iter().flat_map(|pod| &pod.tokens).map(|token| token.container.as_str()).collect();
    if names.len() == 1 { names.into_iter().next().map(str::to_owned) } else { None }
}

fn of_case(
    id: &'static str,
    severity: Severity,
    case: &Case<'_>,
    outlook: &Outlook,
    settings: &Settings,
) -> Finding {
    let secret = case.uses.iter().filter_map(|one| one.legacy.as_ref()?.secret.clone()).next();
    let secret = secret.or_else(|| {
        let mut tokens = case.pods.iter().flat_map(|pod| &pod.tokens);
        tokens.find_map(|token| token.kind.secret().map(str::to_owned))
    });
    let lang = settings.lang;
    let client = match (&case.client.version, case.client.library.as_str()) {
        (Some(version), library) => format!("{library} {version}"),
        (None, "") => texts::word("unknown-client", lang).to_owned(),
        (None, library) => library.to_owned(),
    };
    let date = outlook.deadline.map(UnixTime::rfc3339).unwrap_or_else(|| "?".to_owned());
    let place = place(case);
    let values = [
        ("workload", place.as_str()),
        ("namespace", case.account.namespace.as_str()),
        ("account", case.account.name.as_str()),
        ("owner", case.owner.as_str()),
        ("client", client.as_str()),
        ("fixed", case.client.first_good.as_deref().unwrap_or("-")),
        ("deadline", date.as_str()),
        ("secret", secret.as_deref().unwrap_or("?")),
    ];
    let mut audit_ids: Vec<String> = Vec::new();
    let relevant = case.uses.iter().filter(|one| {
        outlook.credentials.is_empty()
            || one.credential.as_ref().is_some_and(|id| outlook.credentials.contains(id))
    });
    relevant.flat_map(|one| &one.audit_ids).take(5).for_each(|id| audit_ids.push(id.clone()));
    case.refused
        .iter()
        .flat_map(|(refusal, _)| &refusal.audit_ids)
        .take(2)
        .for_each(|id| audit_ids.push(id.clone()));
    let evidence = Evidence {
        audit_ids,
        credential_ids: outlook.credentials.iter().take(5).cloned().collect(),
        objects: case
            .pod_names
            .iter()
            .take(5)
            .map(|pod| format!("pod/{}/{pod}", case.account.namespace))
            .collect(),
    };
    let agent = if case.user_agent.is_empty() { "" } else { &case.user_agent };
    let full = format!("{id}:{place}:{agent}");
    finished(id, severity, full, place.clone(), evidence, &values, lang)
}

fn place(case: &Case<'_>) -> String {
    let owner = if case.owner.is_empty() { "-" } else { &case.owner };
    format!("{}/{}/{owner}", case.account.namespace, case.account.name)
}

fn of_cluster(id: &'static str, severity: Severity, hit: Hit, lang: Lang) -> Finding {
    let mut values: Vec<(&str, &str)> =
        hit.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    values.push(("object", &hit.object));
    let evidence = Evidence {
        audit_ids: hit.audit_ids.clone(),
        objects: vec![hit.object.clone()],
        ..Evidence::default()
    };
    let full = format!("{id}:{}", hit.object);
    let mut finding = finished(id, severity, full, hit.object.clone(), evidence, &values, lang);
    finding.links.extend(hit.link);
    finding
}

fn finished(
    rule: &'static str,
    severity: Severity,
    id: String,
    workload: String,
    evidence: Evidence,
    values: &[(&str, &str)],
    lang: Lang,
) -> Finding {
    let words = texts::rule(rule);
    let say = |text: Option<&texts::Text>| text.map(|t| fill(t.of(lang), values)).unwrap_or_default();
    Finding {
        id,
        rule,
        severity,
        title: say(words.map(|w| &w.title)),
        workload,
        evidence,
        remedy: say(words.map(|w| &w.remedy)),
        links: words.map(|w| w.links.iter().map(|l| l.of(lang).to_owned()).collect()).unwrap_or_default(),
    }
}

fn coverage(facts: &Facts) -> Vec<Coverage> {
    let gaps = |source: &Source| {
        let mut gaps: Vec<Gap> =
            source.missing.iter().map(|gap| Gap { id: gap.id, detail: gap.detail.clone() }).collect();
        let short = source.window.filter(|(a, b)| b.seconds() - a.seconds() < MIN_WINDOW_SECONDS);
        if let Some((from, to)) = short {
            gaps.push(Gap { id: "short-window", detail: format!("{} s", to.seconds() - from.seconds()) });
        }
        gaps
    };
    let cover = |source: &Source| Coverage {
        source: source.name.clone(),
        window: source.window.map(|(from, to)| Window { from: from.rfc3339(), to: to.rfc3339() }),
        read: source.read,
        skipped: source.skipped,
        missing: gaps(source),
        error: source.error.clone(),
    };
    facts.sources.iter().map(cover).collect()
}

fn verdict(
    judged: &[(Case<'_>, Outlook)],
    coverage: &[Coverage],
    facts: &Facts,
    lost: &[&Refusal],
) -> Verdict {
    let count =
        |check: &dyn Fn(&Case<'_>, &Outlook) -> bool| judged.iter().filter(|(c, o)| check(c, o)).count();
    let blocks = |case: &Case<'_>, outlook: &Outlook| {
        (matches!(outlook.state, State::Stale | State::Expired) && !self_heals(case, outlook))
            || doomed(case, outlook)
    };
    let fails = |case: &Case<'_>, outlook: &Outlook| blocks(case, outlook) && outlook.alive;
    let first = judged
        .iter()
        .filter(|(case, outlook)| fails(case, outlook))
        .filter_map(|(case, outlook)| Some((outlook.deadline?, case)))
        .min_by_key(|(at, _)| *at);
    let blockers = count(&blocks);
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
        will_fail: count(&fails),
        first_deadline: first.map(|(at, _)| at.rfc3339()),
        first_workload: first.map(|(_, case)| place(case)),
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
