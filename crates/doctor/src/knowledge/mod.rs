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
use std::collections::BTreeSet;
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
    /// Names that only a user's own file holds.
    own: BTreeSet<String>,
}

/// What a client does with its token, as far as the tables say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// The tables that ship: name and text. The comment at the head of each tells what it is; its last line names the columns.
pub const FILES: [(&str, &str); 5] = [
    ("libraries.tsv", include_str!("../../knowledge/libraries.tsv")),
    ("user_agents.tsv", include_str!("../../knowledge/user_agents.tsv")),
    ("published.tsv", include_str!("../../knowledge/published.tsv")),
    ("addons.tsv", include_str!("../../knowledge/addons.tsv")),
    ("skew.tsv", include_str!("../../knowledge/skew.tsv")),
];

impl Knowledge {
    /// The tables that ship, all in this crate.
    pub fn built_in() -> Result<Self, TableError> {
        let [libraries, agents, published, addons, skew] = FILES.map(|(name, text)| Table::parse(name, text));
        Ok(Self {
            libraries: library::rows(&libraries?)?,
            agents: user_agent::rows(&agents?)?,
            published: library::published(&published?)?,
            addons: addon::rows(&addons?)?,
            skew: addon::skew(&skew?)?,
            own: BTreeSet::new(),
        })
    }

    /// Adds a user's own rows in front. The number of columns tells the table: five for a rule of versions, six for a
    /// User-Agent, ten for a library, twelve for an add-on.
    pub fn extend(&mut self, name: &str, text: &str) -> Result<(), TableError> {
        let table = Table::parse(name, text)?;
        let known = [addon::SKEW_COLUMNS, user_agent::COLUMNS, library::COLUMNS, addon::COLUMNS];
        if let Some(row) = table.rows.iter().find(|row| !known.contains(&row.cells.len())) {
            let what = format!(
                "{} cells between tabs; allowed are 5 (version rule), 6 (User-Agent), 10 (library) and 12 (add-on)",
                row.cells.len()
            );
            return Err(TableError { name: table.name, line: row.line, what });
        }
        let part = |columns: usize| Table {
            name: table.name.clone(),
            rows: table.rows.iter().filter(|row| row.cells.len() == columns).cloned().collect(),
        };
        let skew = addon::skew(&part(addon::SKEW_COLUMNS))?;
        let agents = user_agent::rows(&part(user_agent::COLUMNS))?;
        let libraries = library::rows(&part(library::COLUMNS))?;
        let addons = addon::rows(&part(addon::COLUMNS))?;
        let public = self.public_names();
        let new = libraries.iter().map(|l| &l.library).chain(agents.iter().map(|a| &a.library));
        let new = new.chain(addons.iter().flat_map(|a| std::iter::once(&a.name).chain(&a.successor)));
        self.own.extend(new.filter(|name| !public.contains(*name)).cloned());
        // A row of the user's stands for the same thing of ours.
        self.addons
            .retain(|known| !addons.iter().any(|a| (&a.platform, &a.name) == (&known.platform, &known.name)));
        self.skew.retain(|known| {
            !skew.iter().any(|s| (&s.platform, s.cluster) == (&known.platform, known.cluster))
        });
        self.skew.splice(0..0, skew);
        self.agents.splice(0..0, agents);
        self.libraries.splice(0..0, libraries);
        self.addons.splice(0..0, addons);
        Ok(())
    }

    /// Names of libraries, programs and add-ons that the tables which ship hold: they tell nothing of a user.
    pub fn public_names(&self) -> BTreeSet<String> {
        let libraries = self.libraries.iter().map(|row| &row.library);
        let agents = self.agents.iter().map(|row| &row.library);
        let addons = self.addons.iter().flat_map(|row| std::iter::once(&row.name).chain(&row.successor));
        libraries.chain(agents).chain(addons).filter(|name| !self.own.contains(*name)).cloned().collect()
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
