//! The one table from an error to what leaves the server: code, reason, log level, metric label.
//!
//! Invariant: no wildcard arm, so a new error cannot be forgotten here. Texts are Kubernetes 1.36's,
//! because clients compare them.

use serde_json::{Map, Value, json};

/// Characters that are shown of what a client made up.
const MAX_SHOWN_CHARS: usize = 63;

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Path of the field, such as `spec.containers[0].name`.
    pub field: String,
    /// What is wrong, for the message and for `reason`.
    pub fault: Fault,
}

/// How a field is wrong. Each holds the words after the field's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It must be there.
    Required(String),
    /// Its value is not allowed: the value as shown, and what is allowed.
    Invalid(String, String),
    /// It may not be set, or not be changed.
    Forbidden(String),
    /// It names what is not there: the value as shown.
    NotFound(String),
    /// It is larger than allowed.
    TooLong(String),
    /// It stands twice: the value as shown.
    Duplicate(String),
    /// The value is not one of those listed: the value as shown, and the list.
    NotSupported(String, String),
}

impl Cause {
    /// A field that must be there.
    pub fn required(field: impl Into<String>, why: &str) -> Self {
        Self { field: field.into(), fault: Fault::Required(why.to_owned()) }
    }
    /// A text field with a value that is not allowed.
    pub fn invalid(field: impl Into<String>, value: &str, why: impl Into<String>) -> Self {
        Self { field: field.into(), fault: Fault::Invalid(format!("{value:?}"), why.into()) }
    }
    /// A field of another type with a value that is not allowed.
    pub fn invalid_value(field: impl Into<String>, value: impl ToString, why: impl Into<String>) -> Self {
        Self { field: field.into(), fault: Fault::Invalid(value.to_string(), why.into()) }
    }
    /// A field that may not be set or changed.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { field: field.into(), fault: Fault::Forbidden(why.to_owned()) }
    }

    fn reason(&self) -> &'static str {
        match self.fault {
            Fault::Required(_) => "FieldValueRequired",
            Fault::Invalid(..) => "FieldValueInvalid",
            Fault::Forbidden(_) => "FieldValueForbidden",
            Fault::NotFound(_) => "FieldValueNotFound",
            Fault::TooLong(_) => "FieldValueTooLong",
            Fault::Duplicate(_) => "FieldValueDuplicate",
            Fault::NotSupported(..) => "FieldValueNotSupported",
        }
    }

    fn words(&self) -> String {
        match &self.fault {
            Fault::Required(why) if why.is_empty() => "Required value".to_owned(),
            Fault::Required(why) => format!("Required value: {why}"),
            Fault::Invalid(value, why) => format!("Invalid value: {value}: {why}"),
            Fault::Forbidden(why) => format!("Forbidden: {why}"),
            Fault::NotFound(value) => format!("Not found: {value}"),
            Fault::TooLong(why) => format!("Too long: {why}"),
            Fault::Duplicate(value) => format!("Duplicate value: {value}"),
            Fault::NotSupported(value, list) => {
                format!("Unsupported value: {value}: supported values: {list}")
            }
        }
    }
}

/// The object an answer is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// API group; empty: core.
    pub group: String,
    /// Plural resource, or the kind where Kubernetes shows that.
    pub what: String,
    /// Name; may be empty.
    pub name: String,
}

impl About {
    /// An object of a group.
    pub fn new(group: &str, what: &str, name: &str) -> Self {
        Self { group: group.to_owned(), what: what.to_owned(), name: name.to_owned() }
    }

    /// `pods`, or `roles.rbac.authorization.k8s.io`.
    fn qualified(&self) -> String {
        if self.group.is_empty() { self.what.clone() } else { format!("{}.{}", self.what, self.group) }
    }
}

/// Every way a request ends without what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// The request itself is wrong.
    BadRequest(String),
    /// Who asks could not be established. The cause never leaves the server.
    Unauthorized,
    /// May not.
    Forbidden(About, String),
    /// May not, outside any resource.
    ForbiddenPath(String),
    /// The namespace is going away.
    NamespaceTerminating(About, String),
    /// No such object.
    NotFound(About),
    /// No such kind of resource.
    NoResource,
    /// Objects of this kind have no such part: they are stored, and nothing runs them.
    NoSubresource(&'static str, String),
    /// The resource does not do that.
    MethodNotAllowed,
    /// No representation that the client accepts.
    NotAcceptable(String),
    /// An object of that name is there.
    AlreadyExists(About),
    /// The object is not in the state the request assumes.
    Conflict(About, String),
    /// The object breaks a rule.
    Invalid(About, Vec<Cause>),
    /// The body is in no known format.
    UnsupportedMediaType(String),
    /// The body is larger than allowed (bytes).
    TooLarge(usize),
    /// A continuation or a watch starts too far back.
    Expired(String),
    /// The client was too slow, or the server too busy.
    Timeout(String),
    /// Too much at once: ask again after so many seconds.
    TooManyRequests(u32),
    /// What is asked for is about to be possible: the operation, and the words. Kubernetes: retry after one second.
    NotYet(About, String),
    /// The server cannot store at the moment.
    Unavailable(String),
    /// The server failed.
    Internal(String),
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status.
    pub reason: &'static str,
    /// Level to log it at.
    pub level: tracing::Level,
    /// Label of the metric.
    pub label: &'static str,
}

const fn row(code: u16, reason: &'static str, level: tracing::Level, label: &'static str) -> Row {
    Row { code, reason, level, label }
}

impl ApiError {
    /// The table.
    pub const fn row(&self) -> Row {
        use tracing::Level;
        match self {
            Self::BadRequest(_) => row(400, "BadRequest", Level::DEBUG, "bad_request"),
            Self::Unauthorized => row(401, "Unauthorized", Level::INFO, "unauthorized"),
            Self::Forbidden(..) => row(403, "Forbidden", Level::INFO, "forbidden"),
            Self::ForbiddenPath(_) => row(403, "Forbidden", Level::INFO, "forbidden"),
            Self::NamespaceTerminating(..) => row(403, "Forbidden", Level::DEBUG, "namespace_terminating"),
            Self::NotFound(_) => row(404, "NotFound", Level::DEBUG, "not_found"),
            Self::NoResource => row(404, "NotFound", Level::DEBUG, "no_resource"),
            Self::NoSubresource(..) => row(404, "NotFound", Level::DEBUG, "no_resource"),
            Self::MethodNotAllowed => row(405, "MethodNotAllowed", Level::DEBUG, "method_not_allowed"),
            Self::NotAcceptable(_) => row(406, "NotAcceptable", Level::DEBUG, "not_acceptable"),
            Self::AlreadyExists(_) => row(409, "AlreadyExists", Level::DEBUG, "already_exists"),
            Self::Conflict(..) => row(409, "Conflict", Level::DEBUG, "conflict"),
            Self::Expired(_) => row(410, "Expired", Level::DEBUG, "expired"),
            Self::TooLarge(_) => row(413, "RequestEntityTooLarge", Level::INFO, "too_large"),
            Self::UnsupportedMediaType(_) => row(415, "UnsupportedMediaType", Level::DEBUG, "media_type"),
            Self::Invalid(..) => row(422, "Invalid", Level::DEBUG, "invalid"),
            Self::TooManyRequests(_) => row(429, "TooManyRequests", Level::WARN, "too_many_requests"),
            Self::Internal(_) => row(500, "InternalError", Level::ERROR, "internal"),
            Self::NotYet(..) => row(500, "ServerTimeout", Level::DEBUG, "not_yet"),
            Self::Unavailable(_) => row(503, "ServiceUnavailable", Level::ERROR, "unavailable"),
            Self::Timeout(_) => row(504, "Timeout", Level::INFO, "timeout"),
        }
    }

    /// The `message` of the Status.
    pub fn message(&self) -> String {
        match self {
            Self::BadRequest(text)
            | Self::NotAcceptable(text)
            | Self::UnsupportedMediaType(text)
            | Self::Expired(text)
            | Self::Timeout(text)
            | Self::Unavailable(text) => text.clone(),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::Forbidden(about, why) | Self::NamespaceTerminating(about, why) if about.name.is_empty() => {
                format!("{} is forbidden: {why}", about.qualified())
            }
            Self::Forbidden(about, why) | Self::NamespaceTerminating(about, why) => {
                format!("{} {:?} is forbidden: {why}", about.qualified(), about.name)
            }
            Self::ForbiddenPath(why) => format!("forbidden: {why}"),
            Self::NotFound(about) => format!("{} {:?} not found", about.qualified(), about.name),
            Self::NoResource => "the server could not find the requested resource".to_owned(),
            Self::NoSubresource(plural, name) => {
                let name: String = name.chars().take(MAX_SHOWN_CHARS).collect();
                format!(
                    "the server could not find the requested resource: {plural} are stored here and nothing runs them, there is no {plural}/{name}"
                )
            }
            Self::MethodNotAllowed => {
                "the server does not allow this method on the requested resource".to_owned()
            }
            Self::AlreadyExists(about) => format!("{} {:?} already exists", about.qualified(), about.name),
            Self::Conflict(about, why) => {
                format!("Operation cannot be fulfilled on {} {:?}: {why}", about.qualified(), about.name)
            }
            Self::Invalid(about, causes) => {
                format!("{} {:?} is invalid: {}", about.qualified(), about.name, joined(causes))
            }
            Self::TooLarge(limit) => format!("Request entity too large: limit is {limit}"),
            Self::TooManyRequests(_) => "Too many requests, please try again later.".to_owned(),
            Self::NotYet(_, why) => why.clone(),
            Self::Internal(cause) => format!("Internal error occurred: {cause}"),
        }
    }

    fn details(&self) -> Value {
        let mut details = Map::new();
        let mut about = |a: &About| {
            for (key, value) in [("name", &a.name), ("group", &a.group), ("kind", &a.what)] {
                if !value.is_empty() {
                    details.insert(key.to_owned(), json!(value));
                }
            }
        };
        match self {
            Self::Forbidden(a, _) | Self::NotFound(a) | Self::AlreadyExists(a) | Self::Conflict(a, _) => {
                about(a);
            }
            Self::NamespaceTerminating(a, why) => {
                about(a);
                let cause =
                    json!({"reason": "NamespaceTerminating", "message": why, "field": "metadata.namespace"});
                details.insert("causes".to_owned(), json!([cause]));
            }
            Self::Invalid(a, causes) => {
                about(a);
                let causes: Vec<Value> = causes
                    .iter()
                    .map(|c| json!({"reason": c.reason(), "message": c.words(), "field": c.field}))
                    .collect();
                details.insert("causes".to_owned(), json!(causes));
            }
            Self::TooManyRequests(seconds) => {
                details.insert("retryAfterSeconds".to_owned(), json!(seconds));
            }
            Self::NotYet(a, _) => {
                about(a);
                details.insert("retryAfterSeconds".to_owned(), json!(1));
            }
            Self::Internal(cause) => {
                details.insert("causes".to_owned(), json!([{ "message": cause }]));
            }
            Self::ForbiddenPath(_)
            | Self::BadRequest(_)
            | Self::Unauthorized
            | Self::NoResource
            | Self::NoSubresource(..)
            | Self::MethodNotAllowed
            | Self::NotAcceptable(_)
            | Self::UnsupportedMediaType(_)
            | Self::TooLarge(_)
            | Self::Expired(_)
            | Self::Timeout(_)
            | Self::Unavailable(_) => {}
        }
        Value::Object(details)
    }

    /// The Status object.
    pub fn status(&self) -> Value {
        let row = self.row();
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message(), "reason": row.reason, "code": row.code,
        });
        let details = self.details();
        // Kubernetes 1.36: empty details say that the path is unknown; kubectl debug reads them.
        let unknown = matches!(self, Self::NoResource | Self::NoSubresource(..));
        if unknown || details.as_object().is_some_and(|d| !d.is_empty()) {
            status["details"] = details;
        }
        status
    }
}

/// Kubernetes 1.36: one cause stands alone, several stand in brackets.
fn joined(causes: &[Cause]) -> String {
    let words: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.words())).collect();
    if let [one] = &words[..] { one.clone() } else { format!("[{}]", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_speak_as_kubernetes_does() {
        let account = About::new("", "serviceaccounts", "ghost");
        for (error, code, message) in [
            (ApiError::NotFound(account.clone()), 404, "serviceaccounts \"ghost\" not found"),
            (ApiError::AlreadyExists(account), 409, "serviceaccounts \"ghost\" already exists"),
            (
                ApiError::Invalid(
                    About::new("authentication.k8s.io", "TokenRequest", ""),
                    vec![Cause::invalid_value("spec.expirationSeconds", 599, "may not")],
                ),
                422,
                "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 599: may not",
            ),
            (
                ApiError::Invalid(
                    About::new("", "Pod", "p"),
                    vec![Cause::required("a", ""), Cause::required("b", "why")],
                ),
                422,
                "Pod \"p\" is invalid: [a: Required value, b: Required value: why]",
            ),
            (
                ApiError::Forbidden(About::new("", "secrets", ""), "User \"x\" cannot".to_owned()),
                403,
                "secrets is forbidden: User \"x\" cannot",
            ),
        ] {
            let status = error.status();
            assert_eq!((status["code"].as_u64(), status["message"].as_str()), (Some(code), Some(message)));
        }
        for unknown in [ApiError::NoResource, ApiError::NoSubresource("pods", "log".to_owned())] {
            assert_eq!(unknown.status()["details"], json!({}));
            assert!(unknown.message().starts_with("the server could not find the requested resource"));
        }
        assert!(ApiError::NoSubresource("pods", "x".repeat(1000)).message().len() < 300);
        assert_eq!(ApiError::Unauthorized.status()["details"], Value::Null);
    }
}
