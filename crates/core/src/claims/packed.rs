//! The claims of a bound token in one piece of memory.
//!
//! Purpose: a review reads a dozen texts out of a payload and keeps none of them for long. So they stay where they stand:
//! the payload is kept, and of each claim where it is in it.
//!
//! Invariant: wherever [`PackedClaims::read`] reads something, [`super::claims`] and [`super::issuer`] read the same.

use super::{Claims, Private, Ref};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::fmt;

/// Where a text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    from: usize,
    to: usize,
}

/// Name and uid of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pair {
    name: Span,
    uid: Span,
}

/// A named object in a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefView<'a> {
    /// Name of the object.
    pub name: &'a str,
    /// Uid of the object; empty when unknown.
    pub uid: &'a str,
}

/// What [`Claims`] hold, in one piece.
#[derive(Clone, PartialEq, Eq)]
pub struct PackedClaims {
    text: String,
    issuer: Span,
    subject: Span,
    /// The first audience, and those after it; most tokens have one.
    audience: Option<Span>,
    audiences: Vec<Span>,
    /// `exp`, seconds.
    pub expires: Option<i64>,
    /// `iat`, seconds.
    pub issued_at: Option<i64>,
    /// `nbf`, seconds.
    pub not_before: Option<i64>,
    /// Seconds since the epoch after which an extended token counts as stale.
    pub warn_after: Option<i64>,
    id: Span,
    namespace: Span,
    account: Pair,
    secret: Option<Pair>,
    pod: Option<Pair>,
    node: Option<Pair>,
}

impl PackedClaims {
    /// Reads a payload that is written as this server writes them, in one pass; gives it back when a member is unknown,
    /// stands twice, has another type or an escape in its text. It then takes [`super::issuer`] and [`super::claims`] to
    /// say what the token is.
    ///
    /// # Errors
    /// The payload as it was.
    pub fn read(payload: Vec<u8>) -> Result<Self, Vec<u8>> {
        // As text at once: checked for UTF-8 as a whole, not string by string.
        let text = String::from_utf8(payload).map_err(std::string::FromUtf8Error::into_bytes)?;
        match serde_json::from_str::<Plain<'_>>(&text) {
            Ok(plain) => {
                let placed = plain.placed(&text);
                Ok(Self { text, ..placed })
            }
            Err(_) => Err(text.into_bytes()),
        }
    }

    /// The same as claims that were read otherwise.
    pub fn of(claims: &Claims) -> Self {
        let mut text = String::new();
        let mut put = |part: &str| {
            let from = text.len();
            text.push_str(part);
            Span { from, to: text.len() }
        };
        let private = &claims.private;
        let mut pair = |of: &Ref| Pair { name: put(&of.name), uid: put(&of.uid) };
        let account = pair(&private.account);
        let [secret, pod, node] =
            [&private.secret, &private.pod, &private.node].map(|of| of.as_ref().map(&mut pair));
        let mut audiences = claims.audiences.iter().map(|audience| put(audience));
        let packed = Self {
            audience: audiences.next(),
            audiences: audiences.collect(),
            issuer: put(&claims.issuer),
            subject: put(&claims.subject),
            id: put(&claims.id),
            namespace: put(&private.namespace),
            account,
            secret,
            pod,
            node,
            expires: claims.expires,
            issued_at: claims.issued_at,
            not_before: claims.not_before,
            warn_after: private.warn_after,
            text: String::new(),
        };
        Self { text, ..packed }
    }

    /// The payload, where it was [`PackedClaims::read`] from one.
    pub fn into_payload(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    fn text(&self, span: Span) -> &str {
        self.text.get(span.from..span.to).unwrap_or_default()
    }

    fn view(&self, pair: Pair) -> RefView<'_> {
        RefView { name: self.text(pair.name), uid: self.text(pair.uid) }
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        self.text(self.issuer)
    }
    /// `sub`; never an identity, only a text for the audit log.
    pub fn subject(&self) -> &str {
        self.text(self.subject)
    }
    /// `aud`.
    pub fn audiences(&self) -> impl Iterator<Item = &str> + Clone {
        self.audience.iter().chain(&self.audiences).map(|span| self.text(*span))
    }
    /// `jti`; empty when absent.
    pub fn id(&self) -> &str {
        self.text(self.id)
    }
    /// Namespace of the account.
    pub fn namespace(&self) -> &str {
        self.text(self.namespace)
    }
    /// The account.
    pub fn account(&self) -> RefView<'_> {
        self.view(self.account)
    }
    /// The Secret it is bound to.
    pub fn secret(&self) -> Option<RefView<'_>> {
        self.secret.map(|pair| self.view(pair))
    }
    /// The Pod it is bound to.
    pub fn pod(&self) -> Option<RefView<'_>> {
        self.pod.map(|pair| self.view(pair))
    }
    /// The Node it is bound to, or the node of its pod when it was issued.
    pub fn node(&self) -> Option<RefView<'_>> {
        self.node.map(|pair| self.view(pair))
    }
}

impl From<&PackedClaims> for Claims {
    fn from(packed: &PackedClaims) -> Self {
        let of = |view: RefView<'_>| Ref { name: view.name.to_owned(), uid: view.uid.to_owned() };
        Self {
            issuer: packed.issuer().to_owned(),
            subject: packed.subject().to_owned(),
            audiences: packed.audiences().map(str::to_owned).collect(),
            expires: packed.expires,
            issued_at: packed.issued_at,
            not_before: packed.not_before,
            id: packed.id().to_owned(),
            private: Private {
                namespace: packed.namespace().to_owned(),
                account: of(packed.account()),
                secret: packed.secret().map(of),
                pod: packed.pod().map(of),
                node: packed.node().map(of),
                warn_after: packed.warn_after,
            },
        }
    }
}

impl fmt::Debug for PackedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedClaims({:?}, jti {:?})", self.subject(), self.id())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain<'a> {
    #[serde(borrow)]
    iss: &'a str,
    #[serde(borrow, default)]
    sub: &'a str,
    #[serde(borrow, default)]
    aud: Audiences<'a>,
    exp: Option<i64>,
    iat: Option<i64>,
    nbf: Option<i64>,
    #[serde(borrow, default)]
    jti: &'a str,
    #[serde(borrow, default, rename = "kubernetes.io")]
    private: PlainPrivate<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PlainPrivate<'a> {
    #[serde(borrow)]
    namespace: &'a str,
    #[serde(borrow)]
    serviceaccount: Option<PlainRef<'a>>,
    #[serde(borrow)]
    secret: Option<PlainRef<'a>>,
    #[serde(borrow)]
    pod: Option<PlainRef<'a>>,
    #[serde(borrow)]
    node: Option<PlainRef<'a>>,
    warnafter: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PlainRef<'a> {
    #[serde(borrow)]
    name: &'a str,
    #[serde(borrow)]
    uid: &'a str,
}

/// A list of texts; one needs no memory of its own.
#[derive(Default)]
struct Audiences<'a>(Option<&'a str>, Vec<&'a str>);

impl<'de: 'a, 'a> Deserialize<'de> for Audiences<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Audiences<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let (first, mut more) = (list.next_element()?, Vec::new());
                while let Some(audience) = list.next_element()? {
                    more.push(audience);
                }
                Ok(Audiences(first, more))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl Plain<'_> {
    /// Where each of them stands in the text they were read from. The text itself is left out.
    fn placed(&self, text: &str) -> PackedClaims {
        let span = |part: &str| match part.as_ptr().addr().checked_sub(text.as_ptr().addr()) {
            // Absent members are no part of the text.
            Some(from) if !part.is_empty() => Span { from, to: from + part.len() },
            _ => Span::default(),
        };
        let pair = |of: &PlainRef<'_>| Pair { name: span(of.name), uid: span(of.uid) };
        let inner = &self.private;
        PackedClaims {
            text: String::new(),
            issuer: span(self.iss),
            subject: span(self.sub),
            audience: self.aud.0.map(span),
            audiences: self.aud.1.iter().map(|audience| span(audience)).collect(),
            expires: self.exp,
            issued_at: self.iat,
            not_before: self.nbf,
            warn_after: inner.warnafter,
            id: span(self.jti),
            namespace: span(inner.namespace),
            account: inner.serviceaccount.as_ref().map(pair).unwrap_or_default(),
            secret: inner.secret.as_ref().map(pair),
            pod: inner.pod.as_ref().map(pair),
            node: inner.node.as_ref().map(pair),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{claims, issuer};
    use super::*;

    #[test]
    fn the_quick_reader_sees_what_the_strict_ones_see() {
        let whole = r#"{"aud":["a","b","c"],"exp":3,"iat":1,"iss":"i<é","jti":"j","kubernetes.io":{"namespace":"n","node":{"name":"n1"},"pod":{"name":"p","uid":"u"},"secret":{"name":"s","uid":"x"},"serviceaccount":{"name":"b","uid":"v"},"warnafter":2},"nbf":1,"sub":"s"}"#;
        for quick in [
            whole,
            r#"{"iss":"i"}"#,
            r#"{"iss":"i","aud":[]}"#,
            r#"{"iss":"","aud":["",""],"sub":""}"#,
            r#"{"iss":"i","exp":null,"kubernetes.io":{"pod":null,"node":{}}}"#,
        ] {
            let read = PackedClaims::read(quick.as_bytes().to_vec()).unwrap();
            let strict = claims(quick.as_bytes()).unwrap();
            assert_eq!(Claims::from(&read), strict, "{quick}");
            assert_eq!(Claims::from(&PackedClaims::of(&strict)), strict, "{quick}");
            assert_eq!(Some(read.issuer()), issuer(quick.as_bytes()).as_deref(), "{quick}");
        }
        for slow in [
            "[]",
            r#"["i"]"#,
            "{}",
            r#"{"iss":"i"} x"#,
            r#"{"iss":"i","iss":"i"}"#,
            r#"{"iss":"i","ISS":"j"}"#,
            r#"{"iss":"i","exp":1.5}"#,
            r#"{"iss":"i","aud":"a"}"#,
            r#"{"iss":"i","aud":[1]}"#,
            r#"{"iss":"i\u003c"}"#,
            r#"{"iss":"i","more":1}"#,
            r#"{"iss":"i","kubernetes.io":{"pod":{"name":"p","name":"q"}}}"#,
        ] {
            assert_eq!(PackedClaims::read(slow.as_bytes().to_vec()), Err(slow.as_bytes().to_vec()), "{slow}");
        }
    }
}
