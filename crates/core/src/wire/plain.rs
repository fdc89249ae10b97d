//! Reviews and requests as programs write them, read in one pass.
//!
//! Invariant: what is read here, `serde_json` reads the same; `None` asks for it.

use super::{BoundObjectRef, TokenRequest, TokenRequestSpec, TokenReview, TokenReviewSpec};
use crate::json::{Reader, once};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// What kinds have in common, and what stands in their `spec`.
struct Whole<'a, S> {
    kind: Option<&'a str>,
    api_version: Option<&'a str>,
    metadata: Option<Map<String, Value>>,
    spec: Option<S>,
    status: Option<IgnoredAny>,
}

impl<'a, S> Whole<'a, S> {
    fn read(text: &'a str, read_spec: impl Fn(&mut Reader<'a>) -> Option<S>) -> Option<Self> {
        let mut whole = Self { kind: None, api_version: None, metadata: None, spec: None, status: None };
        let mut reader = Reader::new(text)?;
        reader.object(|value, key| match key {
            "kind" => once(&mut whole.kind, value.text()?),
            "apiVersion" => once(&mut whole.api_version, value.text()?),
            "metadata" => once(&mut whole.metadata, general(value)?),
            "spec" => once(&mut whole.spec, read_spec(value)?),
            "status" => once(&mut whole.status, general(value)?),
            _ => None,
        })?;
        reader.end()?;
        Some(whole)
    }
}

/// An object of which nothing is known, by the general reader.
fn general<'a, T: Deserialize<'a>>(reader: &mut Reader<'a>) -> Option<T> {
    serde_json::from_str(reader.whole_object()?).ok()
}

fn audiences(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let mut all = Vec::new();
    reader.list(|value| {
        all.push(value.text()?.to_owned());
        Some(())
    })?;
    Some(all)
}

impl<'a> TokenReview<'a> {
    /// Reads a review that is plainly written.
    pub fn plain(text: &'a str) -> Option<Self> {
        let whole = Whole::read(text, TokenReviewSpec::plain)?;
        Some(Self {
            kind: whole.kind.unwrap_or_default().into(),
            api_version: whole.api_version.unwrap_or_default().into(),
            metadata: whole.metadata.unwrap_or_default(),
            spec: whole.spec.unwrap_or_default(),
            status: whole.status,
        })
    }
}

impl<'a> TokenReviewSpec<'a> {
    fn plain(reader: &mut Reader<'a>) -> Option<Self> {
        let (mut token, mut wanted) = (None, None);
        reader.object(|value, key| match key {
            "token" => once(&mut token, value.text()?),
            "audiences" => once(&mut wanted, audiences(value)?),
            _ => None,
        })?;
        Some(Self { token: token.unwrap_or_default().into(), audiences: wanted.unwrap_or_default() })
    }
}

impl<'a> TokenRequest<'a> {
    /// Reads a request that is plainly written.
    pub fn plain(text: &'a str) -> Option<Self> {
        let whole = Whole::read(text, TokenRequestSpec::plain)?;
        Some(Self {
            kind: whole.kind.unwrap_or_default().into(),
            api_version: whole.api_version.unwrap_or_default().into(),
            metadata: whole.metadata.unwrap_or_default(),
            spec: whole.spec.unwrap_or_default(),
            status: whole.status,
        })
    }
}

impl<'a> TokenRequestSpec<'a> {
    fn plain(reader: &mut Reader<'a>) -> Option<Self> {
        let (mut wanted, mut bound, mut seconds) = (None, None, None);
        reader.object(|value, key| match key {
            "audiences" => once(&mut wanted, audiences(value)?),
            "boundObjectRef" => once(&mut bound, BoundObjectRef::plain(value)?),
            "expirationSeconds" => once(&mut seconds, value.number()?),
            _ => None,
        })?;
        Some(Self {
            audiences: wanted.unwrap_or_default(),
            bound_object_ref: bound,
            expiration_seconds: seconds,
        })
    }
}

impl<'a> BoundObjectRef<'a> {
    fn plain(reader: &mut Reader<'a>) -> Option<Self> {
        let [mut kind, mut api_version, mut name, mut uid] = [None; 4];
        reader.object(|value, key| match key {
            "kind" => once(&mut kind, value.text()?),
            "apiVersion" => once(&mut api_version, value.text()?),
            "name" => once(&mut name, value.text()?),
            "uid" => once(&mut uid, value.text()?),
            _ => None,
        })?;
        let [kind, api_version, name, uid] =
            [kind, api_version, name, uid].map(|text: Option<&str>| text.unwrap_or_default().into());
        Some(Self { kind, api_version, name, uid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: [&str; 9] = [
        "{}",
        r#"{"spec":{}}"#,
        // client-go, with its line break.
        "{\"kind\":\"TokenRequest\",\"apiVersion\":\"authentication.k8s.io/v1\",\"metadata\":{\"creationTimestamp\":null},\"spec\":{\"audiences\":[\"a\",\"b\"],\"expirationSeconds\":3607,\"boundObjectRef\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"name\":\"p\",\"uid\":\"u\"}},\"status\":{\"token\":\"\",\"expirationTimestamp\":null}}\n",
        // Python's json, with blanks.
        r#"{"kind": "TokenRequest", "metadata": {"name": "a", "labels": {"x": "}"}}, "spec": {"expirationSeconds": -1}}"#,
        r#"{"spec":{"boundObjectRef":{}}}"#,
        r#"{"spec":{"audiences":null,"boundObjectRef":null}}"#,
        r#"{"spec":{"expirationSeconds":1e3}}"#,
        r#"{"metadata":{"name":"\u0061"}}"#,
        r#"{"spec":{"audiences":["é"]},"kind":null}"#,
    ];

    #[test]
    fn a_request_is_read_as_the_general_reader_reads_it() {
        for (at, text) in REQUESTS.iter().enumerate() {
            let general: TokenRequest<'_> = serde_json::from_str(text).unwrap_or_default();
            let plain = TokenRequest::plain(text);
            assert_eq!(plain.is_some(), at < 5, "{text}");
            assert_eq!(plain.unwrap_or_else(|| general.clone()), general, "{text}");
        }
    }

    #[test]
    fn a_review_is_read_as_the_general_reader_reads_it() {
        for (plain, text) in [
            (true, "{}"),
            (true, r#"{"spec":{"token":"a.b.c"}}"#),
            (
                true,
                "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1\",\"metadata\":{\"creationTimestamp\":null},\"spec\":{\"token\":\"a\",\"audiences\":[\"x\"]},\"status\":{\"user\":{}}}\n",
            ),
            (false, r#"{"spec":{"token":null}}"#),
            (false, r#"{"spec":{"token":"a\u0062"}}"#),
            (false, "{\n  \"spec\": {\"token\": \"a\"}\n}"),
            (false, r#"{"status":1}"#),
        ] {
            let general: TokenReview<'_> = serde_json::from_str(text).unwrap();
            let read = TokenReview::plain(text);
            assert_eq!(read.is_some(), plain, "{text}");
            assert!(read.is_none_or(|read| read == general), "{text}");
        }
    }

    #[test]
    fn what_the_general_reader_refuses_is_not_read() {
        for text in [
            r#"{"spec":{"token":"a","token":"b"}}"#,
            r#"{"spec":{},"spec":{}}"#,
            r#"{"kind":"a","kind":"a"}"#,
            r#"{"more":1}"#,
            r#"{"metadata":{"a":}}"#,
            r#"{"status":{"a"}}"#,
            r#"{"spec":{"token":1}}"#,
            r#"{"spec":{"token":"a"}"#,
            r#"{"spec":{"token":"a"}}}"#,
        ] {
            assert!(serde_json::from_str::<TokenReview<'_>>(text).is_err(), "{text}");
            assert!(TokenReview::plain(text).is_none(), "{text}");
        }
    }
}
