//! Cases, outlooks and hits to a report.

use super::Settings;
use super::addons;
use super::case::{Case, cases};
use super::cluster;
use super::described::{clusters, coverage};
use super::finding::{is_provider, of_case, of_cluster};
use super::names::{Kind, Names};
use super::outlook::{Index, Outlook, outlook};
use super::table::{RULES, self_heals};
use super::verdict::{Part, verdict};
use crate::facts::Facts;
use crate::knowledge::Knowledge;
use crate::report::{ClientRow, Coverage, DeadlineKind, Finding, Report, State, Workload};
use jeton_core::time::UnixTime;
use std::collections::BTreeSet;

/// Makes the report of one cluster.
pub fn report(facts: &Facts, knowledge: &Knowledge, settings: &Settings) -> Report {
    reports(std::slice::from_ref(facts), knowledge, settings)
}

/// Makes one report of several clusters; each has its facts, so that no name of one is taken for that of another.
pub fn reports(facts: &[Facts], knowledge: &Knowledge, settings: &Settings) -> Report {
    let parts: Vec<Part<'_>> = facts.iter().map(|facts| judge(facts, knowledge, settings)).collect();
    let several = facts.iter().map(Facts::name).collect::<BTreeSet<_>>().len() > 1;
    let mut names = Names::new(settings.redact, knowledge).with_clusters(several);
    let coverage: Vec<Coverage> = facts.iter().flat_map(|facts| coverage(facts, &mut names)).collect();
    let clusters = facts.iter().flat_map(|facts| clusters(facts, &mut names)).collect();
    let mut rows: Vec<&(Case<'_>, Outlook)> = parts.iter().flat_map(|part| &part.judged).collect();
    rows.sort_by(|(a, x), (b, y)| order(a, x).cmp(&order(b, y)));
    let mut findings = Vec::new();
    let workloads = rows
        .iter()
        .map(|(case, outlook)| workload(case, outlook, (knowledge, settings), &mut names, &mut findings))
        .collect();
    for rule in cluster::RULES {
        for part in &parts {
            let hits = (rule.check)(part.facts, &part.lost, knowledge);
            let told = hits.iter().map(|hit| (part.facts.name(), hit));
            findings
                .extend(told.map(|hit| of_cluster((rule.id, rule.severity), hit, settings.lang, &mut names)));
        }
    }
    // A stable sort: among equals the order of the workloads, which is by deadline.
    findings.sort_by_key(|finding| finding.severity);
    Report {
        api_version: "jeton.dev/v1",
        kind: "DoctorReport",
        generated: settings.now.rfc3339(),
        verdict: verdict(&parts, &coverage, &mut names),
        coverage,
        clusters,
        workloads,
        findings,
    }
}

fn judge<'f>(facts: &'f Facts, knowledge: &'f Knowledge, settings: &Settings) -> Part<'f> {
    let index = Index::new(facts);
    let (cases, lost) = cases(facts, knowledge);
    let judged = cases.into_iter().map(|case| {
        let outlook = outlook(&index, &case, settings);
        (case, outlook)
    });
    Part { facts, judged: judged.collect(), lost, outdated: addons::outdated(facts, knowledge) }
}

fn order<'a>(case: &'a Case<'_>, outlook: &'a Outlook) -> impl Ord + 'a {
    let rank = if self_heals(case, outlook) { State::Unknown } else { outlook.state };
    let deadline = outlook.deadline.map_or(i64::MAX, UnixTime::millis);
    (rank, deadline, case.cluster, &case.account, &case.owner, &case.user_agent)
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
        cluster: case.cluster.map(|name| names.of(Kind::Source, name)),
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
