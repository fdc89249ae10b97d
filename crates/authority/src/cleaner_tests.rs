//! Two periods of the cleaner on a clock that is set: what saves a Secret, and what becomes of its token.

use crate::controllers::legacy_tracking::write_uses;
use crate::flow::review::review;
use crate::objects::Write;
use crate::objects::kinds::{POD, SECRET, SERVICE_ACCOUNT, TOKEN_TYPE};
use crate::world::{World, signer};
use base64::{Engine, engine::general_purpose::STANDARD};
use jeton_core::clock::Clock;
use jeton_core::legacy::{
    ACCOUNT_NAME_ANNOTATION, CLEAN_UP_PERIOD_SECONDS as PERIOD, INVALID_SINCE_LABEL, LAST_USED_LABEL,
};
use jeton_core::release::{NEWEST, Release};
use jeton_core::time::UnixTime;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const DAY: i64 = 24 * 3600;

/// What somebody does with a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Nothing,
    Uses,
    Mounts,
    Unlabels,
    EmptiesLabel,
    RedatesLabel,
    SpoilsLastUse,
}

use Does::{EmptiesLabel, Mounts, Nothing, RedatesLabel, SpoilsLastUse, Unlabels, Uses};

/// A Secret: its name; whether its account lists it; what happens in its first period; how it stands after that; what
/// happens the day after; how it stands a period later.
type Story = (&'static str, bool, Does, &'static str, &'static [Does], &'static str);

/// Kubernetes 1.36: pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go; KEP-2799 says that a new date
/// on the label gives a token back, the code (pkg/serviceaccount/legacy.go) refuses whatever is not empty.
const STORIES: &[Story] = &[
    ("idle", true, Nothing, "marked refused", &[Nothing], "gone"),
    ("in-use", true, Uses, "accepted", &[Uses], "accepted"),
    ("used-once", true, Uses, "accepted", &[Nothing], "marked refused"),
    ("mounted", true, Mounts, "accepted", &[Nothing], "accepted"),
    ("mounted-late", true, Nothing, "marked refused", &[Mounts], "marked refused"),
    ("by-hand", false, Nothing, "accepted", &[Nothing], "accepted"),
    ("odd-last-use", true, SpoilsLastUse, "accepted", &[Nothing], "accepted"),
    ("unlabelled", true, Nothing, "marked refused", &[Unlabels], "marked refused"),
    ("emptied", true, Nothing, "marked refused", &[EmptiesLabel], "marked refused"),
    ("unlabelled-and-used", true, Nothing, "marked refused", &[Unlabels, Uses], "accepted"),
    ("refused-and-unlabelled", true, Nothing, "marked refused", &[Uses, Unlabels], "accepted"),
    ("refused", true, Nothing, "marked refused", &[Uses], "marked refused"),
    ("redated", true, Nothing, "marked refused", &[RedatesLabel], "marked refused"),
];

struct Lab {
    world: World,
    now: Arc<AtomicI64>,
}

impl Lab {
    async fn new() -> Self {
        let now = Arc::new(AtomicI64::new(1_784_973_600)); // 2026-07-25T10:00:00Z
        let hand = now.clone();
        let clock = Clock::new(move || UnixTime::from_seconds(hand.load(Ordering::SeqCst)));
        let world = World::new(Release::of(NEWEST), clock, signer().unwrap()).await.unwrap();
        for (name, ..) in STORIES {
            let annotations = json!({ACCOUNT_NAME_ANNOTATION: "default"});
            let body = json!({"metadata": {"name": name, "annotations": annotations}, "type": TOKEN_TYPE});
            world.registry.create(&SECRET, "default", body, false).await.unwrap();
        }
        let lab = Self { world, now };
        let mut account = lab.world.registry.get(&SERVICE_ACCOUNT, "default", "default").unwrap();
        let listed = STORIES.iter().filter(|story| story.1).map(|story| json!({"name": story.0}));
        account["secrets"] = listed.collect();
        // A pod without a token volume of its own, so that only what a story mounts is mounted.
        account["automountServiceAccountToken"] = json!(false);
        let write = Write::default();
        lab.world.registry.update(&SERVICE_ACCOUNT, "default", "default", account, write).await.unwrap();
        lab.world.settle().await;
        lab
    }

    async fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    fn secret(&self, name: &str) -> Option<Value> {
        self.world.registry.get(&SECRET, "default", name).ok()
    }

    fn accepted(&self, secret: &Value) -> bool {
        let token = STANDARD.decode(secret["data"]["token"].as_str().unwrap()).unwrap();
        review(&self.world.tokens, std::str::from_utf8(&token).unwrap(), &[]).is_ok()
    }

    async fn does(&self, name: &str, what: Does) {
        let mut secret = self.secret(name).unwrap();
        let labels = &mut secret["metadata"]["labels"];
        match what {
            Nothing => return,
            Uses => {
                self.accepted(&secret);
                return write_uses(&self.world.registry, &self.world.tokens.uses).await;
            }
            Mounts => {
                let volumes = json!([{"name": "v", "secret": {"secretName": name}}]);
                let spec = json!({"containers": [{"name": "c", "image": "i"}], "volumes": volumes});
                let pod = json!({"metadata": {"name": name}, "spec": spec});
                self.world.registry.create(&POD, "default", pod, false).await.unwrap();
                return;
            }
            Unlabels => drop(labels.as_object_mut().unwrap().remove(INVALID_SINCE_LABEL)),
            EmptiesLabel => labels[INVALID_SINCE_LABEL] = json!(""),
            RedatesLabel => labels[INVALID_SINCE_LABEL] = json!(self.world.registry.clock().now().date()),
            SpoilsLastUse => labels[LAST_USED_LABEL] = json!("lately"),
        }
        self.world.registry.update(&SECRET, "default", name, secret, Write::default()).await.unwrap();
        let back = matches!(what, Unlabels | EmptiesLabel);
        assert!(
            !back || self.accepted(&self.secret(name).unwrap()),
            "{name}: a token without mark holds at once"
        );
        self.world.tokens.uses.take();
    }

    /// How a Secret stands; looking is no use.
    fn stands(&self, name: &str) -> &'static str {
        let Some(secret) = self.secret(name) else { return "gone" };
        let marked = secret["metadata"]["labels"][INVALID_SINCE_LABEL].is_string();
        let accepted = self.accepted(&secret);
        self.world.tokens.uses.take();
        match (marked, accepted) {
            (true, false) => "marked refused",
            (false, true) => "accepted",
            (true, true) => "marked accepted",
            (false, false) => "refused",
        }
    }
}

#[tokio::test]
async fn two_periods_of_the_cleaner() {
    let lab = Lab::new().await;
    let told = |wanted: fn(&Story) -> &'static str, when: &str| {
        for story in STORIES {
            assert_eq!(lab.stands(story.0), wanted(story), "{}, after the {when} period", story.0);
        }
    };
    told(|_| "accepted", "zeroth");
    lab.pass(200 * DAY).await;
    for (name, _, first, ..) in STORIES {
        lab.does(name, *first).await;
    }
    lab.pass(PERIOD - 199 * DAY).await;
    lab.world.settle().await;
    told(|story| story.3, "first");
    lab.pass(DAY).await;
    for (name, _, _, _, then, _) in STORIES {
        for what in *then {
            lab.does(name, *what).await;
        }
    }
    lab.world.settle().await;
    lab.pass(PERIOD - 1).await;
    lab.world.settle().await;
    assert_eq!(lab.stands("idle"), "gone", "a period and a day after it was marked");
    lab.pass(1).await;
    lab.world.settle().await;
    told(|story| story.5, "second");
}
