//! Add-ons with old versions that never re-read, and the oldest client a managed cluster supports.

use super::table::{Table, TableError, optional};
use super::texts::Text;
use super::version::{Order, Version};
use std::cmp::Ordering;

/// Cells of a row of an add-on.
pub(super) const COLUMNS: usize = 12;
/// Cells of a row of the version rule.
pub(super) const SKEW_COLUMNS: usize = 5;

/// An add-on and its last affected version.
#[derive(Clone, Debug)]
pub struct Addon {
    /// Whose cluster: cce, eks.
    pub platform: String,
    /// Its name, as the vendor's API has it.
    pub name: String,
    /// Helm release that installs it.
    pub release: Option<String>,
    /// End of the repository of its image, where the vendor's tag is the add-on's version.
    pub image: Option<String>,
    /// Its workloads as `namespace/name` that carry neither its release nor its image.
    pub workloads: Vec<String>,
    /// Last affected version.
    pub through: String,
    /// First good one.
    pub fixed: String,
    /// What replaced it, where no newer version is offered.
    pub successor: Option<String>,
    /// The vendor's page, in both languages.
    pub link: Text,
}

/// The oldest Kubernetes minor a client may be of, for one version of a managed cluster.
#[derive(Clone, Debug)]
pub struct Skew {
    /// Whose cluster.
    pub platform: String,
    /// Minor of the cluster: 23 for 1.23.
    pub cluster: u64,
    /// Oldest minor of a client.
    pub client: u64,
    /// Where it is written.
    pub source: String,
}

impl Addon {
    /// Whether a version is affected; `None` when it cannot be read.
    pub fn affects(&self, version: &str) -> Option<bool> {
        let known = Version::parse(Order::SemVer, version)?;
        let last = Version::parse(Order::SemVer, &self.through)?;
        Some(known.compare(&last) != Ordering::Greater)
    }
}

pub(super) fn rows(table: &Table) -> Result<Vec<Addon>, TableError> {
    table.map(COLUMNS, |cells| {
        Ok(Addon {
            platform: cells[0].clone(),
            name: cells[1].clone(),
            release: optional(&cells[2]),
            image: optional(&cells[3]),
            workloads: optional(&cells[4]).map(list).unwrap_or_default(),
            through: cells[5].clone(),
            fixed: cells[6].clone(),
            successor: optional(&cells[7]),
            link: Text::new(&cells[8], &cells[9]),
        })
    })
}

fn list(cell: String) -> Vec<String> {
    cell.split(',').map(|one| one.trim().to_owned()).collect()
}

/// `1.23` → 23.
pub fn minor(text: &str) -> Option<u64> {
    let mut parts = text.trim_start_matches('v').split('.');
    let major = parts.next()?;
    let digits: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
    (major == "1").then(|| digits.parse().ok()).flatten()
}

pub(super) fn skew(table: &Table) -> Result<Vec<Skew>, TableError> {
    table.map(SKEW_COLUMNS, |cells| {
        let read = |cell: &str| minor(cell).ok_or_else(|| format!("{cell:?} is not like 1.23"));
        Ok(Skew {
            platform: cells[0].clone(),
            cluster: read(&cells[1])?,
            client: read(&cells[2])?,
            source: cells[3].clone(),
        })
    })
}
