//! RoleBindings: who has which role within a namespace.

use super::rules;
use crate::objects::kind::{Kind, PLAIN};
use jeton_core::ident;

/// rbac.authorization.k8s.io/v1 RoleBinding.
pub const ROLE_BINDING: Kind = Kind {
    group: "rbac.authorization.k8s.io",
    kind: "RoleBinding",
    plural: "rolebindings",
    singular: "rolebinding",
    namespaced: true,
    stored_as: "rbac.authorization.k8s.io/rolebindings",
    name: ident::path_segment,
    prepare: |object, _| rules::default_subjects(object),
    check: |new, old, causes| rules::check_binding(new, old, true, causes),
    columns: rules::BINDING_COLUMNS,
    ..PLAIN
};
