//! Tables over signed tokens: what holds, what does not, and which words say why.

#![allow(clippy::disallowed_types, reason = "these tests sign for themselves, which takes randomness")]

use super::*;
use crate::claims::{Claims, Private, Ref, payload};
use crate::issue::{Sealed, seal};
use crate::keys::{KeySet, Message, PublicKey};
use crate::lookup::{Found, Snapshot};
use crate::policy::Policy;
use crate::secret::TokenText;
use crate::time::UnixTime;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::sync::Arc;
use uuid::Uuid;

const NOW: i64 = 1_784_973_600;
const UID: Uuid = Uuid::from_u128(7);

struct Lab {
    pair: EcdsaKeyPair,
    keys: KeySet,
    policy: Policy,
}

impl Lab {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key = Arc::new(PublicKey::from_spki(spki.as_ref()).unwrap());
        Self { pair, keys: KeySet::new([key]), policy: Policy::for_issuer("https://issuer.example") }
    }

    fn token(&self, claims: &Claims) -> TokenText {
        self.sealed(claims).into_token()
    }

    fn sealed(&self, claims: &Claims) -> Sealed {
        let head = self.keys.iter().next().unwrap().header_segment();
        let input = format!("{head}.{}", URL_SAFE_NO_PAD.encode(payload(claims)));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        seal(claims, Message::new(input), signature.as_ref(), &self.keys, true).unwrap()
    }

    fn verdict(&self, token: &str, found: &Snapshot, at_millis: i64) -> Option<Result<Verified, Rejected>> {
        let seen = Seen::default();
        let candidate = open(token, &self.policy, &self.keys, &seen)?;
        let now = UnixTime::from_millis(at_millis);
        let decided =
            candidate.prove(&self.policy).and_then(|p| decide(p, token, &[], found, &self.policy, now));
        Some(decided)
    }
}

fn uid(id: Uuid) -> String {
    id.hyphenated().to_string()
}

fn pod_bound() -> Claims {
    let named = |name: &str| Ref { name: name.to_owned(), uid: uid(UID) };
    Claims {
        issuer: "https://issuer.example".to_owned(),
        subject: "system:serviceaccount:ci:builder".to_owned(),
        audiences: vec!["https://issuer.example".to_owned()],
        expires: Some(NOW + 3600),
        issued_at: Some(NOW),
        not_before: Some(NOW),
        id: "J".to_owned(),
        private: Private {
            namespace: "ci".to_owned(),
            account: named("builder"),
            pod: Some(named("web")),
            ..Private::default()
        },
    }
}

fn live() -> Snapshot {
    let found = Some(Found { uid: UID, deletion: None });
    Snapshot {
        revoked: false,
        account: found.clone(),
        pod: found.clone(),
        secret: found.clone(),
        node: found,
        token_secret: None,
    }
}

#[test]
fn time_has_sixty_seconds_of_leeway_both_ways() {
    let lab = Lab::new();
    let token = lab.token(&pod_bound());
    for (millis, want) in [
        ((NOW - 60) * 1000, None),
        ((NOW - 60) * 1000 - 1, Some("service account token is not valid yet")),
        ((NOW + 3660) * 1000, None),
        ((NOW + 3660) * 1000 + 1, Some("service account token has expired")),
    ] {
        let got = lab.verdict(token.expose(), &live(), millis).unwrap().err().map(|e| e.to_string());
        assert_eq!(got.as_deref(), want, "{millis}");
    }
    let future = Claims { not_before: None, issued_at: Some(NOW + 61), ..pod_bound() };
    let got = lab.verdict(lab.token(&future).expose(), &live(), NOW * 1000).unwrap().unwrap_err();
    assert_eq!(got.to_string(), "service account token is issued in the future");
}

#[test]
fn deletion_is_forgiven_for_sixty_seconds() {
    let lab = Lab::new();
    let token = lab.token(&pod_bound());
    for (deletion, holds) in [
        (None, true),
        (Some(NOW), true),
        (Some(NOW + 1), true),
        (Some(NOW - 60), true),
        (Some(NOW - 61), false),
    ] {
        for part in ["account", "pod"] {
            let gone = Some(Found { uid: UID, deletion });
            let found = match part {
                "account" => Snapshot { account: gone, ..live() },
                _ => Snapshot { pod: gone, ..live() },
            };
            let got = lab.verdict(token.expose(), &found, NOW * 1000).unwrap();
            assert_eq!(got.is_ok(), holds, "{part} {deletion:?}");
        }
    }
}

#[test]
fn objects_are_checked_in_order_with_kubernetes_words() {
    let lab = Lab::new();
    let other = Some(Found { uid: Uuid::from_u128(8), deletion: None });
    let bound = |pick: fn(&mut Private)| {
        let mut claims = pod_bound();
        claims.private.pod = None;
        pick(&mut claims.private);
        claims
    };
    let named = || Some(Ref { name: "x".to_owned(), uid: uid(UID) });
    let secret = bound(|p| p.secret = Some(Ref { name: "x".to_owned(), uid: uid(UID) }));
    let mut node = bound(|_| ());
    node.private.node = named();
    for (claims, found, want) in [
        (
            pod_bound(),
            Snapshot { account: None, ..live() },
            "serviceaccounts \"builder\" not found".to_owned(),
        ),
        (
            pod_bound(),
            Snapshot { account: other.clone(), pod: None, ..live() },
            format!("service account UID ({}) does not match claim ({})", Uuid::from_u128(8), UID),
        ),
        (
            pod_bound(),
            Snapshot { pod: None, ..live() },
            "service account token has been invalidated".to_owned(),
        ),
        (
            pod_bound(),
            Snapshot { pod: other.clone(), ..live() },
            format!("pod UID ({}) does not match service account pod ref claim ({UID})", Uuid::from_u128(8)),
        ),
        (
            secret.clone(),
            Snapshot { secret: None, ..live() },
            "service account token has been invalidated".to_owned(),
        ),
        (
            secret,
            Snapshot { secret: other.clone(), ..live() },
            format!(
                "secret UID ({}) does not match service account secret ref claim ({UID})",
                Uuid::from_u128(8)
            ),
        ),
        (
            node,
            Snapshot { node: other, ..live() },
            format!(
                "node UID ({}) does not match service account node ref claim ({UID})",
                Uuid::from_u128(8)
            ),
        ),
    ] {
        let got = lab.verdict(lab.token(&claims).expose(), &found, NOW * 1000).unwrap().unwrap_err();
        assert_eq!(got.to_string(), want);
    }
}

#[test]
fn a_pods_node_is_a_remark_and_is_not_checked() {
    let lab = Lab::new();
    let mut claims = pod_bound();
    claims.private.node = Some(Ref { name: "n1".to_owned(), uid: String::new() });
    let verified = lab
        .verdict(lab.token(&claims).expose(), &Snapshot { node: None, ..live() }, NOW * 1000)
        .unwrap()
        .unwrap();
    let extra = verified.user().extra;
    let keys: Vec<_> = extra.keys().map(|k| k.rsplit('/').next().unwrap()).collect();
    assert_eq!(keys, ["credential-id", "node-name", "pod-name", "pod-uid"]);
}

#[test]
fn staleness_begins_after_the_warning_time() {
    let lab = Lab::new();
    let mut claims = pod_bound();
    claims.private.warn_after = Some(NOW + 10);
    let token = lab.token(&claims);
    for (millis, want) in [
        ((NOW + 10) * 1000, Staleness::Fresh),
        ((NOW + 10) * 1000 + 1, Staleness::Stale(0)),
        ((NOW + 130) * 1000, Staleness::Stale(120)),
    ] {
        assert_eq!(lab.verdict(token.expose(), &live(), millis).unwrap().unwrap().staleness(), want);
    }
}

#[test]
fn what_is_not_ours_is_no_error_and_what_is_forged_is() {
    let lab = Lab::new();
    let token = lab.token(&pod_bound());
    let (input, signature) = token.expose().rsplit_once('.').unwrap();
    let foreign = lab.token(&Claims { issuer: "https://elsewhere.example".to_owned(), ..pod_bound() });
    for not_ours in ["", "hello", "..", "a.b", "a.b.c.d", "{\"payload\":\"x.y.z\"}", foreign.expose()] {
        assert!(lab.verdict(not_ours, &live(), NOW * 1000).is_none(), "{not_ours}");
    }
    let body = input.split_once('.').unwrap().1;
    let header = |json: &str| format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode(json));
    for (forged, want) in [
        (format!("{input}."), "the signature does not verify: error in cryptographic primitive"),
        (format!("{input}.AAAA"), "the signature does not verify: error in cryptographic primitive"),
        (header(r#"{"alg":"none"}"#), "the signature does not verify: error in cryptographic primitive"),
        (header(r#"{"alg":"HS256"}"#), "the signature does not verify: error in cryptographic primitive"),
        (header(r#"{"alg":"ES256","kid":"nope"}"#), "invalid signature, no keys found"),
    ] {
        let got = lab.verdict(&forged, &live(), NOW * 1000).unwrap().unwrap_err();
        assert_eq!(got.to_string(), want);
    }
}

#[test]
fn audiences_are_intersected_in_the_order_asked() {
    let lab = Lab::new();
    let claims = Claims { audiences: vec!["b".to_owned(), "a".to_owned()], ..pod_bound() };
    let token = lab.token(&claims);
    let seen = Seen::default();
    let opened = open(token.expose(), &lab.policy, &lab.keys, &seen).unwrap();
    let proven = opened.prove(&lab.policy).unwrap();
    let ask = |asked: &[&str]| {
        let asked: Vec<String> = asked.iter().map(|s| (*s).to_owned()).collect();
        decide(proven.clone(), token.expose(), &asked, &live(), &lab.policy, UnixTime::from_seconds(NOW))
    };
    assert_eq!(ask(&["a", "x", "b"]).unwrap().audiences(), ["a", "b"]);
    let refused = ask(&["x", "y"]).unwrap_err().to_string();
    assert_eq!(refused, r#"token audiences ["b" "a"] is invalid for the target audiences ["x" "y"]"#);
}

#[test]
fn a_signature_that_held_is_not_computed_again_and_no_other_passes_for_it() {
    let lab = Lab::new();
    let (good, seen) = (lab.token(&pod_bound()), Seen::default());
    let forged = format!("{}AAAA", good.expose().rsplit_once('.').unwrap().0.to_owned() + ".");
    let proves = |token: &str, keys: &KeySet, seen: &Seen| {
        open(token, &lab.policy, keys, seen).unwrap().prove(&lab.policy).is_ok()
    };
    assert!(!proves(&forged, &lab.keys, &seen));
    assert!(!proves(&forged, &lab.keys, &seen), "a signature that did not hold is not remembered");
    assert!(proves(good.expose(), &lab.keys, &seen));
    assert!(proves(good.expose(), &KeySet::default(), &seen), "no key is needed any more");
    assert!(!proves(&forged, &lab.keys, &seen));
    assert!(!proves(good.expose(), &KeySet::default(), &Seen::default()), "other keys remember nothing");
}

#[test]
fn a_token_that_was_sealed_here_needs_no_key_and_no_other_passes_for_it() {
    let lab = Lab::new();
    let (sealed, seen) = (lab.sealed(&pod_bound()), Seen::default());
    let proves = |token: &str, seen: &Seen| {
        open(token, &lab.policy, &KeySet::default(), seen).unwrap().prove(&lab.policy).is_ok()
    };
    assert!(!proves(sealed.expose(), &seen));
    seen.sealed(&sealed);
    assert!(proves(sealed.expose(), &seen));
    let other = lab.token(&Claims { id: "K".to_owned(), ..pod_bound() });
    assert!(!proves(other.expose(), &seen), "another token of the same key has to be proven");
    assert!(!proves(sealed.expose(), &Seen::default()), "other keys remember nothing");
}

#[test]
fn a_token_is_presented_without_the_spaces_around_it() {
    for (text, want) in
        [("a.b.c", "a.b.c"), (" \ta.b.c \n", "a.b.c"), ("a b c", "a"), ("é x", "é"), ("  ", ""), ("", "")]
    {
        assert_eq!(presented(text), want, "{text:?}");
    }
}
