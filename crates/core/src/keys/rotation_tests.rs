//! Rotation as a simulated world: random wishes, time that jumps, processes that end between any two steps.

use super::rotation::*;
use crate::limits::MAX_SIGNING_KEYS;
use crate::time::UnixTime;
use proptest::prelude::*;

const LEEWAY: i64 = 60;

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

fn first() -> Vec<ManagedKey> {
    let mut key = ManagedKey::prepared("k0", 0);
    (key.phase, key.published, key.activated) = (Phase::Active, Some(0), Some(0));
    vec![key]
}

fn step(keys: &mut Vec<ManagedKey>, now: i64) -> Option<Step> {
    let step = due(keys, at(now), LEEWAY, |_| false)?;
    *keys = after(keys, &step, at(now));
    assert_eq!(fault(keys), None, "{keys:?}");
    Some(step)
}

#[test]
fn a_key_goes_through_its_whole_life() {
    let mut keys = first();
    keys[0].covered_until = Some(5000);
    assert_eq!(step(&mut keys, 10), None);
    assert_eq!(wish(&keys, 3600, at(10)), Ok(Wish::Prepare));
    keys.push(ManagedKey::prepared("k1", 3600));
    assert_eq!(next_due(&keys, LEEWAY), Some(i64::MIN));
    assert_eq!(step(&mut keys, 10), Some(Step::Publish("k1".to_owned())));
    assert_eq!(next_due(&keys, LEEWAY), Some(3610));
    assert_eq!(step(&mut keys, 3609), None);
    assert_eq!(step(&mut keys, 3610), Some(Step::Activate("k1".to_owned())));
    assert_eq!((keys[0].phase, keys[1].phase), (Phase::Retired, Phase::Active));
    // A token holds up to and including exp + leeway.
    assert_eq!(step(&mut keys, 5060), None);
    assert_eq!(next_due(&keys, LEEWAY), Some(5061));
    let secret = due(&keys, at(5061), LEEWAY, |key| key.id == "k0");
    assert_eq!(secret, None, "a Secret holds a token of it");
    assert_eq!(step(&mut keys, 5061), Some(Step::Prune("k0".to_owned())));
    assert_eq!((keys.len(), next_due(&keys, LEEWAY)), (1, None));
}

#[test]
fn one_key_at_a_time_is_on_its_way() {
    let mut keys = first();
    keys.push(ManagedKey::prepared("k1", 3600));
    step(&mut keys, 100);
    let pending = RotationError::Pending { id: "k1".to_owned(), activates: 3700 };
    assert_eq!(wish(&keys, 3600, at(200)), Err(pending.clone()));
    assert!(pending.to_string().contains("1970-01-01T01:01:40Z"), "{pending}");
    let forward = |activate_after| Ok(Wish::BringForward { id: "k1".to_owned(), activate_after });
    assert_eq!(wish(&keys, 600, at(200)), forward(700));
    assert_eq!(wish(&keys, 0, at(200)), forward(100));
    keys[1].activate_after = 100;
    assert_eq!(step(&mut keys, 200), Some(Step::Activate("k1".to_owned())));
}

#[test]
fn a_step_that_does_not_fit_changes_nothing() {
    let keys = first();
    for odd in [Step::Publish("k0".to_owned()), Step::Activate("k0".to_owned()), Step::Prune("k0".to_owned())]
    {
        assert_eq!(after(&keys, &odd, at(5)), keys, "{odd:?}");
    }
    assert_eq!(after(&keys, &Step::Activate("ghost".to_owned()), at(5)), keys);
}

#[test]
fn too_many_keys_are_refused() {
    let mut keys = first();
    for n in 1..MAX_SIGNING_KEYS {
        let mut key = ManagedKey::prepared(&format!("k{n}"), 0);
        (key.phase, key.retired) = (Phase::Retired, Some(1));
        keys.push(key);
    }
    assert_eq!(wish(&keys, 0, at(5)), Err(RotationError::TooMany));
}

#[test]
fn journals_that_cannot_be_are_named() {
    let active = first();
    let twice = [first(), first()].concat();
    let two = [first(), vec![ManagedKey::prepared("a", 0), ManagedKey::prepared("b", 0)]].concat();
    for (keys, want) in [
        (active, None),
        (Vec::new(), Some("no key is active")),
        (twice, Some("more than one key is active")),
        (two, Some("more than one key waits to become active")),
    ] {
        assert_eq!(fault(&keys), want);
    }
}

#[test]
fn coverage_is_journaled_once_in_a_while() {
    for (covered, expires, want) in [
        (None, 100, Some(160)),
        (Some(160), 160, None),
        (Some(160), 161, Some(221)),
        (Some(i64::MAX), 1, None),
    ] {
        assert_eq!(cover(covered, expires, 60), want, "{covered:?} {expires}");
    }
    assert_eq!(cover(None, i64::MAX, 60), Some(i64::MAX));
}

/// What may happen in the simulated world.
#[derive(Clone, Debug)]
enum Happening {
    /// Time passes.
    Wait(i64),
    /// Somebody wants a new key.
    Rotate(i64),
    /// A token is issued with this lifetime.
    Issue(i64),
    /// What is due is done, or only begun: the process ends after this many steps.
    Work(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (1_i64..2000).prop_map(Happening::Wait),
        (0_i64..1500).prop_map(Happening::Rotate),
        (1_i64..4000).prop_map(Happening::Issue),
        (0_usize..4).prop_map(Happening::Work),
    ]
}

proptest! {
    /// Whatever happens, every token that has not expired can be verified, and no key signs before it was published
    /// for as long as was asked.
    #[test]
    fn no_living_token_loses_its_key(world in proptest::collection::vec(happening(), 1..60)) {
        let (mut keys, mut now, mut made) = (first(), 0_i64, 0);
        let mut tokens: Vec<(String, i64)> = Vec::new();
        for happens in world {
            match happens {
                Happening::Wait(seconds) => now += seconds,
                Happening::Rotate(after) => match wish(&keys, after, at(now)) {
                    Ok(Wish::Prepare) => {
                        made += 1;
                        keys.push(ManagedKey::prepared(&format!("k{made}"), after));
                    }
                    Ok(Wish::BringForward { id, activate_after }) => {
                        let key = keys.iter_mut().find(|k| k.id == id).unwrap();
                        prop_assert!(activate_after < key.activate_after);
                        key.activate_after = activate_after;
                    }
                    Err(_) => {}
                },
                Happening::Issue(lifetime) => {
                    let key = keys.iter_mut().find(|k| k.phase == Phase::Active).unwrap();
                    let expires = now + lifetime;
                    if let Some(until) = cover(key.covered_until, expires, 100) {
                        key.covered_until = Some(until);
                    }
                    prop_assert!(key.published.unwrap() + key.activate_after <= now);
                    tokens.push((key.id.clone(), expires));
                }
                Happening::Work(most) => {
                    for _ in 0..most {
                        let Some(step) = due(&keys, at(now), LEEWAY, |_| false) else { break };
                        keys = after(&keys, &step, at(now));
                        prop_assert_eq!(fault(&keys), None);
                    }
                }
            }
            for (id, expires) in &tokens {
                let living = *expires + LEEWAY >= now;
                prop_assert!(!living || keys.iter().any(|k| k.id == *id), "{} of {}", expires, id);
            }
        }
    }
}
