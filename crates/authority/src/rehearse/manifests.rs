//! Manifests to workloads: pods, what makes pods, and what their tokens depend on.
//!
//! Every document is hostile: texts are bounded before they are read, and shapes are checked before they are used.

use crate::objects::kind::text;
use jeton_schema as schema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Bytes of all manifests of one rehearsal together.
pub const MAX_MANIFEST_BYTES: usize = 16 << 20;
/// Objects of one rehearsal.
const MAX_MANIFEST_OBJECTS: usize = 5000;
/// Lists in lists.
const MAX_LISTS: usize = 4;

/// Where a kind that makes pods keeps what it makes them from.
const TEMPLATES: [(&str, &str, &str); 7] = [
    ("v1", "Pod", ""),
    ("apps/v1", "Deployment", "/spec/template"),
    ("apps/v1", "ReplicaSet", "/spec/template"),
    ("apps/v1", "StatefulSet", "/spec/template"),
    ("apps/v1", "DaemonSet", "/spec/template"),
    ("batch/v1", "Job", "/spec/template"),
    ("batch/v1", "CronJob", "/spec/jobTemplate/spec/template"),
];

/// What a rehearsal is given.
#[derive(Debug, Default)]
pub struct Manifests {
    /// What makes pods.
    pub workloads: Vec<Workload>,
    /// Accounts, with their namespace in their metadata.
    pub accounts: Vec<Value>,
    /// Secrets, with their namespace in their metadata.
    pub secrets: Vec<Value>,
    /// Documents that play no part: kind and name.
    pub skipped: Vec<String>,
    objects: usize,
}

/// A pod, or something that makes pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Namespace.
    pub namespace: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// The pod it makes: metadata and spec.
    pub pod: Value,
}

/// Manifests that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// No YAML or JSON.
    #[error("{file}, document {document}: {why}")]
    Malformed {
        /// Where.
        file: String,
        /// The how-many-th document, from 1.
        document: usize,
        /// What is wrong.
        why: String,
    },
    /// An object that cannot be what it says.
    #[error("{file}: {kind} {name:?}: {why}")]
    Object {
        /// Where.
        file: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Too much.
    #[error("{0}")]
    TooMuch(String),
}

impl Manifests {
    /// Adds the documents of one file. `namespace`: of objects that name none.
    ///
    /// # Errors
    /// [`ManifestError`] names the file and the document.
    pub fn add(&mut self, file: &str, content: &str, namespace: &str) -> Result<(), ManifestError> {
        for (at, document) in serde_yaml_ng::Deserializer::from_str(content).enumerate() {
            let value = Value::deserialize(document).map_err(|error| ManifestError::Malformed {
                file: file.to_owned(),
                document: at + 1,
                why: error.to_string(),
            })?;
            self.object(file, value, namespace, MAX_LISTS)?;
        }
        Ok(())
    }

    fn object(
        &mut self,
        file: &str,
        mut object: Value,
        namespace: &str,
        lists: usize,
    ) -> Result<(), ManifestError> {
        if object.is_null() {
            return Ok(());
        }
        self.objects += 1;
        if self.objects > MAX_MANIFEST_OBJECTS {
            let why = format!("more than {MAX_MANIFEST_OBJECTS} objects; rehearse a part of them");
            return Err(ManifestError::TooMuch(why));
        }
        let (version, kind) = (text(&object, "/apiVersion").to_owned(), text(&object, "/kind").to_owned());
        if kind.ends_with("List") && object["items"].is_array() && lists > 0 {
            let items = object["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
            return items.into_iter().try_for_each(|item| self.object(file, item, namespace, lists - 1));
        }
        let name = text(&object, "/metadata/name").to_owned();
        let named = |why: String| ManifestError::Object {
            file: file.to_owned(),
            kind: if kind.is_empty() { "object without kind".to_owned() } else { kind.clone() },
            name: name.clone(),
            why,
        };
        let template = TEMPLATES.iter().find(|(v, k, _)| (*v, *k) == (version.as_str(), kind.as_str()));
        let beside = version == "v1" && matches!(kind.as_str(), "ServiceAccount" | "Secret");
        if template.is_none() && !beside {
            self.skipped.push(format!("{version} {kind} {name}"));
            return Ok(());
        }
        let shape = schema::kind(&version, &kind).ok_or_else(|| named("no schema".to_owned()))?;
        schema::conform(shape, &mut object).map_err(|error| named(error.to_string()))?;
        if text(&object, "/metadata/namespace").is_empty() {
            object["metadata"]["namespace"] = json!(namespace);
        }
        match template {
            Some((_, _, at)) => {
                let own = text(&object, "/metadata/namespace").to_owned();
                let pod = object.pointer(at).filter(|pod| pod["spec"].is_object());
                let pod = pod.ok_or_else(|| named("it has no pod spec".to_owned()))?;
                let spec = pod["spec"].clone();
                let annotations = pod["metadata"]["annotations"].clone();
                let pod = json!({"metadata": {"annotations": annotations}, "spec": spec});
                self.workloads.push(Workload { namespace: own, kind, name, pod });
            }
            None if kind == "Secret" => self.secrets.push(object),
            None => self.accounts.push(object),
        }
        Ok(())
    }
}

impl Workload {
    /// The account of its pods.
    pub fn account(&self) -> &str {
        let named = ["/spec/serviceAccountName", "/spec/serviceAccount"].map(|at| text(&self.pod, at));
        named.into_iter().find(|name| !name.is_empty()).unwrap_or("default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifests, ManifestError> {
        let mut manifests = Manifests::default();
        manifests.add("f", text, "shop").map(|()| manifests)
    }

    #[test]
    fn documents_and_lists() {
        let text = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: own}
spec: {template: {spec: {serviceAccountName: app, containers: [{name: c, image: i}]}}}
---
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: app}}
- {apiVersion: v1, kind: Service, metadata: {name: s}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: '@daily', jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: i}]}}}}}
";
        let found = read(text).unwrap();
        let told: Vec<String> = found
            .workloads
            .iter()
            .map(|w| format!("{}/{}/{} {}", w.namespace, w.kind, w.name, w.account()))
            .collect();
        assert_eq!(told, ["own/Deployment/web app", "shop/Pod/p default", "shop/CronJob/nightly default"]);
        assert_eq!((found.accounts.len(), found.skipped), (1, vec!["v1 Service s".to_owned()]));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, want) in [
            ("a: [", "f, document 1: "),
            ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: 5}", "f: Pod \"p\": "),
            ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}", "it has no pod spec"),
            ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {}", "it has no pod spec"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
        for odd in ["5", "[1]", "kind: 7", "apiVersion: v1\nkind: PodList\nitems: 3"] {
            let found = read(odd).unwrap();
            assert_eq!((found.workloads.len(), found.skipped.len()), (0, 1), "{odd}");
        }
    }
}
