//! Plans on a directory in memory: what a reader sees after every single step.

use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A directory tree by path; links are not followed unless a reader does.
#[derive(Clone, Debug, Default, PartialEq)]
struct Disk(BTreeMap<String, Node>);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Dir,
    File(File),
    Link(String),
}

impl Disk {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::MakeDir(path, _) => {
                assert!(self.0.insert(path.clone(), Node::Dir).is_none(), "{path} exists")
            }
            Step::Write(path, file) => {
                let parent = path.rsplit_once('/').unwrap().0;
                assert_eq!(self.0.get(parent), Some(&Node::Dir), "no directory for {path}");
                assert!(self.0.insert(path.clone(), Node::File(file.clone())).is_none(), "{path} exists");
            }
            Step::Link(name, target) => {
                assert!(self.0.insert(name.clone(), Node::Link(target.clone())).is_none(), "{name} exists");
            }
            Step::Rename(from, to) => {
                let node = self.0.remove(from).unwrap();
                assert_ne!(self.0.get(to), Some(&Node::Dir), "a link cannot replace the directory {to}");
                self.0.insert(to.clone(), node);
            }
            Step::Unlink(name) => {
                assert!(!matches!(self.0.remove(name), None | Some(Node::Dir)), "{name} is no file or link");
            }
            Step::RemoveTree(name) => {
                let below = format!("{name}/");
                self.0.retain(|path, _| path != name && !path.starts_with(&below));
            }
        }
    }

    /// What a reader of `path` gets, links followed by their first element.
    fn read(&self, path: &str) -> Option<&File> {
        let mut path = path.to_owned();
        for _ in 0..8 {
            let (first, rest) = path.split_once('/').map_or((path.as_str(), None), |(f, r)| (f, Some(r)));
            match self.0.get(first)? {
                Node::Link(target) => {
                    path = rest.map_or_else(|| target.clone(), |rest| format!("{target}/{rest}"));
                }
                Node::File(file) if rest.is_none() => return Some(file),
                Node::File(_) => return None,
                Node::Dir => {
                    return match self.0.get(&path)? {
                        Node::File(file) => Some(file),
                        _ => None,
                    };
                }
            }
        }
        None
    }

    fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for (path, node) in self.0.iter().filter(|(p, _)| !p.contains('/')) {
            let entry = match node {
                Node::Dir => Entry::Dir,
                Node::File(_) => Entry::Other,
                Node::Link(target) => Entry::Link(target.clone()),
            };
            seen.entries.insert(path.clone(), entry);
        }
        if let Some(current) = seen.current().map(|c| format!("{c}/")) {
            for (path, node) in &self.0 {
                if let (Some(inside), Node::File(file)) = (path.strip_prefix(&current), node) {
                    seen.files.insert(inside.to_owned(), file.clone());
                }
            }
        }
        seen
    }
}

fn payload(files: &BTreeMap<String, u8>) -> Payload {
    let file = |n: &u8| File::new(vec![*n; 3], 0o644);
    files.iter().map(|(path, n)| (VolumePath::new(path).unwrap(), file(n))).collect()
}

/// Everything a reader could ask for.
type View = BTreeMap<String, Option<File>>;

fn view(disk: &Disk, names: &BTreeSet<String>) -> View {
    names.iter().map(|name| (name.clone(), disk.read(name).cloned())).collect()
}

/// Files without contradictions: a name is either a file or a directory.
fn files() -> impl Strategy<Value = BTreeMap<String, u8>> {
    let path = prop_oneof!["[a-c]", "[d-e]/[a-c]", "f/g/[a-b]"];
    btree_map(path, 0..4_u8, 0..6)
}

proptest! {
    #[test]
    fn at_every_prefix_a_reader_sees_the_whole_old_or_the_whole_new(
        contents in vec(files(), 1..5), crash in 0..40_usize,
    ) {
        let mut disk = Disk::default();
        let names: BTreeSet<String> = contents.iter().flat_map(|c| c.keys().cloned()).collect();
        for (round, content) in contents.iter().enumerate() {
            let wanted = payload(content);
            // An update that stops at an arbitrary step, and then one that is whole.
            for (attempt, stop) in [(0, crash), (1, usize::MAX)] {
                let fresh = format!("..{round}.{attempt}");
                let plan = plan(&disk.seen(), &wanted, Ownership::default(), &fresh).unwrap();
                let old = view(&disk, &names);
                let new: View =
                    names.iter().map(|n| (n.clone(), wanted.get(&VolumePath::new(n).unwrap()).cloned())).collect();
                for step in plan.steps.iter().take(stop) {
                    disk.apply(step);
                    let now = view(&disk, &names);
                    prop_assert!(now == old || now == new, "after {step:?}");
                }
                if stop == usize::MAX {
                    prop_assert_eq!(view(&disk, &names), new);
                    if let Some(old) = plan.leftover {
                        disk.apply(&Step::RemoveTree(old));
                    }
                    let links = wanted.keys().map(VolumePath::first).collect::<BTreeSet<_>>().len();
                    let top = disk.0.keys().filter(|p| !p.contains('/')).count();
                    prop_assert_eq!(top, links + 2, "something is left over");
                }
            }
        }
    }

    #[test]
    fn what_is_there_already_is_not_written_again(content in files()) {
        let mut disk = Disk::default();
        let wanted = payload(&content);
        let steps = plan(&disk.seen(), &wanted, Ownership::default(), "..1").unwrap().steps;
        steps.iter().for_each(|s| disk.apply(s));
        let again = plan(&disk.seen(), &wanted, Ownership::default(), "..2").unwrap();
        prop_assert_eq!(again, Plan::default());
    }
}

fn one(name: &str) -> Payload {
    payload(&BTreeMap::from([(name.to_owned(), 1)]))
}

#[test]
fn planted_links_are_replaced_and_never_followed() {
    let mut disk = Disk::default();
    disk.0.insert("..data".to_owned(), Node::Link("../../etc".to_owned()));
    disk.0.insert("..data_tmp".to_owned(), Node::Link("/".to_owned()));
    disk.0.insert("token".to_owned(), Node::Link("/etc/passwd".to_owned()));
    disk.0.insert("..9".to_owned(), Node::Dir);
    let plan = plan(&disk.seen(), &one("token"), Ownership::default(), "..1").unwrap();
    plan.steps.iter().for_each(|s| disk.apply(s));
    let names: Vec<_> = disk.0.keys().map(String::as_str).collect();
    assert_eq!(names, ["..1", "..1/token", "..data", "token"]);
    assert_eq!(disk.0["token"], Node::Link("..data/token".to_owned()));
    assert_eq!((plan.leftover, plan.blocked.len()), (None, 0));
}

#[test]
fn a_directory_in_the_way_is_left_alone_and_told() {
    let mut disk = Disk::default();
    disk.0.insert("token".to_owned(), Node::Dir);
    let plan = plan(&disk.seen(), &one("token"), Ownership::default(), "..1").unwrap();
    assert_eq!(plan.blocked, ["token"]);
    plan.steps.iter().for_each(|s| disk.apply(s));
    assert_eq!(disk.0["token"], Node::Dir);
}

#[test]
fn contradictions_and_excess_are_refused() {
    let none = Seen::default();
    let refused = |payload: &Payload| plan(&none, payload, Ownership::default(), "..1").unwrap_err();
    let both = payload(&BTreeMap::from([("a".to_owned(), 1), ("a/b".to_owned(), 1)]));
    assert_eq!(refused(&both), PathError::Conflict("a".to_owned()));
    let many: BTreeMap<String, u8> = (0..5000).map(|n| (format!("f{n}"), 1)).collect();
    assert_eq!(refused(&payload(&many)), PathError::TooMany(5000));
    let large = File::new(vec![0; 17 << 20], 0o644);
    let large = Payload::from([(VolumePath::new("a").unwrap(), large)]);
    assert_eq!(refused(&large), PathError::TooLarge(17 << 20));
}

#[test]
fn a_changed_mode_is_a_change_and_debug_shows_no_content() {
    let mut disk = Disk::default();
    let mut wanted = one("token");
    let first = plan(&disk.seen(), &wanted, Ownership::default(), "..1").unwrap();
    first.steps.iter().for_each(|s| disk.apply(s));
    wanted.values_mut().for_each(|f| f.mode = 0o600);
    let second = plan(&disk.seen(), &wanted, Ownership::default(), "..2").unwrap();
    assert!(second.changed);
    assert!(format!("{second:?}").contains("File(3 bytes, mode 600)"));
}
