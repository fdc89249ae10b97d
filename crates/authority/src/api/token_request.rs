//! `POST …/serviceaccounts/{name}/token`.

use super::decode::{self, Validation};
use super::reply::Reply;
use super::router::{App, Incoming};
use crate::access::node_restriction::{self, Asked};
use crate::flow::issue::{IssueFailure, Issued};
use crate::flow::rotate::{self, KeysError};
use crate::objects::kinds::SERVICE_ACCOUNT;
use crate::objects::registry::DISK_FULL;
use crate::request_info::{Query, ResourcePath};
use crate::status::{About, ApiError, Cause};
use crate::store::StoreError;
use http::{HeaderMap, StatusCode};
use jeton_core::issue::{Ask, IssueError};
use jeton_core::limits::MIN_LIFETIME_SECONDS;
use jeton_core::observe::Event;
use jeton_core::wire::{AUTHENTICATION_V1, BoundObjectRef, TokenRequest};
use serde::Serialize;
use serde_json::{Map, Value, json};

const KIND: &str = "TokenRequest";
const GROUP: &str = "authentication.k8s.io";
/// Ends the warning of a uid that later releases refuse.
const UID_WARNING: &str = " but TokenRequestServiceAccountUIDValidation is not enabled. In the future, this will return a conflict error";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: &'a Map<String, Value>,
    spec: Spec<'a>,
    status: Status<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    audiences: &'a [String],
    expiration_seconds: i64,
    bound_object_ref: Option<&'a BoundObjectRef>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    token: &'a str,
    expiration_timestamp: String,
}

fn read(headers: &HeaderMap, query: &Query, bytes: &[u8]) -> Result<(TokenRequest, Vec<String>), ApiError> {
    let validation = Validation::of(query)?;
    decode::dry_run(query)?;
    if decode::is_json(headers)
        && let Ok(request) = serde_json::from_slice::<TokenRequest>(bytes)
        && matches!(request.kind.as_str(), "" | KIND)
        && matches!(request.api_version.as_str(), "" | AUTHENTICATION_V1)
    {
        return Ok((request, Vec::new()));
    }
    let decoded = decode::object(headers, bytes, AUTHENTICATION_V1, KIND, validation)?;
    let request =
        serde_json::from_value(decoded.value).map_err(|e| ApiError::BadRequest(format!("{KIND}: {e}")))?;
    Ok((request, decoded.warnings))
}

/// Answers a TokenRequest. `dryRun` changes nothing: a real token comes back (Kubernetes 1.36).
pub(super) async fn create(app: &App, incoming: &Incoming<'_>, bytes: &[u8]) -> Result<Reply, ApiError> {
    let path = incoming.path;
    let (request, mut warnings) = read(incoming.headers, incoming.query, bytes)?;
    let metadata = |key: &str| request.metadata.get(key).and_then(Value::as_str).unwrap_or("");
    if !metadata("namespace").is_empty() && metadata("namespace") != path.namespace {
        let text = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::BadRequest(text.to_owned()));
    }
    app.registry.namespace_open(&SERVICE_ACCOUNT, &path.namespace, &path.name)?;
    let asked = Asked {
        namespace: &path.namespace,
        account: &path.name,
        audiences: &request.spec.audiences,
        bound: request.spec.bound_object_ref.as_ref(),
    };
    node_restriction::token(&app.registry, incoming.user, &asked, |wanted| {
        app.authorizer.decide(incoming.user, wanted)
    })?;
    let ask = Ask {
        namespace: &path.namespace,
        account: &path.name,
        body_name: metadata("name"),
        body_uid: metadata("uid"),
        audiences: &request.spec.audiences,
        expiration_seconds: request.spec.expiration_seconds,
        bound: request.spec.bound_object_ref.as_ref(),
    };
    let issued = rotate::issue(&app.tokens, &ask)
        .await
        .map_err(unaccounted)?
        .map_err(|failure| refusal(failure, &path.name))?;
    let mismatch = issued.draft.other_uid.as_deref().map(|given| {
        let live = issued.draft.account_uid;
        format!(
            "the UID in the token request ({given}) does not match the UID of the service account ({live})"
        )
    });
    incoming.exchange.saw(&Event::Issued { id: &issued.draft.claims.id, other_uid: mismatch.as_deref() });
    warnings.extend(mismatch.map(|why| why + UID_WARNING));
    if let Some(asked) = issued.draft.shortened_from {
        let got = issued.draft.expiration_seconds;
        warnings.push(format!("requested expiration of {asked} seconds shortened to {got} seconds"));
    }
    Ok(answer(path, &request, &issued)?.warn(warnings))
}

/// A token whose end cannot be journaled does not leave.
fn unaccounted(error: KeysError) -> ApiError {
    tracing::error!(error = &error as &dyn std::error::Error, "a token cannot be accounted for");
    let mut causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let full = causes.any(|error| error.downcast_ref::<StoreError>().is_some_and(StoreError::is_full));
    let why = if full { DISK_FULL } else { "the store cannot be used; the server's log says why" };
    ApiError::Unavailable(why.to_owned())
}

fn answer(path: &ResourcePath, request: &TokenRequest, issued: &Issued) -> Result<Reply, ApiError> {
    let mut metadata = request.metadata.clone();
    metadata.remove("managedFields");
    metadata.insert("name".to_owned(), json!(path.name));
    metadata.insert("namespace".to_owned(), json!(path.namespace));
    // Kubernetes 1.36: a wrong uid that is only warned of comes back as it came.
    let uid = issued.draft.account_uid.hyphenated().to_string();
    metadata.insert("uid".to_owned(), json!(issued.draft.other_uid.as_ref().unwrap_or(&uid)));
    metadata.insert("creationTimestamp".to_owned(), json!(issued.now.rfc3339()));
    Reply::json(
        StatusCode::CREATED,
        &Answer {
            kind: KIND,
            api_version: AUTHENTICATION_V1,
            metadata: &metadata,
            spec: Spec {
                audiences: &issued.draft.claims.audiences,
                expiration_seconds: issued.draft.expiration_seconds,
                bound_object_ref: request.spec.bound_object_ref.as_ref(),
            },
            status: Status {
                token: issued.token.expose(),
                expiration_timestamp: issued.draft.expires.rfc3339(),
            },
        },
    )
}

/// Kubernetes' code and words for every refusal.
fn refusal(failure: IssueFailure, account: &str) -> ApiError {
    let error = match failure {
        IssueFailure::Refused(error) => error,
        other @ (IssueFailure::Uncovered { .. } | IssueFailure::Sign(_) | IssueFailure::Seal(_)) => {
            return ApiError::Internal(other.to_string());
        }
    };
    let invalid = |name: &str, cause| ApiError::Invalid(About::new(GROUP, KIND, name), vec![cause]);
    let seconds =
        |asked: i64, why: &str| invalid("", Cause::invalid_value("spec.expirationSeconds", asked, why));
    match error {
        IssueError::OtherName { given, .. } => {
            let why = "must match the service account name if specified";
            invalid(account, Cause::invalid("metadata.name", &given, why))
        }
        IssueError::NoAccount { account } => ApiError::NotFound(About::new("", "serviceaccounts", &account)),
        IssueError::OtherAccountUid { given, live, .. } => ApiError::Conflict(
            About::new(GROUP, KIND, account),
            format!(
                "the UID in the token request ({given}) does not match the UID of the service account ({live})"
            ),
        ),
        IssueError::TooShort { asked, min: MIN_LIFETIME_SECONDS } => {
            seconds(asked, "may not specify a duration less than 10 minutes")
        }
        IssueError::TooShort { asked, min } => {
            seconds(asked, &format!("may not specify a duration less than {min} seconds"))
        }
        IssueError::TooLong { asked } => {
            seconds(asked, "may not specify a duration larger than 2^32 seconds")
        }
        IssueError::TooManyAudiences { .. } => {
            invalid("", Cause::invalid_value("spec.audiences", "[...]", error.to_string()))
        }
        IssueError::UnboundKind { group_version, kind } => {
            ApiError::BadRequest(format!("cannot bind token to object of type {group_version}, Kind={kind}"))
        }
        IssueError::NodeBindingOff => ApiError::BadRequest(
            "cannot bind token to a Node object as the \"ServiceAccountTokenNodeBinding\" feature-gate is disabled"
                .to_owned(),
        ),
        IssueError::NoBoundName => ApiError::BadRequest("Name parameter required.".to_owned()),
        IssueError::BadBoundName { name, reason } => {
            ApiError::BadRequest(format!("Name parameter invalid: {name:?}: {reason}"))
        }
        IssueError::NoBoundObject { bound, name } => {
            ApiError::NotFound(About::new("", bound.resource(), &name))
        }
        IssueError::OtherPodAccount { account } => ApiError::BadRequest(format!(
            "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
        )),
        IssueError::OtherBoundUid { bound, name, given } => ApiError::Conflict(
            About::new("", bound.kind(), &name),
            format!(
                "the UID in the bound object reference ({given}) does not match the UID in record. The object might have been deleted and then recreated"
            ),
        ),
    }
}
