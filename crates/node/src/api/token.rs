//! One TokenRequest, bound to a pod.

use super::{Context, Failure};
use crate::wanted::{PodRef, TokenKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jeton_core::claims;
use jeton_core::limits::MAX_TOKEN_BYTES;
use jeton_core::time::UnixTime;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use std::time::Duration;
use zeroize::Zeroizing;

/// Seconds to wait for a token.
const ANSWER_SECONDS: u64 = 15;

/// A token that was given.
pub struct Granted {
    /// Its bytes.
    pub token: Zeroizing<Vec<u8>>,
    /// When it was asked for.
    pub asked: UnixTime,
    /// The lifetime that counts for its refresh, as the answer's `spec.expirationSeconds` says; 0: it says nothing.
    pub seconds: i64,
    /// The account's uid as the token says; `None`: it says nothing that can be read.
    pub account_uid: Option<String>,
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Granted({} bytes, {} s)", self.token.len(), self.seconds)
    }
}

impl Context {
    /// Asks for a token of an account, bound to a pod.
    ///
    /// # Errors
    /// What the server said, or that it said nothing in time.
    pub async fn token(&self, pod: &PodRef, account: &str, key: &TokenKey) -> Result<Granted, Failure> {
        if account.is_empty() {
            return Err(Failure { code: 0, why: "the pod has no service account".to_owned() });
        }
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(key.audience.clone()).filter(|a| !a.is_empty()).map(|a| vec![a]),
                expiration_seconds: key.seconds,
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: Some(pod.name.clone()),
                    uid: Some(pod.uid.clone()),
                }),
            }),
            ..TokenRequest::default()
        };
        let _leave = self.requests.acquire().await;
        let asked = self.clock.now();
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &pod.namespace);
        let params = PostParams::default();
        let answer = accounts.create_token_request(account, &params, &request);
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), answer).await;
        let given =
            answer.map_err(|_| Failure::late(ANSWER_SECONDS))?.map_err(|error| Failure::from(&error))?;
        let token = Zeroizing::new(given.status.and_then(|s| s.token).unwrap_or_default().into_bytes());
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
            return Err(Failure {
                code: 0,
                why: format!("the answer holds a token of {} bytes", token.len()),
            });
        }
        let seconds = given.spec.and_then(|s| s.expiration_seconds).unwrap_or(0);
        Ok(Granted { account_uid: account_uid(&token), token, asked, seconds })
    }
}

/// The account's uid in a token, which is not verified: it comes from the server itself.
fn account_uid(token: &[u8]) -> Option<String> {
    let payload = token.split(|b| *b == b'.').nth(1)?;
    let claims = claims::claims(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(claims.private.account.uid).filter(|uid| !uid.is_empty())
}
