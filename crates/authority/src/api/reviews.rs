//! TokenReview and SelfSubjectReview.

use super::decode::{self, Validation};
use super::reply::Reply;
use super::review_answer::{self, Finding};
use super::router::App;
use crate::exchange::Exchange;
use crate::flow::review::{event, review};
use crate::status::ApiError;
use http::StatusCode;
use jeton_core::limits::MAX_AUDIENCES;
use jeton_core::verify::presented;
use jeton_core::wire::{AUTHENTICATION_V1, TokenReview, UserInfo};
use serde_json::{Value, json};

/// Answers a TokenReview.
pub(super) fn token_review(app: &App, exchange: &Exchange, bytes: &[u8]) -> Result<Reply, ApiError> {
    let validation = Validation::of(exchange.query())?;
    let mut thorough = None;
    let (request, warnings): (TokenReview<'_>, _) =
        decode::borrowed(&exchange.parts.headers, bytes, validation, &mut thorough)?;
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
    // One that begins with a space is refused here, where Kubernetes takes it for an anonymous request.
    let outcome = review(&app.tokens, presented(&request.spec.token), &request.spec.audiences);
    if let Some(event) = event(&outcome) {
        exchange.saw_reviewed(&event);
    }
    let why;
    let finding = match &outcome {
        Ok(verified) => Finding::Good(verified),
        Err(refused) => {
            why = refused.to_string();
            Finding::Bad(&why)
        }
    };
    let body = review_answer::json(&request.metadata, &request.spec, finding)?;
    Ok(Reply::json_text(StatusCode::CREATED, body).warn(warnings))
}

/// Answers a SelfSubjectReview: who is asking. Its content does not matter, but it must be one.
pub(super) fn self_subject_review(
    app: &App,
    exchange: &Exchange,
    bytes: &[u8],
    user: &UserInfo,
) -> Result<Reply, ApiError> {
    let validation = Validation::of(exchange.query())?;
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
