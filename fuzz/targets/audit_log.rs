//! Plain audit logs in any envelope: both ways of reading see the same marks, any number of workers the same facts, and
//! nothing that is kept is longer than it may be.
#![no_main]

use jeton_doctor::facts::{Facts, Use};
use jeton_doctor::limits::{MAX_ADDRESSES, MAX_EVIDENCE, MAX_TEXT_BYTES};
use jeton_fuzz::{facts_of, is_compressed, told};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if is_compressed(bytes) {
        return;
    }
    let full = facts_of(bytes, false, 1);
    bounded(&full);
    // Threads cost more than everything else here.
    if bytes.len() % 16 == 0 {
        assert_eq!(told(&full), told(&facts_of(bytes, false, 3)));
    }
    let quick = facts_of(bytes, true, 1);
    for one in &quick.uses {
        assert!(full.uses.iter().any(|other| same(one, other)), "the full way has no {one:?}");
    }
    // A mark whose letters are escaped is one that only the full way can see.
    if memchr(bytes, b"\\u") {
        return;
    }
    for one in full.uses.iter().filter(|one| marked(one)) {
        assert!(quick.uses.iter().any(|other| same(one, other)), "the quick way has no {one:?}");
    }
});

fn memchr(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn marked(one: &Use) -> bool {
    one.stale.is_some() || one.legacy.is_some()
}

/// The name of the pod is that of its first request, which need not be a marked one.
fn same(one: &Use, other: &Use) -> bool {
    let what = |u: &Use| (u.account.clone(), u.user_agent.clone(), u.credential.clone(), u.legacy.clone());
    what(one) == what(other) && one.stale == other.stale
}

fn bounded(facts: &Facts) {
    for one in &facts.uses {
        let texts = [&one.account.namespace, &one.account.name, &one.user_agent].into_iter();
        let texts = texts.chain(&one.node).chain(&one.credential).chain(&one.addresses).chain(&one.audit_ids);
        assert!(texts.into_iter().all(|text| text.len() <= MAX_TEXT_BYTES), "{one:?}");
        assert!(one.addresses.len() <= MAX_ADDRESSES && one.audit_ids.len() <= MAX_EVIDENCE);
        assert!(one.spans.len() <= 8 && one.spans.is_sorted() && one.first <= one.last);
    }
    assert!(facts.uses.iter().map(|one| one.uses).sum::<u64>() <= facts.sources[0].read);
}
