//! All who decide about access, asked in order: the first that allows has decided.

use super::attributes::{Attributes, Decision};
use super::rbac::Rbac;
use super::rule::Rule;
use super::{bootstrap, node};
use crate::objects::Registry;
use crate::status::ApiError;
use jeton_core::wire::UserInfo;
use std::sync::Arc;

/// Decides who may do what.
#[derive(Debug)]
pub struct Authorizer {
    /// By roles and bindings.
    pub rbac: Rbac,
    registry: Arc<Registry>,
    node_rules: Vec<Rule>,
}

impl Authorizer {
    /// Decides by what is in `registry`.
    pub fn new(registry: &Arc<Registry>) -> Self {
        Self {
            rbac: Rbac::new(registry.clone()),
            registry: registry.clone(),
            node_rules: bootstrap::node_rules(),
        }
    }

    /// Whether `user` may.
    ///
    /// # Errors
    /// Unavailable when roles cannot be read.
    pub fn decide(&self, user: &UserInfo, wanted: &Attributes<'_>) -> Result<Decision, ApiError> {
        let by_node = node::decide(&self.registry, user, wanted, &self.node_rules);
        if let Some(decision) = by_node.as_ref().filter(|decision| decision.allowed) {
            return Ok(decision.clone());
        }
        let decision = self.rbac.decide(user, wanted)?;
        // Of two that do not allow, the one that says why is told.
        Ok(by_node.filter(|_| !decision.allowed).unwrap_or(decision))
    }
}
