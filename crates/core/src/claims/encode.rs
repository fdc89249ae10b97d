//! Claims to payload bytes: keys in lexicographic order, no white space, Go's escaping of `<`, `>`, `&`.

use super::{Claims, LEGACY_ISSUER, LegacyClaims, Ref};
use crate::json::{Escapes, Writer};

/// Room for the claims of a pod's token with its node.
const USUAL_BYTES: usize = 1024;

fn reference(out: &mut Writer, key: &'static str, named: &Ref) {
    out.object(key, |out| {
        out.text("name", &named.name);
        out.text("uid", &named.uid);
    });
}

/// The payload of a JWS over `claims`, before base64url.
pub fn payload(claims: &Claims) -> Vec<u8> {
    let mut out = Writer::new(Escapes::Go, USUAL_BYTES);
    let number = |out: &mut Writer, key, value: Option<i64>| {
        if let Some(value) = value {
            out.number(key, value);
        }
    };
    let private = &claims.private;
    out.raw("{");
    out.texts("aud", &claims.audiences);
    number(&mut out, "exp", claims.expires);
    number(&mut out, "iat", claims.issued_at);
    member(&mut out, "iss", &claims.issuer);
    out.text("jti", &claims.id);
    out.object("kubernetes.io", |out| {
        member(out, "namespace", &private.namespace);
        for (key, value) in [("node", &private.node), ("pod", &private.pod), ("secret", &private.secret)] {
            if let Some(value) = value {
                reference(out, key, value);
            }
        }
        reference(out, "serviceaccount", &private.account);
        number(out, "warnafter", private.warn_after);
    });
    number(&mut out, "nbf", claims.not_before);
    member(&mut out, "sub", &claims.subject);
    out.raw("}");
    out.into_bytes()
}

/// A member that is there also when it is empty.
fn member(out: &mut Writer, key: &'static str, value: &str) {
    out.key(key);
    out.string(&[value]);
}

/// The payload of a token out of a Secret, before base64url: exactly six members. Kubernetes 1.36: no times, no id and
/// no audience, so that the same account and Secret give the same bytes.
pub fn legacy_payload(claims: &LegacyClaims) -> Vec<u8> {
    let mut out = Writer::new(Escapes::Go, USUAL_BYTES);
    out.raw("{");
    member(&mut out, "iss", LEGACY_ISSUER);
    member(&mut out, "kubernetes.io/serviceaccount/namespace", &claims.namespace);
    member(&mut out, "kubernetes.io/serviceaccount/secret.name", &claims.secret);
    member(&mut out, "kubernetes.io/serviceaccount/service-account.name", &claims.account);
    member(&mut out, "kubernetes.io/serviceaccount/service-account.uid", &claims.account_uid);
    member(&mut out, "sub", &claims.subject);
    out.raw("}");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Private;

    #[test]
    fn legacy_payloads_have_six_members() {
        let claims = LegacyClaims {
            subject: "system:serviceaccount:ci:builder".to_owned(),
            namespace: "ci".to_owned(),
            secret: "forever".to_owned(),
            account: "builder".to_owned(),
            account_uid: "U".to_owned(),
            audiences: Vec::new(),
        };
        let want = r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"ci","kubernetes.io/serviceaccount/secret.name":"forever","kubernetes.io/serviceaccount/service-account.name":"builder","kubernetes.io/serviceaccount/service-account.uid":"U","sub":"system:serviceaccount:ci:builder"}"#;
        assert_eq!(String::from_utf8(legacy_payload(&claims)).unwrap(), want);
        assert_eq!(crate::claims::legacy_claims(&legacy_payload(&claims)).unwrap(), claims);
    }

    #[test]
    fn is_byte_for_byte_what_go_writes() {
        let claims = Claims {
            issuer: "https://issuer.example?a<b>&c".to_owned(),
            subject: "system:serviceaccount:ci:builder".to_owned(),
            audiences: vec!["api".to_owned()],
            expires: Some(1_816_509_600),
            issued_at: Some(1_784_973_600),
            not_before: Some(1_784_973_600),
            id: "J".to_owned(),
            private: Private {
                namespace: "ci".to_owned(),
                account: Ref { name: "builder".to_owned(), uid: "U-SA".to_owned() },
                pod: Some(Ref { name: "p1".to_owned(), uid: "U-POD".to_owned() }),
                node: Some(Ref { name: "n1".to_owned(), uid: String::new() }),
                secret: None,
                warn_after: Some(1_784_977_207),
            },
        };
        let want = r#"{"aud":["api"],"exp":1816509600,"iat":1784973600,"iss":"https://issuer.example?a\u003cb\u003e\u0026c","jti":"J","kubernetes.io":{"namespace":"ci","node":{"name":"n1"},"pod":{"name":"p1","uid":"U-POD"},"serviceaccount":{"name":"builder","uid":"U-SA"},"warnafter":1784977207},"nbf":1784973600,"sub":"system:serviceaccount:ci:builder"}"#;
        assert_eq!(String::from_utf8(payload(&claims)).unwrap(), want);
        assert_eq!(crate::claims::claims(&payload(&claims)).unwrap(), claims);
    }
}
