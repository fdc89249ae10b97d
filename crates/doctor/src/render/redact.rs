//! Takes names out of a report, the same one for the same name, so that it can be shown to others.

use crate::report::Report;
use std::collections::BTreeMap;

/// Names and the words in their place.
#[derive(Default)]
struct Names(BTreeMap<(&'static str, String), String>);

impl Names {
    fn of(&mut self, kind: &'static str, name: &str) -> String {
        if name.is_empty() || name == "-" {
            return name.to_owned();
        }
        let next = self.0.keys().filter(|(k, _)| *k == kind).count() + 1;
        self.0.entry((kind, name.to_owned())).or_insert_with(|| format!("{kind}-{next}")).clone()
    }
}

/// Replaces namespaces, accounts, owners, pods, objects, addresses, User-Agents of programs and file names.
pub fn redact(report: &mut Report) {
    let mut names = Names::default();
    let mut ids = BTreeMap::new();
    for source in &mut report.coverage {
        source.source = names.of("source", &source.source);
        source.error = source.error.take().map(|_| "redacted".to_owned());
        source.missing.iter_mut().filter(|gap| gap.id == "broken-off").for_each(|gap| gap.detail.clear());
    }
    for row in &mut report.workloads {
        row.namespace = names.of("namespace", &row.namespace);
        row.service_account = names.of("account", &row.service_account);
        row.owner = names.of("owner", &row.owner);
        row.container = row.container.take().map(|name| names.of("container", &name));
        row.pods.iter_mut().for_each(|pod| *pod = names.of("pod", pod));
        // A program's own name says whose it is; a library's does not.
        row.client.user_agent = names.of("agent", &row.client.user_agent);
        if row.client.token_reload == crate::knowledge::reload::Reload::Unknown {
            row.client.name = names.of("program", &row.client.name);
        }
        row.labels.clear();
        for id in &mut row.findings {
            *id = ids.entry(id.clone()).or_insert_with_key(|id| names.of("finding", id)).clone();
        }
    }
    let place = |names: &mut Names, text: &str| names.of("workload", text);
    if let Some(first) = &mut report.verdict.first_workload {
        *first = place(&mut names, first);
    }
    for finding in &mut report.findings {
        finding.id = ids.entry(finding.id.clone()).or_insert_with_key(|id| names.of("finding", id)).clone();
        finding.workload = place(&mut names, &finding.workload);
        finding.title = finding.workload.clone();
        finding.remedy.clear();
        finding.evidence.objects.clear();
    }
}
