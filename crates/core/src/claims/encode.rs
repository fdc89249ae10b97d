//! Claims to payload bytes: keys in lexicographic order, no white space, Go's escaping of `<`, `>`, `&`.

use super::{Claims, LEGACY_ISSUER, LegacyClaims, Private, Ref};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};
use std::io;

struct GoFormatter(CompactFormatter);

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, tail) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let special = tail.chars().next().unwrap_or_default();
            write!(out, "\\u{:04x}", u32::from(special))?;
            rest = &tail[special.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

impl Serialize for Ref {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (key, value) in [("name", &self.name), ("uid", &self.uid)] {
            if !value.is_empty() {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

impl Serialize for Private {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("namespace", &self.namespace)?;
        for (key, value) in [("node", &self.node), ("pod", &self.pod), ("secret", &self.secret)] {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
            }
        }
        map.serialize_entry("serviceaccount", &self.account)?;
        if let Some(seconds) = self.warn_after {
            map.serialize_entry("warnafter", &seconds)?;
        }
        map.end()
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        if !self.audiences.is_empty() {
            map.serialize_entry("aud", &self.audiences)?;
        }
        for (key, value) in [("exp", self.expires), ("iat", self.issued_at)] {
            if let Some(value) = value {
                map.serialize_entry(key, &value)?;
            }
        }
        map.serialize_entry("iss", &self.issuer)?;
        if !self.id.is_empty() {
            map.serialize_entry("jti", &self.id)?;
        }
        map.serialize_entry("kubernetes.io", &self.private)?;
        if let Some(value) = self.not_before {
            map.serialize_entry("nbf", &value)?;
        }
        map.serialize_entry("sub", &self.subject)?;
        map.end()
    }
}

/// The payload of a JWS over `claims`, before base64url.
pub fn payload(claims: &Claims) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut writer = serde_json::Serializer::with_formatter(&mut out, GoFormatter(CompactFormatter));
    // Writing these maps to memory has no way to fail.
    let _ = claims.serialize(&mut writer);
    out
}

impl Serialize for LegacyClaims {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(6))?;
        map.serialize_entry("iss", LEGACY_ISSUER)?;
        map.serialize_entry("kubernetes.io/serviceaccount/namespace", &self.namespace)?;
        map.serialize_entry("kubernetes.io/serviceaccount/secret.name", &self.secret)?;
        map.serialize_entry("kubernetes.io/serviceaccount/service-account.name", &self.account)?;
        map.serialize_entry("kubernetes.io/serviceaccount/service-account.uid", &self.account_uid)?;
        map.serialize_entry("sub", &self.subject)?;
        map.end()
    }
}

/// The payload of a token out of a Secret, before base64url: exactly six members. Kubernetes 1.36: no times, no id and
/// no audience, so that the same account and Secret give the same bytes.
pub fn legacy_payload(claims: &LegacyClaims) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut writer = serde_json::Serializer::with_formatter(&mut out, GoFormatter(CompactFormatter));
    // Writing this map to memory has no way to fail.
    let _ = claims.serialize(&mut writer);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
