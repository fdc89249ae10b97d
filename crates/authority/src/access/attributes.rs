//! What a decision about access is about.

use crate::objects::selector::Selector;
use crate::request_info::RequestInfo;
use crate::status::{About, ApiError};
use jeton_core::wire::UserInfo;

/// What somebody wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// Such as `get`, or `impersonate`.
    pub verb: &'a str,
    /// What to do it with.
    pub target: Target<'a>,
}

/// What somebody wants to do something with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A path outside any resource.
    Path(&'a str),
    /// A resource.
    Resource(Resource<'a>),
}

/// A resource in a question about access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource<'a> {
    /// API group; empty: core.
    pub group: &'a str,
    /// Plural.
    pub plural: &'a str,
    /// Such as `token`; empty: the object itself.
    pub subresource: &'a str,
    /// Namespace; empty: cluster scope or all namespaces.
    pub namespace: &'a str,
    /// Name; empty: any.
    pub name: &'a str,
    /// Which objects of a collection.
    pub selector: Option<&'a Selector>,
}

impl<'a> Attributes<'a> {
    /// A question about a resource.
    pub fn resource(verb: &'a str, resource: Resource<'a>) -> Self {
        Self { verb, target: Target::Resource(resource) }
    }

    /// What a request asks for.
    pub fn of(info: &'a RequestInfo) -> Self {
        let target = match &info.resource {
            None => Target::Path(&info.path),
            Some(r) => Target::Resource(Resource {
                group: &r.group,
                plural: &r.plural,
                subresource: &r.subresource,
                namespace: &r.namespace,
                name: if r.name.is_empty() { &info.selected_name } else { &r.name },
                selector: info.selector.as_ref(),
            }),
        };
        Self { verb: info.verb, target }
    }

    /// Kubernetes' refusal; `reason` is what an authorizer had to say, and may be empty.
    pub fn forbidden(&self, user: &UserInfo, reason: &str) -> ApiError {
        let who = format!("User {:?} cannot", user.username);
        let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        match &self.target {
            Target::Path(path) => {
                ApiError::ForbiddenPath(format!("{who} {} path {path:?}{because}", self.verb))
            }
            Target::Resource(r) => {
                let resource = match r.subresource {
                    "" => r.plural.to_owned(),
                    sub => format!("{}/{sub}", r.plural),
                };
                let scope = match r.namespace {
                    "" => "at the cluster scope".to_owned(),
                    namespace => format!("in the namespace {namespace:?}"),
                };
                let why = format!(
                    "{who} {} resource {resource:?} in API group {:?} {scope}{because}",
                    self.verb, r.group
                );
                ApiError::Forbidden(About::new(r.group, r.plural, r.name), why)
            }
        }
    }
}

/// Whether somebody may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether an authorizer allows it.
    pub allowed: bool,
    /// Why, in words; may be empty.
    pub reason: std::sync::Arc<str>,
}

impl Decision {
    /// Allowed, and by what.
    pub fn allow(reason: impl Into<std::sync::Arc<str>>) -> Self {
        Self { allowed: true, reason: reason.into() }
    }

    /// Nobody allows it.
    pub fn no_opinion(reason: impl Into<std::sync::Arc<str>>) -> Self {
        Self { allowed: false, reason: reason.into() }
    }
}
