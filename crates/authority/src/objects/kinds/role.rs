//! Roles: permissions within a namespace.

use super::rules;
use crate::objects::kind::{Kind, PLAIN};
use crate::objects::table::{CREATED_AT, NAME};
use jeton_core::ident;

/// rbac.authorization.k8s.io/v1 Role.
pub const ROLE: Kind = Kind {
    group: "rbac.authorization.k8s.io",
    kind: "Role",
    plural: "roles",
    singular: "role",
    namespaced: true,
    stored_as: "rbac.authorization.k8s.io/roles",
    name: ident::path_segment,
    check: |new, _, causes| rules::check_rules(new, true, causes),
    columns: &[NAME, CREATED_AT],
    ..PLAIN
};
