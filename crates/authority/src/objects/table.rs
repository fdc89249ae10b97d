//! Objects as rows: what `kubectl get` shows.
//!
//! Kubernetes 1.36 (pkg/printers/internalversion/printers.go): column names and words are the same. Ages are text that
//! the server makes, so a table is true for the moment it was made.

use super::kind::{Kind, text};
use jeton_core::time::UnixTime;
use serde_json::{Value, json};
use serde_json_path::JsonPath;

/// What stands where nothing is known.
pub const NONE: &str = "<none>";
/// What stands where a time is not known.
pub const UNKNOWN: &str = "<unknown>";

/// How a cell is made from an object.
#[derive(Clone, Copy, Debug)]
pub enum Cell {
    /// By a function of the object and the time.
    Of(fn(&Value, UnixTime) -> Value),
    /// The value at a JSON pointer, as it is; absent stays absent.
    At(&'static str),
    /// The time since the one at a JSON pointer.
    Since(&'static str),
    /// The first value at a path.
    Path(&'static JsonPath),
    /// The time since the first one at a path.
    SincePath(&'static JsonPath),
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// Type, as in OpenAPI.
    pub ty: &'static str,
    /// 0: always shown; 1: only where there is room (`-o wide`).
    pub priority: u8,
    /// Its cells.
    pub cell: Cell,
}

/// The name of an object.
pub const NAME: Column = column("Name", Cell::At("/metadata/name"));
/// Its age.
pub const AGE: Column = column("Age", Cell::Since("/metadata/creationTimestamp"));
/// When it was made.
pub const CREATED_AT: Column = column("Created At", Cell::At("/metadata/creationTimestamp"));
/// The columns of a kind that has no others.
pub const PLAIN_COLUMNS: &[Column] = &[NAME, AGE];

/// A column of texts that is always shown.
pub const fn column(name: &'static str, cell: Cell) -> Column {
    Column { name, ty: "string", priority: 0, cell }
}

/// A column that is only shown where there is room.
pub const fn wide(name: &'static str, cell: Cell) -> Column {
    Column { name, ty: "string", priority: 1, cell }
}

/// A column of numbers.
pub const fn number(name: &'static str, cell: Cell) -> Column {
    Column { name, ty: "integer", priority: 0, cell }
}

/// How much of an object stands behind its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// `metadata`.
    Metadata,
    /// All of it.
    Object,
}

/// The headings of a kind.
fn headings(kind: &Kind) -> Value {
    let heading = |c: &Column| {
        let format = if c.name == "Name" { "name" } else { "" };
        json!({"name": c.name, "type": c.ty, "format": format, "description": "", "priority": c.priority})
    };
    kind.columns.iter().map(heading).collect()
}

/// One object as a row.
pub fn row(kind: &Kind, object: Value, include: Include, now: UnixTime) -> Value {
    let cells: Value = kind.columns.iter().map(|c| c.cell.of(&object, now)).collect();
    let object = match include {
        Include::None => Value::Null,
        Include::Metadata => metadata_only(object),
        Include::Object => object,
    };
    json!({"cells": cells, "object": object})
}

/// Rows as a Table of a version of `meta.k8s.io`.
pub fn table(kind: &Kind, version: &str, metadata: Value, rows: Vec<Value>, with_headings: bool) -> Value {
    json!({
        "kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
        "columnDefinitions": if with_headings { headings(kind) } else { json!([]) }, "rows": rows,
    })
}

/// An object without all but its metadata.
pub fn metadata_only(mut object: Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"].take(),
    })
}

impl Cell {
    fn of(self, object: &Value, now: UnixTime) -> Value {
        match self {
            Self::Of(make) => make(object, now),
            Self::At(pointer) => object.pointer(pointer).cloned().unwrap_or_default(),
            Self::Since(pointer) => json!(age(object, pointer, now)),
            Self::Path(path) => path.query(object).first().cloned().unwrap_or_default(),
            Self::SincePath(path) => match path.query(object).first() {
                Some(time) => json!(age(time, "", now)),
                None => Value::Null,
            },
        }
    }
}

/// How long ago the time at a pointer was.
pub fn age(object: &Value, pointer: &str, now: UnixTime) -> String {
    let at = UnixTime::parse_rfc3339(text(object, pointer));
    at.map_or(UNKNOWN.to_owned(), |at| human(now.seconds() - at.seconds()))
}

/// A text, or [`NONE`].
pub fn or_none(text: &str) -> Value {
    json!(if text.is_empty() { NONE } else { text })
}

/// Texts in a row, joined by commas, or [`NONE`].
pub fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    or_none(&texts.collect::<Vec<_>>().join(","))
}

/// The texts of one member of every item of a list.
pub fn members<'a>(object: &'a Value, list: &str, member: &'a str) -> impl Iterator<Item = &'a str> {
    let items = object.pointer(list).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(move |item| item[member].as_str())
}

/// Number of members of a map or list; 0 where it is absent.
pub fn count(object: &Value, pointer: &str) -> usize {
    match object.pointer(pointer) {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    }
}

/// A whole number; 0 where it is absent.
pub fn whole(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// `a=b,c=d` of a map of labels, or [`NONE`].
pub fn labels(object: &Value, pointer: &str) -> Value {
    let map = object.pointer(pointer).and_then(Value::as_object);
    let pairs: Vec<String> =
        map.into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or(""))).collect();
    or_none(&pairs.join(","))
}

/// Seconds as kubectl says them (Kubernetes 1.36, apimachinery/pkg/util/duration HumanDuration).
pub fn human(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |large: i64, unit: &str, small: i64, smaller: &str| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit}{small}{smaller}"),
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_kubectl_says_them() {
        for (seconds, want) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (63_158_400, "2y1d"),
            (252_288_000, "8y"),
        ] {
            assert_eq!(human(seconds), want, "{seconds}");
        }
    }
}
