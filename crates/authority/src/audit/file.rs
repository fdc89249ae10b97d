//! The file behind the audit log: appended to, and set aside when it is large.
//!
//! Kubernetes 1.36 (lumberjack): `audit.log` is renamed to `audit-2026-07-25T10-00-00.000.log` when the next lines
//! would make it larger than `--audit-log-maxsize`, and the oldest of these are removed.

use jeton_core::clock::Clock;
use jeton_core::time::UnixTime;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Largest file in MB when nothing is said. Kubernetes 1.36: 100.
const DEFAULT_SIZE_MB: u64 = 100;
const MB: u64 = 1024 * 1024;
const DAY_SECONDS: i64 = 24 * 3600;

/// `--audit-log-…`. Zero of a number means what it means to kube-apiserver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `--audit-log-path`.
    pub path: PathBuf,
    /// `--audit-log-maxsize`, in MB; 0: 100.
    pub max_size_mb: u64,
    /// `--audit-log-maxbackup`, in files; 0: all are kept.
    pub max_backups: usize,
    /// `--audit-log-maxage`, in days; 0: for ever.
    pub max_age_days: u32,
}

/// An audit file that is open.
#[derive(Debug)]
pub(super) struct Rotating {
    settings: Settings,
    clock: Clock,
    file: File,
    /// Bytes in the file; `None` for what is no regular file, such as a pipe: it is never set aside.
    size: Option<u64>,
    /// Whether the file may end in the middle of a line.
    torn: bool,
}

impl Rotating {
    /// Opens or makes the file, and its directory.
    pub(super) fn open(settings: Settings, clock: Clock) -> io::Result<Self> {
        let dir = settings.path.parent().filter(|p| !p.as_os_str().is_empty());
        if let Some(dir) = dir {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let (file, size, torn) = open(&settings.path)?;
        Ok(Self { settings, clock, file, size, torn })
    }

    /// Appends whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let limit = match self.settings.max_size_mb {
            0 => DEFAULT_SIZE_MB * MB,
            size => size.saturating_mul(MB),
        };
        if self.size.is_some_and(|size| size > 0 && size + lines.len() as u64 > limit) {
            self.rotate()?;
        }
        if self.torn {
            self.file.write_all(b"\n")?;
            self.size = self.size.map(|size| size + 1);
        }
        // Until all of it is written, the file may end in half a line.
        self.torn = true;
        self.file.write_all(lines)?;
        self.torn = false;
        self.size = self.size.map(|size| size + lines.len() as u64);
        Ok(())
    }

    /// Sets the file aside and begins a new one. Old ones that cannot be removed are no reason to stop writing.
    fn rotate(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        fs::rename(&self.settings.path, aside(&self.settings.path, now))?;
        (self.file, self.size, self.torn) = open(&self.settings.path)?;
        if let Err(error) = self.prune(now) {
            tracing::warn!(%error, path = %self.settings.path.display(), "old audit logs were not removed");
        }
        Ok(())
    }

    fn prune(&self, now: UnixTime) -> io::Result<()> {
        let Settings { path, max_backups, max_age_days, .. } = &self.settings;
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut old: Vec<(UnixTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(dir)? {
            let found = entry?.path();
            if let Some(at) = set_aside_at(path, &found) {
                old.push((at, found));
            }
        }
        old.sort();
        let keep_from = if *max_backups == 0 { 0 } else { old.len().saturating_sub(*max_backups) };
        let oldest = now.plus_seconds(-i64::from(*max_age_days) * DAY_SECONDS);
        for (number, (at, found)) in old.iter().enumerate() {
            if number < keep_from || (*max_age_days > 0 && *at < oldest) {
                fs::remove_file(found)?;
            }
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, Option<u64>, bool)> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok((file, None, false));
    }
    if metadata.permissions().mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    // A process that was killed may have left half a line.
    let mut last = [b'\n'];
    if metadata.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok((file, Some(metadata.len()), last != *b"\n"))
}

/// `audit.log` at a moment → `audit-2026-07-25T10-00-00.000.log`.
fn aside(path: &Path, at: UnixTime) -> PathBuf {
    let text = at.rfc3339_micros().replace(':', "-");
    // Milliseconds, as lumberjack writes them.
    let text = text.get(..23).unwrap_or(&text);
    let (stem, extension) = parts(path);
    path.with_file_name(format!("{stem}-{text}{extension}"))
}

/// The moment at which a file was set aside; `None` for any other file.
fn set_aside_at(path: &Path, found: &Path) -> Option<UnixTime> {
    let (stem, extension) = parts(path);
    let name = found.file_name()?.to_str()?;
    let text = name.strip_prefix(&stem)?.strip_prefix('-')?.strip_suffix(&extension)?;
    let (date, time) = text.split_once('T')?;
    UnixTime::parse_rfc3339(&format!("{date}T{}Z", time.replace('-', ":")))
}

fn parts(path: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let extension = match path.extension() {
        Some(extension) => format!(".{}", extension.to_string_lossy()),
        None => String::new(),
    };
    (text(path.file_stem()), extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    const NOW: i64 = 1_784_973_600_000;

    /// A clock that moves on by a second each time it is read.
    fn clock() -> Clock {
        let at = Arc::new(AtomicI64::new(NOW));
        Clock::new(move || UnixTime::from_millis(at.fetch_add(1000, Ordering::SeqCst)))
    }

    fn settings(dir: &Path) -> Settings {
        Settings { path: dir.join("logs/audit.log"), max_size_mb: 1, ..Settings::default() }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir.join("logs"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_large_file_is_set_aside_and_the_oldest_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { max_backups: 2, ..settings(dir.path()) };
        let mut file = Rotating::open(settings.clone(), clock()).unwrap();
        fs::write(dir.path().join("logs/audit-notes.log"), "mine").unwrap();
        let half = vec![b'x'; 600 * 1024];
        for _ in 0..5 {
            file.write(&half).unwrap();
        }
        assert_eq!(
            names(dir.path()),
            [
                "audit-2026-07-25T10-00-02.000.log",
                "audit-2026-07-25T10-00-03.000.log",
                "audit-notes.log",
                "audit.log"
            ]
        );
        for name in ["audit.log", "audit-2026-07-25T10-00-03.000.log"] {
            let metadata = fs::metadata(dir.path().join("logs").join(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
            assert_eq!(metadata.len(), 600 * 1024);
        }
    }

    #[test]
    fn old_files_go_by_age() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { max_age_days: 2, ..settings(dir.path()) };
        let mut file = Rotating::open(settings, clock()).unwrap();
        for name in ["audit-2026-07-22T10-00-00.000.log", "audit-2026-07-24T10-00-00.000.log"] {
            fs::write(dir.path().join("logs").join(name), "old").unwrap();
        }
        let half = vec![b'x'; 600 * 1024];
        file.write(&half).unwrap();
        file.write(&half).unwrap();
        assert_eq!(
            names(dir.path()),
            ["audit-2026-07-24T10-00-00.000.log", "audit-2026-07-25T10-00-00.000.log", "audit.log"]
        );
    }

    #[test]
    fn half_a_line_is_ended_before_the_next_one_and_modes_are_put_right() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path());
        Rotating::open(settings.clone(), clock()).unwrap().write(b"{\"a\":1}\n{\"b").unwrap();
        fs::set_permissions(&settings.path, Permissions::from_mode(0o644)).unwrap();
        let mut again = Rotating::open(settings.clone(), clock()).unwrap();
        again.write(b"{\"c\":1}\n").unwrap();
        assert_eq!(fs::read_to_string(&settings.path).unwrap(), "{\"a\":1}\n{\"b\n{\"c\":1}\n");
        assert_eq!(fs::metadata(&settings.path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
