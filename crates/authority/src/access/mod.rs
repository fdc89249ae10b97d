//! Who is calling, and may they.

pub mod authn;
pub mod bootstrap;
pub mod rbac;
