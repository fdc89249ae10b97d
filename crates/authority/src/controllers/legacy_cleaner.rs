//! Token Secrets that a controller once made and nobody uses: marked after a period, deleted after another.
//!
//! What is to be done is a plan, made of names and reasons, that can be shown before it is carried out.

use super::legacy_plan::Candidate;
use super::legacy_tracking::since;
use crate::objects::admission::references;
use crate::objects::delete::DeleteOptions;
use crate::objects::kind::text;
use crate::objects::kinds::{CONFIG_MAP, POD, SECRET, SERVICE_ACCOUNT, TOKEN_TYPE};
use crate::objects::registry::decode;
use crate::objects::selector::Selector;
use crate::objects::{Registry, Write};
use crate::status::ApiError;
use crate::store::{IndexRow, Key};
use jeton_core::legacy::{
    CLEAN_UP_INTERVAL_SECONDS, Cleaning, INVALID_SINCE_LABEL, Kept, TRACKING, clean, cleaner_starts,
};
use jeton_core::time::UnixTime;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Rows of the index looked at under one lock.
const PAGE_ROWS: usize = 1000;

/// A Secret, and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The Secret when the plan was made.
    pub secret: Candidate,
    /// What.
    pub cleaning: Cleaning,
}

/// Works for ever: now, and once a day.
pub async fn run(registry: Arc<Registry>, period: i64) {
    loop {
        if let Err(error) = round(&registry, period).await {
            tracing::error!(controller = "legacy_cleaner", error = error.message(), "tried again tomorrow");
        }
        let pause = u64::try_from(CLEAN_UP_INTERVAL_SECONDS).unwrap_or(u64::MAX);
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

/// Makes a plan and carries it out; nothing before uses were written down for a whole period.
///
/// # Errors
/// The store fails.
pub async fn round(registry: &Registry, period: i64) -> Result<(), ApiError> {
    if !may_start(registry, period) {
        return Ok(());
    }
    for planned in plan(registry, period)? {
        if matches!(planned.cleaning, Cleaning::Keep(_)) {
            continue;
        }
        match carry_out(registry, &planned).await {
            Ok(()) => {
                let Candidate { namespace, name, .. } = &planned.secret;
                tracing::info!(namespace, secret = name, done = ?planned.cleaning, "unused legacy token");
            }
            Err(ApiError::NotFound(_) | ApiError::Conflict(..)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether uses have been written down long enough.
pub fn may_start(registry: &Registry, period: i64) -> bool {
    let map = registry.get(&CONFIG_MAP, TRACKING.0, TRACKING.1);
    map.is_ok_and(|map| cleaner_starts(since(&map), registry.clock().now(), period))
}

/// What would be done with every Secret of the token type; changes nothing.
///
/// # Errors
/// The store fails.
pub fn plan(registry: &Registry, period: i64) -> Result<Vec<Planned>, ApiError> {
    let now = registry.clock().now();
    let all = Key::prefix_all(SECRET.stored_as);
    let (mut after, mut plan) = (None, Vec::new());
    loop {
        let rows: Vec<(Key, IndexRow)> = registry
            .store()
            .index()
            .read(|view| view.rows_after(&all, after.as_ref()).take(PAGE_ROWS).collect());
        for (key, _) in rows.iter().filter(|(_, row)| row.account.is_some()) {
            plan.extend(judge(registry, key, now, period)?);
        }
        match rows.into_iter().last() {
            Some((last, _)) => after = Some(last),
            None => break,
        }
    }
    keep_mounted(registry, &mut plan)?;
    Ok(plan)
}

/// All but whether a pod names it.
fn judge(registry: &Registry, key: &Key, now: UnixTime, period: i64) -> Result<Option<Planned>, ApiError> {
    let (_, namespace, name) = key.parts();
    let secret = match registry.get(&SECRET, namespace, name) {
        Ok(secret) if text(&secret, "/type") == TOKEN_TYPE => secret,
        Ok(_) | Err(ApiError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut secret = Candidate::of(&secret);
    match registry.get(&SERVICE_ACCOUNT, namespace, &secret.account) {
        Ok(account) => secret.hold_against(&account),
        Err(ApiError::NotFound(_) | ApiError::BadRequest(_)) => {}
        Err(error) => return Err(error),
    }
    let cleaning = clean(&secret.facts(now), now, period);
    Ok(Some(Planned { secret, cleaning }))
}

/// Takes out of a plan what pods name, page by page of pods, and only in namespaces that have something to clean.
fn keep_mounted(registry: &Registry, plan: &mut [Planned]) -> Result<(), ApiError> {
    let open = |planned: &Planned| !matches!(planned.cleaning, Cleaning::Keep(_));
    let spaces: BTreeSet<String> =
        plan.iter().filter(|planned| open(planned)).map(|planned| planned.secret.namespace.clone()).collect();
    for namespace in spaces {
        let mut after = None;
        loop {
            let page = registry.page(&POD, &namespace, &Selector::default(), after.as_ref())?;
            for (key, stored) in page.items {
                let pod = decode(&POD, &stored)?;
                let named: BTreeSet<&str> = references::secrets(&pod).collect();
                for planned in
                    plan.iter_mut().filter(|planned| planned.secret.namespace == namespace && open(planned))
                {
                    if named.contains(planned.secret.name.as_str()) {
                        planned.cleaning = Cleaning::Keep(Kept::Mounted);
                    }
                }
                after = Some(key);
            }
            if !page.more {
                break;
            }
        }
    }
    Ok(())
}

async fn carry_out(registry: &Registry, planned: &Planned) -> Result<(), ApiError> {
    let Candidate { namespace, name, version, .. } = &planned.secret;
    match planned.cleaning {
        Cleaning::Keep(_) => Ok(()),
        Cleaning::Mark => {
            let mut secret = registry.get(&SECRET, namespace, name)?;
            secret["metadata"]["resourceVersion"] = json!(version);
            secret["metadata"]["labels"][INVALID_SINCE_LABEL] = json!(registry.clock().now().date());
            registry.update(&SECRET, namespace, name, secret, Write::default()).await.map(|_| ())
        }
        Cleaning::Delete => {
            let options = DeleteOptions { version: Some(version.clone()), ..DeleteOptions::default() };
            registry.delete(&SECRET, namespace, name, &options).await.map(|_| ())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::lab::{Lab, pod};
    use jeton_core::legacy::{ACCOUNT_NAME_ANNOTATION, ACCOUNT_UID_ANNOTATION};

    const DAY: i64 = 24 * 3600;
    const PERIOD: i64 = 365 * DAY;

    async fn token_secret(lab: &Lab, name: &str) {
        let uid = lab.get("serviceaccounts", "ns", "default")["metadata"]["uid"].clone();
        let annotations = json!({ACCOUNT_NAME_ANNOTATION: "default", ACCOUNT_UID_ANNOTATION: uid});
        let metadata = json!({"name": name, "annotations": annotations});
        lab.make("secrets", "ns", json!({"metadata": metadata, "type": TOKEN_TYPE})).await;
    }

    #[tokio::test]
    async fn a_year_unused_marks_and_another_deletes() {
        let lab = Lab::new().await;
        lab.make("namespaces", "", json!({"metadata": {"name": TRACKING.0}})).await;
        let today = lab.registry.clock().now().date();
        for name in ["auto", "mounted", "manual"] {
            token_secret(&lab, name).await;
        }
        let mut account = lab.get("serviceaccounts", "ns", "default");
        account["secrets"] = json!([{"name": "auto"}, {"name": "mounted"}]);
        account["automountServiceAccountToken"] = json!(false);
        lab.put("serviceaccounts", "ns", account).await;
        let mut user = pod("user", "");
        user["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "mounted"}}]);
        lab.make("pods", "ns", user).await;
        lab.pass(PERIOD + 2 * DAY);
        let marks = |lab: &Lab| {
            let mark = |name: &str| {
                lab.get("secrets", "ns", name)["metadata"]["labels"][INVALID_SINCE_LABEL].is_string()
            };
            lab.names("secrets", "ns").iter().filter(|name| mark(name)).cloned().collect::<Vec<_>>()
        };
        // Nothing happens while nobody knows since when uses are written down.
        round(&lab.registry, PERIOD).await.unwrap();
        assert!(marks(&lab).is_empty());
        let map = json!({"metadata": {"name": TRACKING.1}, "data": {"since": today}});
        lab.make("configmaps", TRACKING.0, map).await;
        round(&lab.registry, PERIOD).await.unwrap();
        assert_eq!(marks(&lab), ["auto"]);
        lab.pass(PERIOD);
        round(&lab.registry, PERIOD).await.unwrap();
        assert_eq!(lab.names("secrets", "ns"), ["auto", "manual", "mounted"], "a day too early");
        lab.pass(DAY);
        round(&lab.registry, PERIOD).await.unwrap();
        assert_eq!(lab.names("secrets", "ns"), ["manual", "mounted"]);
    }
}
