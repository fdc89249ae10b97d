//! Whether an account is still the one that a token was issued for.
//!
//! Kubernetes 1.36: a node may neither list nor watch service accounts, but may `get` those of its pods (gate
//! KubeletServiceAccountTokenForCredentialProviders, on since 1.34). So one is asked for every few seconds, out of the
//! server's cache. Where even that is refused, a new account is noticed when the next token is due.

use super::{Context, Slot};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::GetParams;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Seconds between two looks at an account, when there are few.
const LOOK_SECONDS: u64 = 5;
/// Looks per second, all accounts together.
const MAX_LOOKS_PER_SECOND: u64 = 20;
/// Seconds between two looks when looking is refused.
const REFUSED_SECONDS: u64 = 300;
/// Seconds to wait for an answer.
const ANSWER_SECONDS: u64 = 15;

/// What is known of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSeen {
    /// Its uid; `None`: unknown, or there is none.
    pub uid: Option<String>,
}

impl Context {
    /// An account whose uid matters.
    pub fn account(self: &Arc<Self>, namespace: &str, name: &str) -> Arc<Slot<AccountSeen>> {
        let key = (namespace.to_owned(), name.to_owned());
        let api = Api::namespaced(self.client.clone(), namespace);
        let (context, name) = (Arc::downgrade(self), name.to_owned());
        self.accounts.get(key, |sender| look(context, api, name, sender))
    }
}

async fn look(
    shared: Weak<Context>,
    api: Api<ServiceAccount>,
    name: String,
    sender: watch::Sender<AccountSeen>,
) {
    loop {
        let Some(context) = shared.upgrade() else { return };
        let count = context.accounts.len();
        let mut pause = LOOK_SECONDS.max(u64::try_from(count).unwrap_or(0) / MAX_LOOKS_PER_SECOND);
        let cached = GetParams::any();
        let leave = context.asks.acquire().await;
        // In a box: while it sleeps the task should not hold room for a whole request.
        let asked = Box::pin(api.get_metadata_opt_with(&name, &cached));
        match tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), asked).await {
            Ok(Ok(found)) => {
                let uid = found.and_then(|account| account.metadata.uid);
                sender.send_if_modified(|seen| std::mem::replace(&mut seen.uid, uid.clone()) != uid);
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => pause = REFUSED_SECONDS,
            Ok(Err(_)) | Err(_) => {}
        }
        drop(leave);
        drop(context);
        // Drawn, so that accounts that became known together are not looked at together.
        tokio::time::sleep(Duration::from_millis(pause * 1000 * fastrand::u64(90..=110) / 100)).await;
    }
}
