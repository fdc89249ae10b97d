//! The claims of a bound token in one piece of memory.
//!
//! Purpose: a review reads a dozen texts out of a payload and keeps none of them for long. So they stay where they stand:
//! the payload is kept, and of each claim where it is in it.
//!
//! Invariant: wherever [`PackedClaims::read`] reads something, [`super::claims`] and [`super::issuer`] read the same.

use super::{Claims, Private, Ref};
use crate::json::{Reader, once};
use std::fmt;
use std::ops::Range;

/// Where a text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    from: usize,
    to: usize,
}

impl From<Range<usize>> for Span {
    fn from(Range { start: from, end: to }: Range<usize>) -> Self {
        Self { from, to }
    }
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
        match Found::read(&text) {
            Some(found) => Ok(found.packed(text)),
            None => Err(text.into_bytes()),
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

/// What stands where in a payload.
#[derive(Default)]
struct Found {
    issuer: Option<Span>,
    subject: Option<Span>,
    audiences: Option<(Option<Span>, Vec<Span>)>,
    expires: Option<i64>,
    issued_at: Option<i64>,
    not_before: Option<i64>,
    id: Option<Span>,
    private: Option<FoundPrivate>,
}

/// What stands where in the `kubernetes.io` claim.
#[derive(Default)]
struct FoundPrivate {
    namespace: Option<Span>,
    account: Option<Pair>,
    secret: Option<Pair>,
    pod: Option<Pair>,
    node: Option<Pair>,
    warn_after: Option<i64>,
}

impl Found {
    fn read(text: &str) -> Option<Self> {
        let (mut reader, mut found) = (Reader::new(text)?, Self::default());
        reader.object(|value, key| match key {
            "iss" => once(&mut found.issuer, value.place()?.into()),
            "sub" => once(&mut found.subject, value.place()?.into()),
            "aud" => once(&mut found.audiences, audiences(value)?),
            "exp" => once(&mut found.expires, value.number()?),
            "iat" => once(&mut found.issued_at, value.number()?),
            "nbf" => once(&mut found.not_before, value.number()?),
            "jti" => once(&mut found.id, value.place()?.into()),
            "kubernetes.io" => once(&mut found.private, FoundPrivate::read(value)?),
            _ => None,
        })?;
        reader.end()?;
        found.issuer.is_some().then_some(found)
    }

    /// The claims, with the text they were read from.
    fn packed(self, text: String) -> PackedClaims {
        let (audience, audiences) = self.audiences.unwrap_or_default();
        let private = self.private.unwrap_or_default();
        PackedClaims {
            text,
            issuer: self.issuer.unwrap_or_default(),
            subject: self.subject.unwrap_or_default(),
            audience,
            audiences,
            expires: self.expires,
            issued_at: self.issued_at,
            not_before: self.not_before,
            warn_after: private.warn_after,
            id: self.id.unwrap_or_default(),
            namespace: private.namespace.unwrap_or_default(),
            account: private.account.unwrap_or_default(),
            secret: private.secret,
            pod: private.pod,
            node: private.node,
        }
    }
}

impl FoundPrivate {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut found = Self::default();
        reader.object(|value, key| match key {
            "namespace" => once(&mut found.namespace, value.place()?.into()),
            "serviceaccount" => once(&mut found.account, pair(value)?),
            "secret" => once(&mut found.secret, pair(value)?),
            "pod" => once(&mut found.pod, pair(value)?),
            "node" => once(&mut found.node, pair(value)?),
            "warnafter" => once(&mut found.warn_after, value.number()?),
            _ => None,
        })?;
        Some(found)
    }
}

fn pair(reader: &mut Reader<'_>) -> Option<Pair> {
    let (mut name, mut uid) = (None, None);
    reader.object(|value, key| match key {
        "name" => once(&mut name, value.place()?.into()),
        "uid" => once(&mut uid, value.place()?.into()),
        _ => None,
    })?;
    Some(Pair { name: name.unwrap_or_default(), uid: uid.unwrap_or_default() })
}

/// The first audience, and those after it.
fn audiences(reader: &mut Reader<'_>) -> Option<(Option<Span>, Vec<Span>)> {
    let (mut first, mut more) = (None, Vec::new());
    reader.list(|value| {
        let audience = value.place()?.into();
        match first {
            None => first = Some(audience),
            Some(_) => more.push(audience),
        }
        Some(())
    })?;
    Some((first, more))
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
            r#"{ "iss" : "i", "exp": -1, "kubernetes.io": {"node": {}} } "#,
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
            r#"{"iss":"i","exp":null}"#,
            r#"{"iss":"i","kubernetes.io":{"pod":null}}"#,
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
