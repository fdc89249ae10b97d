//! What a token says that its revocation needs: its id, and when it ends by itself.

use crate::claims::LEGACY_ISSUER;
use crate::explain::{NotAToken, parts};
use crate::time::UnixTime;

/// The token to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocable {
    /// Its `jti`.
    pub id: String,
    /// Its `exp`.
    pub until: UnixTime,
}

/// Why a token cannot be revoked by its id; each says what does it instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRevocable {
    /// It cannot be taken apart.
    #[error("the input is no token")]
    NotAToken(#[from] NotAToken),
    /// It came out of a Secret.
    #[error("this token came out of a Secret and has no id: delete Secret {namespace}/{secret} to revoke it")]
    Legacy {
        /// Namespace of the Secret.
        namespace: String,
        /// The Secret.
        secret: String,
    },
    /// It has no id.
    #[error(
        "this token has no jti, as before Kubernetes 1.30: delete the pod, Secret or account it is bound to to revoke it"
    )]
    NoId,
    /// It has no end.
    #[error("this token has no exp: say --jti and --until")]
    NoEnd,
}

/// Reads what the revocation of a token needs. Nothing is verified: a revocation of what is no token harms nobody.
///
/// # Errors
/// [`NotRevocable`]; it never holds the token.
pub fn revocable(token: &str) -> Result<Revocable, NotRevocable> {
    let (_, payload) = parts(token)?;
    if crate::claims::issuer(&payload).as_deref() == Some(LEGACY_ISSUER) {
        let claims = crate::claims::legacy_claims(&payload).map_err(NotAToken::Payload)?;
        return Err(NotRevocable::Legacy { namespace: claims.namespace, secret: claims.secret });
    }
    let claims = crate::claims::claims(&payload).map_err(NotAToken::Payload)?;
    if claims.id.is_empty() {
        return Err(NotRevocable::NoId);
    }
    let until = claims.expires.ok_or(NotRevocable::NoEnd)?;
    Ok(Revocable { id: claims.id, until: UnixTime::from_seconds(until) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    fn token(payload: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode("{}"), encode(payload), encode("x"))
    }

    #[test]
    fn what_is_needed_or_what_to_do_instead() {
        let found = revocable(&token(r#"{"iss":"i","jti":"7","exp":1784973600}"#)).unwrap();
        assert_eq!((found.id.as_str(), found.until.seconds()), ("7", 1_784_973_600));
        let legacy = r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"ci","kubernetes.io/serviceaccount/secret.name":"old"}"#;
        for (text, want) in [
            (token(legacy), "delete Secret ci/old"),
            (token(r#"{"iss":"i","exp":1784973600}"#), "has no jti"),
            (token(r#"{"iss":"i","jti":"7"}"#), "--until"),
            ("nonsense".to_owned(), "no token"),
        ] {
            let error = revocable(&text).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
