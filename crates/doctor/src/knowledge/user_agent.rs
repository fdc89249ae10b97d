//! User-Agent → library and version.

use super::table::{Table, TableError, optional};
use std::collections::HashSet;

/// Cells of a row.
pub(super) const COLUMNS: usize = 6;

/// One pattern: `{v}` is the version, `*` is anything.
#[derive(Clone, Debug)]
pub struct AgentRule {
    pattern: Vec<Piece>,
    /// Library or program.
    pub library: String,
    exact: bool,
    note: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Anything,
    Version,
}

/// What a User-Agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Library or program.
    pub library: String,
    /// Its version, when it is told.
    pub version: Option<String>,
    /// The version is the library's own and may be compared.
    pub exact: bool,
    /// What it leaves open.
    pub note: String,
}

/// Reads the rows.
pub(super) fn rows(table: &Table) -> Result<Vec<AgentRule>, TableError> {
    table.map(COLUMNS, |cells| {
        let exact = match cells[2].as_str() {
            "exact" | "lags" => true,
            "none" => false,
            other => return Err(format!("version {other:?} is not exact, lags or none")),
        };
        let pattern = pieces(optional(&cells[0]).as_deref().unwrap_or(""));
        Ok(AgentRule { pattern, library: cells[1].clone(), exact, note: cells[3].clone() })
    })
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('*') {
            pieces.push(Piece::Anything);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{v}") {
            pieces.push(Piece::Version);
            rest = after;
        } else {
            let end = [rest.find('*'), rest.find("{v}")].into_iter().flatten().min().unwrap_or(rest.len());
            pieces.push(Piece::Text(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    pieces
}

/// Places where a search ended without success: pieces left, bytes left. A pattern of the user's own may have many `*`.
type Dead = HashSet<(usize, usize)>;

/// Whether the pieces fit; the text that stands for the version is put into `version`.
fn fits<'a>(pieces: &[Piece], text: &'a str, version: &mut Option<&'a str>, dead: &mut Dead) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    match first {
        Piece::Text(wanted) => {
            text.strip_prefix(wanted.as_str()).is_some_and(|after| fits(rest, after, version, dead))
        }
        Piece::Version => {
            let end = text.find(['/', ' ', '(']).unwrap_or(text.len());
            if end == 0 || !text.as_bytes()[0].is_ascii_alphanumeric() {
                return false;
            }
            *version = Some(&text[..end]);
            fits(rest, &text[end..], version, dead) || rest.is_empty()
        }
        Piece::Anything => anything(rest, text, version, dead),
    }
}

/// `*` stops at the first place where the next text stands and what is behind it fits.
fn anything<'a>(rest: &[Piece], text: &'a str, version: &mut Option<&'a str>, dead: &mut Dead) -> bool {
    match rest.first() {
        None => true,
        Some(Piece::Text(wanted)) => text.match_indices(wanted.as_str()).any(|(at, _)| {
            let place = (rest.len(), text.len() - at);
            !dead.contains(&place) && (fits(rest, &text[at..], version, dead) || !dead.insert(place))
        }),
        Some(_) => fits(rest, text, version, dead),
    }
}

/// The first rule that fits; else the User-Agent's own product name.
pub(super) fn find(rules: &[AgentRule], user_agent: &str) -> Agent {
    for rule in rules {
        let mut version = None;
        if fits(&rule.pattern, user_agent, &mut version, &mut Dead::new()) {
            return Agent {
                library: rule.library.clone(),
                version: version.map(|v| v.trim_end_matches("-SNAPSHOT").to_owned()),
                exact: rule.exact,
                note: rule.note.clone(),
            };
        }
    }
    // kr8s sends its bare version.
    if !user_agent.is_empty()
        && user_agent.split('.').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
    {
        let (library, version) = ("python-kr8s".to_owned(), Some(user_agent.to_owned()));
        return Agent { library, version, exact: true, note: "a bare version, as kr8s sends it".to_owned() };
    }
    let product = user_agent.split(['/', ' ']).next().unwrap_or("").to_owned();
    Agent { library: product, version: None, exact: false, note: String::new() }
}
