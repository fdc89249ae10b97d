//! Directories of this user's programs, where no private mount is to be had; also those that nobody removed.
//!
//! Invariant: a directory is locked for as long as its keeper lives, from before anything is in it. Whoever finds one that
//! is not locked may remove it: keeper and supervisor were killed together. Other users' directories, and links, are left
//! alone, whatever their names.

use super::RunError;
use crate::volume::Dir;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Directories in memory where a program's own may stand, after `XDG_RUNTIME_DIR`.
const IN_MEMORY: &str = "/dev/shm";
/// How their names begin; sixteen hexadecimal digits follow.
const PREFIX: &str = "jeton-run-";
/// Attempts to make one, should somebody else remove it before it is locked.
const ATTEMPTS: usize = 8;

/// Says that a directory is in use, for as long as it is kept.
#[derive(Debug)]
pub(super) struct Hold(#[expect(dead_code, reason = "the lock ends with the descriptor")] Dir);

/// Where directories are made, best first.
fn places() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    runtime.into_iter().chain([PathBuf::from(IN_MEMORY), std::env::temp_dir()]).collect()
}

/// Makes a directory that only this user can enter, in memory where there is any.
///
/// # Errors
/// When no place takes one.
pub(super) fn make() -> Result<(PathBuf, Hold), RunError> {
    let mut last = RunError::NoPlace;
    for above in places() {
        match make_in(&above) {
            Ok(made) => return Ok(made),
            Err(error) => last = RunError::disk("make a directory in", above, error),
        }
    }
    Err(last)
}

fn make_in(above: &Path) -> io::Result<(PathBuf, Hold)> {
    let above = above.canonicalize()?;
    let top = Dir::open(&above).map_err(io::Error::other)?;
    for _ in 0..ATTEMPTS {
        let name = format!("{PREFIX}{:016x}", fastrand::u64(..));
        fs::DirBuilder::new().mode(0o700).create(above.join(&name))?;
        if let Ok(made) = top.enter(&name)
            && made.hold()
            && made.is_named(&top, &name)
        {
            return Ok((above.join(name), Hold(made)));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Removes the directories of this user whose keepers are gone; gives back which.
pub fn sweep() -> Vec<PathBuf> {
    let mut places = places();
    places.dedup();
    places.iter().flat_map(|above| sweep_in(above)).collect()
}

fn sweep_in(above: &Path) -> Vec<PathBuf> {
    // What cannot be looked at holds nothing of this user's.
    let Ok(top) = Dir::open(above) else { return Vec::new() };
    let user = rustix::process::geteuid();
    let ours = |name: &String| {
        name.strip_prefix(PREFIX).is_some_and(|rest| {
            rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    };
    let mut removed = Vec::new();
    for name in top.text_names().unwrap_or_default().into_iter().filter(ours) {
        // The lock is held until it is removed, so that nobody begins to use it meanwhile.
        if let Ok(dir) = top.enter(&name)
            && dir.is_of(user)
            && dir.take()
            && top.remove(&name).is_ok()
        {
            removed.push(above.join(name));
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    #[test]
    fn only_directories_that_nobody_keeps_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let above = dir.path().canonicalize().unwrap();
        let (kept, hold) = make_in(&above).unwrap();
        let (left, gone) = make_in(&above).unwrap();
        fs::create_dir(left.join("..data")).unwrap();
        fs::write(left.join("..data/token"), "t").unwrap();
        drop(gone);
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("mine"), "x").unwrap();
        symlink(&outside, left.join("link")).unwrap();
        let link = above.join(format!("{PREFIX}00000000000000aa"));
        symlink(&outside, &link).unwrap();
        for name in ["jeton-run-short", "jeton-run-0123456789ABCDEF", "other"] {
            fs::create_dir(above.join(name)).unwrap();
        }
        fs::write(above.join(format!("{PREFIX}00000000000000bb")), "a file").unwrap();
        let foreign = above.join(format!("{PREFIX}00000000000000cc"));
        fs::create_dir(&foreign).unwrap();
        let root = rustix::process::geteuid().is_root();
        if root {
            chown(&foreign, Some(4321), None).unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&kept), 0o700);
        let mut want = vec![left.clone()];
        want.extend((!root).then(|| foreign.clone()));
        let mut removed = sweep_in(&above);
        removed.sort();
        want.sort();
        assert_eq!(removed, want);
        assert!(kept.exists() && !left.exists() && fs::read_link(&link).is_ok());
        assert_eq!(foreign.exists(), root, "another user's");
        assert_eq!(fs::read_to_string(outside.join("mine")).unwrap(), "x");
        drop(hold);
        assert_eq!(sweep_in(&above), [kept]);
    }
}
