//! What is asked, how often, and what becomes of refusals.

use super::super::api::NoAnswer;
use super::super::{extended, gap};
use super::*;

const EXTENSION: &str = "extension-unknown no flag is visible and no counter has moved";

#[test]
fn what_is_not_granted_is_unknown_and_never_an_error() {
    let refused = json!({"kind": "Status", "message": "pods is forbidden"});
    let mut fake = [PODS, SECRETS, SLICES, "/metrics"]
        .into_iter()
        .fold(Fake::empty(), |fake, key| fake.instead(key).on(key, 403, &refused));
    let got = fake.run();
    assert_eq!(got.source.error, None);
    let want = [
        "not-granted endpoints",
        "no-metrics metrics",
        "not-granted-secrets secrets",
        "not-granted pods",
        "not-granted releases",
        EXTENSION,
    ];
    assert_eq!(gaps(&got), want);
    assert_eq!(got.cluster.unknown[0].detail, "endpoints: 403: pods is forbidden");
    assert_eq!(extended(&got.cluster), None);
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_unknown() {
    let mut fake = Fake::empty().instead(SLICES).instead(PODS).on(PODS, 200, &json!("<html>"));
    let got = fake.run();
    assert_eq!(gaps(&got)[0], "unreadable endpoints");
    assert!(gaps(&got).contains(&"unreadable pods".to_owned()), "{got:?}");
    assert_eq!(got.cluster.version.as_deref(), Some("v1.33.1"));
}

#[test]
fn an_unreachable_cluster_is_given_up_soon() {
    let mut fake = Fake::default();
    let down = Err(NoAnswer::Unreachable("connection refused".to_owned()));
    fake.answers.insert("/version".to_owned(), vec![down]);
    let got = fake.run();
    assert_eq!(got.source.error.as_deref(), Some("connection refused"));
    assert_eq!(fake.asked.len(), 2);
}

#[test]
fn a_name_that_the_cluster_does_not_know_is_an_error_at_once() {
    let mut fake = Fake::empty().instead("/version").on("/version", 401, &json!({"message": "Unauthorized"}));
    let got = fake.run();
    assert_eq!(got.source.error.as_deref(), Some("401: Unauthorized"));
    assert_eq!(fake.asked.len(), 1);
    let mut fake = Fake::empty().instead("/version").on("/version", 200, &json!("<html>"));
    assert_eq!(gaps(&fake.run())[0], "unreadable version");
}

#[test]
fn the_rate_is_kept_and_the_server_is_waited_for() {
    let mut fake = Fake::empty().instead("/version");
    fake = fake.after("/version", 429, 7).after("/version", 503, 9_999).on("/version", 200, &json!({}));
    let got = fake.run();
    assert_eq!(got.requests, u64::try_from(fake.asked.len()).unwrap());
    assert_eq!(fake.at[1] - fake.at[0], Duration::from_secs(7));
    assert_eq!(fake.at[2] - fake.at[1], Duration::from_secs(30), "at most half a minute");
    for pair in fake.at.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(200), "{:?}", fake.at);
    }
}

#[test]
fn a_server_that_never_recovers_does_not_hold_the_rest() {
    let mut fake = Fake::empty().instead(PODS).on(PODS, 500, &json!({}));
    let got = fake.run();
    assert!(gaps(&got).contains(&"unreadable pods".to_owned()));
    assert_eq!(fake.asked.iter().filter(|get| get.path == PODS).count(), 4);
}

#[test]
fn pages_are_followed_through_an_expired_token() {
    let page = |name: &str, next: &str| json!({"metadata": {"continue": next}, "items": [{"metadata": {"name": name, "uid": name}}, {"metadata": 7}]});
    let gone = json!({"message": "too old", "metadata": {"continue": "c3"}});
    let mut fake = Fake::empty().instead(PODS);
    fake = fake.on(PODS, 200, &page("a", "c1")).on(PODS, 200, &page("b", "c2"));
    fake = fake.on(PODS, 410, &gone).on(PODS, 200, &page("c", ""));
    let got = fake.run();
    let names: Vec<&str> = got.cluster.pods.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!((got.source.read, got.source.skipped), (3, 3));
    let asked: Vec<_> =
        fake.asked.iter().filter(|get| get.path == PODS).map(|get| get.query.clone()).collect();
    let limit = || ("limit", "500".to_owned());
    let next = |token: &str| vec![limit(), ("continue", token.to_owned())];
    assert_eq!(asked, [vec![limit()], next("c1"), next("c2"), next("c3")]);
}

#[test]
fn a_list_that_breaks_off_is_incomplete() {
    let page = json!({"metadata": {"continue": "c1"}, "items": [{"metadata": {"name": "a"}}]});
    let mut fake = Fake::empty().instead(PODS).on(PODS, 200, &page).on(PODS, 403, &json!({}));
    let got = fake.run();
    assert_eq!(got.cluster.pods.len(), 1);
    assert!(gaps(&got).contains(&"broken-off pods".to_owned()));
}

#[test]
fn the_reference_lists_every_gap() {
    let page = include_str!("../../../../../../docs/reference/doctor-cluster.md");
    let subjects = gap::SUBJECTS.map(gap::Subject::name);
    for word in gap::IDS.into_iter().chain(subjects) {
        assert!(page.contains(&format!("\n| `{word}` |")), "{word}");
    }
}
