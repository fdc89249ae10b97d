//! What is forgotten when there is no room for all.

use super::event::Event;
use super::seen::Seen;
use super::tally::Tally;
use crate::facts::Facts;
use crate::limits::MAX_CREDENTIALS;
use serde_json::json;

/// Uses that are left of 40 credentials, one of them stale, by a worker with room for 16; and how many were forgotten.
fn left() -> (Vec<String>, u64) {
    let seen = Seen::new();
    let mut tally = Tally::new(&seen, MAX_CREDENTIALS / 16);
    for number in 0..40 {
        let mark = "subject: system:serviceaccount:a:b, seconds after warning threshold: 5";
        let line = json!({"auditID": format!("id-{number}"), "stage": "ResponseComplete",
            "requestReceivedTimestamp": "2026-11-24T00:00:00Z",
            "annotations": {"authentication.k8s.io/stale-token": (number == 3).then_some(mark)},
            "user": {"username": "system:serviceaccount:a:b", "extra":
                {"authentication.kubernetes.io/credential-id": [format!("JTI=c{number}")]}}})
        .to_string();
        tally.add(&serde_json::from_str::<Event<'_>>(&line).unwrap());
    }
    let forgotten = tally.sums(0).forgotten;
    let mut facts = Facts::default();
    tally.finish(&mut facts);
    (facts.uses.into_iter().filter_map(|one| one.credential).collect(), forgotten)
}

#[test]
fn marked_uses_stay_the_rest_is_counted_and_every_run_forgets_the_same() {
    let (uses, forgotten) = left();
    assert!(uses.len() <= 16 && uses.contains(&"c3".to_owned()), "{uses:?}");
    assert_eq!(uses.len() as u64 + forgotten, 40);
    assert_eq!(left(), (uses, forgotten));
}
