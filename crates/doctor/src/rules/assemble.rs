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
use super::verdict::{Judged, Part, verdict};
use crate::facts::Facts;
use crate::knowledge::Knowledge;
use crate::limits::MAX_LISTED;
use crate::report::{ClientRow, Coverage, DeadlineKind, Finding, Omitted, Report, Severity, State, Workload};
use jeton_core::time::UnixTime;
use std::collections::BTreeSet;

const NOTHING: Omitted = Omitted { workloads: 0, findings: 0 };

/// Makes the report of one cluster.
pub fn report(facts: &Facts, knowledge: &Knowledge, settings: &Settings) -> Report {
    reports(std::slice::from_ref(facts), knowledge, settings)
}

/// Makes one report of several clusters; each has its facts, so that no name of one is taken for that of another.
pub fn reports(facts: &[Facts], knowledge: &Knowledge, settings: &Settings) -> Report {
    reports_of(facts, knowledge, settings, MAX_LISTED)
}

/// The report with room for so many workloads.
fn reports_of(facts: &[Facts], knowledge: &Knowledge, settings: &Settings, room: usize) -> Report {
    let parts: Vec<Part<'_>> = facts.iter().map(|facts| judge(facts, knowledge, settings)).collect();
    let several = facts.iter().map(Facts::name).collect::<BTreeSet<_>>().len() > 1;
    let mut names = Names::new(settings.redact, knowledge).with_clusters(several);
    let coverage: Vec<Coverage> = facts.iter().flat_map(|facts| coverage(facts, &mut names)).collect();
    let clusters = facts.iter().flat_map(|facts| clusters(facts, &mut names)).collect();
    let mut rows: Vec<&Judged<'_>> = parts.iter().flat_map(|part| &part.judged).collect();
    rows.sort_by(|(a, x), (b, y)| order(a, x).cmp(&order(b, y)));
    let mut findings = Vec::new();
    let (listed, mut omitted) = listed(rows, room);
    let workloads = listed
        .into_iter()
        .map(|(case, outlook)| workload(case, outlook, (knowledge, settings), &mut names, &mut findings))
        .collect();
    for rule in cluster::RULES {
        let hits = parts.iter().flat_map(|part| {
            let hits = (rule.check)(part.facts, &part.lost, knowledge);
            hits.into_iter().map(|hit| (part.facts.name(), hit))
        });
        let hits: Vec<_> = hits.collect();
        let told = hits.iter().take(room).map(|(cluster, hit)| (*cluster, hit));
        findings.extend(told.map(|hit| of_cluster((rule.id, rule.severity), hit, settings.lang, &mut names)));
        omitted.findings += hits.len().saturating_sub(room);
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
        omitted: (omitted != NOTHING).then_some(omitted),
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

/// Those there is room for, the ones with the worst findings, in the order they came in.
fn listed<'j, 'f>(judged: Vec<&'j Judged<'f>>, room: usize) -> (Vec<&'j Judged<'f>>, Omitted) {
    let Some(surplus) = judged.len().checked_sub(room).filter(|surplus| *surplus > 0) else {
        return (judged, NOTHING);
    };
    let held = |at: usize| {
        let (case, outlook) = judged[at];
        RULES.iter().filter(move |rule| (rule.check)(case, outlook))
    };
    let worst = |at: &usize| held(*at).map(|rule| rule.severity).min().unwrap_or(Severity::Info);
    let mut places: Vec<usize> = (0..judged.len()).collect();
    places.sort_by_cached_key(worst);
    let rest = places.split_off(room);
    places.sort_unstable();
    let findings = rest.iter().map(|at| held(*at).count()).sum();
    (places.iter().map(|at| judged[*at]).collect(), Omitted { workloads: surplus, findings })
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
            user_agent: names.of(Kind::Agent, case.user_agent),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Account, Stale, Use};

    /// Every fifth workload is stale, the rest was not seen long enough.
    fn facts(count: i64) -> Facts {
        let at = UnixTime::from_seconds(1_795_478_400);
        let one = |number: i64| Use {
            account: Account { namespace: "a".to_owned(), name: format!("w{number:04}") },
            pod: Some((format!("w{number}-0"), format!("uid-{number}"))),
            first: Some(at),
            last: Some(at),
            stale: (number % 5 == 4).then_some(Stale {
                first: at,
                last: at.plus_seconds(3600),
                warn_after: at.plus_seconds(-number),
            }),
            uses: 1,
            ..Use::default()
        };
        Facts { uses: (0..count).map(one).collect(), ..Facts::default() }
    }

    #[test]
    fn a_long_report_lists_the_worst_and_counts_the_rest() {
        let facts = [facts(50)];
        let settings = Settings::new(UnixTime::from_seconds(1_795_500_000));
        let knowledge = Knowledge::built_in().unwrap();
        let whole = reports_of(&facts, &knowledge, &settings, 50);
        assert_eq!((whole.workloads.len(), whole.findings.len(), whole.omitted), (50, 10, None));
        for room in [0, 4, 10, 30] {
            let short = reports_of(&facts, &knowledge, &settings, room);
            let findings = room.min(10);
            let omitted = Omitted { workloads: 50 - room, findings: 10 - findings };
            assert_eq!(short.omitted, Some(omitted));
            assert_eq!((short.workloads.len(), short.findings.len()), (room, findings));
            assert_eq!(short.verdict.will_fail, whole.verdict.will_fail);
            assert_eq!(short.verdict.unknown, whole.verdict.unknown);
            let name = |row: &Workload| row.service_account.clone();
            let first: Vec<String> = whole.workloads.iter().take(room).map(name).collect();
            assert_eq!(short.workloads.iter().map(name).collect::<Vec<_>>(), first);
        }
    }
}
