//! The table, read once into memory.

use std::collections::HashMap;
use std::sync::OnceLock;

const TEXT: &str = concat!(include_str!("kubernetes.tsv"), include_str!("jeton.tsv"));

/// A type of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeRef(pub(crate) usize);

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Bool,
    Int32,
    Int64,
    Uint64,
    Float,
    Bytes,
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrString,
    /// JSON of any shape.
    Raw,
    /// A list of texts that protobuf wraps in a message.
    TextList,
    /// Absent is another thing than zero.
    Optional(Box<Shape>),
    List(Box<Shape>),
    Map(Box<Shape>),
    Message(usize),
}

/// One field of a type.
#[derive(Debug)]
pub(crate) struct Field {
    /// JSON name; empty: the field's own fields stand in its place.
    pub(crate) name: &'static str,
    /// Protobuf number; 0: not in protobuf.
    pub(crate) number: u64,
    pub(crate) shape: Shape,
    /// How strategic merge treats it: `merge`, `replace`, `retainKeys`, or a list of these.
    pub(crate) strategy: &'static str,
    /// The member that names an item of a merged list.
    pub(crate) merge_key: &'static str,
}

/// A type with its fields.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) name: &'static str,
    /// Full name with dots, such as `api.core.v1.Pod`.
    pub(crate) path: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    types: Vec<Type>,
    kinds: HashMap<(&'static str, &'static str), usize>,
}

/// The type of a kind, such as `v1` `Pod` or `authentication.k8s.io/v1` `TokenRequest`.
pub fn kind(api_version: &str, kind: &str) -> Option<TypeRef> {
    table().kinds.get(&(api_version, kind)).copied().map(TypeRef)
}

impl Table {
    pub(crate) fn get(&self, index: usize) -> &Type {
        &self.types[index]
    }
}

impl Type {
    /// The field of a JSON name, and the message it stands in when that is an inlined one.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        if name.is_empty() {
            return None;
        }
        self.fields.iter().find(|f| f.name == name).or_else(|| {
            let inlined = self.fields.iter().filter(|f| f.name.is_empty());
            inlined.filter_map(|f| inner(&f.shape)).find_map(|t| table().get(t).field(name))
        })
    }
}

/// The message an inlined field stands for.
pub(crate) fn inner(shape: &Shape) -> Option<usize> {
    match shape {
        Shape::Message(index) => Some(*index),
        Shape::Optional(shape) => inner(shape),
        _ => None,
    }
}

pub(crate) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| parse(TEXT))
}

/// Reads the table, which is part of the program: lines that make no sense are caught by a test, not at run time.
fn parse(text: &'static str) -> Table {
    let mut index: HashMap<&str, usize> = HashMap::new();
    for line in text.lines().filter_map(|l| l.strip_prefix("type\t")) {
        let next = index.len();
        index.insert(line, next);
    }
    let mut table = Table::default();
    for line in text.lines() {
        let parts: Vec<&'static str> = line.split('\t').collect();
        match parts[..] {
            ["kind", version, kind, name] => {
                if let Some(at) = index.get(name) {
                    table.kinds.insert((version, kind), *at);
                }
            }
            ["type", name] => {
                table.types.push(Type { name: short(name), path: name.replace('/', "."), fields: Vec::new() })
            }
            ["field", name, number, spec, strategy, merge_key] => {
                let shape = shape(spec, &index);
                if let (Some(of), Some(shape)) = (table.types.last_mut(), shape) {
                    of.fields.push(Field {
                        name,
                        number: number.parse().unwrap_or(0),
                        shape,
                        strategy,
                        merge_key,
                    });
                }
            }
            _ => {}
        }
    }
    table
}

/// `api/core/v1.Pod` → `Pod`.
fn short(name: &'static str) -> &'static str {
    name.rsplit('.').next().unwrap_or(name)
}

fn shape(spec: &str, index: &HashMap<&str, usize>) -> Option<Shape> {
    let boxed = |rest: &str| shape(rest, index).map(Box::new);
    if let Some(rest) = spec.strip_prefix('*') {
        return boxed(rest).map(Shape::Optional);
    }
    if let Some(rest) = spec.strip_prefix("[]") {
        return boxed(rest).map(Shape::List);
    }
    if let Some(rest) = spec.strip_prefix("{}") {
        return boxed(rest).map(Shape::Map);
    }
    if let Some(rest) = spec.strip_prefix('@') {
        return index.get(rest).copied().map(Shape::Message);
    }
    Some(match spec {
        "string" => Shape::Text,
        "bool" => Shape::Bool,
        "int32" => Shape::Int32,
        "int64" => Shape::Int64,
        "uint64" => Shape::Uint64,
        "float64" => Shape::Float,
        "bytes" => Shape::Bytes,
        "time" => Shape::Time,
        "microtime" => Shape::MicroTime,
        "duration" => Shape::Duration,
        "quantity" => Shape::Quantity,
        "intorstring" => Shape::IntOrString,
        "raw" => Shape::Raw,
        "stringlist" => Shape::TextList,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let lines = |start: &str| TEXT.lines().filter(|l| l.starts_with(start)).count();
        let table = table();
        assert_eq!(table.types.len(), lines("type\t"));
        assert_eq!(table.types.iter().map(|t| t.fields.len()).sum::<usize>(), lines("field\t"));
        assert_eq!(table.kinds.len(), lines("kind\t"));
        assert_eq!(lines("type\t") + lines("field\t") + lines("kind\t") + lines("#"), TEXT.lines().count());
    }

    #[test]
    fn fields_are_found_also_when_they_are_inlined() {
        let TypeRef(volume) = kind("v1", "Pod").unwrap();
        let spec = table().get(volume).field("spec").unwrap();
        let spec = table().get(inner(&spec.shape).unwrap());
        let Shape::List(volumes) = &spec.field("volumes").unwrap().shape else { panic!() };
        let volume = table().get(inner(volumes).unwrap());
        assert!(volume.field("projected").is_some() && volume.field("").is_none());
    }
}
