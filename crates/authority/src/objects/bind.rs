//! A pod gets its node: once, and for good.

use super::kind::text;
use super::kinds::POD;
use super::registry::{MAX_RETRIES, Registry, about, decode, key, modified, unavailable};
use crate::status::{About, ApiError, Cause};
use crate::store::{CommitError, Expect};
use jeton_core::ident;
use serde_json::{Value, json};

impl Registry {
    /// Assigns a pod to the node that a Binding names.
    ///
    /// # Errors
    /// NotFound; Conflict when the pod has a node, is going away, or is not the one meant; Invalid for the target.
    pub async fn bind(
        &self,
        namespace: &str,
        name: &str,
        binding: &Value,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let node = text(binding, "/target/name");
        let kind = text(binding, "/target/kind");
        let mut causes = Vec::new();
        if !matches!(kind, "" | "Node") {
            causes.push(Cause::invalid("target.kind", kind, "must be Node or empty"));
        }
        if node.is_empty() {
            causes.push(Cause::required("target.name", ""));
        } else if let Err(why) = ident::dns_subdomain(node) {
            causes.push(Cause::invalid("target.name", node, why));
        }
        if !causes.is_empty() {
            return Err(ApiError::Invalid(About::new("", "Binding", name), causes));
        }
        for _ in 0..MAX_RETRIES {
            let stored = self.stored(&POD, namespace, name)?;
            let pod = bound(decode(&POD, &stored)?, name, node, text(binding, "/metadata/uid"))?;
            if dry_run {
                return Ok(());
            }
            let expect = Expect::Revision(stored.revision);
            match self.put(&POD, &key(&POD, namespace, name)?, pod, expect, Vec::new()).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Store(error)) => return Err(unavailable(error)),
                Err(CommitError::Conflict { .. }) => {}
            }
        }
        Err(modified(&POD, name))
    }
}

fn bound(mut pod: Value, name: &str, node: &str, uid: &str) -> Result<Value, ApiError> {
    let conflict = |why: String| Err(ApiError::Conflict(About::new("", "pods/binding", name), why));
    let live = text(&pod, "/metadata/uid");
    if !uid.is_empty() && uid != live {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {live}");
        return Err(ApiError::Conflict(about(&POD, name), why));
    }
    if !text(&pod, "/metadata/deletionTimestamp").is_empty() {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let has = text(&pod, "/spec/nodeName");
    if !has.is_empty() {
        return conflict(format!("pod {name} is already assigned to node {has:?}"));
    }
    pod["spec"]["nodeName"] = json!(node);
    Ok(pod)
}
