//! Acting as somebody else, for those who may.
//!
//! Kubernetes 1.36 (apiserver/pkg/endpoints/filters/impersonation): every part of the other identity is a right of its
//! own, with the verb `impersonate`.

use super::attributes::{Attributes, Decision, Resource};
use super::authn::{ANONYMOUS, UNAUTHENTICATED_GROUP};
use crate::status::ApiError;
use http::HeaderMap;
use jeton_core::ident::{ALL_ACCOUNTS_GROUP, AUTHENTICATED_GROUP, split_account_username};
use jeton_core::wire::UserInfo;
use percent_encoding::percent_decode_str;

const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Reads whom a request wants to be; `None`: itself.
///
/// # Errors
/// BadRequest when a part is given without a user, or is not text.
pub fn wanted(headers: &HeaderMap) -> Result<Option<UserInfo>, ApiError> {
    let mut other = UserInfo::default();
    let mut some = false;
    for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("impersonate-")) {
        let bad = || ApiError::BadRequest(format!("header {name}: must be text"));
        let value = value.to_str().map_err(|_| bad())?.to_owned();
        some = true;
        match name.as_str() {
            USER => other.username = value,
            UID => other.uid = value,
            GROUP => other.groups.push(value),
            header => {
                let Some(key) = header.strip_prefix(EXTRA) else { continue };
                let key = percent_decode_str(key).decode_utf8().map_err(|_| bad())?.to_lowercase();
                other.extra.entry(key).or_default().push(value);
            }
        }
    }
    if some && other.username.is_empty() {
        let why = "headers that impersonate a uid, group or extra need Impersonate-User";
        return Err(ApiError::BadRequest(why.to_owned()));
    }
    Ok(some.then_some(other))
}

/// Checks that `user` may be `other`, and completes it.
///
/// # Errors
/// Forbidden names the part that is not allowed.
pub fn become_other(
    user: &UserInfo,
    mut other: UserInfo,
    decide: impl Fn(&Attributes<'_>) -> Result<Decision, ApiError>,
) -> Result<UserInfo, ApiError> {
    let may = |resource: Resource<'_>| {
        let wanted = Attributes::resource("impersonate", resource);
        let decision = decide(&wanted)?;
        if decision.allowed { Ok(()) } else { Err(wanted.forbidden(user, &decision.reason)) }
    };
    let account = split_account_username(&other.username);
    may(match account {
        Some((namespace, name)) => {
            Resource { plural: "serviceaccounts", namespace, name, ..Resource::default() }
        }
        None => Resource { plural: "users", name: &other.username, ..Resource::default() },
    })?;
    for name in &other.groups {
        may(Resource { plural: "groups", name, ..Resource::default() })?;
    }
    for (key, values) in &other.extra {
        for name in values {
            let extra = Resource { group: AUTHENTICATION, plural: "userextras", ..Resource::default() };
            may(Resource { subresource: key, name, ..extra })?;
        }
    }
    if !other.uid.is_empty() {
        may(Resource { group: AUTHENTICATION, plural: "uids", name: &other.uid, ..Resource::default() })?;
    }
    if let Some((namespace, _)) = account.filter(|_| other.groups.is_empty()) {
        other.groups = vec![ALL_ACCOUNTS_GROUP.to_owned(), format!("{ALL_ACCOUNTS_GROUP}:{namespace}")];
    }
    let known = |group: &str| other.groups.iter().any(|g| g == group);
    if !known(AUTHENTICATED_GROUP) && !known(UNAUTHENTICATED_GROUP) {
        let nobody = other.username == ANONYMOUS;
        let group = if nobody { UNAUTHENTICATED_GROUP } else { AUTHENTICATED_GROUP };
        other.groups.push(group.to_owned());
    }
    Ok(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderName, HeaderValue};
    use std::collections::BTreeMap;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn every_part_is_a_right_of_its_own() {
        let asked = [
            (USER, "system:serviceaccount:ci:builder"),
            (GROUP, "dev"),
            (UID, "u"),
            ("impersonate-extra-example.com%2fscope", "a"),
        ];
        let other = wanted(&headers(&asked)).unwrap().unwrap();
        assert_eq!(other.extra, BTreeMap::from([("example.com/scope".to_owned(), vec!["a".to_owned()])]));
        let me = UserInfo { username: "me".to_owned(), ..UserInfo::default() };
        for refused in ["serviceaccounts", "groups", "userextras", "uids", ""] {
            let decide = |wanted: &Attributes<'_>| {
                let super::super::attributes::Target::Resource(r) = &wanted.target else { unreachable!() };
                Ok(if r.plural == refused { Decision::no_opinion("") } else { Decision::allow("") })
            };
            let became = become_other(&me, other.clone(), decide);
            assert_eq!(became.is_ok(), refused.is_empty(), "{refused}");
        }
    }

    #[test]
    fn groups_are_completed() {
        let me = UserInfo::default();
        for (name, groups, want) in [
            ("jane", &[][..], &["system:authenticated"][..]),
            ("jane", &["dev"], &["dev", "system:authenticated"]),
            ("system:anonymous", &[], &["system:unauthenticated"]),
            (
                "system:serviceaccount:a:b",
                &[],
                &["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
            ),
        ] {
            let groups = groups.iter().map(|g| (*g).to_owned()).collect();
            let other = UserInfo { username: name.to_owned(), groups, ..UserInfo::default() };
            let became = become_other(&me, other, |_| Ok(Decision::allow(""))).unwrap();
            assert_eq!(became.groups, want, "{name}");
        }
        assert!(wanted(&headers(&[(GROUP, "dev")])).is_err());
        assert_eq!(wanted(&headers(&[])).unwrap(), None);
    }
}
