//! `POST …/serviceaccounts/{name}/token`.

use super::decode::{self, Validation};
use super::reply::Reply;
use super::router::{App, Incoming};
use crate::access::node_restriction::{self, Asked};
use crate::flow::issue::{IssueFailure, Issued};
use crate::flow::rotate::{self, KeysError};
use crate::objects::kinds::SERVICE_ACCOUNT;
use crate::objects::registry::DISK_FULL;
use crate::request_info::ResourcePath;
use crate::status::{About, ApiError, Cause};
use crate::store::StoreError;
use http::StatusCode;
use jeton_core::issue::{Ask, IssueError};
use jeton_core::json::{Escapes, Writer};
use jeton_core::limits::MIN_LIFETIME_SECONDS;
use jeton_core::observe::Event;
use jeton_core::wire::{AUTHENTICATION_V1, TokenRequest};
use serde_json::{Value, json};

const KIND: &str = "TokenRequest";
const GROUP: &str = "authentication.k8s.io";
/// Room for all of an answer but the token; the names of an account and what it is bound to fit.
const USUAL_BYTES: usize = 1024;
/// Ends the warning of a uid that later releases refuse.
const UID_WARNING: &str = " but TokenRequestServiceAccountUIDValidation is not enabled. In the future, this will return a conflict error";

/// Answers a TokenRequest. `dryRun` changes nothing: a real token comes back (Kubernetes 1.36).
pub(super) async fn create(app: &App, incoming: &Incoming<'_>, bytes: &[u8]) -> Result<Reply, ApiError> {
    let path = incoming.path;
    let validation = Validation::of(incoming.query)?;
    decode::dry_run(incoming.query)?;
    let mut thorough = None;
    let (request, mut warnings): (TokenRequest<'_>, _) =
        decode::borrowed(incoming.headers, bytes, validation, &mut thorough)?;
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

fn answer(path: &ResourcePath, request: &TokenRequest<'_>, issued: &Issued) -> Result<Reply, ApiError> {
    let token = issued.token.expose();
    let mut out = Writer::new(Escapes::Json, token.len() + USUAL_BYTES);
    out.raw("{");
    out.text("kind", KIND);
    out.text("apiVersion", AUTHENTICATION_V1);
    metadata(&mut out, path, request, issued)?;
    out.object("spec", |out| {
        out.texts("audiences", &issued.draft.claims.audiences);
        out.number("expirationSeconds", issued.draft.expiration_seconds);
        match &request.spec.bound_object_ref {
            Some(bound) => out.object("boundObjectRef", |out| {
                out.text("kind", &bound.kind);
                out.text("apiVersion", &bound.api_version);
                out.text("name", &bound.name);
                out.text("uid", &bound.uid);
            }),
            None => out.null("boundObjectRef"),
        }
    });
    out.object("status", |out| {
        out.plain("token", token);
        out.text("expirationTimestamp", &issued.draft.expires.rfc3339());
    });
    out.raw("}");
    Ok(Reply::json_text(StatusCode::CREATED, out.into_bytes()))
}

fn metadata(
    out: &mut Writer,
    path: &ResourcePath,
    request: &TokenRequest<'_>,
    issued: &Issued,
) -> Result<(), ApiError> {
    // Kubernetes 1.36: a wrong uid that is only warned of comes back as it came.
    let live = issued.draft.account_uid.hyphenated().to_string();
    let uid = issued.draft.other_uid.as_ref().unwrap_or(&live);
    let created = issued.now.rfc3339();
    let own =
        [("creationTimestamp", &created), ("name", &path.name), ("namespace", &path.namespace), ("uid", uid)];
    if request.metadata.is_empty() {
        out.object("metadata", |out| own.into_iter().for_each(|(key, value)| out.text(key, value)));
        return Ok(());
    }
    let mut all = request.metadata.clone();
    all.remove("managedFields");
    all.extend(own.into_iter().map(|(key, value)| (key.to_owned(), json!(value))));
    out.key("metadata");
    out.raw(&serde_json::to_string(&all).map_err(|e| ApiError::Internal(e.to_string()))?);
    Ok(())
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
