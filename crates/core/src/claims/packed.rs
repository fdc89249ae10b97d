//! The claims of a bound token in one piece of memory.
//!
//! Purpose: a review reads a dozen texts out of a payload and keeps none of them for long. So they stay where they stand:
//! the payload is kept, and of each claim where it is in it.
//!
//! Invariant: wherever [`PackedClaims::read`] reads something, [`super::claims`] and [`super::issuer`] read the same.

use super::{Claims, Private, Ref};
use crate::json::Reader;
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
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PackedClaims {
    text: String,
    /// Whether no text in it needs an escape.
    plain: bool,
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
    /// Reads a payload that is written as this server and kube-apiserver write them, in one pass; gives it back when a
    /// member is unknown, stands twice or in another place, has another type or an escape in its text. It then takes
    /// [`super::issuer`] and [`super::claims`] to say what the token is.
    ///
    /// # Errors
    /// The payload as it was.
    pub fn read(payload: Vec<u8>) -> Result<Self, Vec<u8>> {
        // As text at once: checked for UTF-8 as a whole, not string by string.
        let text = String::from_utf8(payload).map_err(std::string::FromUtf8Error::into_bytes)?;
        match places(&text) {
            Some(found) => Ok(Self { text, plain: true, ..found }),
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
            plain: false,
        };
        Self { text, ..packed }
    }

    /// The payload, where it was [`PackedClaims::read`] from one.
    pub fn into_payload(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// Whether none of its texts needs an escape in JSON; `false`: it is not known.
    pub fn is_plain(&self) -> bool {
        self.plain
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

/// Where the claims stand in a payload, and their numbers; the text is still to be put in. `None`: it is not written as
/// Kubernetes writes payloads, with the members of each object in the order of their names.
fn places(text: &str) -> Option<PackedClaims> {
    let mut reader = Reader::new(text)?;
    let reader = &mut reader;
    let mut found = PackedClaims::default();
    reader.open()?;
    if reader.member("\"aud\":") {
        (found.audience, found.audiences) = audiences(reader)?;
    }
    found.expires = number(reader, "\"exp\":")?;
    found.issued_at = number(reader, "\"iat\":")?;
    // Without it the payload is nobody's.
    found.issuer = reader.member("\"iss\":").then(|| reader.place())??.into();
    found.id = place(reader, "\"jti\":")?;
    if reader.member("\"kubernetes.io\":") {
        reader.open()?;
        found.namespace = place(reader, "\"namespace\":")?;
        found.node = pair(reader, "\"node\":")?;
        found.pod = pair(reader, "\"pod\":")?;
        found.secret = pair(reader, "\"secret\":")?;
        found.account = pair(reader, "\"serviceaccount\":")?.unwrap_or_default();
        found.warn_after = number(reader, "\"warnafter\":")?;
        reader.close()?;
    }
    found.not_before = number(reader, "\"nbf\":")?;
    found.subject = place(reader, "\"sub\":")?;
    reader.close()?;
    reader.end()?;
    Some(found)
}

/// The text of a member; empty when it is absent.
fn place(reader: &mut Reader<'_>, key: &'static str) -> Option<Span> {
    if !reader.member(key) {
        return Some(Span::default());
    }
    reader.place().map(Span::from)
}

/// The number of a member that may be absent.
fn number(reader: &mut Reader<'_>, key: &'static str) -> Option<Option<i64>> {
    if !reader.member(key) {
        return Some(None);
    }
    reader.number().map(Some)
}

/// Name and uid in a member that may be absent.
fn pair(reader: &mut Reader<'_>, key: &'static str) -> Option<Option<Pair>> {
    if !reader.member(key) {
        return Some(None);
    }
    reader.open()?;
    let pair = Pair { name: place(reader, "\"name\":")?, uid: place(reader, "\"uid\":")? };
    reader.close()?;
    Some(Some(pair))
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
    use super::super::{claims, issuer, payload};
    use super::*;

    #[test]
    fn the_quick_reader_sees_what_the_strict_ones_see() {
        let whole = r#"{"aud":["a","b","c"],"exp":3,"iat":1,"iss":"i<é","jti":"j","kubernetes.io":{"namespace":"n","node":{"name":"n1"},"pod":{"name":"p","uid":"u"},"secret":{"name":"s","uid":"x"},"serviceaccount":{"name":"b","uid":"v"},"warnafter":2},"nbf":1,"sub":"s"}"#;
        for quick in [
            whole,
            r#"{"iss":"i"}"#,
            r#"{"aud":[],"iss":"i"}"#,
            r#"{"aud":["",""],"iss":"","sub":""}"#,
            r#" {"exp": -1,"iss":"i","kubernetes.io": {"node": {} },"nbf":0 } "#,
        ] {
            let read = PackedClaims::read(quick.as_bytes().to_vec()).unwrap();
            let strict = claims(quick.as_bytes()).unwrap();
            assert_eq!(Claims::from(&read), strict, "{quick}");
            assert_eq!(Claims::from(&PackedClaims::of(&strict)), strict, "{quick}");
            assert_eq!(Some(read.issuer()), issuer(quick.as_bytes()).as_deref(), "{quick}");
            let own = payload(&strict);
            assert!(
                own.contains(&b'\\') || PackedClaims::read(own).is_ok(),
                "{quick}: what this server writes"
            );
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
            r#"{"aud":"a","iss":"i"}"#,
            r#"{"aud":[1],"iss":"i"}"#,
            r#"{"iss":"i","exp":1}"#,
            r#"{"exp":1.5,"iss":"i"}"#,
            r#"{"exp":1,"exp":1,"iss":"i"}"#,
            r#"{"aud":["a"]"iss":"i"}"#,
            r#"{"exp":1}"#,
            r#"{"iss":"i\u003c"}"#,
            r#"{"iss":"i","more":1}"#,
            r#"{"iss":"i","kubernetes.io":{"pod":{"name":"p","name":"q"}}}"#,
        ] {
            assert_eq!(PackedClaims::read(slow.as_bytes().to_vec()), Err(slow.as_bytes().to_vec()), "{slow}");
        }
    }
}
