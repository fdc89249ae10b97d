//! What a namespace that is going away says of what is still in it: `status.conditions`.
//!
//! Kubernetes 1.36: pkg/controller/namespace/deletion/status_condition_utils.go, types, reasons and messages. What can
//! fail there and not here, discovery and old group versions, is told as done.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is left in a namespace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remaining {
    /// Objects by `<plural>.<group>`.
    pub(super) resources: BTreeMap<String, usize>,
    /// Objects by what holds them.
    pub(super) finalizers: BTreeMap<String, usize>,
}

impl Remaining {
    pub(super) fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// Counts an object that is still there.
    pub(super) fn note(&mut self, plural: &str, group: &str, object: &Value) {
        *self.resources.entry(format!("{plural}.{group}")).or_default() += 1;
        let held = object["metadata"]["finalizers"].as_array().into_iter().flatten();
        for finalizer in held.filter_map(Value::as_str) {
            *self.finalizers.entry(finalizer.to_owned()).or_default() += 1;
        }
    }

    /// The conditions after `old`; `None` when they say the same already.
    pub(super) fn conditions(&self, old: &Value, now: &str) -> Option<Value> {
        let before = old.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut same = true;
        let mut all: Vec<Value> = Vec::new();
        for (ty, holds, reason, message) in self.told() {
            let mut condition = json!({"type": ty, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message});
            let known = before.iter().find(|c| c["type"] == ty);
            // The moment is that of the last change of status, not of words.
            let since =
                known.filter(|c| c["status"] == condition["status"]).map(|c| &c["lastTransitionTime"]);
            condition["lastTransitionTime"] = since.cloned().unwrap_or_else(|| json!(now));
            same &= known == Some(&condition);
            all.push(condition);
        }
        (!same).then_some(Value::Array(all))
    }

    /// Type, whether it holds, reason and message.
    fn told(&self) -> [(&'static str, bool, &'static str, String); 5] {
        let listed = |what: &BTreeMap<String, usize>, verb: &str| {
            let each = what.iter().map(|(name, count)| format!("{name} {verb} {count} resource instances"));
            each.collect::<Vec<_>>().join(", ")
        };
        let done = |ty, reason, message: &str| (ty, false, reason, message.to_owned());
        let content = if self.resources.is_empty() {
            done("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed")
        } else {
            let message = format!("Some resources are remaining: {}", listed(&self.resources, "has"));
            ("NamespaceContentRemaining", true, "SomeResourcesRemain", message)
        };
        let finalizers = if self.finalizers.is_empty() {
            let message = "All content-preserving finalizers finished";
            done("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", message)
        } else {
            let held = listed(&self.finalizers, "in");
            let message = format!("Some content in the namespace has finalizers remaining: {held}");
            ("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", message)
        };
        [
            done(
                "NamespaceDeletionDiscoveryFailure",
                "ResourcesDiscovered",
                "All resources successfully discovered",
            ),
            done(
                "NamespaceDeletionGroupVersionParsingFailure",
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed",
            ),
            done(
                "NamespaceDeletionContentFailure",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
            content,
            finalizers,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_follow_what_is_left_and_keep_the_moment_of_a_status() {
        let mut left = Remaining::default();
        left.note("pods", "", &json!({"metadata": {}}));
        left.note("widgets", "x.example", &json!({"metadata": {"finalizers": ["x.example/f"]}}));
        left.note("widgets", "x.example", &json!({"metadata": {"finalizers": ["x.example/f"]}}));
        let first = left.conditions(&Value::Null, "t1").unwrap();
        let of = |all: &Value, at: usize, key: &str| all[at][key].as_str().unwrap_or("").to_owned();
        assert_eq!(
            of(&first, 3, "message"),
            "Some resources are remaining: pods. has 1 resource instances, widgets.x.example has 2 resource instances"
        );
        assert_eq!(
            of(&first, 4, "message"),
            "Some content in the namespace has finalizers remaining: x.example/f in 2 resource instances"
        );
        assert_eq!(left.conditions(&first, "t2"), None);
        left.resources.remove("pods.");
        let second = left.conditions(&first, "t2").unwrap();
        assert_eq!(
            (of(&second, 3, "lastTransitionTime"), of(&second, 3, "status")),
            ("t1".into(), "True".into())
        );
        let third = Remaining::default().conditions(&second, "t3").unwrap();
        assert_eq!(
            (of(&third, 3, "reason"), of(&third, 3, "lastTransitionTime")),
            ("ContentRemoved".into(), "t3".into())
        );
        assert_eq!(of(&third, 0, "lastTransitionTime"), "t1");
    }
}
