//! Where a program finds its files: a mount that only it sees, or a directory of its own.
//!
//! Invariant: nothing outside the namespace changes, also on the way: where the mount point is not there, the nearest
//! directory above is covered by an empty one with everything bound back. When the last process in the namespace ends,
//! the kernel takes all of it away.
//!
//! A user namespace can only be made by a process with one thread, so this runs before anything starts a second one.

use super::RunError;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::UnshareFlags;
use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where unmodified programs look. Kubernetes 1.36 mounts token, certificate and namespace there.
pub const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Entries of a directory that are bound back; more of them, and the program gets a directory instead.
const MAX_ENTRIES: usize = 4096;
/// Bytes of the volume: twice what a volume may hold, for the switch.
const VOLUME_OPTIONS: &str = "size=33M,mode=0755";

/// What a program gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The usual path, in a namespace of its own.
    Mounted(PathBuf),
    /// A directory that must be removed.
    Directory(PathBuf),
}

impl Place {
    /// The path, without links.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Mounted(path) | Self::Directory(path) => path,
        }
    }

    /// Mounts the usual path for this process and those it will start.
    ///
    /// # Errors
    /// When this system does not allow it. This process is of no use then: a part may have been done.
    pub(super) fn mount() -> Result<Self, RunError> {
        unshare()?;
        // What the machine mounts later is still seen; what is mounted here is not seen outside.
        let all = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", all).map_err(at("make mounts private", Path::new("/")))?;
        let target = mount_point(Path::new(MOUNT_PATH))?;
        tmpfs(&target, VOLUME_OPTIONS)?;
        Ok(Self::Mounted(target))
    }

    /// Lets the program read only; whoever opened the place before goes on writing.
    ///
    /// # Errors
    /// When the mount cannot be covered.
    pub(super) fn seal(&self) -> Result<(), RunError> {
        let Self::Mounted(path) = self else { return Ok(()) };
        rustix::mount::mount_bind(path, path).map_err(at("cover", path))?;
        let flags = MountFlags::BIND
            | MountFlags::RDONLY
            | MountFlags::NOSUID
            | MountFlags::NODEV
            | MountFlags::NOEXEC;
        rustix::mount::mount_remount(path, flags, c"").map_err(at("make read-only", path))
    }

    /// Removes a directory; fine when it is gone.
    pub(super) fn remove(&self) {
        if let Self::Directory(path) = self {
            // It may be gone already: supervisor and keeper both clean up.
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(Errno) -> RunError {
    move |errno| RunError::disk(doing, path.to_owned(), errno.into())
}

/// A mount namespace: with the rights that this process has, or with those of a user namespace in which it is who it was.
fn unshare() -> Result<(), RunError> {
    let enter = |flags| {
        #[expect(
            deprecated,
            reason = "sound: only CLONE_FILES could pull descriptors from under their owners"
        )]
        rustix::thread::unshare(flags)
    };
    if enter(UnshareFlags::NEWNS).is_ok() {
        return Ok(());
    }
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    enter(UnshareFlags::NEWNS | UnshareFlags::NEWUSER).map_err(|errno| RunError::Namespace(errno.into()))?;
    let write = |name: &str, text: String| {
        let path = Path::new("/proc/self").join(name);
        fs::write(&path, text).map_err(|error| RunError::disk("write", path, error))
    };
    // Without this, groups that take rights away could be dropped, and the map is refused.
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{user} {user} 1"))?;
    write("gid_map", format!("{group} {group} 1"))
}

fn tmpfs(target: &Path, options: &str) -> Result<(), RunError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = CString::new(options).map_err(|_| RunError::NoPlace)?;
    let done = rustix::mount::mount("jeton", target, "tmpfs", flags, options.as_c_str());
    done.map_err(at("mount a tmpfs on", target))
}

/// The mount point without links. Where it is missing, the nearest directory above is covered, so that it can be made
/// without leaving anything on the machine.
fn mount_point(wanted: &Path) -> Result<PathBuf, RunError> {
    let mut above = wanted;
    let mut missing: Vec<OsString> = Vec::new();
    let there = loop {
        match above.canonicalize() {
            Ok(there) => break there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.extend(above.file_name().map(Into::into));
                above = above.parent().ok_or(RunError::NoPlace)?;
            }
            Err(error) => return Err(RunError::disk("find", above.to_owned(), error)),
        }
    };
    if missing.is_empty() {
        return Ok(there);
    }
    if there == Path::new("/") {
        return Err(RunError::NoPlace);
    }
    cover(&there)?;
    let path = missing.iter().rev().fold(there, |path, name| path.join(name));
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(&path);
    made.map_err(|error| RunError::disk("make the directory", path.clone(), error))?;
    Ok(path)
}

/// Puts an empty directory over this one, and everything that was in it back into it.
fn cover(dir: &Path) -> Result<(), RunError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let before = rustix::fs::openat(CWD, dir, flags, Mode::empty()).map_err(at("open", dir))?;
    let wrong = |error| RunError::disk("list", dir.to_owned(), error);
    let entries: Vec<_> = fs::read_dir(dir).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)?;
    if entries.len() > MAX_ENTRIES {
        return Err(RunError::Crowded(dir.display().to_string(), MAX_ENTRIES));
    }
    let mode = fs::metadata(dir).map_err(wrong)?.permissions().mode() & 0o7777;
    tmpfs(dir, &format!("size=1M,mode={mode:o}"))?;
    entries.into_iter().try_for_each(|entry| bind_back(&before, &entry.file_name(), dir))
}

/// One entry of a covered directory. What vanished meanwhile is left out.
fn bind_back(before: &OwnedFd, name: &OsString, dir: &Path) -> Result<(), RunError> {
    let target = dir.join(name);
    let stat = match rustix::fs::statat(before, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(at("look at", &target)(errno)),
    };
    let made = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let to = rustix::fs::readlinkat(before, name, Vec::new()).map_err(at("read", &target))?;
            return rustix::fs::symlinkat(to.as_c_str(), CWD, &target).map_err(at("link", &target));
        }
        FileType::Directory => fs::create_dir(&target),
        _ => fs::File::create_new(&target).map(drop),
    };
    made.map_err(|error| RunError::disk("make", target.clone(), error))?;
    let source = Path::new("/proc/self/fd").join(before.as_raw_fd().to_string()).join(name);
    match rustix::mount::mount_bind_recursive(&source, &target) {
        Err(Errno::NOENT) => Ok(()),
        done => done.map_err(at("bind back", &target)),
    }
}
