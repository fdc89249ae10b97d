//! A token that stays fresh.
//!
//! Invariants: the file is opened by its visible path at every read, so that a renamed `..data` counts; a failed read
//! never takes away a token that was read before; one reader at a time touches the disk.
//!
//! client-go (Kubernetes 1.36) re-reads when its copy is 50 s old and does nothing after a 401. Here a 401 forces a
//! read too.

use jeton_core::limits::MAX_TOKEN_BYTES;
use jeton_core::secret::TokenText;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Where a pod finds its token.
const DEFAULT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Age at which a copy is read again. Half of the minute that most client libraries take; the shortest token of
/// Kubernetes lives ten.
const MAX_AGE: Duration = Duration::from_secs(30);

/// Why there is no token. Never holds what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the token file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds no token: it is empty, too long, or has characters that no token has.
    #[error("{} holds no token", .0.display())]
    Content(PathBuf),
}

/// The token in a file that somebody else keeps fresh.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("token");
/// # std::fs::write(&path, "header.payload.signature")?;
/// use jeton_client::TokenFile;
///
/// let token = TokenFile::new(&path);
/// let header = format!("Bearer {}", token.get()?.expose());
/// // Send it. When the server answers 401, say so with the token it refused, and try once more:
/// let refused = token.get()?;
/// let again = token.after_401(&refused)?;
/// # assert_eq!(header, "Bearer header.payload.signature");
/// # assert_eq!(again, refused);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    token: TokenText,
    read_at: Instant,
}

impl TokenFile {
    /// The token in this file. Nothing is read yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), kept: Mutex::new(None) }
    }

    /// The token of the pod this program runs in.
    pub fn in_cluster() -> Self {
        Self::new(DEFAULT_PATH)
    }

    /// The token to send now.
    ///
    /// # Errors
    /// [`ReadError`], only when no token was ever read.
    pub fn get(&self) -> Result<TokenText, ReadError> {
        self.at(Instant::now(), None)
    }

    /// The token to try once more with, after a server refused `refused` with 401. When another caller has read a newer
    /// one already, that is the answer, and the disk is left alone.
    ///
    /// # Errors
    /// As [`TokenFile::get`].
    pub fn after_401(&self, refused: &TokenText) -> Result<TokenText, ReadError> {
        self.at(Instant::now(), Some(refused))
    }

    fn at(&self, now: Instant, refused: Option<&TokenText>) -> Result<TokenText, ReadError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref() {
            let young = now.saturating_duration_since(kept.read_at) < MAX_AGE;
            if young && refused != Some(&kept.token) {
                return Ok(kept.token.clone());
            }
        }
        match (read(&self.path), kept.as_ref()) {
            (Ok(token), _) => {
                *kept = Some(Kept { token: token.clone(), read_at: now });
                Ok(token)
            }
            // The old one may still be good; its age is not renewed, so the next call reads again.
            (Err(_), Some(old)) => Ok(old.token.clone()),
            (Err(error), None) => Err(error),
        }
    }
}

fn read(path: &Path) -> Result<TokenText, ReadError> {
    let failed = |source| ReadError::File { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = u64::try_from(MAX_TOKEN_BYTES).unwrap_or(u64::MAX) + 1;
    File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).unwrap_or("").trim();
    let good =
        !text.is_empty() && bytes.len() <= MAX_TOKEN_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(TokenText::new(text.to_owned())) } else { Err(ReadError::Content(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A volume as a kubelet lays it out; `swap` switches it.
    struct Lab(tempfile::TempDir);

    impl Lab {
        fn new() -> (Self, TokenFile) {
            let dir = tempfile::tempdir().unwrap();
            symlink("..data/token", dir.path().join("token")).unwrap();
            let file = TokenFile::new(dir.path().join("token"));
            (Self(dir), file)
        }

        fn swap(&self, version: &str, content: &str) {
            let at = |name: &str| self.0.path().join(name);
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("token"), content).unwrap();
            symlink(version, at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
        }
    }

    #[test]
    fn a_swap_is_seen_once_the_copy_is_old_or_refused() {
        let (lab, file) = Lab::new();
        let start = Instant::now();
        let at = |seconds| file.at(start + Duration::from_secs(seconds), None).unwrap().expose().to_owned();
        lab.swap("..1", "one\n");
        assert_eq!(at(0), "one");
        lab.swap("..2", "two");
        assert_eq!((at(29).as_str(), at(30).as_str()), ("one", "two"));
        lab.swap("..3", "three");
        let two = TokenText::new("two".to_owned());
        assert_eq!(file.at(start, Some(&two)).unwrap().expose(), "three");
        // A late refusal of the older token costs no read.
        lab.swap("..4", "four");
        assert_eq!(file.at(start, Some(&two)).unwrap().expose(), "three");
    }

    #[test]
    fn a_failed_read_keeps_the_old_token_and_tries_again() {
        let (lab, file) = Lab::new();
        let start = Instant::now();
        let later = start + Duration::from_secs(40);
        lab.swap("..1", "one");
        assert_eq!(file.at(start, None).unwrap().expose(), "one");
        for (version, content) in [("..2", ""), ("..3", "two lines\nof text"), ("..4", "é")] {
            lab.swap(version, content);
            assert_eq!(file.at(later, None).unwrap().expose(), "one", "{content:?}");
        }
        fs::remove_file(lab.0.path().join("..data")).unwrap();
        assert_eq!(file.at(later, None).unwrap().expose(), "one");
        lab.swap("..5", "five");
        assert_eq!(file.at(later, None).unwrap().expose(), "five");
    }

    #[test]
    fn without_any_token_the_error_names_the_file_and_not_its_content() {
        let (lab, file) = Lab::new();
        assert!(matches!(file.get(), Err(ReadError::File { .. })));
        lab.swap("..1", "se cret");
        let error = file.get().unwrap_err();
        assert!(
            error.to_string().ends_with("/token holds no token") && !format!("{error:?}").contains("cret")
        );
        lab.swap("..2", &"x".repeat(MAX_TOKEN_BYTES + 1));
        assert!(matches!(file.get(), Err(ReadError::Content(_))));
    }
}
