//! ClusterRoles: permissions in all namespaces, on cluster objects and on paths.

use super::rules;
use crate::objects::kind::{Kind, PLAIN};
use crate::objects::table::{CREATED_AT, NAME};
use jeton_core::ident;

/// rbac.authorization.k8s.io/v1 ClusterRole.
pub const CLUSTER_ROLE: Kind = Kind {
    group: "rbac.authorization.k8s.io",
    kind: "ClusterRole",
    plural: "clusterroles",
    singular: "clusterrole",
    namespaced: false,
    stored_as: "rbac.authorization.k8s.io/clusterroles",
    name: ident::path_segment,
    check: |new, _, causes| rules::check_rules(new, false, causes),
    columns: &[NAME, CREATED_AT],
    ..PLAIN
};
