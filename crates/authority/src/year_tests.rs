//! A year of an extended token, on a clock that is set: a client that reads its file again, one that does so only after
//! it was refused, and one that never does.

use crate::flow::issue::issue;
use crate::flow::review::{Refused, event, review};
use crate::objects::kinds::POD;
use crate::world::{World, signer};
use jeton_core::clock::Clock;
use jeton_core::issue::Ask;
use jeton_core::observe::{Counter, annotations, counters};
use jeton_core::policy::Policy;
use jeton_core::release::{NEWEST, Release};
use jeton_core::time::UnixTime;
use jeton_core::verify::Rejected;
use jeton_core::wire::BoundObjectRef;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const START: i64 = 1_784_973_600;
const YEAR: i64 = 365 * 24 * 3600;
/// Seconds between two looks at the world: the node has written a new token each time.
const STEP: i64 = 6 * 3600;

/// When a client reads its file again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Always,
    WhenRefused,
    Never,
}

/// A program with a token, and what became of its requests.
struct Client {
    reads: Reads,
    token: String,
    stale: u32,
    fresh: u32,
    refused: u32,
    failed: u32,
    first_refusal: Option<i64>,
    last_words: String,
}

struct Year {
    world: World,
    now: Arc<AtomicI64>,
}

impl Year {
    async fn new(extend: bool) -> Self {
        let now = Arc::new(AtomicI64::new(START));
        let hand = now.clone();
        let clock = Clock::new(move || UnixTime::from_seconds(hand.load(Ordering::SeqCst)));
        let mut world = World::new(Release::of(NEWEST), clock, signer().unwrap()).await.unwrap();
        let tokens = Arc::get_mut(&mut world.tokens).unwrap();
        tokens.policy = Policy { extend, ..tokens.policy.clone() };
        let pod = json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        world.registry.create(&POD, "default", pod, false).await.unwrap();
        Self { world, now }
    }

    /// What the node writes into the file.
    fn file(&self) -> String {
        let bound = BoundObjectRef { kind: "Pod".into(), name: "web".into(), ..BoundObjectRef::default() };
        let ask = Ask {
            namespace: "default",
            account: "default",
            body_name: "",
            body_uid: "",
            audiences: &[],
            expiration_seconds: Some(3607),
            bound: Some(&bound),
        };
        issue(&self.world.tokens, &ask).unwrap().token.expose().to_owned()
    }

    fn client(&self, reads: Reads) -> Client {
        let (stale, fresh, refused, failed) = (0, 0, 0, 0);
        let last_words = String::new();
        Client { reads, token: self.file(), stale, fresh, refused, failed, first_refusal: None, last_words }
    }

    /// One request: what is counted, what the audit log says, what the client does about a refusal.
    fn request(&self, client: &mut Client, file: &str) {
        if client.reads == Reads::Always {
            client.token = file.to_owned();
        }
        let outcome = review(&self.world.tokens, &client.token, &[]);
        let event = event(&outcome).unwrap();
        let seen: Vec<Counter> = counters(&event).collect();
        let notes = annotations(&event);
        let age = self.now.load(Ordering::SeqCst) - START;
        match &outcome {
            Ok(_) if seen == [Counter::Stale] => {
                client.stale += 1;
                client.last_words = notes[0].value.clone();
                assert_eq!(notes[0].key, "authentication.k8s.io/stale-token");
            }
            Ok(_) => {
                client.fresh += u32::from(seen == [Counter::Valid]);
                assert!(notes.is_empty());
            }
            Err(refused) => {
                let Refused::Rejected { why, .. } = refused else { panic!("{refused}") };
                assert!(matches!(**why, Rejected::Expired { leeway: 60, .. }), "{why:?}");
                client.refused += 1;
                client.first_refusal.get_or_insert(age);
                client.last_words = refused.to_string();
                if client.reads == Reads::WhenRefused {
                    client.token = file.to_owned();
                }
                client.failed += u32::from(review(&self.world.tokens, &client.token, &[]).is_err());
            }
        }
    }

    /// Lives until `until` seconds after the start.
    fn live(&self, clients: &mut [Client], until: i64) {
        while self.now.load(Ordering::SeqCst) < START + until {
            self.now.fetch_add(STEP, Ordering::SeqCst);
            let file = self.file();
            clients.iter_mut().for_each(|client| self.request(client, &file));
        }
    }
}

#[tokio::test]
async fn a_year_shows_who_reads_again() {
    let year = Year::new(true).await;
    let mut clients = [Reads::Always, Reads::WhenRefused, Reads::Never].map(|reads| year.client(reads));
    let steps = u32::try_from(YEAR / STEP).unwrap();
    year.live(&mut clients, YEAR);
    let [always, when_refused, never] = &clients;
    assert_eq!((always.fresh, always.stale, always.refused), (steps, 0, 0));
    for old in [when_refused, never] {
        assert_eq!((old.fresh, old.stale, old.refused), (0, steps, 0), "each use after the hour is counted");
        let late = YEAR - 3607;
        let words = format!(
            "subject: system:serviceaccount:default:default, seconds after warning threshold: {late}"
        );
        assert_eq!(old.last_words, words);
    }
    // The first step after the year.
    year.live(&mut clients, YEAR + STEP);
    let [always, when_refused, never] = &clients;
    assert_eq!((always.refused, when_refused.refused, never.refused), (0, 1, 1));
    assert_eq!((when_refused.failed, never.failed), (0, 1), "one finds a new token in its file");
    assert_eq!(never.last_words, "[invalid bearer token, service account token has expired]");
    assert_eq!(never.first_refusal, Some(YEAR + STEP));
    // And a day more: the one that reads when it is refused is stale again, the other never works again.
    year.live(&mut clients, YEAR + STEP + 24 * 3600);
    let [always, when_refused, never] = &clients;
    assert_eq!(always.fresh, steps + 5);
    assert_eq!((when_refused.refused, when_refused.stale), (1, steps + 4));
    assert_eq!((never.refused, never.failed), (5, 5));
}

#[tokio::test]
async fn the_edges_are_where_kubernetes_has_them() {
    let year = Year::new(true).await;
    let token = year.file();
    let at = |age: i64| {
        year.now.store(START + age, Ordering::SeqCst);
        let outcome = review(&year.world.tokens, &token, &[]);
        let event = event(&outcome).unwrap();
        (outcome.is_ok(), counters(&event).collect::<Vec<_>>())
    };
    for (age, holds, counted) in [
        (3607, true, vec![Counter::Valid]),
        (3608, true, vec![Counter::Stale]),
        (YEAR + 60, true, vec![Counter::Stale]),
        (YEAR + 61, false, vec![]),
    ] {
        assert_eq!(at(age), (holds, counted), "{age}");
    }
}

#[tokio::test]
async fn without_the_extension_the_hour_is_the_end_and_nothing_is_counted() {
    let year = Year::new(false).await;
    let mut clients = [Reads::Always, Reads::WhenRefused, Reads::Never].map(|reads| year.client(reads));
    year.live(&mut clients, 24 * 3600);
    let told = clients.each_ref().map(|c| (c.fresh, c.stale, c.refused, c.failed, c.first_refusal));
    assert_eq!(
        told,
        [(0, 0, 0, 0, None), (0, 0, 4, 0, Some(STEP)), (0, 0, 4, 4, Some(STEP))],
        "one read after each refusal keeps a program alive"
    );
}
