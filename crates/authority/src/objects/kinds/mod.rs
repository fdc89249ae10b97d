//! The kinds this server keeps: one small file each.

mod cluster_role;
mod cluster_role_binding;
mod config_map;
mod cron_job;
mod custom_resource_definition;
mod daemon_set;
mod data;
mod volumes;
mod deployment;
mod endpoint_slice;
mod ephemeral;
mod event;
mod job;
mod lease;
mod namespace;
mod node;
mod pod;
mod pod_columns;
mod replica_set;
mod role;
mod role_binding;
mod rules;
mod secret;
mod service;
mod service_account;
mod signing_key;
mod stateful_set;
mod token_revocation;
mod token_use;
mod workload;

use super::kind::Kind;

pub use cluster_role::CLUSTER_ROLE;
pub use cluster_role_binding::CLUSTER_ROLE_BINDING;
pub use config_map::CONFIG_MAP;
pub use cron_job::CRON_JOB;
pub use custom_resource_definition::{CLEANUP, CUSTOM_RESOURCE_DEFINITION};
pub use daemon_set::DAEMON_SET;
pub use deployment::DEPLOYMENT;
pub use endpoint_slice::ENDPOINT_SLICE;
pub(crate) use ephemeral::with_ephemeral;
pub use event::{EVENT, EVENT_V1};
pub use job::JOB;
pub use lease::LEASE;
pub use namespace::NAMESPACE;
pub use node::NODE;
pub use pod::{MIRROR_ANNOTATION, POD};
pub use replica_set::REPLICA_SET;
pub use role::ROLE;
pub use role_binding::ROLE_BINDING;
pub use secret::{SECRET, TOKEN_TYPE};
pub use service::SERVICE;
pub use service_account::{ENFORCE_MOUNTABLE, SERVICE_ACCOUNT, SERVICE_ACCOUNT_WITH_SECRETS};
pub use signing_key::SIGNING_KEY;
pub use stateful_set::STATEFUL_SET;
pub use token_revocation::TOKEN_REVOCATION;
pub use token_use::TOKEN_USE;

/// All of them, in the order discovery shows them.
pub static ALL: [&Kind; 25] = [
    &CONFIG_MAP,
    &EVENT,
    &NAMESPACE,
    &NODE,
    &POD,
    &SECRET,
    &SERVICE_ACCOUNT,
    &SERVICE,
    &CUSTOM_RESOURCE_DEFINITION,
    &DAEMON_SET,
    &DEPLOYMENT,
    &REPLICA_SET,
    &STATEFUL_SET,
    &CRON_JOB,
    &JOB,
    &LEASE,
    &ENDPOINT_SLICE,
    &EVENT_V1,
    &CLUSTER_ROLE_BINDING,
    &CLUSTER_ROLE,
    &ROLE_BINDING,
    &ROLE,
    &SIGNING_KEY,
    &TOKEN_REVOCATION,
    &TOKEN_USE,
];
