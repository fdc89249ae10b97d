//! Who is calling, and may they.

pub mod attributes;
pub mod authn;
pub mod bootstrap;
pub mod rule;
pub mod rbac;
pub mod node;
pub mod node_restriction;
pub mod authorizer;
pub mod impersonate;
pub mod escalation;
