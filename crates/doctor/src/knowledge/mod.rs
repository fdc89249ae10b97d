//! What is known of client libraries, add-ons and vendors: data files, each row with its source and date.
//!
//! Measured rows come before read ones; a user's own rows (`--knowledge FILE`) come before all of them.

pub mod version;
pub mod table;
pub mod reload;
pub mod library;
pub mod user_agent;
pub mod addon;
pub mod texts;

use library::Library;
use reload::Reload;
use table::{Table, TableError};
use user_agent::{Agent, AgentRule};

/// All tables, parsed.
#[derive(Clone, Debug)]
pub struct Knowledge {
    /// Library × version → behaviour.
    pub libraries: Vec<Library>,
    /// User-Agent → library and version.
    pub agents: Vec<AgentRule>,
    /// Minimum versions that vendors publish.
    pub published: Vec<library::Published>,
    /// Add-ons with old versions that never re-read.
    pub addons: Vec<addon::Addon>,
    /// Oldest client a managed cluster supports.
    pub skew: Vec<addon::Skew>,
}

/// What a client does with its token, as far as the tables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Library or program.
    pub library: String,
    /// Its version, when the User-Agent tells.
    pub version: Option<String>,
    /// Whether and when it reads its token again.
    pub token_reload: Reload,
    /// Whether it reads its CA bundle again: yes, never, unknown.
    pub ca_reload: String,
    /// Version to upgrade to.
    pub first_good: Option<String>,
    /// Where that is written, and whether it was measured.
    pub basis: String,
    /// What the User-Agent leaves open.
    pub note: String,
}

impl Client {
    /// No request was seen.
    pub fn unknown() -> Self {
        Self {
            library: String::new(),
            version: None,
            token_reload: Reload::Unknown,
            ca_reload: "unknown".to_owned(),
            first_good: None,
            basis: String::new(),
            note: String::new(),
        }
    }
}

impl Knowledge {
    /// The tables that ship, all in this crate.
    pub fn built_in() -> Result<Self, TableError> {
        let table = |name: &str, text: &str| Table::parse(name, text);
        Ok(Self {
            libraries: library::rows(&table(
                "libraries.tsv",
                include_str!("../../knowledge/libraries.tsv"),
            )?)?,
            agents: user_agent::rows(&table(
                "user_agents.tsv",
                include_str!("../../knowledge/user_agents.tsv"),
            )?)?,
            published: library::published(&table(
                "published.tsv",
                include_str!("../../knowledge/published.tsv"),
            )?)?,
            addons: addon::rows(&table("addons.tsv", include_str!("../../knowledge/addons.tsv"))?)?,
            skew: addon::skew(&table("skew.tsv", include_str!("../../knowledge/skew.tsv"))?)?,
        })
    }

    /// Adds a user's own rows in front. Ten columns are a library, six a User-Agent.
    pub fn extend(&mut self, name: &str, text: &str) -> Result<(), TableError> {
        let table = Table::parse(name, text)?;
        let (libraries, agents): (Vec<_>, Vec<_>) =
            table.rows.into_iter().partition(|row| row.cells.len() == library::COLUMNS);
        let libraries = library::rows(&Table { name: table.name.clone(), rows: libraries })?;
        let agents = user_agent::rows(&Table { name: table.name, rows: agents })?;
        self.libraries.splice(0..0, libraries);
        self.agents.splice(0..0, agents);
        Ok(())
    }

    /// The client behind a User-Agent.
    pub fn client(&self, user_agent: &str) -> Client {
        let Agent { library, version, exact, note } = user_agent::find(&self.agents, user_agent);
        let comparable = version.as_deref().filter(|_| exact);
        let row = library::find(&self.libraries, &library, comparable);
        Client {
            token_reload: row.map_or(Reload::Unknown, |row| row.token_reload),
            ca_reload: row.map_or_else(|| "unknown".to_owned(), |row| row.ca_reload.clone()),
            first_good: self
                .libraries
                .iter()
                .find(|l| l.library == library)
                .and_then(|l| l.first_good.clone()),
            basis: row.map(|row| format!("{}: {} ({})", row.basis, row.source, row.date)).unwrap_or_default(),
            library,
            version,
            note,
        }
    }
}
