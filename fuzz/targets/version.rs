//! Orders of versions are orders: total, antisymmetric, transitive.
#![no_main]

use jeton_doctor::knowledge::version::{Order, Version};
use libfuzzer_sys::fuzz_target;
use std::cmp::Ordering;

const ORDERS: [&str; 7] = ["go", "pep440", "semver", "maven", "gem", "pvp", "nuget"];

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for order in ORDERS {
        let order = Order::parse(order).unwrap();
        let all: Vec<Version> = text.lines().take(6).filter_map(|line| Version::parse(order, line)).collect();
        for a in &all {
            assert_eq!(a.compare(a), Ordering::Equal, "{a:?}");
            for b in &all {
                let ab = a.compare(b);
                assert_eq!(ab, b.compare(a).reverse(), "{a:?} {b:?}");
                for c in &all {
                    let (bc, ac) = (b.compare(c), a.compare(c));
                    assert!(ab == Ordering::Greater || bc == Ordering::Greater || ac != Ordering::Greater);
                    assert!(ab != Ordering::Equal || bc == ac, "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
});
