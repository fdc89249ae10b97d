//! What a node may not write although its rights would let it: tokens of other nodes' pods, other nodes, their pods.
//!
//! Kubernetes 1.36 (plugin/pkg/admission/noderestriction): checks in its order, in its words. Left out on purpose:
//! storage objects and resource claims, which this server does not have.

mod own_node;
mod pod;
mod token;

pub use token::{Asked, token};

use super::node::name_of;
use crate::objects::kinds::{LEASE, NODE, POD};
use crate::objects::registry::about;
use crate::objects::{Kind, Registry};
use crate::status::ApiError;
use jeton_core::wire::UserInfo;
use serde_json::Value;

/// Checks what a node writes or deletes; everybody else passes. `new`: the object to be, none for a deletion; `old`: as
/// it was, none for a creation.
///
/// # Errors
/// Forbidden in Kubernetes' words; NotFound for the node that a new pod says it belongs to.
pub fn write(
    registry: &Registry,
    user: &UserInfo,
    kind: &Kind,
    name: &str,
    new: Option<&Value>,
    old: Option<&Value>,
) -> Result<(), ApiError> {
    let Some(node) = name_of(user) else { return Ok(()) };
    let refuse = |why: String| Err(ApiError::Forbidden(about(kind, name), why));
    let is = |known: &Kind| kind.stored_as == known.stored_as;
    let checked = if is(&NODE) && name != node {
        Err(format!("node {node:?} is not allowed to modify node {name:?}"))
    } else if is(&LEASE) && name != node {
        Err(format!("node {node:?} is not allowed to modify lease {name:?}"))
    } else if is(&NODE) {
        new.map_or(Ok(()), |new| own_node::write(node, new, old))
    } else if is(&POD) {
        if let (Some(new), None) = (new, old) {
            let uid = |node: &str| registry.get(&NODE, "", node).map(|n| n["metadata"]["uid"].clone());
            return pod::create(node, new, uid)?.or_else(refuse);
        }
        pod::change(node, new, old)
    } else {
        Ok(())
    };
    checked.or_else(refuse)
}

/// Refuses a node a subresource of pods that it has no business with.
///
/// # Errors
/// Forbidden in Kubernetes' words.
pub fn no_subresource(user: &UserInfo, kind: &Kind, name: &str, subresource: &str) -> Result<(), ApiError> {
    if name_of(user).is_none() {
        return Ok(());
    }
    let why = format!("unexpected pod subresource {subresource:?}, only 'status' and 'eviction' are allowed");
    Err(ApiError::Forbidden(about(kind, name), why))
}
