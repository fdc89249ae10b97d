//! `POST …/signingkeys`: wishes for a new signing key. They are read like any other object.

use super::decode::{self, Validation};
use super::negotiate::Format;
use super::reply::Reply;
use super::router::{App, Incoming};
use crate::flow::journal::KIND;
use crate::flow::rotate::{self, KeysError};
use crate::objects::kinds::SIGNING_KEY;
use crate::objects::registry::about;
use crate::status::{ApiError, Cause};
use http::StatusCode;
use jeton_core::keys::rotation::RotationError;
use jeton_core::limits::{ACTIVATE_AFTER_SECONDS, MAX_ACTIVATE_AFTER_SECONDS};
use serde_json::Value;

/// Makes a key, or brings the one that waits forward; answers with its object.
pub(super) async fn create(app: &App, incoming: &Incoming<'_>, bytes: &[u8]) -> Result<Reply, ApiError> {
    let format = Format::of(incoming.headers)?;
    let validation = Validation::of(incoming.query)?;
    let decoded = decode::stored(incoming.headers, bytes, &SIGNING_KEY, validation)?;
    if decode::dry_run(incoming.query)? {
        let why = "dryRun: a signing key cannot be tried out; leave it out to make one";
        return Err(ApiError::BadRequest(why.to_owned()));
    }
    let activate_after = wanted(&decoded.value)?;
    let made = rotate::wish(&app.tokens, activate_after).await.map_err(refusal)?;
    incoming.exchange.about(&made);
    Ok(Reply::value(StatusCode::CREATED, &made, format)?.warn(decoded.warnings))
}

/// Seconds from publication to the first signature.
fn wanted(object: &Value) -> Result<i64, ApiError> {
    let mut causes = Vec::new();
    for field in ["name", "generateName"] {
        if object["metadata"][field].as_str().is_some_and(|name| !name.is_empty()) {
            causes.push(Cause::forbidden(format!("metadata.{field}"), "a key is named after its id"));
        }
    }
    let seconds = object["spec"]["activateAfterSeconds"].as_i64().unwrap_or(ACTIVATE_AFTER_SECONDS);
    if !(0..=MAX_ACTIVATE_AFTER_SECONDS).contains(&seconds) {
        let why = format!("must be between 0 and {MAX_ACTIVATE_AFTER_SECONDS} seconds (one year)");
        causes.push(Cause::invalid_value("spec.activateAfterSeconds", seconds, why));
    }
    if causes.is_empty() {
        return Ok(seconds);
    }
    let mut subject = about(&SIGNING_KEY, "");
    KIND.clone_into(&mut subject.what);
    Err(ApiError::Invalid(subject, causes))
}

fn refusal(error: KeysError) -> ApiError {
    match error {
        KeysError::Given(_) => ApiError::Forbidden(about(&SIGNING_KEY, ""), error.to_string()),
        KeysError::Refused(RotationError::Pending { .. } | RotationError::TooMany) => {
            ApiError::Conflict(about(&SIGNING_KEY, ""), error.to_string())
        }
        KeysError::File(_)
        | KeysError::Private(..)
        | KeysError::Missing { .. }
        | KeysError::Other { .. }
        | KeysError::Journal(_)
        | KeysError::Fault(_) => {
            tracing::error!(error = &error as &dyn std::error::Error, "signing keys");
            let why = "the signing keys cannot be changed at the moment; the server's log says why";
            ApiError::Unavailable(why.to_owned())
        }
    }
}
