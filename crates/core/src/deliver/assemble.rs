//! What a volume holds, put together from its sources.
//!
//! Invariant: no source can take a token's place away by being wrong. Kubernetes 1.36 refuses the whole volume when one
//! source contradicts another or is too large; its tokens are then not refreshed either.

use super::{File, Payload, VolumePath};
use crate::limits::{MAX_VOLUME_BYTES, MAX_VOLUME_FILES};
use std::collections::{BTreeMap, BTreeSet};

/// The files of one source, in its order.
pub type Part = Vec<(VolumePath, File)>;

/// Why the files of one source are left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeftOut {
    /// A file of it lies where another source has a directory, or below a file of another source.
    #[error("{0:?} is a file here and a directory in another source")]
    Conflict(String),
    /// The volume would have too many files.
    #[error("the volume would have more than {MAX_VOLUME_FILES} files")]
    TooMany,
    /// The volume would have too many bytes.
    #[error("the volume would have more than {MAX_VOLUME_BYTES} bytes")]
    TooLarge,
}

/// Puts sources together, in their order in the volume; `true` marks a token, which is placed first. Where two have the
/// same path, the later one wins, as in Kubernetes 1.36. What contradicts or does not fit is left out whole, and told
/// by its number.
pub fn assemble(parts: &[(bool, &Part)]) -> (Payload, Vec<(usize, LeftOut)>) {
    let mut placed = Placed::default();
    let mut left_out = Vec::new();
    for tokens in [true, false] {
        for (at, (token, part)) in parts.iter().enumerate().filter(|(_, (token, _))| *token == tokens) {
            debug_assert_eq!(*token, tokens);
            match placed.refuses(part) {
                Some(why) => left_out.push((at, why)),
                None => placed.add(at, part),
            }
        }
    }
    (placed.files.into_iter().map(|(path, (_, file))| (path, file)).collect(), left_out)
}

#[derive(Default)]
struct Placed {
    files: BTreeMap<VolumePath, (usize, File)>,
    dirs: BTreeSet<String>,
    bytes: usize,
}

impl Placed {
    fn refuses(&self, part: &Part) -> Option<LeftOut> {
        let own: BTreeSet<&str> = part.iter().map(|(path, _)| path.as_str()).collect();
        let own_dirs: BTreeSet<&str> = part.iter().flat_map(|(path, _)| path.parents()).collect();
        let is_file = |path: &str| {
            own.contains(path) || VolumePath::new(path).is_ok_and(|path| self.files.contains_key(&path))
        };
        for (path, _) in part {
            if self.dirs.contains(path.as_str()) || own_dirs.contains(path.as_str()) {
                return Some(LeftOut::Conflict(path.as_str().to_owned()));
            }
            if let Some(file) = path.parents().find(|parent| is_file(parent)) {
                return Some(LeftOut::Conflict(file.to_owned()));
            }
        }
        if self.files.len() + part.len() > MAX_VOLUME_FILES {
            return Some(LeftOut::TooMany);
        }
        let bytes: usize = part.iter().map(|(_, file)| file.bytes.len()).sum();
        (self.bytes.saturating_add(bytes) > MAX_VOLUME_BYTES).then_some(LeftOut::TooLarge)
    }

    fn add(&mut self, at: usize, part: &Part) {
        for (path, file) in part {
            self.bytes += file.bytes.len();
            self.dirs.extend(path.parents().map(str::to_owned));
            let later = self.files.get(path).is_none_or(|(other, _)| *other <= at);
            if later {
                self.files.insert(path.clone(), (at, file.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(paths: &[&str], bytes: usize) -> Part {
        let file = |_| File::new(vec![0; bytes], 0o644);
        paths.iter().map(|p| (VolumePath::new(p).unwrap(), file(p))).collect()
    }

    #[test]
    fn the_later_one_wins_also_over_a_token() {
        let (token, map) = (part(&["token"], 1), part(&["token", "ca.crt"], 2));
        for (parts, want) in [([(true, &token), (false, &map)], 2), ([(false, &map), (true, &token)], 1)] {
            let (payload, left_out) = assemble(&parts);
            assert_eq!(left_out, []);
            assert_eq!(payload[&VolumePath::new("token").unwrap()].bytes.len(), want);
            assert_eq!(payload.len(), 2);
        }
    }

    #[test]
    fn what_contradicts_is_left_out_and_tokens_stay() {
        let token = part(&["a/b"], 1);
        for (other, why) in [
            (part(&["x", "a"], 1), LeftOut::Conflict("a".to_owned())),
            (part(&["a/b/c"], 1), LeftOut::Conflict("a/b".to_owned())),
            (part(&["d", "d/e"], 1), LeftOut::Conflict("d".to_owned())),
            (part(&["big"], MAX_VOLUME_BYTES), LeftOut::TooLarge),
        ] {
            let (payload, left_out) = assemble(&[(false, &other), (true, &token)]);
            assert_eq!(left_out, [(0, why)]);
            assert_eq!(payload.keys().map(VolumePath::as_str).collect::<Vec<_>>(), ["a/b"]);
        }
    }

    #[test]
    fn too_many_files_are_left_out() {
        let names: Vec<String> = (0..MAX_VOLUME_FILES).map(|n| format!("f{n}")).collect();
        let many = part(&names.iter().map(String::as_str).collect::<Vec<_>>(), 0);
        let (payload, left_out) = assemble(&[(false, &many), (true, &part(&["token"], 1))]);
        assert_eq!((payload.len(), left_out), (1, vec![(0, LeftOut::TooMany)]));
    }
}
