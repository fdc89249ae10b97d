//! Findings: a rule that held, the names it is about, and its words.

use super::Settings;
use super::case::Case;
use super::hit::Hit;
use super::names::{Kind, Names, Said};
use super::outlook::Outlook;
use crate::knowledge::Knowledge;
use crate::knowledge::texts::{self, Lang, fill, word};
use crate::report::{Evidence, Finding, Severity};
use jeton_core::time::UnixTime;

/// Evidence of one kind in one finding.
const MAX_EVIDENCE: usize = 5;
/// Namespace of what belongs to whoever provides the cluster.
const PROVIDER: &str = "kube-system";
/// Owners that `kubectl rollout restart` knows.
const RESTARTED: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// What a rule's words are filled with.
struct Draft<'a> {
    rule: &'static str,
    severity: Severity,
    cluster: Option<String>,
    /// What it is about, as it stands in the id.
    place: String,
    /// What tells it from others about the same place.
    detail: String,
    evidence: Evidence,
    values: Vec<(&'a str, String)>,
}

/// Whether the provider of the cluster has to mend it.
pub(super) fn is_provider(case: &Case<'_>) -> bool {
    case.account.namespace == PROVIDER
}

/// `namespace/account/owner`, before it the cluster where there are several.
pub(super) fn place(case: &Case<'_>, names: &mut Names) -> String {
    let owner = if case.owner.is_empty() { "-" } else { &case.owner };
    let prefix = names.prefix(case.cluster);
    let namespace = names.of(Kind::Namespace, &case.account.namespace);
    format!(
        "{prefix}{namespace}/{}/{}",
        names.of(Kind::Account, &case.account.name),
        names.of(Kind::Owner, owner)
    )
}

/// A finding about a workload.
pub(super) fn of_case(
    (rule, severity): (&'static str, Severity),
    case: &Case<'_>,
    outlook: &Outlook,
    (knowledge, settings): (&Knowledge, &Settings),
    names: &mut Names,
) -> Finding {
    let lang = settings.lang;
    let namespace = names.of(Kind::Namespace, &case.account.namespace);
    let place = place(case, names);
    let deadline = outlook.deadline.map(UnixTime::rfc3339).unwrap_or_default();
    let library = names.of(Kind::Program, &case.client.library);
    let client = match &case.client.version {
        Some(version) => format!("{library} {}", names.of(Kind::Version, version)).trim_end().to_owned(),
        None if library.is_empty() => word("unknown-client", lang).to_owned(),
        None => library,
    };
    let fixed = case.client.first_good.clone().unwrap_or_default();
    let fixed = if names.shows(&case.client.library) { fixed } else { names.of(Kind::Version, &fixed) };
    let published = knowledge.published.iter().find(|row| row.library == case.client.library);
    let published = published.filter(|_| !case.client.token_reload.is_good());
    let mut values = vec![
        ("workload", place.clone()),
        ("restart", restart(&namespace, case, names)),
        ("namespace", typed(namespace, "NAMESPACE")),
        ("account", typed(names.of(Kind::Account, &case.account.name), "ACCOUNT")),
        ("client", client),
        ("fixed", fixed),
        (
            "until",
            if outlook.alive && outlook.deadline > Some(settings.now) {
                deadline.clone()
            } else {
                String::new()
            },
        ),
        ("deadline", deadline),
        (
            "secret",
            secret(case).map(|name| typed(names.of(Kind::Secret, &name), "SECRET")).unwrap_or_default(),
        ),
        ("vendor", published.map(|row| vendors(&row.vendor, lang)).unwrap_or_default()),
        ("minimum", published.map(|row| row.minimum.clone()).unwrap_or_default()),
        ("disagrees", published.and_then(|row| row.disagrees(lang)).unwrap_or_default()),
    ];
    let provider = if is_provider(case) { word("provider-note", lang) } else { "" };
    values.push(("provider", provider.to_owned()));
    let detail = names.of(Kind::Agent, case.user_agent);
    let evidence = evidence(case, outlook, names);
    let cluster = case.cluster.map(|name| names.of(Kind::Source, name));
    finished(Draft { rule, severity, cluster, place, detail, evidence, values }, Vec::new(), lang)
}

/// Vendors as they are called in the reader's language.
fn vendors(list: &str, lang: Lang) -> String {
    list.split(", ").map(|vendor| word(vendor, lang)).collect::<Vec<_>>().join(word("list", lang))
}

/// The Secret that a token came from.
fn secret(case: &Case<'_>) -> Option<String> {
    let told = case.uses.iter().find_map(|one| one.legacy.as_ref()?.secret.clone());
    told.or_else(|| {
        let mut tokens = case.pods.iter().flat_map(|pod| &pod.tokens);
        tokens.find_map(|token| token.kind.secret().map(str::to_owned))
    })
}

/// A name that may stand in a command. Names from a log are hostile: one that no object can have is not typed.
fn typed(name: String, instead: &str) -> String {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    if !name.is_empty() && name.bytes().all(letter) { name } else { instead.to_owned() }
}

/// A command that gives the pods a fresh token.
fn restart(namespace: &str, case: &Case<'_>, names: &mut Names) -> String {
    let owner = names.of(Kind::Owner, &case.owner);
    match owner.split_once('/') {
        Some((kind, name)) if RESTARTED.contains(&kind) => {
            let (namespace, name) =
                (typed(namespace.to_owned(), "NAMESPACE"), typed(name.to_owned(), "NAME"));
            format!("kubectl -n {namespace} rollout restart {}/{name}", kind.to_ascii_lowercase())
        }
        _ => String::new(),
    }
}

fn evidence(case: &Case<'_>, outlook: &Outlook, names: &mut Names) -> Evidence {
    let relevant = case.uses.iter().filter(|one| {
        outlook.credentials.is_empty()
            || one.credential.as_ref().is_some_and(|id| outlook.credentials.contains(id))
    });
    let used = relevant.flat_map(|one| &one.audit_ids).take(MAX_EVIDENCE);
    let refused = case.refused.iter().flat_map(|(refusal, _)| &refusal.audit_ids).take(2);
    let namespace = names.of(Kind::Namespace, &case.account.namespace);
    Evidence {
        audit_ids: used.chain(refused).map(|id| names.of(Kind::Request, id)).collect(),
        credential_ids: outlook
            .credentials
            .iter()
            .take(MAX_EVIDENCE)
            .map(|id| names.of(Kind::Credential, id))
            .collect(),
        objects: case
            .pod_names
            .iter()
            .take(MAX_EVIDENCE)
            .map(|pod| format!("pod/{namespace}/{}", names.of(Kind::Pod, pod)))
            .collect(),
    }
}

/// A finding about a cluster.
pub(super) fn of_cluster(
    (rule, severity): (&'static str, Severity),
    (cluster, hit): (Option<&str>, &Hit),
    lang: Lang,
    names: &mut Names,
) -> Finding {
    // What begins with the cluster anyhow needs no other.
    let own = matches!(hit.object.first(), Some(Said::Name(Kind::Source, _)));
    let prefix = if own { String::new() } else { names.prefix(cluster) };
    let place: String = hit.object.iter().map(|part| names.said(part)).collect();
    let place = prefix + &place;
    let mut values: Vec<(&str, String)> =
        hit.values.iter().map(|(name, value)| (*name, names.said(value))).collect();
    values.push(("object", place.clone()));
    let evidence = Evidence {
        audit_ids: hit.audit_ids.iter().map(|id| names.of(Kind::Request, id)).collect(),
        objects: vec![place.clone()],
        ..Evidence::default()
    };
    let link = hit.link.as_ref().filter(|(whose, _)| names.shows(whose));
    let link = link.map(|(_, link)| link.of(lang).to_owned());
    let cluster = cluster.map(|name| names.of(Kind::Source, name));
    let draft = Draft { rule, severity, cluster, place, detail: String::new(), evidence, values };
    finished(draft, link.into_iter().collect(), lang)
}

fn finished(draft: Draft<'_>, more: Vec<String>, lang: Lang) -> Finding {
    let values: Vec<(&str, &str)> =
        draft.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let words = texts::rule(draft.rule);
    let say = |text: Option<&texts::Text>| text.map(|t| fill(t.of(lang), &values)).unwrap_or_default();
    let mut links: Vec<String> =
        words.map(|w| w.links.iter().map(|l| l.of(lang).to_owned()).collect()).unwrap_or_default();
    links.extend(more);
    let colon = if draft.detail.is_empty() { "" } else { ":" };
    Finding {
        id: format!("{}:{}{colon}{}", draft.rule, draft.place, draft.detail),
        rule: draft.rule,
        severity: draft.severity,
        cluster: draft.cluster,
        title: say(words.map(|w| &w.title)),
        workload: draft.place,
        evidence: draft.evidence,
        remedy: say(words.map(|w| &w.remedy)),
        links,
    }
}
