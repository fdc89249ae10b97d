//! Add-ons as the vendor of a cluster lists them, from a file.
//!
//! Huawei CCE: what its API answers to `GET /api/v3/addons?cluster_id=…`, or to the same for one add-on. Amazon EKS: what
//! `aws eks describe-addon` and `list-addons` print, and `eksctl get addon -o json`; several documents may follow each
//! other, as a loop prints them. Anything else is refused, and the refusal says what is allowed.
//!
//! Invariant: names and versions alone are kept; the settings of an add-on, which can hold passwords, are skipped while
//! reading. What is offered (`describe-addon-versions`) is not what runs.

use super::cluster::name;
use crate::facts::ListedAddon;
use crate::limits::{MAX_ADDONS, MAX_ADDONS_FILE_BYTES};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Read;

const CCE: &str = "cce";
const EKS: &str = "eks";
/// Of one add-on and of a list of them alike.
const CCE_KIND: &str = "Addon";
/// Huawei CCE: taken off, though still listed for a while.
const DELETED: &str = "deleteSuccess";
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What can be given.
const ALLOWED: &str = "allowed are the answer of Huawei CCE to GET /api/v3/addons?cluster_id=… (kind Addon, items[].spec.addonTemplateName), and of Amazon EKS what aws eks describe-addon (addon.addonName), aws eks list-addons (addons[]) and eksctl get addon -o json ([].Name) print";

/// The add-ons of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Id or name of the cluster, where the list tells it.
    pub cluster: Option<String>,
    /// The add-ons.
    pub addons: Vec<ListedAddon>,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The disk said no.
    #[error("the list of add-ons cannot be read")]
    Io(#[from] std::io::Error),
    /// Larger than such a list may be.
    #[error("the list of add-ons has more than {MAX_ADDONS_FILE_BYTES} bytes")]
    TooLarge,
    /// More than a cluster can have.
    #[error("the list has more than {MAX_ADDONS} add-ons")]
    TooMany,
    /// No JSON.
    #[error("this is no list of add-ons; {ALLOWED}")]
    Json(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("{0}; {ALLOWED}")]
    Shape(String),
    /// Add-ons of two clusters cannot be told apart later.
    #[error("add-ons of two clusters, {0:?} and {1:?}: give a file for each")]
    Clusters(String, String),
}

/// Members of all shapes; which are there tells the shape.
#[derive(Deserialize)]
struct Document<'a> {
    kind: Option<String>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    addon: Option<Described>,
    addons: Option<Vec<Named>>,
}

/// Huawei CCE: one instance of an add-on.
#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "clusterID")]
    cluster: Option<String>,
    version: Option<String>,
    addon_template_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    status: Option<String>,
    current_version: Option<Current>,
}

#[derive(Deserialize)]
struct Current {
    version: Option<String>,
}

/// `aws eks describe-addon`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    addon_name: String,
    addon_version: Option<String>,
    cluster_name: Option<String>,
}

/// `aws eks list-addons`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Name(String),
    Other(serde::de::IgnoredAny),
}

/// `eksctl get addon`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    name: String,
    version: Option<String>,
}

/// Reads a list.
///
/// # Errors
/// When it is none, or too large.
pub fn read(from: impl Read) -> Result<List, ListError> {
    let mut bytes = Vec::new();
    from.take(MAX_ADDONS_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_ADDONS_FILE_BYTES {
        return Err(ListError::TooLarge);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| shape("the text is not UTF-8"))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut list = List::default();
    let mut documents = 0;
    for document in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        documents += 1;
        list.document(document?.get())?;
        if list.addons.len() > MAX_ADDONS {
            return Err(ListError::TooMany);
        }
    }
    if documents == 0 { Err(shape("the file is empty")) } else { Ok(list) }
}

fn shape(what: impl Into<String>) -> ListError {
    ListError::Shape(what.into())
}

impl List {
    fn document(&mut self, text: &str) -> Result<(), ListError> {
        if text.starts_with('[') {
            for one in serde_json::from_str::<Vec<Summary>>(text)? {
                self.add(EKS, &one.name, one.version);
            }
            return Ok(());
        }
        let document: Document<'_> = serde_json::from_str(text)?;
        let cce = document.kind.as_deref() == Some(CCE_KIND);
        match document {
            Document { items: Some(items), .. } if cce => {
                for (at, item) in items.into_iter().enumerate() {
                    self.instance(&format!("items[{at}]"), item.get())?;
                }
            }
            Document { spec: Some(_), .. } if cce => self.instance("spec", text)?,
            // Huawei CCE leaves an empty list out.
            Document { items: None, spec: None, .. } if cce => {}
            Document { addon: Some(addon), .. } => {
                self.belongs_to(addon.cluster_name)?;
                self.add(EKS, &addon.addon_name, addon.addon_version);
            }
            Document { addons: Some(addons), .. } => {
                for (at, addon) in addons.into_iter().enumerate() {
                    let Named::Name(name) = addon else {
                        return Err(shape(format!("addons[{at}] is no name of an add-on that runs")));
                    };
                    self.add(EKS, &name, None);
                }
            }
            Document { kind, .. } => {
                return Err(shape(format!("kind {:?} is no list of add-ons", kind.unwrap_or_default())));
            }
        }
        Ok(())
    }

    fn instance(&mut self, place: &str, text: &str) -> Result<(), ListError> {
        let Instance { metadata, spec, status } = serde_json::from_str(text)?;
        if status.status.as_deref() == Some(DELETED) {
            return Ok(());
        }
        let Some(own) = spec.addon_template_name.or(metadata.name).filter(|name| !name.is_empty()) else {
            return Err(shape(format!("{place}: spec.addonTemplateName is missing")));
        };
        self.belongs_to(spec.cluster)?;
        // While an upgrade is under way or has failed, what runs is the current version, not the wanted one.
        self.add(CCE, &own, status.current_version.and_then(|current| current.version).or(spec.version));
        Ok(())
    }

    fn add(&mut self, platform: &'static str, own: &str, version: Option<String>) {
        let version = version.filter(|version| !version.is_empty()).map(|version| name(&version));
        self.addons.push(ListedAddon { platform, name: name(own), version });
    }

    fn belongs_to(&mut self, cluster: Option<String>) -> Result<(), ListError> {
        let Some(cluster) = cluster.filter(|c| !c.is_empty()).map(|c| name(&c)) else { return Ok(()) };
        match &self.cluster {
            Some(known) if *known != cluster => Err(ListError::Clusters(known.clone(), cluster)),
            _ => {
                self.cluster = Some(cluster);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn listed(text: &str) -> Vec<(String, Option<String>)> {
        read(text.as_bytes()).unwrap().addons.into_iter().map(|one| (one.name, one.version)).collect()
    }

    fn instance(name: &str, wanted: &str, current: Value) -> Value {
        json!({"apiVersion": "v3", "kind": "Addon", "metadata": {"uid": "8ca259cc", "name": name, "alias": name},
            "spec": {"clusterID": "c-1", "version": wanted, "addonTemplateName": name, "addonTemplateType": "helm",
                "description": "", "values": {"basic": {"addon_version": "9.9.9", "password": "hunter2"}}},
            "status": {"status": "running", "Reason": "", "message": "", "currentVersion": current}})
    }

    #[test]
    fn cce_tells_what_runs() {
        let mut gone = instance("autoscaler", "1.0.0", json!({"version": "1.0.0"}));
        gone["status"]["status"] = json!("deleteSuccess");
        let items = [
            instance("npd", "1.15.1", json!({"version": "1.15.0"})),
            instance("prometheus", "2.23.35", Value::Null),
            instance("volcano", "", Value::Null),
            gone,
        ];
        let list = json!({"apiVersion": "v3", "kind": "Addon", "items": items}).to_string();
        let own = |name: &str, version: Option<&str>| (name.to_owned(), version.map(str::to_owned));
        let want = [own("npd", Some("1.15.0")), own("prometheus", Some("2.23.35")), own("volcano", None)];
        assert_eq!(listed(&format!("{BYTE_ORDER_MARK}{list}")), want);
        assert_eq!(listed(&items[0].to_string()), want[..1]);
        assert_eq!(read(list.as_bytes()).unwrap().cluster.as_deref(), Some("c-1"));
        assert_eq!(listed(r#"{"apiVersion": "v3", "kind": "Addon"}"#), []);
    }

    #[test]
    fn eks_tells_versions_one_by_one_and_names_in_a_list() {
        let described = |name: &str| {
            json!({"addon": {"addonName": name, "clusterName": "prod", "status": "ACTIVE",
                "addonVersion": "v1.7.5-eksbuild.1", "configurationValues": "hunter2"}})
        };
        let two = format!("{}\n{}\n", described("vpc-cni"), described("coredns"));
        let version = || Some("v1.7.5-eksbuild.1".to_owned());
        let want = [("vpc-cni".to_owned(), version()), ("coredns".to_owned(), version())];
        assert_eq!(listed(&two), want);
        assert_eq!(listed(r#"{"addons": ["vpc-cni"]}"#), [("vpc-cni".to_owned(), None)]);
        let eksctl = r#"[{"Name":"vpc-cni","Version":"v1.7.5-eksbuild.1","NewerVersion":"","Issues":null}]"#;
        assert_eq!(listed(eksctl), want[..1]);
    }

    #[test]
    fn anything_else_is_refused_with_what_is_allowed() {
        let offered = r#"{"addons":[{"addonName":"vpc-cni","addonVersions":[{"addonVersion":"v1.7.5"}]}]}"#;
        let nameless = r#"{"kind":"Addon","items":[{"spec":{"version":"1.0.0"}}]}"#;
        for (text, want) in [
            ("", "the file is empty"),
            ("addons:\n- vpc-cni\n", "no list of add-ons"),
            ("{\"kind\":\"Addon\",\"items\":[", "no list of add-ons"),
            (r#"{"kind":"PodList","items":[{"metadata":{"name":"npd"}}]}"#, "kind \"PodList\""),
            ("{}", "kind \"\""),
            ("[1]", "no list of add-ons"),
            (offered, "addons[0] is no name"),
            (nameless, "items[0]: spec.addonTemplateName is missing"),
        ] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want) && error.contains("allowed are"), "{text}: {error}");
        }
        let two =
            ["a", "b"].map(|c| json!({"addon": {"addonName": "x", "clusterName": c}}).to_string()).concat();
        assert!(matches!(read(two.as_bytes()), Err(ListError::Clusters(..))));
        assert!(matches!(read(std::io::repeat(b' ')), Err(ListError::TooLarge)));
        let many = format!("{{\"addons\":[{}\"x\"]}}", "\"x\",".repeat(MAX_ADDONS));
        assert!(matches!(read(many.as_bytes()), Err(ListError::TooMany)));
        assert!(matches!(read([0xff_u8, 0xfe].as_slice()), Err(ListError::Shape(_))));
    }

    #[test]
    fn hostile_names_are_cleaned() {
        let text = json!({"addons": [format!("a\u{1b}[2J{}", "x".repeat(5000))]}).to_string();
        let (name, _) = listed(&text).remove(0);
        assert!(name.starts_with("a [2J") && name.len() <= crate::limits::MAX_TEXT_BYTES, "{name}");
    }
}
