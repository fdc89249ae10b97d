//! A directory handle that cannot be led outside: every element is opened without following links.

use jeton_core::deliver::{Bytes, Entry, File, Ownership, Seen, Step};
use jeton_core::limits::{MAX_VOLUME_BYTES, MAX_VOLUME_FILES};
use rustix::fs::{self, AtFlags, FileType, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs as std_fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use zeroize::Zeroizing;

/// Deepest nesting that is read or removed.
const MAX_DEPTH: usize = 64;
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What went wrong on disk, and where inside the volume. Never holds content.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {name:?}")]
pub struct DiskError {
    /// The operation.
    pub doing: &'static str,
    /// The name inside the directory.
    pub name: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

fn failed(doing: &'static str, name: &str) -> impl FnOnce(Errno) -> DiskError {
    move |errno| DiskError { doing, name: name.to_owned(), source: errno.into() }
}

/// Stands for what was not written here; equal to no file of a payload.
fn stranger() -> File {
    File { bytes: Bytes::default(), mode: u32::MAX }
}

/// An open directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl Dir {
    /// Opens a directory that the operator named; links on the way to it are the operator's business.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = fs::open(path, flags, Mode::empty());
        opened.map(Self).map_err(failed("open the directory", &path.to_string_lossy()))
    }

    /// Opens a directory right below.
    ///
    /// # Errors
    /// When it is no directory, or a link.
    pub fn enter(&self, name: &str) -> Result<Self, DiskError> {
        let opened = fs::openat(&self.0, name, FOLDER, Mode::empty());
        opened.map(Self).map_err(failed("open the directory", name))
    }

    /// Makes a directory right below, unless it is there, and opens it.
    ///
    /// # Errors
    /// When it cannot be made, or something else has its name.
    pub fn ensure(&self, name: &str, mode: u32) -> Result<Self, DiskError> {
        match fs::mkdirat(&self.0, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => self.enter(name),
            Err(errno) => Err(failed("make the directory", name)(errno)),
        }
    }

    /// Says who may use this directory.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn allow(&self, mode: u32, owner: Ownership) -> Result<(), DiskError> {
        let (user, group) = (owner.user.map(Uid::from_raw), owner.group.map(Gid::from_raw));
        if user.is_some() || group.is_some() {
            fs::fchown(&self.0, user, group).map_err(failed("change the owner of", "."))?;
        }
        fs::fchmod(&self.0, Mode::from_raw_mode(mode)).map_err(failed("change the mode of", "."))
    }

    /// The names right below that are text.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn text_names(&self) -> Result<Vec<String>, DiskError> {
        Ok(self.names()?.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// The names right below, as bytes: somebody else may have made them.
    fn names(&self) -> Result<Vec<CString>, DiskError> {
        let mut names = Vec::new();
        let entries = fs::Dir::read_from(&self.0).map_err(failed("list", "."))?;
        for entry in entries {
            let entry = entry.map_err(failed("list", "."))?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn kind(&self, name: &CStr) -> Result<FileType, DiskError> {
        let stat = fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(failed("look at", &name.to_string_lossy()))?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }

    /// What is there.
    ///
    /// # Errors
    /// When it cannot be read. More than a volume may hold is not read to the end: it counts as other content.
    pub fn see(&self) -> Result<Seen, DiskError> {
        let mut seen = Seen::default();
        for raw in self.names()? {
            // What is no text was not made here, and is in nobody's way.
            let Ok(name) = raw.to_str().map(str::to_owned) else { continue };
            let entry = match self.kind(&raw)? {
                FileType::Symlink => {
                    let target =
                        fs::readlinkat(&self.0, &name, Vec::new()).map_err(failed("read the link", &name))?;
                    Entry::Link(target.to_string_lossy().into_owned())
                }
                FileType::Directory => Entry::Dir,
                _ => Entry::Other,
            };
            seen.entries.insert(name, entry);
        }
        if let Some(current) = seen.current().map(str::to_owned) {
            let mut budget = MAX_VOLUME_BYTES;
            self.enter(&current)?.collect("", 0, &mut budget, &mut seen)?;
        }
        Ok(seen)
    }

    fn collect(
        &self,
        above: &str,
        depth: usize,
        budget: &mut usize,
        seen: &mut Seen,
    ) -> Result<(), DiskError> {
        for raw in self.names()? {
            if seen.files.len() > MAX_VOLUME_FILES || depth > MAX_DEPTH {
                return Ok(());
            }
            let Ok(name) = raw.to_str().map(str::to_owned) else {
                seen.files.insert(raw.to_string_lossy().into_owned(), stranger());
                continue;
            };
            let path = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
            if self.kind(&raw)? == FileType::Directory {
                self.enter(&name)?.collect(&path, depth + 1, budget, seen)?;
            } else {
                seen.files.insert(path, self.read(&name, budget)?);
            }
        }
        Ok(())
    }

    /// A regular file; anything else reads as an empty one with a mode that no file has.
    fn read(&self, name: &str, budget: &mut usize) -> Result<File, DiskError> {
        let other = stranger();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match fs::openat(&self.0, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            // One that its mode keeps from its owner too, who is not root, is none that can be compared.
            Err(Errno::LOOP | Errno::NXIO | Errno::ACCESS) => return Ok(other),
            Err(errno) => return Err(failed("open", name)(errno)),
        };
        let stat = fs::fstat(&fd).map_err(failed("look at", name))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(other);
        }
        let mut bytes = Zeroizing::new(Vec::new());
        let limit = u64::try_from(*budget).unwrap_or(u64::MAX);
        let read = std_fs::File::from(fd).take(limit).read_to_end(&mut bytes);
        read.map_err(|source| DiskError { doing: "read", name: name.to_owned(), source })?;
        *budget -= bytes.len();
        Ok(File { bytes: bytes.into(), mode: stat.st_mode & 0o777 })
    }

    /// The directory that holds the last element of `path`, and that element.
    fn parent<'a>(&self, path: &'a str) -> Result<(Self, &'a str), DiskError> {
        let again = || self.0.try_clone().map(Self);
        let mut at = again().map_err(|source| DiskError { doing: "open", name: path.to_owned(), source })?;
        let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
        for element in above.split('/').filter(|e| !e.is_empty()) {
            at = at.enter(element)?;
        }
        Ok((at, last))
    }

    /// Does one step.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn apply(&self, step: &Step, owner: Ownership) -> Result<(), DiskError> {
        match step {
            Step::MakeDir(path, mode) => self.make_dir(path, *mode, owner),
            Step::Write(path, file) => self.write(path, file, owner),
            Step::Link(name, target) => {
                fs::symlinkat(target, &self.0, name).map_err(failed("link", name))?;
                let user = owner.user.map(Uid::from_raw);
                let group = owner.group.map(Gid::from_raw);
                if user.is_none() && group.is_none() {
                    return Ok(());
                }
                let changed = fs::chownat(&self.0, name, user, group, AtFlags::SYMLINK_NOFOLLOW);
                changed.map_err(failed("change the owner of", name))
            }
            Step::Rename(from, to) => fs::renameat(&self.0, from, &self.0, to).map_err(failed("replace", to)),
            Step::Unlink(name) => {
                fs::unlinkat(&self.0, name, AtFlags::empty()).map_err(failed("remove", name))
            }
            Step::RemoveTree(name) => self.remove(name),
        }
    }

    fn make_dir(&self, path: &str, mode: u32, owner: Ownership) -> Result<(), DiskError> {
        let (parent, name) = self.parent(path)?;
        fs::mkdirat(&parent.0, name, Mode::RWXU).map_err(failed("make the directory", path))?;
        let made = parent.enter(name)?;
        if let Some(group) = owner.group {
            fs::fchown(&made.0, None, Some(Gid::from_raw(group)))
                .map_err(failed("change the group of", path))?;
        }
        fs::fchmod(&made.0, Mode::from_raw_mode(mode)).map_err(failed("change the mode of", path))
    }

    fn write(&self, path: &str, file: &File, owner: Ownership) -> Result<(), DiskError> {
        let (parent, name) = self.parent(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            fs::openat(&parent.0, name, flags, Mode::RUSR | Mode::WUSR).map_err(failed("write", path))?;
        let mut out = std_fs::File::from(fd);
        let wrote = out.write_all(&file.bytes);
        wrote.map_err(|source| DiskError { doing: "write", name: path.to_owned(), source })?;
        let (user, group) = (owner.user.map(Uid::from_raw), owner.group.map(Gid::from_raw));
        if user.is_some() || group.is_some() {
            fs::fchown(out.as_fd(), user, group).map_err(failed("change the owner of", path))?;
        }
        fs::fchmod(out.as_fd(), Mode::from_raw_mode(file.mode))
            .map_err(failed("change the mode of", path))?;
        // Costs nothing on tmpfs; elsewhere a power failure after the switch must not leave an empty token.
        out.sync_data().map_err(|source| DiskError { doing: "sync", name: path.to_owned(), source })
    }

    fn remove_tree(&self, name: &CStr, depth: usize) -> Result<(), DiskError> {
        let shown = name.to_string_lossy();
        if depth > MAX_DEPTH {
            return Err(failed("remove", &shown)(Errno::LOOP));
        }
        let inside = match fs::openat(&self.0, name, FOLDER, Mode::empty()) {
            Ok(inside) => Self(inside),
            Err(Errno::NOENT) => return Ok(()),
            // A link or file that somebody put there goes by itself.
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return fs::unlinkat(&self.0, name, AtFlags::empty()).map_err(failed("remove", &shown));
            }
            Err(errno) => return Err(failed("open the directory", &shown)(errno)),
        };
        for entry in inside.names()? {
            if inside.kind(&entry)? == FileType::Directory {
                inside.remove_tree(&entry, depth + 1)?;
            } else {
                let removed = fs::unlinkat(&inside.0, &entry, AtFlags::empty());
                removed.map_err(failed("remove", &entry.to_string_lossy()))?;
            }
        }
        fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR).map_err(failed("remove", &shown))
    }

    /// Removes a directory right below with everything in it; fine when there is none.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn remove(&self, name: &str) -> Result<(), DiskError> {
        let raw = CString::new(name).map_err(|_| failed("remove", name)(Errno::INVAL))?;
        self.remove_tree(&raw, 0)
    }

    /// Whether it belongs to a user.
    pub(crate) fn is_of(&self, user: Uid) -> bool {
        fs::fstat(&self.0).is_ok_and(|stat| stat.st_uid == user.as_raw())
    }

    /// Says for as long as it is open that it is in use; false when somebody is about to remove it.
    pub(crate) fn hold(&self) -> bool {
        fs::flock(&self.0, FlockOperation::NonBlockingLockShared).is_ok()
    }

    /// Takes it for this process alone; false when somebody uses it.
    pub(crate) fn take(&self) -> bool {
        fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// Whether a name right above still means this directory.
    pub(crate) fn is_named(&self, above: &Self, name: &str) -> bool {
        let there = fs::statat(&above.0, name, AtFlags::SYMLINK_NOFOLLOW);
        let here = fs::fstat(&self.0);
        matches!((there, here), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
    }

    /// Whether this directory lives in memory.
    pub fn in_memory(&self) -> bool {
        /// TMPFS_MAGIC of `linux/magic.h`.
        const TMPFS: u64 = 0x0102_1994;
        fs::fstatfs(&self.0).is_ok_and(|s| u64::try_from(s.f_type) == Ok(TMPFS))
    }
}
