//! Who is calling: a client certificate, a bearer token, or nobody.
//!
//! Kubernetes 1.36: a certificate wins over a token; a token that is refused is a refusal, never anonymous.

use crate::exchange::Exchange;
use crate::flow::{Tokens, review};
use crate::status::ApiError;
use http::header::AUTHORIZATION;
use jeton_core::ident::AUTHENTICATED_GROUP;
use jeton_core::wire::UserInfo;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Name of a caller without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// Group of callers without credentials.
pub const UNAUTHENTICATED_GROUP: &str = "system:unauthenticated";

/// Warning for a header that Kubernetes ignores.
pub const EXTRA_SPACE_WARNING: &str =
    "the provided Authorization header contains extra space before the bearer token, and is ignored";

/// A caller, and what to warn them of.
#[derive(Debug)]
pub struct Caller<'a> {
    /// Who.
    pub user: Arc<UserInfo>,
    /// The token that says so; what it opened must not outlive it.
    pub token: Option<&'a str>,
    /// For a `Warning` header.
    pub warning: Option<&'static str>,
}

/// What an `Authorization` header holds.
#[derive(Debug, PartialEq, Eq)]
enum Bearer<'a> {
    None,
    ExtraSpace,
    Token(&'a str),
}

fn bearer(header: &str) -> Bearer<'_> {
    let mut parts = header.trim().splitn(3, ' ');
    let scheme = parts.next().unwrap_or("");
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Bearer::None;
    }
    match (parts.next(), parts.next()) {
        (None, _) => Bearer::None,
        (Some(""), Some(_)) => Bearer::ExtraSpace,
        (Some(token), _) => Bearer::Token(token),
    }
}

/// Warning for a token that a controller once put into a Secret. Kubernetes 1.36: these words.
pub const AUTO_GENERATED_WARNING: &str = "Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.";

/// Establishes who calls, and tells the exchange what was seen of a token.
///
/// # Errors
/// Unauthorized when a token was presented and refused.
pub fn authenticate<'a>(
    tokens: &Tokens,
    exchange: &'a Exchange,
    certificate: Option<&Arc<UserInfo>>,
) -> Result<Caller<'a>, ApiError> {
    if let Some(user) = certificate {
        return Ok(Caller { user: user.clone(), token: None, warning: None });
    }
    let header = exchange.parts.headers.get(AUTHORIZATION).map(|h| h.to_str().unwrap_or("bearer \u{fffd}"));
    let warning = match header.map_or(Bearer::None, bearer) {
        Bearer::Token(token) => {
            let outcome = review::review(tokens, token, &[]);
            if let Some(event) = review::event(&outcome) {
                exchange.saw(&event);
            }
            let verified = outcome.map_err(|refused| {
                tracing::info!(reason = %refused, "bearer token refused");
                ApiError::Unauthorized
            })?;
            let old = verified.legacy().is_some_and(|used| used.auto_generated);
            let warning = old.then_some(AUTO_GENERATED_WARNING);
            return Ok(Caller { user: Arc::new(verified.user()), token: Some(token), warning });
        }
        Bearer::ExtraSpace => Some(EXTRA_SPACE_WARNING),
        Bearer::None => None,
    };
    let user = UserInfo {
        username: ANONYMOUS.to_owned(),
        groups: vec![UNAUTHENTICATED_GROUP.to_owned()],
        ..UserInfo::default()
    };
    Ok(Caller { user: Arc::new(user), token: None, warning })
}

/// The user of a client certificate that TLS verified: common name and organizations.
pub fn certificate_user(der: &[u8]) -> Option<UserInfo> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let username = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let mut groups: Vec<String> =
        subject.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect();
    groups.push(AUTHENTICATED_GROUP.to_owned());
    Some(UserInfo { username, groups, ..UserInfo::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for (header, want) in [
            ("Bearer abc", Bearer::Token("abc")),
            ("bEARER abc def ghi", Bearer::Token("abc")),
            ("  Bearer abc  ", Bearer::Token("abc")),
            ("Bearer  abc", Bearer::ExtraSpace),
            ("Bearer", Bearer::None),
            ("Basic abc", Bearer::None),
            ("", Bearer::None),
        ] {
            assert_eq!(bearer(header), want, "{header:?}");
        }
    }
}
