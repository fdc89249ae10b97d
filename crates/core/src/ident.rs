//! Names that cannot be wrong.
//!
//! Purpose: the identity a token speaks for, and Kubernetes' rules for names with its own words.

use crate::limits::{MAX_LABEL_BYTES, MAX_NAME_BYTES};

/// Prefix of every service account's user name.
pub const USERNAME_PREFIX: &str = "system:serviceaccount:";
/// Group of all service accounts.
pub const ALL_ACCOUNTS_GROUP: &str = "system:serviceaccounts";
/// Group of everyone who proved who they are.
pub const AUTHENTICATED_GROUP: &str = "system:authenticated";

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// The user name of a service account: `system:serviceaccount:<namespace>:<name>`.
pub fn account_username(namespace: &str, name: &str) -> String {
    [USERNAME_PREFIX, namespace, ":", name].concat()
}

/// Namespace and name out of a service account's user name; `None` when it is not one.
/// Kubernetes 1.36: exactly two parts, each a valid name.
pub fn split_account_username(username: &str) -> Option<(&str, &str)> {
    let (namespace, name) = username.strip_prefix(USERNAME_PREFIX)?.split_once(':')?;
    (dns_label(namespace).is_ok() && dns_subdomain(name).is_ok()).then_some((namespace, name))
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn label_shaped(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |b: Option<&u8>| b.is_some_and(|b| alphanumeric(*b));
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|b| alphanumeric(*b) || *b == b'-')
}

/// Whether `name` may name most objects; the error is Kubernetes' text.
///
/// # Errors
/// The rule that was broken, in words.
pub fn dns_subdomain(name: &str) -> Result<(), String> {
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("must be no more than {MAX_NAME_BYTES} bytes"));
    }
    if name.split('.').all(label_shaped) { Ok(()) } else { Err(SUBDOMAIN.to_owned()) }
}

/// Whether `name` may name a namespace; the error is Kubernetes' text.
///
/// # Errors
/// The rule that was broken, in words.
pub fn dns_label(name: &str) -> Result<(), String> {
    if name.len() > MAX_LABEL_BYTES {
        return Err(format!("must be no more than {MAX_LABEL_BYTES} bytes"));
    }
    if label_shaped(name) { Ok(()) } else { Err(LABEL.to_owned()) }
}

/// Whether `name` may stand in a URL path, the rule for RBAC objects.
///
/// # Errors
/// The rule that was broken, in words.
pub fn path_segment(name: &str) -> Result<(), String> {
    if name == "." || name == ".." {
        return Err(format!("may not be '{name}'"));
    }
    match name.chars().find(|c| matches!(c, '/' | '%')) {
        Some(c) => Err(format!("may not contain '{c}'")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(254);
        for (name, subdomain, label) in [
            ("a", true, true),
            ("web-1", true, true),
            ("a.b-c.d", true, false),
            ("kube-root-ca.crt", true, false),
            ("", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("a..b", false, false),
            ("Bad_Name", false, false),
            ("é", false, false),
            (long.as_str(), false, false),
            (&long[..253], true, false),
            (&long[..64], true, false),
            (&long[..63], true, true),
        ] {
            assert_eq!(dns_subdomain(name).is_ok(), subdomain, "{name}");
            assert_eq!(dns_label(name).is_ok(), label, "{name}");
        }
    }

    #[test]
    fn usernames() {
        for (text, parts) in [
            ("system:serviceaccount:ci:builder", Some(("ci", "builder"))),
            ("system:serviceaccount:ci:builder:x", None),
            ("system:serviceaccount:ci", None),
            ("system:serviceaccount::builder", None),
            ("system:serviceaccount:ci:", None),
            ("system:node:n1", None),
        ] {
            assert_eq!(split_account_username(text), parts, "{text}");
        }
        assert_eq!(account_username("ci", "builder"), "system:serviceaccount:ci:builder");
    }

    #[test]
    fn segments() {
        for (name, ok) in [("system:node", true), (".", false), ("..", false), ("a/b", false), ("a%b", false)]
        {
            assert_eq!(path_segment(name).is_ok(), ok, "{name}");
        }
    }
}
