//! An old and a new Python client under `jeton run`, on versions of two worlds: which is counted stale, which breaks.
//!
//! Lives of the projected tokens: 146 s are asked for, so a new token is there after 102 to 117 s; a token works for 158 s.
//! The new client reads at its start and every 61 s, the third time 120 to 124 s after its start: in time, even where it starts
//! late. The old one reads once. These versions give tokens no id, so it is the marks that tell.

use crate::lab::{Lab, Outcome};
use crate::program;

const LIVES: &str = "min=60,injected=146,extended=158,leeway=0";
const SECONDS: u32 = 172;
const STALE: &str = "authentication.k8s.io/stale-token";
const LEGACY: &str = "authentication.k8s.io/legacy-token";

/// Both at once, each as its own account.
fn both(version: &str, seconds: u32) -> (Lab, Outcome, Outcome) {
    let lab = Lab::new(LIVES, &["--emulated-version", version]);
    let (old, new) = std::thread::scope(|scope| {
        let old = scope.spawn(|| lab.run("old", &program::python11("ask"), seconds));
        let new = lab.run("new", &program::python("ask"), seconds);
        (old.join().unwrap(), new)
    });
    (lab, old, new)
}

/// The old client is counted from the moment it should have read again, and breaks when the extension ends.
fn the_old_one_breaks(version: &str) {
    let (lab, old, new) = both(version, SECONDS);
    assert!(old.got(200) > 50 && old.got(401) > 0, "{:?}", old.statuses);
    assert!(old.marked(STALE) > 0, "{:?}", old.requests);
    assert_eq!(old.marked(LEGACY) + new.marked(LEGACY), 0);
    assert_eq!((new.statuses.as_object().unwrap().len(), new.marked(STALE)), (1, 0), "{new:?}");
    assert!(new.got(200) > 50, "{:?}", new.statuses);
    let stale = u64::try_from(old.marked(STALE)).unwrap();
    assert_eq!(lab.counter("serviceaccount_stale_tokens_total"), stale);
    let overdue = |account| lab.uses(account).iter().any(|(kind, _)| kind == "overdue");
    assert_eq!((overdue("old"), overdue("new")), (true, false));
    assert!(lab.uses("new").iter().all(|(_, client)| client == "python"), "{:?}", lab.uses("new"));
}

#[test]
fn python11_and_python_on_1_20_never_break() {
    let (lab, old, new) = both("1.20", 10);
    for outcome in [&old, &new] {
        assert_eq!(outcome.statuses.as_object().unwrap().len(), 1, "{outcome:?}");
        assert!(outcome.got(200) > 0, "{outcome:?}");
        assert_eq!(
            (outcome.marked(STALE), outcome.marked(LEGACY)),
            (0, outcome.requests.len()),
            "{outcome:?}"
        );
    }
    assert_eq!(lab.counter("serviceaccount_stale_tokens_total"), 0);
    let all = old.requests.len() + new.requests.len();
    assert_eq!(lab.counter("serviceaccount_legacy_tokens_total"), u64::try_from(all).unwrap());
    for account in ["old", "new"] {
        assert!(
            lab.uses(account).iter().all(|(kind, _)| kind.starts_with("legacy")),
            "{:?}",
            lab.uses(account)
        );
    }
}

#[test]
fn python11_and_python_on_1_21_part_ways() {
    the_old_one_breaks("1.21");
}

#[test]
fn python11_and_python_on_1_25_part_ways() {
    the_old_one_breaks("1.25");
}
