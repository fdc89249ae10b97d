//! One volume: brought up to date, one update at a time.

use super::{Dir, DiskError};
use jeton_core::deliver::{Ownership, PathError, Payload, Plan, Step, VolumePath, plan};
use jeton_core::time::UnixTime;

/// Why a volume was not brought up to date. The old content is still there.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The content itself cannot be written.
    #[error(transparent)]
    Content(#[from] PathError),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What an update did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Whether readers find something new.
    pub changed: bool,
    /// Visible names that something else occupies.
    pub blocked: Vec<String>,
}

/// A volume's directory.
#[derive(Debug)]
pub struct Volume {
    dir: Dir,
    owner: Ownership,
    leftover: Option<String>,
}

impl Volume {
    /// A volume in this directory.
    pub fn new(dir: Dir, owner: Ownership) -> Self {
        Self { dir, owner, leftover: None }
    }

    /// Files of the next content belong to somebody else.
    pub fn set_owner(&mut self, owner: Ownership) {
        self.owner = owner;
    }

    /// What readers find now, as far as it was written here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn content(&self) -> Result<Payload, DiskError> {
        let files = self.dir.see()?.files.into_iter().filter(|(_, file)| file.mode <= 0o777);
        Ok(files.filter_map(|(path, file)| Some((VolumePath::new(&path).ok()?, file))).collect())
    }

    /// Brings the directory to this content. The directory that was in use before stays until [`Volume::sweep`] or the
    /// next update, so that a reader which is just opening a file in it does not lose it.
    ///
    /// # Errors
    /// [`UpdateError`]; readers still find the old content.
    pub fn update(&mut self, payload: &Payload, now: UnixTime) -> Result<Updated, UpdateError> {
        let Plan { steps, leftover, changed, blocked } =
            plan(&self.dir.see()?, payload, self.owner, &fresh_name(now))?;
        for step in &steps {
            if let Err(error) = self.dir.apply(step, self.owner) {
                self.undo(&steps);
                return Err(error.into());
            }
        }
        if changed {
            self.leftover = leftover;
        }
        Ok(Updated { changed, blocked })
    }

    /// Removes the directory that the last update replaced.
    ///
    /// # Errors
    /// When the disk refuses; the next update tries again.
    pub fn sweep(&mut self) -> Result<(), DiskError> {
        match self.leftover.take() {
            Some(old) => self.dir.apply(&Step::RemoveTree(old), self.owner),
            None => Ok(()),
        }
    }

    /// Gives back the room that a failed update took, unless it is in use already. What cannot be removed now, the next
    /// update removes.
    fn undo(&self, steps: &[Step]) {
        let Ok(seen) = self.dir.see() else { return };
        if let Some(Step::MakeDir(new, _)) = steps.iter().find(|s| matches!(s, Step::MakeDir(..)))
            && seen.current() != Some(new)
        {
            let _ = self.dir.remove(new);
        }
    }
}

/// `..2026_03_01_19_17_08.1191223127`, as Kubernetes names them.
fn fresh_name(now: UnixTime) -> String {
    let time: String =
        now.rfc3339().chars().take(19).map(|c| if c.is_ascii_digit() { c } else { '_' }).collect();
    format!("..{time}.{}", fastrand::u32(..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jeton_core::deliver::File;
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    const NOW: UnixTime = UnixTime::from_seconds(1_784_973_600);

    fn payload(files: &[(&str, &str)]) -> Payload {
        let file = |text: &str| File::new(text.as_bytes().to_vec(), 0o640);
        files.iter().map(|(path, text)| (VolumePath::new(path).unwrap(), file(text))).collect()
    }

    fn volume(path: &Path) -> Volume {
        Volume::new(Dir::open(path).unwrap(), Ownership::default())
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn read(path: &Path) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    #[test]
    fn the_layout_is_kubernetes() {
        let dir = tempfile::tempdir().unwrap();
        let mut v = volume(dir.path());
        let first = payload(&[("token", "t1"), ("d/e/f", "x")]);
        assert!(v.update(&first, NOW).unwrap().changed);
        let data = fs::read_link(dir.path().join("..data")).unwrap();
        assert!(data.to_str().unwrap().starts_with("..2026_07_25_10_00_00."), "{data:?}");
        assert_eq!(fs::read_link(dir.path().join("token")).unwrap(), Path::new("..data/token"));
        assert_eq!(read(&dir.path().join("d/e/f")).as_deref(), Some("x"));
        let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("token"), mode("..data"), mode("d/e")), (0o640, 0o755, 0o755));
        assert!(!v.update(&first, NOW).unwrap().changed);
        assert_eq!(fs::read_link(dir.path().join("..data")).unwrap(), data);
        v.update(&payload(&[("token", "t2")]), NOW).unwrap();
        assert!(dir.path().join(&data).exists(), "a reader may still be inside");
        v.sweep().unwrap();
        assert_eq!(names(dir.path()).len(), 3);
        assert_eq!(read(&dir.path().join("token")).as_deref(), Some("t2"));
    }

    #[test]
    fn killed_between_any_two_steps_and_started_again() {
        let (old, new) =
            (payload(&[("token", "old"), ("gone", "x")]), payload(&[("token", "new"), ("d/n", "y")]));
        let view = |dir: &Path| ["token", "gone", "d/n"].map(|n| read(&dir.join(n)).unwrap_or_default());
        let mut stopped = 0;
        for stop in 0.. {
            let dir = tempfile::tempdir().unwrap();
            volume(dir.path()).update(&old, NOW).unwrap();
            let handle = Dir::open(dir.path()).unwrap();
            let plan = plan(&handle.see().unwrap(), &new, Ownership::default(), "..next").unwrap();
            if stop > plan.steps.len() {
                break;
            }
            for step in &plan.steps[..stop] {
                handle.apply(step, Ownership::default()).unwrap();
            }
            let seen = view(dir.path());
            assert!(seen == ["old", "x", ""] || seen == ["new", "", "y"], "after {stop}: {seen:?}");
            let mut again = volume(dir.path());
            again.update(&new, NOW).unwrap();
            again.sweep().unwrap();
            assert_eq!(view(dir.path()), ["new", "", "y"]);
            // A switch whose old directory was never swept leaves it to the next update.
            again.update(&payload(&[("token", "last")]), NOW).unwrap();
            again.sweep().unwrap();
            assert_eq!(names(dir.path()).len(), 3, "after {stop}: {:?}", names(dir.path()));
            stopped += 1;
        }
        assert!(stopped > 8, "{stopped}");
    }

    #[test]
    fn planted_links_lead_nowhere() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("token"), "mine").unwrap();
        for name in ["..data", "..data_tmp", "..link_tmp", "token", "d"] {
            symlink(outside.path(), dir.path().join(name)).unwrap();
        }
        volume(dir.path()).update(&payload(&[("token", "t"), ("d/token", "u")]), NOW).unwrap();
        assert_eq!(names(outside.path()), ["token"]);
        assert_eq!(read(&outside.path().join("token")).as_deref(), Some("mine"));
        assert_eq!(read(&dir.path().join("token")).as_deref(), Some("t"));
        // Inside the directory in use, too: whatever is not a plain file is not read, and goes with the directory.
        let current = fs::read_link(dir.path().join("..data")).unwrap();
        symlink(outside.path(), dir.path().join(current).join("extra")).unwrap();
        let mut again = volume(dir.path());
        assert!(again.update(&payload(&[("token", "t"), ("d/token", "u")]), NOW).unwrap().changed);
        again.sweep().unwrap();
        assert_eq!(names(outside.path()), ["token"]);
    }

    #[test]
    fn names_that_are_no_text_stop_nothing() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        let mut v = volume(dir.path());
        v.update(&payload(&[("token", "1")]), NOW).unwrap();
        let odd = OsStr::from_bytes(b"\xff\xfe");
        let current = dir.path().join(fs::read_link(dir.path().join("..data")).unwrap());
        fs::write(current.join(odd), "x").unwrap();
        fs::write(dir.path().join(odd), "x").unwrap();
        assert!(v.update(&payload(&[("token", "1")]), NOW).unwrap().changed);
        v.sweep().unwrap();
        assert!(!current.exists());
        assert_eq!(read(&dir.path().join("token")).as_deref(), Some("1"));
    }

    #[test]
    fn a_name_in_the_way_is_told_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("token")).unwrap();
        let updated = volume(dir.path()).update(&payload(&[("token", "t")]), NOW).unwrap();
        assert_eq!(updated.blocked, ["token"]);
        assert!(dir.path().join("token").is_dir());
    }

    #[test]
    fn contradictions_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut v = volume(dir.path());
        v.update(&payload(&[("token", "t")]), NOW).unwrap();
        let before: BTreeMap<_, _> = names(dir.path()).into_iter().map(|n| (n.clone(), n)).collect();
        assert!(matches!(v.update(&payload(&[("a", "1"), ("a/b", "2")]), NOW), Err(UpdateError::Content(_))));
        assert_eq!(names(dir.path()), before.into_keys().collect::<Vec<_>>());
    }

    #[test]
    fn a_file_that_its_owner_may_not_read_costs_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let update = move || {
            if rustix::process::geteuid().is_root() {
                let nobody = rustix::fs::Uid::from_raw(65534);
                rustix::fs::chown(dir.path(), Some(nobody), None).unwrap();
                // Of this thread alone.
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            let mut volume = volume(dir.path());
            for token in ["old", "new"] {
                let closed = (VolumePath::new("closed").unwrap(), File::new(Vec::new(), 0));
                let token = (VolumePath::new("token").unwrap(), File::new(token.into(), 0o600));
                volume.update(&Payload::from([closed, token]), NOW).unwrap();
            }
            assert!(fs::read(dir.path().join("closed")).is_err(), "it can be read: nothing is tested");
            assert_eq!(fs::read(dir.path().join("token")).unwrap(), b"new");
        };
        std::thread::spawn(update).join().unwrap();
    }
}
