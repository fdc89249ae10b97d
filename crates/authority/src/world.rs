//! A whole authority that lives in memory and in no time: for rehearsals and for tests over many releases.
//!
//! Nothing listens and nothing runs beside it: what controllers would do happens in [`World::settle`]. Left out on
//! purpose: HTTP, and everything that only time brings.

use crate::controllers::{self, Settings};
use crate::flow::{Keyring, Source, Tokens, Uses};
use crate::objects::Registry;
use crate::objects::kinds::NAMESPACE;
use crate::signer::local::{self, PrivateKeyError};
use crate::signer::{LocalSigner, Signer};
use crate::status::ApiError;
use crate::store::{Embedded, Store, StoreError};
use arc_swap::ArcSwap;
use jeton_core::clock::Clock;
use jeton_core::keys::KeySet;
use jeton_core::legacy::{CLEAN_UP_PERIOD_SECONDS, TRACKING};
use jeton_core::policy::Policy;
use jeton_core::release::Release;
use serde_json::json;
use std::sync::Arc;

/// The issuer of its tokens, which nobody else accepts.
const ISSUER: &str = "https://rehearsal.invalid";

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Its store.
    #[error("no store in memory")]
    Store(#[from] StoreError),
    /// Its signing key.
    #[error("no signing key")]
    Key(#[from] PrivateKeyError),
    /// Its first objects.
    #[error("the objects cannot be made: {0}")]
    Objects(String),
}

/// A throw-away authority.
#[derive(Debug)]
pub struct World {
    /// Its objects.
    pub registry: Arc<Registry>,
    /// Its token path.
    pub tokens: Arc<Tokens>,
    settings: Settings,
}

/// A key for any number of worlds: making one is what takes longest.
///
/// # Errors
/// The system gives no randomness.
pub fn signer() -> Result<Arc<LocalSigner>, WorldError> {
    let pem = local::new_key_pem()?;
    Ok(Arc::new(LocalSigner::from_pem(pem.as_bytes())?))
}

impl World {
    /// A world that behaves as a release, with the namespaces `kube-system` and `default`.
    ///
    /// # Errors
    /// [`WorldError`].
    pub async fn new(release: Release, clock: Clock, signer: Arc<LocalSigner>) -> Result<Self, WorldError> {
        let store: Arc<dyn Store> = Arc::new(Embedded::in_memory()?);
        let registry = Arc::new(Registry::new(store.clone(), clock.clone()).with_release(release));
        let keys = KeySet::new([signer.public().clone()]);
        let extend = release.extends_by_default();
        let tokens = Arc::new(Tokens {
            policy: Policy { release, extend, ..Policy::for_issuer(ISSUER) },
            ring: ArcSwap::from_pointee(Keyring::fixed(Signer::Local(signer), keys)),
            source: Source::Given("rehearsal".into()),
            uses: Uses::default(),
            store,
            clock,
        });
        let settings = Settings { ca_pem: "rehearsal".into(), clean_up_seconds: CLEAN_UP_PERIOD_SECONDS };
        let world = Self { registry, tokens, settings };
        for namespace in [TRACKING.0, "default"] {
            world.namespace(namespace).await.map_err(|error| WorldError::Objects(error.message()))?;
        }
        world.settle().await;
        Ok(world)
    }

    /// Makes a namespace, when it is not there.
    ///
    /// # Errors
    /// A name that cannot be one.
    pub async fn namespace(&self, name: &str) -> Result<(), ApiError> {
        let body = json!({"metadata": {"name": name}});
        match self.registry.create(&NAMESPACE, "", body, false).await {
            Err(ApiError::AlreadyExists(_)) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Lets every controller do what it would do by now.
    pub async fn settle(&self) {
        controllers::settle(&self.registry, &self.tokens, &self.settings).await;
    }
}
