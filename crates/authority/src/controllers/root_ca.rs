//! Every namespace that is not going away has the certificate authority of the API server in `kube-root-ca.crt`.
//!
//! Kubernetes 1.36: `data` is replaced whole when it differs, the description is written when it is missing, and all
//! else is left as its owner wrote it.

use super::default_account::{is_open, open_namespaces};
use super::{Controller, Next};
use crate::objects::kinds::{CONFIG_MAP, NAMESPACE};
use crate::objects::{Registry, Write};
use crate::status::ApiError;
use crate::store::{Event, Key, Prefix};
use serde_json::{Value, json};
use std::sync::Arc;

/// The ConfigMap.
const ROOT_CA: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
const DESCRIBED: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

pub(super) struct RootCa {
    registry: Arc<Registry>,
    ca_pem: Arc<str>,
}

impl RootCa {
    pub(super) fn new(registry: Arc<Registry>, ca_pem: Arc<str>) -> Self {
        Self { registry, ca_pem }
    }
}

/// The map as it should be; `None` when it is so already.
fn corrected(map: &Value, ca_pem: &str) -> Option<Value> {
    let data = json!({"ca.crt": ca_pem});
    let described = map["metadata"]["annotations"][DESCRIPTION].as_str().is_some_and(|text| !text.is_empty());
    if described && map["data"] == data {
        return None;
    }
    let mut fixed = map.clone();
    fixed["data"] = data;
    if !described {
        fixed["metadata"]["annotations"][DESCRIPTION] = json!(DESCRIBED);
    }
    Some(fixed)
}

impl Controller for RootCa {
    type Item = String;
    const NAME: &'static str = "root_ca";

    fn prefixes(&self) -> (Prefix, Option<Prefix>) {
        (Key::prefix_all(NAMESPACE.stored_as), Some(Key::prefix_all(CONFIG_MAP.stored_as)))
    }

    fn all(&self) -> Vec<String> {
        open_namespaces(&self.registry)
    }

    fn touched(&self, event: &Event) -> Vec<String> {
        let (resource, namespace, name) = event.key.parts();
        match resource == NAMESPACE.stored_as {
            true => vec![name.to_owned()],
            false if name == ROOT_CA => vec![namespace.to_owned()],
            false => Vec::new(),
        }
    }

    async fn work(&self, namespace: &String) -> Result<Next, ApiError> {
        if !is_open(&self.registry, namespace)? {
            return Ok(Next::Done);
        }
        match self.registry.get(&CONFIG_MAP, namespace, ROOT_CA) {
            Ok(found) => {
                if let Some(fixed) = corrected(&found, &self.ca_pem) {
                    let write = Write::default();
                    self.registry.update(&CONFIG_MAP, namespace, ROOT_CA, fixed, write).await?;
                }
            }
            Err(ApiError::NotFound(_)) => {
                let empty = json!({"metadata": {"name": ROOT_CA}});
                let body = corrected(&empty, &self.ca_pem).unwrap_or(empty);
                self.registry.create(&CONFIG_MAP, namespace, body, false).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(Next::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_changed_is_put_right() {
        let map = |data: Value, description: Value| json!({"metadata": {"annotations": {DESCRIPTION: description, "own": "x"}}, "data": data});
        let right = json!({"ca.crt": "CA"});
        assert_eq!(corrected(&map(right.clone(), json!("other words")), "CA"), None);
        for (found, text) in [
            (map(json!({"ca.crt": "CA", "more": "x"}), json!("other words")), "other words"),
            (map(json!({}), json!("other words")), "other words"),
            (map(right.clone(), json!("")), DESCRIBED),
        ] {
            assert_eq!(corrected(&found, "CA"), Some(map(right.clone(), json!(text))));
        }
    }
}
