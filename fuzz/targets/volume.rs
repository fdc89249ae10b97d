//! Names of files in volumes, and what was found on disk: no step of an update leads out of the volume, and a token's place
//! is kept.
#![no_main]

use jeton_core::deliver::{Entry, File, Ownership, Part, Payload, Seen, Step, VolumePath, assemble, plan};
use jeton_fuzz::inside;
use libfuzzer_sys::fuzz_target;

/// The name of the new directory.
const FRESH: &str = "..2026_11_26_00_00_00.1";

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (wanted, found) = text.split_once("\n\n").unwrap_or((text, ""));
    let file = |line: &str| File::new(line.as_bytes().to_vec(), 0o644);
    let paths = wanted.lines().filter_map(|line| Some((VolumePath::new(line).ok()?, file(line))));
    let part: Part = paths.collect();
    for (path, _) in &part {
        inside(path.as_str());
        assert!(!path.first().starts_with(".."));
        assert_eq!(VolumePath::new(path.as_str()).as_ref(), Ok(path));
    }
    let token: Part = vec![(VolumePath::new("token").unwrap(), file("token"))];
    let (payload, left_out) = assemble(&[(false, &part), (true, &token)]);
    assert!(payload.contains_key(&token[0].0) && left_out.iter().all(|(at, _)| *at == 0));
    steps(&seen(found), &payload);
});

/// A line `name target` is a link, `name/` a directory, any other one something else.
fn seen(found: &str) -> Seen {
    let mut seen = Seen::default();
    for line in found.lines() {
        let (name, entry) = match (line.split_once(' '), line.strip_suffix('/')) {
            (Some((name, target)), _) => (name, Entry::Link(target.to_owned())),
            (None, Some(name)) => (name, Entry::Dir),
            (None, None) => (line, Entry::Other),
        };
        // What a directory can hold.
        if !name.is_empty() && !matches!(name, "." | "..") && !name.contains(['/', '\0']) && name != FRESH {
            seen.entries.insert(name.to_owned(), entry);
        }
    }
    seen
}

fn steps(seen: &Seen, payload: &Payload) {
    let owner = Ownership::default();
    let Ok(plan) = plan(seen, payload, owner, FRESH) else { return };
    let plain = |name: &String| matches!(seen.entries.get(name), Some(Entry::Dir | Entry::Other));
    for step in &plan.steps {
        match step {
            Step::MakeDir(name, _) | Step::Write(name, _) => {
                inside(name);
                assert!(name.starts_with(FRESH), "{step:?}");
            }
            Step::Link(name, target) => {
                inside(name);
                inside(target);
            }
            Step::Rename(from, to) => {
                inside(from);
                inside(to);
                assert!(!plain(to) || to.starts_with(".."), "{step:?} replaces what is not ours");
            }
            Step::Unlink(name) | Step::RemoveTree(name) => {
                inside(name);
                let ours = matches!(seen.entries.get(name), Some(Entry::Link(_)));
                assert!(ours || name.starts_with(".."), "{step:?} removes what is not ours");
            }
        }
    }
    if let Some(old) = &plan.leftover {
        inside(old);
        assert!(old.starts_with("..") && old != "..");
    }
}
