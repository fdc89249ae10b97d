//! ClusterRoleBindings: who has which role everywhere.

use super::rules;
use crate::objects::kind::{Kind, PLAIN};
use jeton_core::ident;

/// rbac.authorization.k8s.io/v1 ClusterRoleBinding.
pub const CLUSTER_ROLE_BINDING: Kind = Kind {
    group: "rbac.authorization.k8s.io",
    kind: "ClusterRoleBinding",
    plural: "clusterrolebindings",
    singular: "clusterrolebinding",
    namespaced: false,
    stored_as: "rbac.authorization.k8s.io/clusterrolebindings",
    name: ident::path_segment,
    prepare: |object, _| rules::default_subjects(object),
    check: |new, old, causes| rules::check_binding(new, old, false, causes),
    columns: rules::BINDING_COLUMNS,
    ..PLAIN
};
