//! Questions about access: may I, may they, what may I.
//!
//! Kubernetes 1.36 (pkg/registry/authorization).

use super::decode::{self, Validation};
use super::reply::Reply;
use super::router::{App, Incoming};
use crate::access::attributes::{Attributes, Decision, Resource, Target};
use crate::objects::kind::text;
use crate::objects::selector::Selector;
use crate::status::{About, ApiError, Cause};
use http::StatusCode;
use jeton_core::wire::UserInfo;
use serde::Deserialize;
use serde_json::{Value, json};

const VERSION: &str = "authorization.k8s.io/v1";
const GROUP: &str = "authorization.k8s.io";

/// Answers a review.
///
/// # Errors
/// NoResource for a review that is not known; BadRequest or Invalid for its content.
pub(super) fn answer(
    app: &App,
    plural: &str,
    request: &Incoming<'_>,
    body: &[u8],
) -> Result<Reply, ApiError> {
    let kind = match plural {
        "selfsubjectaccessreviews" => "SelfSubjectAccessReview",
        "subjectaccessreviews" => "SubjectAccessReview",
        "localsubjectaccessreviews" => "LocalSubjectAccessReview",
        "selfsubjectrulesreviews" => "SelfSubjectRulesReview",
        _ => return Err(ApiError::NoResource),
    };
    let validation = Validation::of(request.query)?;
    let decoded = decode::object(request.headers, body, VERSION, kind, validation)?;
    let mut review = decoded.value;
    review["kind"] = json!(kind);
    review["apiVersion"] = json!(VERSION);
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    let status = match kind {
        "SelfSubjectRulesReview" => rules(app, request.user, text(&review, "/spec/namespace"))?,
        "SelfSubjectAccessReview" => access(app, kind, request.user, &review)?,
        _ => {
            if kind == "LocalSubjectAccessReview" {
                local(&review, &request.path.namespace)?;
            }
            access(app, kind, &subject(kind, &review["spec"])?, &review)?
        }
    };
    review["status"] = status;
    Ok(Reply::json(StatusCode::CREATED, &review)?.warn(decoded.warnings))
}

fn invalid(kind: &str, cause: Cause) -> ApiError {
    ApiError::Invalid(About::new(GROUP, kind, ""), vec![cause])
}

/// A local review asks about the namespace it is made in.
fn local(review: &Value, namespace: &str) -> Result<(), ApiError> {
    let asked = text(review, "/spec/resourceAttributes/namespace");
    if asked == namespace {
        return Ok(());
    }
    let why = format!("must match metadata.namespace: {namespace:?}");
    Err(invalid("LocalSubjectAccessReview", Cause::invalid("spec.resourceAttributes.namespace", asked, why)))
}

/// Whom a review asks about.
fn subject(kind: &str, spec: &Value) -> Result<UserInfo, ApiError> {
    let user = UserInfo {
        username: text(spec, "/user").to_owned(),
        uid: text(spec, "/uid").to_owned(),
        groups: Vec::deserialize(&spec["groups"]).unwrap_or_default(),
        extra: Deserialize::deserialize(&spec["extra"]).unwrap_or_default(),
    };
    if user.username.is_empty() && user.groups.is_empty() {
        let why = "at least one of user or group must be specified";
        return Err(invalid(kind, Cause::invalid("spec.user", "", why)));
    }
    Ok(user)
}

fn access(app: &App, kind: &str, user: &UserInfo, review: &Value) -> Result<Value, ApiError> {
    let spec = &review["spec"];
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_object() == path.is_object() {
        let why = if path.is_object() {
            "cannot be specified in combination with resourceAttributes"
        } else {
            "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        };
        return Err(invalid(kind, Cause::invalid_value("spec.nonResourceAttributes", "null", why)));
    }
    let selector = selector(resource)?;
    let wanted = if path.is_object() {
        Attributes { verb: text(path, "/verb"), target: Target::Path(text(path, "/path")) }
    } else {
        Attributes::resource(
            text(resource, "/verb"),
            Resource {
                group: text(resource, "/group"),
                plural: text(resource, "/resource"),
                subresource: text(resource, "/subresource"),
                namespace: text(resource, "/namespace"),
                name: text(resource, "/name"),
                selector: selector.as_ref(),
            },
        )
    };
    let Decision { allowed, reason } = app.authorizer.decide(user, &wanted)?;
    let mut status = json!({"allowed": allowed});
    if !reason.is_empty() {
        status["reason"] = json!(&*reason);
    }
    Ok(status)
}

/// The field selector of a question, as requirements or as text.
fn selector(resource: &Value) -> Result<Option<Selector>, ApiError> {
    let field = &resource["fieldSelector"];
    let raw = text(field, "/rawSelector").to_owned();
    let terms = field["requirements"].as_array().into_iter().flatten().filter_map(|r| {
        let equal = match text(r, "/operator") {
            "In" => "=",
            "NotIn" => "!=",
            _ => return None,
        };
        let values = r["values"].as_array().filter(|values| values.len() == 1)?;
        Some(format!("{}{equal}{}", text(r, "/key"), values[0].as_str()?))
    });
    let all = std::iter::once(raw).filter(|r| !r.is_empty()).chain(terms).collect::<Vec<_>>().join(",");
    let selector = Selector::parse(None, Some(&all)).map_err(ApiError::BadRequest)?;
    Ok(Some(selector).filter(|s| !s.is_empty()))
}

fn rules(app: &App, user: &UserInfo, namespace: &str) -> Result<Value, ApiError> {
    if namespace.is_empty() {
        return Err(ApiError::BadRequest("no namespace on request".to_owned()));
    }
    let rules = app.authorizer.rbac.rules(user, namespace)?;
    let (paths, resources): (Vec<_>, Vec<_>) = rules.into_iter().partition(|rule| !rule.urls.is_empty());
    Ok(json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false}))
}
