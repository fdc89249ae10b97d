//! The kinds this server keeps: one small file each.

mod cluster_role;
mod cluster_role_binding;
mod config_map;
mod data;
mod namespace;
mod node;
mod pod;
mod role;
mod role_binding;
mod rules;
mod secret;
mod service_account;

use super::kind::Kind;

pub use cluster_role::CLUSTER_ROLE;
pub use cluster_role_binding::CLUSTER_ROLE_BINDING;
pub use config_map::CONFIG_MAP;
pub use namespace::NAMESPACE;
pub use node::NODE;
pub use pod::POD;
pub use role::ROLE;
pub use role_binding::ROLE_BINDING;
pub use secret::{SECRET, TOKEN_TYPE};
pub use service_account::SERVICE_ACCOUNT;

/// All of them, in the order discovery shows them.
pub static ALL: [&Kind; 10] = [
    &CONFIG_MAP,
    &NAMESPACE,
    &NODE,
    &POD,
    &SECRET,
    &SERVICE_ACCOUNT,
    &CLUSTER_ROLE_BINDING,
    &CLUSTER_ROLE,
    &ROLE_BINDING,
    &ROLE,
];

/// The kind behind a group, version and plural.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    ALL.into_iter().find(|k| k.group == group && k.version == version && k.plural == plural)
}
