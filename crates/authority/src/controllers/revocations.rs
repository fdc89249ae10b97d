//! A revocation goes when its token would have expired anyway.

use crate::objects::delete::DeleteOptions;
use crate::objects::kind::text;
use crate::objects::kinds::TOKEN_REVOCATION;
use crate::objects::{ListOptions, Registry};
use crate::status::ApiError;
use jeton_core::time::UnixTime;
use std::sync::Arc;
use std::time::Duration;

/// Seconds between two rounds.
const ROUND_SECONDS: u64 = 300;
/// Revocations read at a time.
const PAGE_ITEMS: usize = 500;

/// Works for ever. `leeway`: seconds that a token is accepted after it has expired.
pub async fn run(registry: Arc<Registry>, leeway: i64) {
    loop {
        if let Err(error) = round(&registry, leeway).await {
            tracing::error!(controller = "revocations", error = error.message(), "tried again");
        }
        tokio::time::sleep(Duration::from_secs(ROUND_SECONDS)).await;
    }
}

/// Deletes what no token needs any more.
///
/// # Errors
/// When the store fails.
pub async fn round(registry: &Registry, leeway: i64) -> Result<(), ApiError> {
    let now = registry.clock().now();
    let mut after = None;
    loop {
        let options = ListOptions { limit: PAGE_ITEMS, after, ..ListOptions::default() };
        let page = registry.list(&TOKEN_REVOCATION, "", &options)?;
        for revocation in &page.items {
            // One whose end cannot be read is kept: it was checked when it was written.
            let until = UnixTime::parse_rfc3339(text(revocation, "/spec/until"));
            if until.is_none_or(|until| now <= until.plus_seconds(leeway)) {
                continue;
            }
            let version = Some(text(revocation, "/metadata/resourceVersion").to_owned());
            let same = DeleteOptions { version, ..DeleteOptions::default() };
            match registry.delete(&TOKEN_REVOCATION, "", text(revocation, "/metadata/name"), &same).await {
                Ok(_) | Err(ApiError::NotFound(_) | ApiError::Conflict(..)) => {}
                Err(error) => return Err(error),
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::lab::Lab;
    use crate::flow::issue::issue;
    use crate::flow::review::{Refused, review};
    use jeton_core::issue::Ask;
    use jeton_core::verify::Rejected;
    use serde_json::json;

    fn ask() -> Ask<'static> {
        Ask {
            namespace: "ns",
            account: "default",
            body_name: "",
            body_uid: "",
            audiences: &[],
            expiration_seconds: Some(3600),
            bound: None,
        }
    }

    #[tokio::test]
    async fn one_token_is_revoked_at_once_and_until_it_would_expire() {
        let lab = Lab::new().await;
        let tokens = lab.tokens();
        let (one, other) = (issue(&tokens, &ask()).unwrap(), issue(&tokens, &ask()).unwrap());
        let holds = |token: &crate::flow::issue::Issued| review(&tokens, token.token.expose(), &[]).is_ok();
        assert!(holds(&one) && holds(&other), "both are remembered as proven by now");
        let id = one.draft.claims.id.clone();
        let until = UnixTime::from_seconds(one.draft.claims.expires.unwrap()).rfc3339();
        lab.make("tokenrevocations", "", json!({"metadata": {"name": id}, "spec": {"until": until}})).await;
        let Err(Refused::Rejected { why, .. }) = review(&tokens, one.token.expose(), &[]) else {
            panic!("a revoked token holds")
        };
        assert_eq!(*why, Rejected::Revoked { id: id.clone() });
        assert_eq!(why.to_string(), format!("service account token {id:?} has been revoked"));
        assert!(holds(&other));
        // It stays as long as the token would be accepted, the forgiven minute included.
        lab.pass(3660);
        round(&lab.registry, 60).await.unwrap();
        assert_eq!(lab.registry.list(&TOKEN_REVOCATION, "", &ListOptions::default()).unwrap().items.len(), 1);
        assert!(!holds(&one) && holds(&other));
        lab.pass(1);
        round(&lab.registry, 60).await.unwrap();
        assert!(lab.registry.list(&TOKEN_REVOCATION, "", &ListOptions::default()).unwrap().items.is_empty());
        assert!(!holds(&one), "it has expired");
    }

    #[tokio::test]
    async fn a_revocation_that_is_withdrawn_gives_the_token_back() {
        let lab = Lab::new().await;
        let tokens = lab.tokens();
        let one = issue(&tokens, &ask()).unwrap();
        let id = one.draft.claims.id.as_str();
        let body = json!({"metadata": {"name": id}, "spec": {"until": "2027-01-01T00:00:00Z"}});
        lab.make("tokenrevocations", "", body).await;
        assert!(review(&tokens, one.token.expose(), &[]).is_err());
        lab.remove("tokenrevocations", "", id).await;
        assert!(review(&tokens, one.token.expose(), &[]).is_ok());
    }
}
