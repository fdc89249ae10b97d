//! The files of one source, as far as they are known.

use crate::api::{Found, ObjectSeen};
use crate::wanted::{Item, ObjectKind};
use jeton_core::deliver::{File, Part, VolumePath};

/// What is known of a source.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// Nobody has answered yet.
    Pending,
    /// These files.
    Files(Part),
    /// It cannot be had.
    Broken(String),
}

/// The files of an object.
pub fn of_object(
    kind: ObjectKind,
    name: &str,
    optional: bool,
    (items, mode): (Option<&[Item]>, u32),
    seen: &ObjectSeen,
) -> Known {
    let word = kind.word();
    let data = match (&seen.found, &seen.trouble) {
        (Found::Data(data), _) => data,
        (Found::Missing, _) if optional => return Known::Files(Vec::new()),
        (Found::Missing, _) => return Known::Broken(format!("{word} {name:?} not found")),
        (Found::Unknown, Some(why)) => return Known::Broken(why.clone()),
        (Found::Unknown, None) => return Known::Pending,
    };
    let mut part = Part::new();
    let Some(items) = items else {
        for (key, bytes) in data.iter() {
            match VolumePath::new(key) {
                Ok(path) => part.push((path, File { bytes: bytes.clone(), mode })),
                Err(why) => return Known::Broken(format!("{word} {name:?}: {why}")),
            }
        }
        return Known::Files(part);
    };
    for Item { key, path, mode } in items {
        match data.get(key) {
            Some(bytes) => part.push((path.clone(), File { bytes: bytes.clone(), mode: *mode })),
            None if optional => {}
            None => return Known::Broken(format!("{word} {name:?} has no key {key:?}")),
        }
    }
    Known::Files(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jeton_core::deliver::Bytes;
    use std::sync::Arc;

    #[test]
    fn keys_become_files() {
        let data =
            [("a", "1"), ("b", "2")].map(|(k, v)| (k.to_owned(), Arc::new(v.as_bytes().to_vec().into())));
        let there = ObjectSeen { found: Found::Data(Arc::new(data.into_iter().collect())), trouble: None };
        let missing = ObjectSeen { found: Found::Missing, trouble: None };
        let refused = ObjectSeen { found: Found::Unknown, trouble: Some("forbidden".to_owned()) };
        let item =
            |key: &str| Item { key: key.to_owned(), path: VolumePath::new("x/y").unwrap(), mode: 0o400 };
        let names = |seen: &ObjectSeen, optional, items: Option<&[Item]>| match of_object(
            ObjectKind::Secret,
            "s",
            optional,
            (items, 0o644),
            seen,
        ) {
            Known::Files(part) => {
                part.iter().map(|(p, f)| format!("{p} {:o}", f.mode)).collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        };
        for (seen, optional, items, want) in [
            (&there, false, None, "a 644 b 644"),
            (&there, false, Some(vec![item("a")]), "x/y 400"),
            (&there, true, Some(vec![item("c")]), ""),
            (&there, false, Some(vec![item("c")]), "Broken(\"secret \\\"s\\\" has no key \\\"c\\\"\")"),
            (&missing, true, None, ""),
            (&missing, false, None, "Broken(\"secret \\\"s\\\" not found\")"),
            (&refused, false, None, "Broken(\"forbidden\")"),
            (&ObjectSeen::default(), false, None, "Pending"),
        ] {
            assert_eq!(names(seen, optional, items.as_deref()), want);
        }
    }

    #[test]
    fn a_key_in_many_files_is_held_once() {
        let bytes: Bytes = Arc::new(vec![0; 1 << 20].into());
        let seen = ObjectSeen {
            found: Found::Data(Arc::new([("k".to_owned(), bytes.clone())].into())),
            trouble: None,
        };
        let item =
            |n| Item { key: "k".to_owned(), path: VolumePath::new(&format!("f{n}")).unwrap(), mode: 0 };
        let items: Vec<Item> = (0..4096).map(item).collect();
        let known = of_object(ObjectKind::Secret, "s", false, (Some(&items), 0), &seen);
        let Known::Files(part) = known else { panic!("{known:?}") };
        assert!(part.len() == 4096 && part.iter().all(|(_, file)| Arc::ptr_eq(&file.bytes, &bytes)));
    }

    #[test]
    fn a_key_that_leads_outside_is_refused() {
        let data = [("../x".to_owned(), Arc::new(b"1".to_vec().into()))];
        let seen = ObjectSeen { found: Found::Data(Arc::new(data.into_iter().collect())), trouble: None };
        let known = of_object(ObjectKind::ConfigMap, "m", false, (None, 0o644), &seen);
        assert!(matches!(known, Known::Broken(_)), "{known:?}");
    }
}
