//! All who decide about access, asked in order: the first that allows has decided.

use super::attributes::{Attributes, Decision};
use super::rbac::Rbac;
use crate::objects::Registry;
use crate::status::ApiError;
use jeton_core::wire::UserInfo;
use std::sync::Arc;

/// Decides who may do what.
#[derive(Debug)]
pub struct Authorizer {
    /// By roles and bindings.
    pub rbac: Rbac,
}

impl Authorizer {
    /// Decides by what is in `registry`.
    pub fn new(registry: &Arc<Registry>) -> Self {
        Self { rbac: Rbac::new(registry.clone()) }
    }

    /// Whether `user` may.
    ///
    /// # Errors
    /// Unavailable when roles cannot be read.
    pub fn decide(&self, user: &UserInfo, wanted: &Attributes<'_>) -> Result<Decision, ApiError> {
        self.rbac.decide(user, wanted)
    }

    /// Refuses what nobody allows; gives back why it is allowed.
    ///
    /// # Errors
    /// Forbidden in Kubernetes' words; Unavailable when roles cannot be read.
    pub fn authorize(&self, user: &UserInfo, wanted: &Attributes<'_>) -> Result<Decision, ApiError> {
        let decision = self.decide(user, wanted)?;
        if decision.allowed { Ok(decision) } else { Err(wanted.forbidden(user, &decision.reason)) }
    }
}
