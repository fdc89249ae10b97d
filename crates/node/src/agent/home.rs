//! The agent's directory: `pods/<uid>/volumes/<plugin>/<name>`, as a kubelet lays it out.
//!
//! Invariant: one agent at a time; a pod's directory opens only for those whom its security context names, because here
//! no container hides it from the other users of the machine.

use crate::volume::{Dir, DiskError, givable};
use crate::wanted::{PodRef, Wanted, WantedVolume};
use jeton_core::deliver::Ownership;
use rustix::fs::FlockOperation;
use rustix::mount::MountFlags;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Most bytes that files of all pods take when they live in memory.
const MAX_MEMORY_BYTES: usize = 256 * 1024 * 1024;
/// Longest name of a directory that comes from the API server.
const MAX_ELEMENT_BYTES: usize = 253;
const VOLUMES: &str = "volumes";

/// Whether files live in memory, as a kubelet's do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Where it may: when the directory is in memory already, or this process may mount.
    Auto,
    /// Always; or the agent does not start.
    Require,
    /// As the directory is.
    Never,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// It cannot be made or opened.
    #[error("cannot use {} as the agent's directory", path.display())]
    Use {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another agent has it.
    #[error("another agent works in {}", path.display())]
    Taken {
        /// Which one.
        path: PathBuf,
    },
    /// It is not in memory, and cannot be.
    #[error("{} is not in memory: put it on a tmpfs, such as below /run, or run as root", path.display())]
    NotInMemory {
        /// Which one.
        path: PathBuf,
        /// What the system said to mounting.
        #[source]
        source: io::Error,
    },
    /// Something inside.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The directory.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    pods: Dir,
    _lock: fs::File,
}

/// A name from the API server that is one plain element of a path.
fn element(name: &str) -> Result<&str, DiskError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if (1..=MAX_ELEMENT_BYTES).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('.') {
        return Ok(name);
    }
    let shown: String = name.chars().take(MAX_ELEMENT_BYTES).collect();
    Err(DiskError { doing: "use as a name", name: shown, source: io::ErrorKind::InvalidInput.into() })
}

impl Home {
    /// Opens the directory, makes it where it is missing, and locks it.
    ///
    /// # Errors
    /// [`HomeError`]
    pub fn open(root: &Path, memory: Memory) -> Result<Self, HomeError> {
        let failed = |source| HomeError::Use { path: root.to_owned(), source };
        fs::create_dir_all(root).map_err(failed)?;
        let lock = fs::File::create(root.join("lock")).map_err(failed)?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(HomeError::Taken { path: root.to_owned() });
        }
        let root_user = rustix::process::geteuid().is_root();
        // Others pass through to their own pod's directory, and cannot list who else there is.
        let mode = if root_user { 0o711 } else { 0o700 };
        let top = Dir::open(root)?;
        top.allow(mode, Ownership::default())?;
        let mut pods = top.ensure("pods", mode)?;
        if !pods.in_memory() && memory != Memory::Never {
            match mount(&root.join("pods"), mode) {
                Ok(()) => pods = top.enter("pods")?,
                Err(source) if memory == Memory::Require => {
                    return Err(HomeError::NotInMemory { path: root.to_owned(), source });
                }
                Err(error) => tracing::warn!(
                    root = %root.display(), %error,
                    "files lie on the disk, not in memory: put the directory on a tmpfs, such as below /run"
                ),
            }
        }
        pods.allow(mode, Ownership::default())?;
        Ok(Self { path: root.to_owned(), pods, _lock: lock })
    }

    /// Whether its files live in memory.
    pub fn in_memory(&self) -> bool {
        self.pods.in_memory()
    }

    /// Makes the directory of a volume and opens it.
    ///
    /// # Errors
    /// A name that is none, or the disk.
    pub fn volume(&self, wanted: &Wanted, volume: &WantedVolume) -> Result<Dir, DiskError> {
        let pod = self.pods.ensure(element(&wanted.pod.uid)?, 0o700)?;
        // What cannot be given away, the keeper of the volumes tells.
        let (owner, _) = givable(wanted.owner);
        pod.allow(if owner.group.is_some() { 0o750 } else { 0o700 }, owner)?;
        let open = |dir: Dir| dir.allow(0o755, Ownership::default()).map(|()| dir);
        let volumes = open(pod.ensure(VOLUMES, 0o755)?)?;
        let plugin = open(volumes.ensure(volume.plugin.dir(), 0o755)?)?;
        open(plugin.ensure(element(&volume.name)?, 0o755)?)
    }

    /// Where the volumes of a pod are.
    pub fn path(&self, pod: &PodRef) -> PathBuf {
        self.path.join("pods").join(&pod.uid).join(VOLUMES)
    }

    /// Removes everything of a pod.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remove(&self, uid: &str) -> Result<(), DiskError> {
        self.pods.remove(element(uid)?)
    }

    /// Removes what is left of pods that are not in the list; returns their uids.
    ///
    /// # Errors
    /// The disk refuses one of them; the others are removed all the same.
    pub fn remove_others(&self, keep: impl Fn(&str) -> bool) -> Result<Vec<String>, DiskError> {
        let (mut removed, mut failure) = (Vec::new(), None);
        for name in self.pods.text_names()?.into_iter().filter(|name| !keep(name)) {
            match self.pods.remove(&name) {
                Ok(()) => removed.push(name),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(removed), Err)
    }
}

fn mount(path: &Path, mode: u32) -> io::Result<()> {
    let options = std::ffi::CString::new(format!("mode={mode:o},size={MAX_MEMORY_BYTES}"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(rustix::mount::mount("tmpfs", path, "tmpfs", flags, options.as_c_str())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Volume;
    use crate::wanted::Plugin;
    use jeton_core::deliver::{File, Payload, VolumePath};
    use jeton_core::limits::MAX_VOLUME_PATH_ELEMENTS;
    use jeton_core::time::UnixTime;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn wanted(uid: &str, name: &str) -> Wanted {
        let pod = PodRef { namespace: "ns".to_owned(), name: "p".to_owned(), uid: uid.to_owned() };
        let volume = WantedVolume { name: name.to_owned(), plugin: Plugin::Projected, sources: Vec::new() };
        Wanted { pod, account: String::new(), owner: Ownership::default(), volumes: vec![volume] }
    }

    #[test]
    fn one_agent_at_a_time_and_only_its_pods_stay() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path(), Memory::Never).unwrap();
        assert!(matches!(Home::open(dir.path(), Memory::Never), Err(HomeError::Taken { .. })));
        for uid in ["u1", "u2"] {
            let wanted = wanted(uid, "v");
            home.volume(&wanted, &wanted.volumes[0]).unwrap();
        }
        let made = dir.path().join("pods/u1/volumes/kubernetes.io~projected/v");
        assert!(made.is_dir());
        let mode = fs::metadata(dir.path().join("pods/u1")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        assert_eq!(home.remove_others(|uid| uid == "u1").unwrap(), ["u2"]);
        home.remove("u1").unwrap();
        assert!(!made.exists());
    }

    #[test]
    fn the_deepest_path_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path(), Memory::Never).unwrap();
        let wanted = wanted("u", "v");
        let mut volume = Volume::new(home.volume(&wanted, &wanted.volumes[0]).unwrap(), Ownership::default());
        let path = VolumePath::new(&vec!["d"; MAX_VOLUME_PATH_ELEMENTS].join("/")).unwrap();
        let payload = Payload::from([(path, File::new(vec![1], 0o644))]);
        let now = UnixTime::from_seconds(0);
        assert!(volume.update(&payload, now).unwrap().changed);
        assert!(!volume.update(&payload, now).unwrap().changed, "it is not read as deep as it is written");
        home.remove("u").unwrap();
    }

    #[test]
    fn what_cannot_be_removed_costs_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path(), Memory::Never).unwrap();
        let pods = dir.path().join("pods");
        // Whatever order they are read in, one that can be removed comes behind one that cannot.
        for name in ["a", "b", "y", "z"] {
            fs::create_dir_all(pods.join(name).join("deep/".repeat(100))).unwrap();
            fs::create_dir(pods.join(format!("{name}1"))).unwrap();
        }
        assert!(home.remove_others(|_| false).is_err());
        let mut left = home.pods.text_names().unwrap();
        left.sort();
        assert_eq!(left, ["a", "b", "y", "z"]);
    }

    #[test]
    fn names_that_lead_outside_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(&dir.path().join("home"), Memory::Never).unwrap();
        let long = "x".repeat(300);
        for bad in ["..", "../x", "/etc", ".", "", "a/b", "a\0b", &long] {
            for wanted in [wanted(bad, "v"), wanted("u", bad)] {
                assert!(home.volume(&wanted, &wanted.volumes[0]).is_err(), "{bad:?}");
            }
            assert!(home.remove(bad).is_err(), "{bad:?}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // A link where a pod's directory should be is not followed.
        symlink(dir.path(), dir.path().join("home/pods/u3")).unwrap();
        let linked = wanted("u3", "v");
        assert!(home.volume(&linked, &linked.volumes[0]).is_err());
        home.remove_others(|_| false).unwrap();
        assert!(dir.path().join("home/pods").exists());
        assert!(!dir.path().join("home/pods/u3").exists());
    }
}
