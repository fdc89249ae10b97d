//! TokenReview and SelfSubjectReview.

use super::decode::{self, Validation};
use super::reply::Reply;
use super::router::App;
use crate::exchange::Exchange;
use crate::flow::review::{event, review};
use crate::request_info::Query;
use crate::status::ApiError;
use http::{HeaderMap, StatusCode};
use jeton_core::limits::MAX_AUDIENCES;
use jeton_core::wire::{AUTHENTICATION_V1, TokenReview, TokenReviewSpec, TokenReviewStatus, UserInfo};
use serde::Serialize;
use serde_json::{Map, Value, json};

const KIND: &str = "TokenReview";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: &'a Map<String, Value>,
    spec: &'a TokenReviewSpec,
    status: TokenReviewStatus,
}

fn read(headers: &HeaderMap, query: &Query, bytes: &[u8]) -> Result<(TokenReview, Vec<String>), ApiError> {
    let validation = Validation::of(query)?;
    if decode::is_json(headers)
        && let Ok(review) = serde_json::from_slice::<TokenReview>(bytes)
        && matches!(review.kind.as_str(), "" | KIND)
        && matches!(review.api_version.as_str(), "" | AUTHENTICATION_V1)
    {
        return Ok((review, Vec::new()));
    }
    let decoded = decode::object(headers, bytes, AUTHENTICATION_V1, KIND, validation)?;
    let review =
        serde_json::from_value(decoded.value).map_err(|e| ApiError::BadRequest(format!("{KIND}: {e}")))?;
    Ok((review, decoded.warnings))
}

/// The token as a bearer header would carry it: trimmed, up to the first space (Kubernetes 1.36). One that begins with
/// a space is refused here, where Kubernetes takes it for an anonymous request.
fn presented(token: &str) -> &str {
    token.trim().split(' ').next().unwrap_or("")
}

/// Answers a TokenReview.
pub(super) fn token_review(app: &App, exchange: &Exchange, bytes: &[u8]) -> Result<Reply, ApiError> {
    let (request, warnings) = read(&exchange.parts.headers, &exchange.query, bytes)?;
    let bad = |text: &str| Err(ApiError::BadRequest(text.to_owned()));
    if request.metadata.get("namespace").and_then(Value::as_str).is_some_and(|n| !n.is_empty()) {
        return bad("the namespace of the provided object does not match the namespace sent on the request");
    }
    if request.spec.token.is_empty() {
        return bad("token is required for TokenReview in authentication");
    }
    if request.spec.audiences.len() > MAX_AUDIENCES {
        return bad(&format!("spec.audiences: at most {MAX_AUDIENCES} are allowed"));
    }
    let outcome = review(&app.tokens, presented(&request.spec.token), &request.spec.audiences);
    if let Some(event) = event(&outcome) {
        exchange.saw_reviewed(&event);
    }
    let status = match outcome {
        Ok(verified) => {
            let (user, audiences) = verified.into_answer();
            TokenReviewStatus { authenticated: true, user, audiences, error: String::new() }
        }
        Err(refused) => TokenReviewStatus { error: refused.to_string(), ..TokenReviewStatus::default() },
    };
    let answer = Answer {
        kind: KIND,
        api_version: AUTHENTICATION_V1,
        metadata: &request.metadata,
        spec: &request.spec,
        status,
    };
    Ok(Reply::json(StatusCode::CREATED, &answer)?.warn(warnings))
}

/// Answers a SelfSubjectReview: who is asking. Its content does not matter, but it must be one.
pub(super) fn self_subject_review(
    app: &App,
    exchange: &Exchange,
    bytes: &[u8],
    user: &UserInfo,
) -> Result<Reply, ApiError> {
    let validation = Validation::of(&exchange.query)?;
    let decoded =
        decode::object(&exchange.parts.headers, bytes, AUTHENTICATION_V1, "SelfSubjectReview", validation)?;
    let answer = json!({
        "kind": "SelfSubjectReview",
        "apiVersion": AUTHENTICATION_V1,
        "metadata": {"creationTimestamp": app.tokens.clock.now().rfc3339()},
        "status": {"userInfo": user},
    });
    Ok(Reply::json(StatusCode::CREATED, &answer)?.warn(decoded.warnings))
}
