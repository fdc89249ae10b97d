//! What is forgotten when there is no room for all.

use super::tally::Bounds;
use super::{Options, read_within};
use crate::facts::Facts;
use serde_json::json;

const EVENTS: usize = 3000;
const ROOM: usize = 400;

/// A log of many blocks: every credential once, one of them stale, and as many token requests and refusals.
fn log() -> String {
    let event = |number: usize| {
        let mark = "subject: system:serviceaccount:a:b, seconds after warning threshold: 5";
        let stale = (number == 3).then_some(mark);
        let mut event = json!({"auditID": format!("id-{number}"), "stage": "ResponseComplete",
            "requestReceivedTimestamp": "2026-11-24T00:00:00Z", "sourceIPs": [format!("10.0.0.{number}")],
            "requestURI": format!("/{}", "x".repeat(700))});
        match number % 4 {
            0 => event["responseStatus"] = json!({"code": 401}),
            1 => {
                event["annotations"] =
                    json!({"authentication.kubernetes.io/issued-credential-id": format!("JTI=i{number}")});
            }
            _ => {
                event["user"] = json!({"username": "system:serviceaccount:a:b", "extra":
                    {"authentication.kubernetes.io/credential-id": [format!("JTI=c{number}")]}});
                event["annotations"] = json!({"authentication.k8s.io/stale-token": stale});
            }
        }
        format!("{event}\n")
    };
    (0..EVENTS).map(event).collect()
}

/// The log in a directory of its own.
fn file() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    std::fs::write(&path, log()).unwrap();
    let path = path.display().to_string();
    (dir, path)
}

/// The facts of the log with room for few, in words.
fn told(path: &str, workers: usize, quick: bool, bounds: Bounds) -> (Facts, String) {
    let mut facts = Facts::default();
    let options = Options { quick, workers };
    read_within(&[path.to_owned()], options, bounds, &mut facts, &mut |_, _| {});
    let told = format!("{facts:#?}");
    (facts, told)
}

#[test]
fn threads_change_nothing_of_what_is_forgotten() {
    let (_dir, path) = file();
    let few = Bounds { credentials: ROOM, issues: ROOM, refusals: ROOM, ..Bounds::LOG };
    let (facts, want) = told(&path, 1, false, few);
    assert!(facts.uses.len() <= ROOM, "{}", facts.uses.len());
    assert!(facts.uses.iter().any(|one| one.credential.as_deref() == Some("c3")), "{want}");
    assert_eq!((facts.issues.len(), facts.refusals.len()), (ROOM, ROOM));
    assert_eq!(facts.sources[0].read, EVENTS as u64);
    let left = facts.uses.len() + facts.issues.len() + facts.refusals.len();
    let gap = facts.sources[0].missing.iter().find(|gap| gap.id == "forgotten").unwrap();
    assert_eq!(gap.detail, (EVENTS - left).to_string());
    for workers in [2, 3, 16] {
        assert_eq!(told(&path, workers, false, few).1, want, "{workers}");
        assert_eq!(told(&path, workers, true, few).1, told(&path, 1, true, few).1, "{workers}, quick");
    }
}

#[test]
fn long_names_take_the_room_of_many() {
    let (_dir, path) = file();
    let (whole, _) = told(&path, 1, false, Bounds::LOG);
    let bytes = |facts: &Facts| {
        let of = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
        facts
            .uses
            .iter()
            .map(|u| u.credential.as_ref().map_or(0, String::len) + of(&u.addresses) + of(&u.audit_ids))
            .sum()
    };
    let all: usize = bytes(&whole);
    let few = Bounds { use_bytes: all / 3, other_bytes: 4000, ..Bounds::LOG };
    let (facts, want) = told(&path, 1, false, few);
    assert!(bytes(&facts) <= all / 3 && facts.uses.len() < whole.uses.len() / 2, "{want}");
    assert!(facts.uses.iter().any(|one| one.credential.as_deref() == Some("c3")), "{want}");
    assert!(!facts.issues.is_empty() && facts.issues.len() < whole.issues.len());
    let left = facts.uses.len() + facts.issues.len() + facts.refusals.len();
    let gap = facts.sources[0].missing.iter().find(|gap| gap.id == "forgotten").unwrap();
    assert_eq!(gap.detail, (EVENTS - left).to_string());
    assert_eq!(told(&path, 3, false, few).1, want);
}
