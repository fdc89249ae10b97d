//! What happens by itself, beside requests: each controller compares what is with what should be, again and again.
//!
//! Invariants: a controller works from the current state, so one that was interrupted goes on where it must; it holds
//! names, never bodies, of what it still has to do; everything it writes goes through the registry.

mod follow;
pub mod default_account;
pub mod root_ca;
pub mod token_secret;
mod account_secret;
pub mod legacy_tracking;
pub mod custom_resource;
pub mod events;
pub mod legacy_plan;
pub mod legacy_cleaner;
pub mod revocations;
mod garbage;
mod namespace_conditions;
pub mod namespace;
pub mod pod_gc;
pub mod run_pods;
pub mod signing_keys;
#[cfg(test)]
pub(crate) mod lab;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod admission_tests;

pub(crate) use follow::{Controller, Follow, Next, drive};

use crate::flow::Tokens;
use crate::objects::Registry;
use jeton_core::release::Gate;
use std::sync::Arc;

/// What controllers are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The certificate authority of the server, PEM.
    pub ca_pem: Arc<str>,
    /// Seconds without use after which the cleaner marks a legacy token, and deletes a marked one.
    pub clean_up_seconds: i64,
}

/// Does once what the controllers of accounts, Secrets and certificates would do, over all there is: a world without
/// time passing. What they would hear of, such as a Secret that went, they do not hear.
pub async fn settle(registry: &Arc<Registry>, tokens: &Arc<Tokens>, settings: &Settings) {
    let ca_pem = &settings.ca_pem;
    let has = |gate| registry.release.has(gate);
    once(&default_account::DefaultAccount(registry.clone())).await;
    if has(Gate::RootCaConfigMap) {
        once(&root_ca::RootCa::new(registry.clone(), ca_pem.clone())).await;
    }
    if !has(Gate::NoAutoGeneration) {
        once(&account_secret::AccountSecret::new(registry.clone(), tokens.clone(), ca_pem.clone())).await;
    }
    once(&token_secret::TokenSecret::new(registry.clone(), tokens.clone(), ca_pem.clone())).await;
    if has(Gate::Tracking) {
        once(&legacy_tracking::Tracking::new(registry.clone())).await;
    }
    if has(Gate::CleanUp)
        && let Err(error) = legacy_cleaner::round(registry, settings.clean_up_seconds).await
    {
        tracing::error!(controller = "legacy_cleaner", error = error.message(), "left as it is");
    }
}

async fn once<C: Controller>(controller: &C) {
    follow::turn(controller, controller.all().into_iter().collect()).await;
}

/// Starts all of them; they work for ever.
pub fn spawn(registry: &Arc<Registry>, tokens: &Arc<Tokens>, settings: &Settings) {
    let ca_pem = &settings.ca_pem;
    tokio::spawn(drive(registry.clone(), default_account::DefaultAccount(registry.clone())));
    let has = |gate| registry.release.has(gate);
    if has(Gate::RootCaConfigMap) {
        tokio::spawn(drive(registry.clone(), root_ca::RootCa::new(registry.clone(), ca_pem.clone())));
    }
    if !has(Gate::NoAutoGeneration) {
        let made = account_secret::AccountSecret::new(registry.clone(), tokens.clone(), ca_pem.clone());
        tokio::spawn(drive(registry.clone(), made));
    }
    let secrets = token_secret::TokenSecret::new(registry.clone(), tokens.clone(), ca_pem.clone());
    tokio::spawn(drive(registry.clone(), secrets));
    if has(Gate::Tracking) {
        tokio::spawn(drive(registry.clone(), legacy_tracking::Tracking::new(registry.clone())));
    }
    tokio::spawn(drive(registry.clone(), namespace::Namespaces(registry.clone())));
    tokio::spawn(custom_resource::run(registry.clone()));
    tokio::spawn(events::run(registry.clone()));
    tokio::spawn(revocations::run(registry.clone(), tokens.policy.lifetimes.leeway));
    if has(Gate::CleanUp) {
        tokio::spawn(legacy_cleaner::run(registry.clone(), settings.clean_up_seconds));
    }
    tokio::spawn(signing_keys::run(tokens.clone()));
    tokio::spawn(pod_gc::PodGc::new(registry.clone()).run());
    tokio::spawn(run_pods::RunPods::new(registry.clone()).run());
    tokio::spawn(drive(registry.clone(), garbage::Garbage::new(registry.clone())));
}
