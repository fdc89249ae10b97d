//! Kinds out of CustomResourceDefinitions.
//!
//! A kind is a constant wherever it is used, so a definition's kinds live as long as the process: each distinct
//! definition is kept once, however often it is made and deleted, and their sum is bounded. Past the bound a definition
//! is stored and not served until the next start, which the log says.

use super::kind::{Kind, PLAIN, text};
use super::kinds::{self, CUSTOM_RESOURCE_DEFINITION, SERVICE_ACCOUNT, SERVICE_ACCOUNT_WITH_SECRETS};
use super::list::ListOptions;
use super::registry::Registry;
use super::table::{AGE, Cell, Column, NAME};
use crate::status::ApiError;
use serde_json::Value;
use serde_json_path::JsonPath;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of all definitions that one process has ever served.
const MAX_DEFINITIONS_BYTES: usize = 64 * 1024 * 1024;

/// What was ever served: the kinds of a definition by its text.
#[derive(Default)]
struct Known {
    kinds: HashMap<Box<str>, &'static [Kind]>,
    bytes: usize,
}

impl Registry {
    /// Every kind that is served.
    pub fn kinds(&self) -> Arc<Vec<&'static Kind>> {
        let change = self.definition_changes.load(Ordering::SeqCst);
        let known = self.kinds.load_full();
        if known.0 == change {
            return known.1.clone();
        }
        let own = match from_definitions(self) {
            Ok(own) => own,
            Err(error) => {
                // The next request reads them again.
                tracing::error!(error = error.message(), "definitions of kinds cannot be read");
                return if known.1.is_empty() { Arc::new(kinds::ALL.to_vec()) } else { known.1.clone() };
            }
        };
        let all = Arc::new(kinds::ALL.into_iter().chain(own).collect::<Vec<_>>());
        self.kinds.store(Arc::new((change, all.clone())));
        all
    }

    /// The kind behind a group, version and plural.
    pub fn kind(&self, group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
        if self.release.shows_secrets() && (group, plural) == ("", SERVICE_ACCOUNT.plural) {
            return Some(&SERVICE_ACCOUNT_WITH_SECRETS);
        }
        let fits = |k: &&'static Kind| k.group == group && k.version == version && k.plural == plural;
        kinds::ALL.into_iter().find(fits).or_else(|| self.kinds().iter().copied().find(fits))
    }
}

/// The kinds of all definitions.
///
/// # Errors
/// Unavailable when the definitions cannot be read.
fn from_definitions(registry: &Registry) -> Result<Vec<&'static Kind>, ApiError> {
    let all = registry.list(&CUSTOM_RESOURCE_DEFINITION, "", &ListOptions::default())?;
    Ok(all.items.iter().flat_map(served).collect())
}

/// The kinds that a definition serves, one for each version.
fn served(definition: &Value) -> &'static [Kind] {
    static KNOWN: OnceLock<Mutex<Known>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let closed = definition["metadata"]["deletionTimestamp"].is_string();
    let text = format!("{closed} {}", definition["spec"]);
    if let Some(kinds) = known.kinds.get(text.as_str()) {
        return kinds;
    }
    if known.bytes + text.len() > MAX_DEFINITIONS_BYTES {
        let name = &definition["metadata"]["name"];
        tracing::error!(%name, "more definitions than one process serves; start it again to serve this one");
        return &[];
    }
    known.bytes += text.len();
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let versions = versions.filter(|v| v["served"] == true);
    let kinds: Vec<Kind> = versions.map(|version| kind(&definition["spec"], version, closed)).collect();
    let kinds: &'static [Kind] = Vec::leak(kinds);
    known.kinds.insert(text.into(), kinds);
    kinds
}

fn keep(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

fn keep_all(list: &Value) -> &'static [&'static str] {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    Vec::leak(texts.map(keep).collect())
}

fn kind(spec: &Value, version: &Value, closed: bool) -> Kind {
    let (group, plural) = (text(spec, "/group"), text(spec, "/names/plural"));
    let schema = version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_default();
    let columns: Vec<Column> = match version["additionalPrinterColumns"].as_array() {
        Some(own) => std::iter::once(NAME).chain(own.iter().filter_map(column)).collect(),
        None => vec![NAME, AGE],
    };
    Kind {
        group: keep(group),
        version: keep(text(version, "/name")),
        kind: keep(text(spec, "/names/kind")),
        plural: keep(plural),
        singular: keep(text(spec, "/names/singular")),
        short_names: keep_all(&spec["names"]["shortNames"]),
        categories: keep_all(&spec["names"]["categories"]),
        namespaced: text(spec, "/scope") == "Namespaced",
        stored_as: keep(&format!("{group}/{plural}")),
        has_status: version.pointer("/subresources/status").is_some_and(Value::is_object),
        has_generation: true,
        schema: Some(Box::leak(Box::new(schema))),
        open: true,
        closed,
        columns: Vec::leak(columns),
        ..PLAIN
    }
}

/// A column of a definition. Its path begins with a dot where RFC 9535 begins with `$`.
fn column(wanted: &Value) -> Option<Column> {
    let path = JsonPath::parse(&format!("${}", text(wanted, "/jsonPath"))).ok()?;
    let path: &'static JsonPath = Box::leak(Box::new(path));
    let is_date = text(wanted, "/type") == "date";
    Some(Column {
        name: keep(text(wanted, "/name")),
        ty: keep(text(wanted, "/type")),
        priority: u8::from(wanted["priority"].as_i64().unwrap_or(0) > 0),
        cell: if is_date { Cell::SincePath(path) } else { Cell::Path(path) },
    })
}
