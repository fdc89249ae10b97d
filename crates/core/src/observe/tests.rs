//! Real tokens through the real decision, and what is then counted and annotated.

#![allow(clippy::disallowed_types, reason = "these tests sign for themselves, which takes randomness")]

use super::*;
use crate::claims::{Claims, Private, Ref, payload};
use crate::keys::{KeySet, PublicKey};
use crate::lookup::{Found, FoundTokenSecret, Snapshot};
use crate::policy::Policy;
use crate::time::UnixTime;
use crate::verify::{Rejected, Seen, Verified, decide, open};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::sync::Arc;
use uuid::Uuid;

const NOW: i64 = 1_784_973_600;
const UID: Uuid = Uuid::from_u128(7);
const SUBJECT: &str = "system:serviceaccount:ci:builder";

/// Counters and annotations of one presented token.
type Observed = (Vec<Counter>, Vec<(&'static str, String)>);

/// What is seen of a payload that one of our keys signed.
fn seen(payload: &[u8], found: &Snapshot) -> Observed {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let keys = KeySet::new([Arc::new(PublicKey::from_spki(spki.as_ref()).unwrap())]);
    let policy = Policy::for_issuer("https://issuer.example");
    let head = keys.iter().next().unwrap().header_segment();
    let input = format!("{head}.{}", URL_SAFE_NO_PAD.encode(payload));
    let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    let seen = Seen::default();
    let proven = open(&token, &policy, &keys, &seen).unwrap().prove(&policy).unwrap();
    let held = digest(&SHA256, token.as_bytes());
    let found = Snapshot {
        token_secret: found
            .token_secret
            .clone()
            .map(|secret| FoundTokenSecret { token_digest: held.as_ref().try_into().ok(), ..secret }),
        ..found.clone()
    };
    let audienceless = proven.audienceless().map(str::to_owned);
    let outcome: Result<Verified, Rejected> =
        decide(proven, &token, &[], &found, &policy, UnixTime::from_seconds(NOW));
    let event = match &outcome {
        Ok(verified) => Event::Accepted(verified),
        Err(why) => Event::Refused { why, audienceless: audienceless.as_deref() },
    };
    let notes = annotations(&event).into_iter().map(|a| (a.key, a.value)).collect();
    (counters(&event).collect(), notes)
}

fn bound(warn_after: Option<i64>, audiences: &[&str]) -> Vec<u8> {
    payload(&Claims {
        issuer: "https://issuer.example".to_owned(),
        subject: SUBJECT.to_owned(),
        audiences: audiences.iter().map(|a| (*a).to_owned()).collect(),
        expires: Some(NOW + 10),
        private: Private {
            namespace: "ci".to_owned(),
            account: Ref { name: "builder".to_owned(), uid: UID.hyphenated().to_string() },
            warn_after,
            ..Private::default()
        },
        ..Claims::default()
    })
}

fn account() -> Snapshot {
    Snapshot { account: Some(Found { uid: UID, deletion: None }), ..Snapshot::default() }
}

fn legacy() -> Vec<u8> {
    serde_json::json!({
        "iss": "kubernetes/serviceaccount", "sub": SUBJECT,
        "kubernetes.io/serviceaccount/namespace": "ci",
        "kubernetes.io/serviceaccount/secret.name": "old",
        "kubernetes.io/serviceaccount/service-account.name": "builder",
        "kubernetes.io/serviceaccount/service-account.uid": UID.hyphenated().to_string(),
    })
    .to_string()
    .into_bytes()
}

fn secret(auto_generated: bool, invalid_since: Option<&str>) -> Snapshot {
    let token_secret = Some(FoundTokenSecret {
        object: Found { uid: UID, deletion: None },
        token_digest: None,
        invalid_since: invalid_since.map(str::to_owned),
        last_used: None,
        auto_generated,
    });
    Snapshot { token_secret, ..account() }
}

#[test]
fn bound_tokens_are_seen_as_kubernetes_sees_them() {
    let api = &["https://issuer.example"][..];
    let stale = "subject: system:serviceaccount:ci:builder, seconds after warning threshold: 5";
    for (token, found, want) in [
        (bound(None, api), account(), (vec![], vec![])),
        (bound(Some(NOW + 1), api), account(), (vec![Counter::Valid], vec![])),
        (bound(Some(NOW), api), account(), (vec![Counter::Valid], vec![])),
        (
            bound(Some(NOW - 5), api),
            account(),
            (vec![Counter::Stale], vec![("authentication.k8s.io/stale-token", stale.to_owned())]),
        ),
        (
            bound(None, &[]),
            account(),
            (vec![Counter::Legacy], vec![("authentication.k8s.io/legacy-token", SUBJECT.to_owned())]),
        ),
        // Refused: staleness comes last and is not looked at; a missing audience comes first and is.
        (bound(Some(NOW - 5), api), Snapshot::default(), (vec![], vec![])),
        (
            bound(None, &[]),
            Snapshot::default(),
            (vec![Counter::Legacy], vec![("authentication.k8s.io/legacy-token", SUBJECT.to_owned())]),
        ),
    ] {
        assert_eq!(seen(&token, &found), want);
    }
}

#[test]
fn legacy_tokens_are_seen_by_the_secret_they_came_from() {
    let note = |key: &'static str, value: &str| (key, value.to_owned());
    let subject = note("authentication.k8s.io/legacy-token", SUBJECT);
    for (found, counted, annotated) in [
        (
            secret(true, None),
            Counter::LegacyAuto,
            note("authentication.k8s.io/legacy-token-autogenerated-secret", "old"),
        ),
        (
            secret(false, None),
            Counter::LegacyManual,
            note("authentication.k8s.io/legacy-token-manual-secret", "old"),
        ),
        (
            secret(true, Some("2026-01-01")),
            Counter::InvalidLegacy,
            note("authentication.k8s.io/legacy-token-invalidated", "old/ci"),
        ),
    ] {
        let want = (vec![Counter::Legacy, counted], vec![subject.clone(), annotated]);
        assert_eq!(seen(&legacy(), &found), want);
    }
}

#[test]
fn a_reviewed_token_is_told_apart_from_the_reviewers_own() {
    let event = Event::Refused { why: &Rejected::NoAccountName, audienceless: Some("s") };
    let keys = |notes: Vec<Annotation>| notes.into_iter().map(|a| a.key).collect::<Vec<_>>();
    assert_eq!(keys(annotations(&event)), ["authentication.k8s.io/legacy-token"]);
    assert_eq!(keys(reviewed_annotations(&event)), ["jeton.dev/reviewed-legacy-token"]);
}

#[test]
fn what_is_issued_is_annotated_and_not_counted() {
    let event = Event::Issued { id: "7", other_uid: None };
    assert_eq!(counters(&event).count(), 0);
    let want =
        Annotation { key: "authentication.kubernetes.io/issued-credential-id", value: "JTI=7".to_owned() };
    assert_eq!(annotations(&event), [want]);
}

#[test]
fn names_are_in_order_and_unique() {
    for (at, counter) in Counter::ALL.into_iter().enumerate() {
        assert_eq!(counter as usize, at);
        assert!(counter.help().starts_with("[ALPHA] "));
        assert_eq!(Counter::ALL.iter().filter(|c| c.name() == counter.name()).count(), 1);
    }
}
