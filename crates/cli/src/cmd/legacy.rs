//! `jeton legacy plan`: reads a cluster, has the plan made, and prints it.

use super::columns;
use crate::args::Output;
use crate::args_legacy::{Legacy, Plan as Args};
use crate::process::cluster_api::Kubeconfig;
use crate::process::{self, Failure, client};
use jeton_authority::controllers::legacy_plan::{Candidate, Plan, Row, Seen, Since, State, plan};
use jeton_authority::objects::admission::references;
use jeton_core::ident;
use jeton_core::legacy::{Kept, SINCE, TRACKING};
use jeton_doctor::collect::cluster::api::{Get, JSON, METADATA};
use jeton_doctor::collect::cluster::ask::Asker;
use jeton_doctor::collect::cluster::gap::Refused;
use jeton_doctor::collect::cluster::limits::{MAX_ANSWER_BYTES, MAX_PAGE_BYTES, MAX_SECRETS};
use jeton_doctor::collect::cluster::name as clean;
use jeton_doctor::limits::REQUESTS_PER_SECOND;
use serde_json::Value;
use std::collections::HashMap;
use std::process::ExitCode;

/// The cluster could not be read: 1 would say that there is something to clean.
const UNREAD: u8 = 2;
/// What stands where nothing is.
const NOTHING: &str = "-";

pub(crate) fn run(legacy: &Legacy) -> Result<ExitCode, Failure> {
    let Legacy::Plan(args) = legacy;
    let made = made(args).map_err(|failure| Failure {
        code: if failure.code == 1 { UNREAD } else { failure.code },
        ..failure
    })?;
    match args.output {
        Output::Json => {
            let text = serde_json::to_string_pretty(&made).map_err(|e| Failure::of(&e))?;
            process::say(&text)?;
        }
        Output::Text => process::write_out(&(lines(&made).join("\n") + "\n"))?,
    }
    Ok(if made.mark + made.delete == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn made(args: &Args) -> Result<Plan, Failure> {
    if let Some(name) = &args.namespace {
        ident::dns_label(name).map_err(|why| Failure::misuse(format!("--namespace {name:?}: {why}")))?;
    }
    let kubeconfig = Kubeconfig::read(&client::find(args.kubeconfig.as_ref())?)?;
    let wanted = Vec::from_iter(args.context.clone());
    let [context] = &kubeconfig.contexts(&wanted)?[..] else {
        return Err(Failure::misuse("one context can be planned for at a time"));
    };
    let mut api = kubeconfig.cluster(context)?;
    let mut asker = Asker::new(&mut api, REQUESTS_PER_SECOND);
    let seen = read(&mut asker, args.namespace.as_deref())?;
    Ok(plan(seen, process::clock().now(), args.clean_up_period))
}

/// What the plan needs, with as few rights as it can be had with.
fn read(asker: &mut Asker<'_>, namespace: Option<&str>) -> Result<Seen, Failure> {
    let candidates = candidates(asker, namespace)?;
    let (place, map) = TRACKING;
    let since = match asker.get(&one(&format!("/api/v1/namespaces/{place}/configmaps/{map}"))) {
        Ok(body) => {
            let map: Value = serde_json::from_slice(&body).unwrap_or_default();
            Since::Told(map["data"][SINCE].as_str().map(str::to_owned))
        }
        Err(refused) if refused.code == Some(404) => Since::Told(None),
        Err(refused) if matches!(refused.code, Some(401 | 403)) => Since::Hidden,
        Err(refused) => return Err(unread("configmaps", &refused, namespace)),
    };
    let version = asker.get(&one("/version")).ok();
    let version = version.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
    let version = version.and_then(|v| v["gitVersion"].as_str().map(clean));
    Ok(Seen { candidates, since, version })
}

fn candidates(asker: &mut Asker<'_>, namespace: Option<&str>) -> Result<Vec<Candidate>, Failure> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut more = false;
    let get = Get {
        query: vec![("fieldSelector", "type=kubernetes.io/service-account-token".to_owned())],
        ..list("secrets", METADATA, namespace)
    };
    let read = asker.list(&get, |secret: Value| match found.len() < MAX_SECRETS {
        true => found.push(Candidate::of(&secret)),
        false => more = true,
    });
    read.map_err(|refused| unread("secrets", &refused, namespace))?;
    if more {
        let message = format!("more than {MAX_SECRETS} token Secrets: plan one namespace at a time, with -n");
        return Err(Failure { code: UNREAD, message });
    }
    if found.is_empty() {
        return Ok(found);
    }
    let mut by_account: HashMap<(String, String), Vec<usize>> = HashMap::new();
    let mut by_name: HashMap<(String, String), usize> = HashMap::new();
    for (at, secret) in found.iter().enumerate() {
        by_account.entry((secret.namespace.clone(), secret.account.clone())).or_default().push(at);
        by_name.insert((secret.namespace.clone(), secret.name.clone()), at);
    }
    let accounts = list("serviceaccounts", JSON, namespace);
    let read = asker.list(&accounts, |account: Value| {
        for at in
            by_account.get(&(member(&account, "namespace"), member(&account, "name"))).into_iter().flatten()
        {
            found[*at].hold_against(&account);
        }
    });
    read.map_err(|refused| unread("serviceaccounts", &refused, namespace))?;
    let read = asker.list(&list("pods", JSON, namespace), |pod: Value| {
        let place = member(&pod, "namespace");
        for name in references::secrets(&pod) {
            if let Some(at) = by_name.get(&(place.clone(), name.to_owned())) {
                found[*at].mounted = true;
            }
        }
    });
    read.map_err(|refused| unread("pods", &refused, namespace))?;
    // A Secret that is kept only because an object could not be read must not be deleted in a plan.
    if asker.skipped > 0 {
        let message = format!("{} objects are no objects of Kubernetes, so nothing is sure", asker.skipped);
        return Err(Failure { code: UNREAD, message });
    }
    Ok(found)
}

fn member(object: &Value, key: &str) -> String {
    object["metadata"][key].as_str().unwrap_or("").to_owned()
}

fn one(path: &str) -> Get {
    Get { path: path.to_owned(), accept: JSON, max_bytes: MAX_ANSWER_BYTES, ..Get::default() }
}

fn list(plural: &str, accept: &'static str, namespace: Option<&str>) -> Get {
    let place = namespace.map(|name| format!("namespaces/{name}/")).unwrap_or_default();
    Get { path: format!("/api/v1/{place}{plural}"), accept, max_bytes: MAX_PAGE_BYTES, ..Get::default() }
}

fn unread(what: &str, refused: &Refused, namespace: Option<&str>) -> Failure {
    let mut message = format!("{what} cannot be read: {refused}");
    if matches!(refused.code, Some(401 | 403)) {
        message.push_str("\nThe plan needs the verb list on secrets, serviceaccounts and pods");
        message.push_str(if namespace.is_none() { "; with -n NAME in one namespace only" } else { "" });
    }
    Failure { code: UNREAD, message }
}

fn lines(plan: &Plan) -> Vec<String> {
    let mut out = Vec::new();
    if !plan.secrets.is_empty() {
        let headings = [
            "NAMESPACE",
            "SECRET",
            "ACCOUNT",
            "LAST USED",
            "NEXT ROUND",
            "MARKED FROM",
            "DELETED FROM",
            "WHY",
        ];
        out = columns::table(headings, plan.secrets.iter().map(cells).collect());
        out.push(String::new());
    }
    out.push(about(plan));
    if plan.has_cleaner == Some(false) {
        let version = plan.server_version.as_deref().unwrap_or("");
        out.push(format!("Kubernetes {version} has no cleaner: this is what one of 1.29 or later would do."));
    }
    let (all, mark, delete) = (plan.secrets.len(), plan.mark, plan.delete);
    out.push(format!("Of {all} token Secrets the next round marks {mark} and deletes {delete}."));
    out
}

fn cells(row: &Row) -> [String; 8] {
    let day = |time: &Option<String>| {
        time.as_deref().map_or("never".to_owned(), |time| time.chars().take(10).collect())
    };
    let text = |text: &str| if text.is_empty() { NOTHING.to_owned() } else { clean(text) };
    let marked = match &row.invalid_since {
        Some(since) if row.marked_from.is_none() => format!("since {}", clean(since)),
        _ => day(&row.marked_from),
    };
    let why = match row.action {
        "mark" => "not used for the period, and no pod names it".to_owned(),
        "delete" => "marked for the period, and not used since".to_owned(),
        // That the cleaner does not work yet is told below, once for all.
        _ if row.reasons.len() > 1 && row.reasons[0] == Kept::Untracked.name() => row.words[1..].join("; "),
        _ => row.words.join("; "),
    };
    let used = row.last_used.as_deref().unwrap_or("");
    [
        text(&row.namespace),
        text(&row.name),
        text(&row.service_account),
        text(used),
        row.action.to_owned(),
        marked,
        day(&row.deleted_from),
        why,
    ]
}

/// How far the cleaner itself is.
fn about(plan: &Plan) -> String {
    let period = match plan.clean_up_period_seconds {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds => format!("{seconds} s"),
    };
    let since = plan.tracked_since.as_deref().unwrap_or(NOTHING);
    let from = plan.works_from.as_deref().unwrap_or(NOTHING);
    let (place, map) = TRACKING;
    match plan.state {
        State::Working => {
            format!(
                "Uses are written down since {since}: with a period of {period} the cleaner works since {from}."
            )
        }
        State::Waiting => format!(
            "Uses are written down since {since}: with a period of {period} the cleaner does nothing before {from}."
        ),
        State::Untracked => format!(
            "The cleaner does nothing: ConfigMap {place}/{map} does not say since when uses are written down."
        ),
        State::Unknown => format!(
            "You may not read ConfigMap {place}/{map}: planned with a period of {period} as if uses had always been written down."
        ),
    }
}
