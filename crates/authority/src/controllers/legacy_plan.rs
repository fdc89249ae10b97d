//! What the cleaner of legacy tokens looks at, out of objects of any cluster, and a report of what it would do.
//!
//! Pure: whoever reads the objects brings them, out of this server's store or through a Kubernetes API.

use crate::objects::kind::text;
use jeton_core::legacy::{
    ACCOUNT_NAME_ANNOTATION, ACCOUNT_UID_ANNOTATION, CleanerFacts, Cleaning, INVALID_SINCE_LABEL,
    LAST_USED_LABEL, Prospect, day, prospect, works_from,
};
use jeton_core::release::{Gate, Release};
use jeton_core::time::UnixTime;
use serde::Serialize;
use serde_json::Value;

/// A Secret of the token type, as far as the cleaner cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The account it names.
    pub account: String,
    /// Its version; a changed Secret is left alone.
    pub version: String,
    account_uid: String,
    created: Option<UnixTime>,
    deleting: bool,
    last_used: Option<String>,
    invalid_since: Option<String>,
    listed: bool,
    /// Whether a pod of its namespace names it.
    pub mounted: bool,
}

impl Candidate {
    /// From a Secret, or its metadata alone. Nothing is known of its account and of pods yet.
    pub fn of(secret: &Value) -> Self {
        let metadata = &secret["metadata"];
        let member = |map: &str, key: &str| metadata[map][key].as_str().map(str::to_owned);
        Self {
            namespace: text(secret, "/metadata/namespace").to_owned(),
            name: text(secret, "/metadata/name").to_owned(),
            version: text(secret, "/metadata/resourceVersion").to_owned(),
            account: member("annotations", ACCOUNT_NAME_ANNOTATION).unwrap_or_default(),
            account_uid: member("annotations", ACCOUNT_UID_ANNOTATION).unwrap_or_default(),
            created: UnixTime::parse_rfc3339(text(secret, "/metadata/creationTimestamp")),
            deleting: metadata["deletionTimestamp"].is_string(),
            last_used: member("labels", LAST_USED_LABEL),
            invalid_since: member("labels", INVALID_SINCE_LABEL),
            listed: false,
            mounted: false,
        }
    }

    /// Takes over what the account of its name says: whether it is the annotated one, and lists the Secret.
    /// Kubernetes 1.36: a Secret without a uid means whichever account has the name.
    pub fn hold_against(&mut self, account: &Value) {
        let same = self.account_uid.is_empty() || self.account_uid == text(account, "/metadata/uid");
        let mut names = account["secrets"].as_array().into_iter().flatten().map(|s| text(s, "/name"));
        self.listed = same && names.any(|listed| listed == self.name);
    }

    /// For the decision. A Secret whose age cannot be read is as young as can be.
    pub fn facts(&self, now: UnixTime) -> CleanerFacts<'_> {
        CleanerFacts {
            created: self.created.unwrap_or(now),
            deleting: self.deleting,
            last_used: self.last_used.as_deref(),
            invalid_since: self.invalid_since.as_deref(),
            listed: self.listed,
            mounted: self.mounted,
        }
    }
}

/// How far the cleaner itself is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It does what the plan says.
    Working,
    /// Uses have not been written down for a whole period yet.
    Waiting,
    /// Nobody knows since when uses are written down, so it never starts.
    Untracked,
    /// The ConfigMap that says since when could not be read; the plan is that of a cleaner that works.
    Unknown,
}

/// Since when uses of legacy tokens are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// The text of the ConfigMap; none: there is no such ConfigMap, or nothing in it.
    Told(Option<String>),
    /// It may not be read.
    Hidden,
}

/// What was read of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its Secrets of the token type.
    pub candidates: Vec<Candidate>,
    /// Since when their uses are written down.
    pub since: Since,
    /// What `/version` says, such as `v1.36.2`.
    pub version: Option<String>,
}

/// What the cleaner does with one Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its account.
    pub service_account: String,
    /// The day its token was last used; none: no use was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// The day it was marked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid_since: Option<String>,
    /// `keep`, `mark` or `delete`: what the next round does.
    pub action: &'static str,
    /// Why it is kept: every reason that holds now.
    pub reasons: Vec<&'static str>,
    /// The same for people.
    #[serde(skip)]
    pub words: Vec<&'static str>,
    /// From when on a round marks it, when nobody uses, mounts or changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marked_from: Option<String>,
    /// From when on a round deletes it, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_from: Option<String>,
}

/// What the cleaner would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    api_version: &'static str,
    kind: &'static str,
    /// When this was found out.
    pub time: String,
    /// Seconds.
    pub clean_up_period_seconds: i64,
    /// Version of the server, when it told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// Whether a server of that version has a cleaner unless it is told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_cleaner: Option<bool>,
    /// How far the cleaner is.
    pub state: State,
    /// The day since which uses are written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracked_since: Option<String>,
    /// From when on the cleaner works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub works_from: Option<String>,
    /// Secrets that the next round marks.
    pub mark: usize,
    /// Secrets that the next round deletes.
    pub delete: usize,
    /// Secrets that the next round leaves alone.
    pub keep: usize,
    /// Every Secret of the token type, by namespace and name.
    pub secrets: Vec<Row>,
}

/// What a round of the cleaner would do now, and later rounds when nobody does anything. `period`: seconds.
pub fn plan(seen: Seen, now: UnixTime, period: i64) -> Plan {
    let Seen { mut candidates, since, version } = seen;
    candidates.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    // Long ago: as if uses had always been written down.
    let (told, hidden) = match &since {
        Since::Told(told) => (told.as_deref().filter(|text| day(text).is_some()), false),
        Since::Hidden => (Some("1970-01-01"), true),
    };
    let works = works_from(told, period);
    let state = match works {
        _ if hidden => State::Unknown,
        None => State::Untracked,
        Some(from) if now < from => State::Waiting,
        Some(_) => State::Working,
    };
    let secrets: Vec<Row> = candidates
        .into_iter()
        .map(|candidate| {
            let prospect = prospect(&candidate.facts(now), told, now, period);
            row(candidate, &prospect)
        })
        .collect();
    let count = |what: Cleaning| secrets.iter().filter(|row| row.action == what.name()).count();
    let (mark, delete) = (count(Cleaning::Mark), count(Cleaning::Delete));
    Plan {
        api_version: "jeton.dev/v1",
        kind: "LegacyTokenPlan",
        time: now.rfc3339(),
        clean_up_period_seconds: period,
        has_cleaner: version.as_deref().and_then(minor).map(|minor| Release::of(minor).has(Gate::CleanUp)),
        server_version: version,
        state,
        tracked_since: told.filter(|_| !hidden).map(str::to_owned),
        works_from: works.filter(|_| !hidden).map(UnixTime::rfc3339),
        mark,
        delete,
        keep: secrets.len() - mark - delete,
        secrets,
    }
}

/// `v1.28.3-r0` is 28.
fn minor(version: &str) -> Option<u16> {
    let minor = version.strip_prefix("v1.")?;
    minor.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn row(candidate: Candidate, prospect: &Prospect) -> Row {
    Row {
        action: prospect.cleaning.name(),
        reasons: prospect.reasons.iter().map(|why| why.name()).collect(),
        words: prospect.reasons.iter().map(|why| why.words()).collect(),
        marked_from: prospect.marked_from.map(UnixTime::rfc3339),
        deleted_from: prospect.deleted_from.map(UnixTime::rfc3339),
        namespace: candidate.namespace,
        name: candidate.name,
        service_account: candidate.account,
        last_used: candidate.last_used,
        invalid_since: candidate.invalid_since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: UnixTime = UnixTime::from_seconds(1_784_973_600); // 2026-07-25T10:00:00Z
    const YEAR: i64 = 365 * 24 * 3600;

    fn secret(name: &str, uid: &str, labels: &Value) -> Candidate {
        let annotations = json!({ACCOUNT_NAME_ANNOTATION: "app", ACCOUNT_UID_ANNOTATION: uid});
        let created = "2020-01-01T00:00:00Z";
        Candidate::of(&json!({"metadata": {"namespace": "ns", "name": name, "annotations": annotations,
            "labels": labels, "creationTimestamp": created}}))
    }

    #[test]
    fn an_account_vouches_only_for_what_it_lists_and_not_under_another_uid() {
        let account = json!({"metadata": {"uid": "u"}, "secrets": [{"name": "a"}]});
        for (name, uid, listed) in
            [("a", "u", true), ("b", "u", false), ("a", "other", false), ("a", "", true), ("b", "", false)]
        {
            let mut candidate = secret(name, uid, &json!({}));
            candidate.hold_against(&account);
            assert_eq!(candidate.facts(NOW).listed, listed, "{name} {uid}");
        }
    }

    #[test]
    fn a_plan_says_what_and_why_and_when() {
        let all = || {
            let mut all = vec![
                secret("old", "u", &json!({})),
                secret("gone", "u", &json!({INVALID_SINCE_LABEL: "2025-07-24"})),
                secret("busy", "u", &json!({LAST_USED_LABEL: "2026-07-25"})),
                secret("hand", "", &json!({LAST_USED_LABEL: "2026-07-25"})),
            ];
            let names = ["old", "gone", "busy"].map(|name| json!({"name": name}));
            let account = json!({"metadata": {"uid": "u"}, "secrets": names});
            all.iter_mut().for_each(|candidate| candidate.hold_against(&account));
            all
        };
        let told = |since: &Since| {
            let seen = Seen { candidates: all(), since: since.clone(), version: None };
            let plan = plan(seen, NOW, YEAR);
            let rows: Vec<String> = plan
                .secrets
                .iter()
                .map(|row| {
                    let at = |time: &Option<String>| {
                        time.as_deref().map_or("-".to_owned(), |t| t[..10].to_owned())
                    };
                    let why = row.reasons.join("+");
                    format!(
                        "{} {} {why} {} {}",
                        row.name,
                        row.action,
                        at(&row.marked_from),
                        at(&row.deleted_from)
                    )
                })
                .collect();
            (plan.state, (plan.keep, plan.mark, plan.delete), rows)
        };
        let working = [
            "busy keep used 2027-07-26 2028-07-26",
            "gone delete  - 2026-07-25",
            "hand keep used+manual - -",
            "old mark  2026-07-25 2027-07-26",
        ];
        let since = |text: &str| Since::Told(Some(text.to_owned()));
        let (state, counts, rows) = told(&since("2025-07-24"));
        assert_eq!((state, counts, &rows[..]), (State::Working, (2, 1, 1), &working.map(str::to_owned)[..]));
        assert_eq!(told(&Since::Hidden), (State::Unknown, counts, rows));
        let (state, counts, rows) = told(&since("2026-07-01"));
        assert_eq!((state, counts), (State::Waiting, (4, 0, 0)));
        assert_eq!(rows[1], "gone keep untracked - 2027-07-02");
        assert_eq!(rows[3], "old keep untracked 2027-07-02 2028-07-02");
        for since in [Since::Told(None), since("yesterday")] {
            let (state, counts, rows) = told(&since);
            assert_eq!((state, counts), (State::Untracked, (4, 0, 0)));
            assert_eq!(rows[3], "old keep untracked - -");
        }
    }

    #[test]
    fn the_version_tells_whether_there_is_a_cleaner() {
        for (version, has) in [
            ("v1.28.3", Some(false)),
            ("v1.29.0-eks-1a2b", Some(true)),
            ("v1.25-r0", Some(false)),
            ("v1.99.0", Some(true)),
            ("v2.1", None),
            ("", None),
        ] {
            let version = Some(version.to_owned());
            let seen = Seen { candidates: Vec::new(), since: Since::Hidden, version };
            assert_eq!(plan(seen, NOW, YEAR).has_cleaner, has);
        }
    }
}
