//! Paths that stay inside their volume.

use super::PathError;
use crate::limits::{MAX_VOLUME_NAME_BYTES, MAX_VOLUME_PATH_BYTES, MAX_VOLUME_PATH_ELEMENTS};
use std::fmt;

/// A relative path of one or more plain elements: no `.`, no `..`, not beginning with `..`, bounded in length and depth.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumePath(String);

impl VolumePath {
    /// Checks and cleans: `./a//b` is `a/b`. Kubernetes 1.36 checks the path as it was given, then cleans it.
    ///
    /// # Errors
    /// [`PathError`] says which rule is broken.
    pub fn new(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_VOLUME_PATH_BYTES {
            return Err(PathError::LongPath(text.len()));
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute(text.to_owned()));
        }
        if text.contains('\0') {
            return Err(PathError::Nul(text.to_owned()));
        }
        let elements: Vec<&str> = text.split('/').filter(|e| !e.is_empty() && *e != ".").collect();
        if elements.contains(&"..") {
            return Err(PathError::Parent(text.to_owned()));
        }
        let first = elements.first().ok_or(PathError::Empty)?;
        if first.starts_with("..") {
            return Err(PathError::Reserved(text.to_owned()));
        }
        if elements.len() > MAX_VOLUME_PATH_ELEMENTS {
            return Err(PathError::Deep(elements.len()));
        }
        match elements.iter().find(|e| e.len() > MAX_VOLUME_NAME_BYTES) {
            Some(long) => Err(PathError::LongName(long.len())),
            None => Ok(Self(elements.join("/"))),
        }
    }

    /// The path as text, with `/` between elements.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The element that is visible in the volume's directory.
    pub fn first(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// The directories above, outermost first.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl fmt::Debug for VolumePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for VolumePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_inside() {
        let (name, path) = ("x".repeat(255), format!("{}x", "x/".repeat(31)));
        for (text, want) in [
            ("token", Some("token")),
            ("a/b/c", Some("a/b/c")),
            ("./a//b/.", Some("a/b")),
            (name.as_str(), Some(name.as_str())),
            ("a/..b", Some("a/..b")),
            ("", None),
            (".", None),
            ("/etc/passwd", None),
            ("../x", None),
            ("a/../b", None),
            ("a/..", None),
            ("..data", None),
            ("./..data", None),
            ("a\0b", None),
        ] {
            let got = VolumePath::new(text).ok();
            assert_eq!(got.as_ref().map(VolumePath::as_str), want, "{text:?}");
        }
        assert_eq!(VolumePath::new(&"x".repeat(300)), Err(PathError::LongName(300)));
        assert_eq!(VolumePath::new(&"x".repeat(4097)), Err(PathError::LongPath(4097)));
        assert_eq!(VolumePath::new(&format!("{path}/x")), Err(PathError::Deep(33)));
        assert!(VolumePath::new(&path).is_ok());
    }

    #[test]
    fn parents_from_the_outside() {
        let path = VolumePath::new("a/b/c").unwrap();
        assert_eq!(path.parents().collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(path.first(), "a");
    }
}
