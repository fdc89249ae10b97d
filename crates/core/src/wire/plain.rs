//! Reviews and requests as programs write them, read in one pass.
//!
//! Invariant: what is read here, `serde_json` reads the same; `None` asks for it.

use super::{Arrived, BoundObjectRef, Spec, TokenRequestSpec, TokenReviewSpec};
use crate::json::{Reader, once};
use serde::Deserialize;

impl<'a, S: Spec<'a>> Arrived<'a, S> {
    /// Reads an object that is plainly written.
    pub fn plain(text: &'a str) -> Option<Self> {
        let [mut kind, mut api_version] = [None; 2];
        let (mut metadata, mut spec, mut status) = (None, None, None);
        let mut reader = Reader::new(text)?;
        reader.object(|value, key| match key {
            "kind" => once(&mut kind, value.text()?),
            "apiVersion" => once(&mut api_version, value.text()?),
            "metadata" => once(&mut metadata, general(value)?),
            "spec" => once(&mut spec, S::plain(value)?),
            "status" => once(&mut status, general(value)?),
            _ => None,
        })?;
        reader.end()?;
        Some(Self {
            kind: kind.unwrap_or_default().into(),
            api_version: api_version.unwrap_or_default().into(),
            metadata: metadata.unwrap_or_default(),
            spec: spec.unwrap_or_default(),
            status,
        })
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

impl<'a> Spec<'a> for TokenReviewSpec<'a> {
    const KIND: &'static str = "TokenReview";

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

impl<'a> Spec<'a> for TokenRequestSpec<'a> {
    const KIND: &'static str = "TokenRequest";

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
    use crate::wire::{TokenRequest, TokenReview};

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
