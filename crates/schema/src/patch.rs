//! The three kinds of patch.
//!
//! Merge: RFC 7386. JSON: RFC 6902. Strategic merge (Kubernetes 1.36, apimachinery/pkg/util/strategicpatch): like merge,
//! but lists whose fields say so are merged by key, and directives (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…`,
//! `$setElementOrder/…`) steer it.

use crate::MAX_DEPTH;
use crate::table::{Field, Shape, Type, TypeRef, inner, table};
use json_patch::PatchOperation;
use serde_json::{Map, Value};

/// Most operations of one JSON patch. Kubernetes 1.36: 10,000.
pub const MAX_OPERATIONS: usize = 10_000;

/// Bytes of JSON that the copies of one JSON patch may add. Kubernetes 1.36: 3 MiB.
pub const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// Why a patch does not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch itself is wrong.
    #[error("{0}")]
    Malformed(String),
    /// It does not fit the object.
    #[error("{0}")]
    DoesNotApply(String),
}

/// RFC 7386.
///
/// # Errors
/// Malformed when it is no object, or nested too deeply.
pub fn merge_patch(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    if !patch.is_object() {
        return Err(PatchError::Malformed("a merge patch must be an object".to_owned()));
    }
    json_patch::merge(target, patch);
    Ok(())
}

/// RFC 6902. On an error the target is something in between.
///
/// # Errors
/// Malformed when it is no list of operations; DoesNotApply when a path or test fails, or copies add up to too much.
pub fn json_patch(target: &mut Value, patch: Value) -> Result<(), PatchError> {
    let operations: json_patch::Patch = serde_json::from_value(patch)
        .map_err(|e| PatchError::Malformed(format!("error decoding patch: {e}")))?;
    if operations.0.len() > MAX_OPERATIONS {
        return Err(PatchError::Malformed(format!(
            "a JSON patch may have at most {MAX_OPERATIONS} operations"
        )));
    }
    let mut growth = Growth { deepest: levels(target), copied: 0 };
    for operation in operations.0 {
        growth.admit(target, &operation)?;
        json_patch::patch_unsafe(target, &[operation])
            .map_err(|e| PatchError::DoesNotApply(e.to_string()))?;
    }
    Ok(())
}

/// How a JSON patch makes its target grow: a copy of the whole into itself doubles it, and a move into a new member nests
/// it, so that a few operations would be more than any memory or stack holds.
struct Growth {
    /// No path of the target is longer.
    deepest: usize,
    copied: usize,
}

impl Growth {
    fn admit(&mut self, target: &Value, operation: &PatchOperation) -> Result<(), PatchError> {
        let length = |path: &str| path.matches('/').count();
        let moved = |from: &str, to: &str| length(to) + self.deepest.saturating_sub(length(from));
        let reached = match operation {
            PatchOperation::Add(add) => length(add.path.as_str()) + levels(&add.value),
            PatchOperation::Replace(replace) => length(replace.path.as_str()) + levels(&replace.value),
            PatchOperation::Move(own) => moved(own.from.as_str(), own.path.as_str()),
            PatchOperation::Copy(copy) => moved(copy.from.as_str(), copy.path.as_str()),
            PatchOperation::Remove(_) | PatchOperation::Test(_) => 0,
        };
        self.deepest = self.deepest.max(reached);
        if self.deepest > MAX_DEPTH {
            let why = format!("the patch would nest the object deeper than {MAX_DEPTH} levels");
            return Err(PatchError::DoesNotApply(why));
        }
        if let PatchOperation::Copy(copy) = operation {
            self.copied += target.pointer(copy.from.as_str()).map_or(0, |found| found.to_string().len());
        }
        if self.copied > MAX_COPIED_BYTES {
            let why = format!("the copies of the patch have more than {MAX_COPIED_BYTES} bytes");
            return Err(PatchError::DoesNotApply(why));
        }
        Ok(())
    }
}

/// Lists and objects inside each other; bodies were bounded when they were read.
fn levels(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

/// Kubernetes' strategic merge.
///
/// # Errors
/// Malformed for a directive that cannot be, or a list item without its merge key.
pub fn strategic_patch(ty: TypeRef, target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let (Value::Object(target), Value::Object(patch)) = (target, patch) else {
        return Err(PatchError::Malformed("a strategic merge patch must be an object".to_owned()));
    };
    object(Some(table().get(ty.0)), target, patch, 0)
}

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

type Object = Map<String, Value>;

fn object(ty: Option<&Type>, target: &mut Object, patch: &Object, depth: usize) -> Result<(), PatchError> {
    if depth > MAX_DEPTH {
        return Err(PatchError::Malformed("the patch is nested too deeply".to_owned()));
    }
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        None | Some("merge") => {}
        Some("replace") => {
            *target =
                patch.iter().filter(|(k, _)| *k != DIRECTIVE).map(|(k, v)| (k.clone(), v.clone())).collect();
            return Ok(());
        }
        Some("delete") => {
            target.clear();
            return Ok(());
        }
        Some(other) => {
            return Err(PatchError::Malformed(format!("Unknown patch type found: {other}")));
        }
    }
    if let Some(retain) = patch.get(RETAIN).and_then(Value::as_array) {
        target.retain(|key, _| retain.iter().any(|r| r == key));
    }
    for (key, value) in patch {
        if let Some(name) = key.strip_prefix(DELETE_FROM) {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(list) = target.get_mut(name).and_then(Value::as_array_mut) {
                list.retain(|item| !gone.contains(item));
            }
        } else if !key.starts_with('$') {
            member(ty.and_then(|t| t.field(key)), target, key, value, depth)?;
        }
    }
    for (key, order) in patch.iter().filter_map(|(k, v)| Some((k.strip_prefix(ORDER)?, v))) {
        let merge_key = ty.and_then(|t| t.field(key)).map_or("", |f| f.merge_key);
        if let (Some(list), Some(order)) =
            (target.get_mut(key).and_then(Value::as_array_mut), order.as_array())
        {
            reorder(list, order, merge_key);
        }
    }
    Ok(())
}

fn member(
    field: Option<&Field>,
    target: &mut Object,
    key: &str,
    value: &Value,
    depth: usize,
) -> Result<(), PatchError> {
    match (value, target.get_mut(key)) {
        (Value::Null, _) => {
            target.remove(key);
        }
        (Value::Object(patch), Some(Value::Object(old))) => {
            let ty = field.and_then(|f| inner(&f.shape)).map(|i| table().get(i));
            let replaces = field.is_some_and(|f| f.strategy == "replace");
            if replaces { *old = patch.clone() } else { object(ty, old, patch, depth + 1)? }
        }
        (Value::Object(patch), _) => {
            let mut fresh = Object::new();
            let ty = field.and_then(|f| inner(&f.shape)).map(|i| table().get(i));
            object(ty, &mut fresh, patch, depth + 1)?;
            target.insert(key.to_owned(), Value::Object(fresh));
        }
        (Value::Array(patch), old) => {
            let merges = field.filter(|f| f.strategy.split(',').any(|s| s == "merge"));
            let list = match (merges, old) {
                (Some(field), Some(Value::Array(old))) => items(field, old, patch, depth)?,
                (Some(field), _) => items(field, &mut Vec::new(), patch, depth)?,
                (None, _) => patch.clone(),
            };
            target.insert(key.to_owned(), Value::Array(list));
        }
        (plain, _) => {
            target.insert(key.to_owned(), plain.clone());
        }
    }
    Ok(())
}

/// Merges a list by its key, or as a set of plain values.
fn items(
    field: &Field,
    old: &mut Vec<Value>,
    patch: &[Value],
    depth: usize,
) -> Result<Vec<Value>, PatchError> {
    let mut list = std::mem::take(old);
    if field.merge_key.is_empty() {
        for item in patch {
            if !list.contains(item) {
                list.push(item.clone());
            }
        }
        return Ok(list);
    }
    if patch.iter().any(|item| item.get(DIRECTIVE).and_then(Value::as_str) == Some("replace")) {
        return Ok(patch.iter().filter(|i| i.get(DIRECTIVE).is_none()).cloned().collect());
    }
    let ty = match &field.shape {
        Shape::List(item) => inner(item).map(|i| table().get(i)),
        _ => None,
    };
    for item in patch {
        let Value::Object(item) = item else {
            return Err(PatchError::Malformed(format!("{}: items must be objects", field.name)));
        };
        let Some(id) = item.get(field.merge_key) else {
            return Err(PatchError::Malformed(format!(
                "map: {} does not contain declared merge key: {}",
                field.name, field.merge_key
            )));
        };
        let at = list.iter().position(|o| o.get(field.merge_key) == Some(id));
        let delete = item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete");
        match (at, delete) {
            (Some(at), true) => drop(list.remove(at)),
            (None, true) => {}
            (Some(at), false) => {
                if let Value::Object(old) = &mut list[at] {
                    object(ty, old, item, depth + 1)?;
                }
            }
            (None, false) => {
                let mut fresh = Object::new();
                object(ty, &mut fresh, item, depth + 1)?;
                list.push(Value::Object(fresh));
            }
        }
    }
    Ok(list)
}

/// Items in the order wished for; those that no wish names keep theirs, after them.
fn reorder(list: &mut [Value], order: &[Value], key: &str) {
    let place = |item: &Value| {
        let found =
            order.iter().position(|o| if key.is_empty() { o == item } else { o.get(key) == item.get(key) });
        found.unwrap_or(usize::MAX)
    };
    list.sort_by_key(place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strategic_merge() {
        let pod = json!({"metadata": {"labels": {"a": "b"}, "finalizers": ["x"]}, "spec": {"containers": [{"name": "c", "image": "1", "args": ["a"]}, {"name": "d", "image": "2"}], "nodeSelector": {"k": "v"}}});
        for (patch, want) in [
            (json!({"metadata": {"labels": {"a": null, "c": "d"}}}), ("/metadata/labels", json!({"c": "d"}))),
            (
                json!({"spec": {"containers": [{"name": "c", "image": "9"}]}}),
                ("/spec/containers/0", json!({"name": "c", "image": "9", "args": ["a"]})),
            ),
            (
                json!({"spec": {"containers": [{"name": "d", "$patch": "delete"}]}}),
                ("/spec/containers", json!([{"name": "c", "image": "1", "args": ["a"]}])),
            ),
            (
                json!({"spec": {"containers": [{"$patch": "replace"}, {"name": "z"}]}}),
                ("/spec/containers", json!([{"name": "z"}])),
            ),
            (
                json!({"spec": {"containers": [{"name": "c", "args": ["b"]}]}}),
                ("/spec/containers/0/args", json!(["b"])),
            ),
            (json!({"metadata": {"finalizers": ["y"]}}), ("/metadata/finalizers", json!(["x", "y"]))),
            (
                json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}),
                ("/metadata/finalizers", json!([])),
            ),
            (
                json!({"spec": {"nodeSelector": {"$patch": "replace", "n": "w"}}}),
                ("/spec/nodeSelector", json!({"n": "w"})),
            ),
            (
                json!({"spec": {"$setElementOrder/containers": [{"name": "d"}, {"name": "c"}]}}),
                ("/spec/containers/0/name", json!("d")),
            ),
        ] {
            let mut target = pod.clone();
            strategic_patch(crate::kind("v1", "Pod").unwrap(), &mut target, &patch).unwrap();
            assert_eq!(target.pointer(want.0), Some(&want.1), "{patch}");
        }
        for bad in [
            json!({"spec": {"containers": [{"image": "9"}]}}),
            json!({"spec": {"$patch": "what"}}),
            json!([]),
        ] {
            let mut target = pod.clone();
            assert!(strategic_patch(crate::kind("v1", "Pod").unwrap(), &mut target, &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn json_patches() {
        let mut target = json!({"a": [1, 2]});
        json_patch(&mut target, json!([{"op": "remove", "path": "/a/0"}])).unwrap();
        assert_eq!(target, json!({"a": [2]}));
        let missing = json_patch(&mut target, json!([{"op": "remove", "path": "/b"}]));
        assert!(matches!(missing, Err(PatchError::DoesNotApply(_))));
        assert!(matches!(json_patch(&mut target, json!({})), Err(PatchError::Malformed(_))));
        let many: Vec<Value> = vec![json!({"op": "test", "path": "/a/0", "value": 2}); MAX_OPERATIONS + 1];
        assert!(matches!(json_patch(&mut target, json!(many)), Err(PatchError::Malformed(_))));
    }
    #[test]
    fn copies_and_moves_do_not_make_an_object_without_end() {
        let double = json!({"op": "copy", "from": "", "path": "/a"});
        let wider = [
            json!({"op": "copy", "from": "/a", "path": "/b"}),
            json!({"op": "copy", "from": "/b", "path": "/a/-"}),
        ];
        let wrap = [
            json!({"op": "add", "path": "/b", "value": {}}),
            json!({"op": "move", "from": "/a", "path": "/b/a"}),
            json!({"op": "move", "from": "/b", "path": "/a"}),
        ];
        for (operations, word) in
            [(vec![double], "nest"), (wider.to_vec(), "copies"), (wrap.to_vec(), "nest")]
        {
            let many: Vec<Value> = operations.iter().cycle().take(400).cloned().collect();
            let mut target = json!({"a": ["text"]});
            let Err(PatchError::DoesNotApply(why)) = json_patch(&mut target, json!(many)) else { panic!() };
            assert!(why.contains(word), "{why}");
            assert!(levels(&target) <= MAX_DEPTH && target.to_string().len() <= 3 * MAX_COPIED_BYTES);
        }
        let mut target = json!({"a": {"b": {"c": 1}}});
        let plain = [
            json!({"op": "move", "from": "/a/b", "path": "/d"}),
            json!({"op": "copy", "from": "/d", "path": "/a/d"}),
        ];
        json_patch(&mut target, json!(plain)).unwrap();
        assert_eq!(target, json!({"a": {"d": {"c": 1}}, "d": {"c": 1}}));
    }
}
