//! Workloads as rows of a table, for a terminal and for Markdown alike.

use super::{named, plain};
use crate::knowledge::reload::Reload;
use crate::knowledge::texts::{Lang, fill, word};
use crate::report::{Confidence, DeadlineKind, State, Workload};

/// Rows of the provider's beyond which those without a finding become one line.
const PROVIDER_ROWS: usize = 5;

/// Titles of the columns.
const COLUMNS: [&str; 11] = [
    "col-state",
    "col-deadline",
    "col-namespace",
    "col-owner",
    "col-container",
    "col-account",
    "col-client",
    "col-reload",
    "col-cause",
    "col-confidence",
    "col-uses",
];
/// Stands before the namespace where there are several clusters.
const CLUSTER: &str = "col-cluster";

/// A table.
pub(super) struct Rows {
    /// Titles.
    pub(super) head: Vec<String>,
    /// Cells, as many as there are titles.
    pub(super) lines: Vec<Vec<String>>,
    /// What the lines leave out.
    pub(super) more: Option<String>,
}

/// Rows of workloads; `clusters`: they are of several.
pub(super) fn rows(list: &[&Workload], clusters: bool, lang: Lang) -> Rows {
    let quiet = |row: &Workload| row.provider && row.findings.is_empty();
    let many = list.iter().filter(|row| row.provider).count() > PROVIDER_ROWS;
    let (folded, shown): (Vec<&Workload>, Vec<&Workload>) = list.iter().partition(|row| many && quiet(row));
    let mut head = COLUMNS.map(|id| named(id, lang)).to_vec();
    if clusters {
        head.insert(2, named(CLUSTER, lang));
    }
    let lines = shown.iter().map(|row| cells(row, clusters, lang)).collect();
    Rows { head, lines, more: (!folded.is_empty()).then(|| summed(&folded, lang)) }
}

/// How many of the provider's rows are in which state.
fn summed(folded: &[&Workload], lang: Lang) -> String {
    let states = [State::Expired, State::Stale, State::Unknown, State::Legacy, State::Fresh];
    let counts = states.into_iter().filter_map(|state| {
        let count = folded.iter().filter(|row| row.state == state).count();
        (count > 0).then(|| format!("{} {count}", named(&format!("state-{}", plain(&state)), lang)))
    });
    let counts = counts.collect::<Vec<_>>().join(word("list", lang));
    fill(word("provider-more", lang), &[("count", &folded.len().to_string()), ("states", &counts)])
}

/// When a client reads its token again, in words.
fn reload(value: Reload, lang: Lang) -> String {
    if let Reload::Periodic(seconds) = value {
        return fill(word("reload-periodic", lang), &[("n", &seconds.to_string())]);
    }
    named(&format!("reload-{value}"), lang)
}

fn cells(row: &Workload, clusters: bool, lang: Lang) -> Vec<String> {
    let mut deadline = row.deadline.clone().unwrap_or_else(|| "-".to_owned());
    if row.deadline_kind == DeadlineKind::Estimated {
        deadline += word("estimated", lang);
    }
    let client = match &row.client.version {
        Some(version) => format!("{} {version}", row.client.name),
        None => row.client.name.clone(),
    };
    let confidence = match row.confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    };
    let or = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let mark = if row.provider { word("provider-mark", lang) } else { "" };
    let mut cells = vec![
        named(&format!("state-{}", plain(&row.state)), lang),
        deadline,
        format!("{}{mark}", row.namespace),
        or(row.owner.clone()),
        or(row.container.clone().unwrap_or_default()),
        row.service_account.clone(),
        or(client),
        reload(row.client.token_reload, lang),
        named(&format!("cause-{}", row.cause), lang),
        named(confidence, lang),
        row.uses.to_string(),
    ];
    if clusters {
        cells.insert(2, or(row.cluster.clone().unwrap_or_default()));
    }
    cells
}
