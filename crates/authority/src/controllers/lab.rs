//! A store in a throw-away file with a clock that stands until it is moved, for tests of controllers.

use crate::flow::{Keyring, Source, Tokens, Uses};
use crate::objects::delete::DeleteOptions;
use crate::objects::kinds;
use crate::objects::{Kind, Registry};
use crate::signer::{LocalSigner, Signer, local};
use crate::store::{Embedded, Key, Store};
use arc_swap::ArcSwap;
use jeton_core::clock::Clock;
use jeton_core::keys::KeySet;
use jeton_core::policy::Policy;
use jeton_core::release::Release;
use jeton_core::time::UnixTime;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub(crate) struct Lab {
    pub(crate) registry: Arc<Registry>,
    now: Arc<AtomicI64>,
    _dir: tempfile::TempDir,
}

impl Lab {
    /// With the namespace `ns` and its account `default`.
    pub(crate) async fn new() -> Self {
        Self::at(Release::default()).await
    }

    /// The same with the behaviours of a release.
    pub(crate) async fn at(release: Release) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Embedded::open(&dir.path().join("store")).unwrap());
        let now = Arc::new(AtomicI64::new(1_784_973_600));
        let hand = now.clone();
        let clock = Clock::new(move || UnixTime::from_seconds(hand.load(Ordering::SeqCst)));
        let lab =
            Self { registry: Arc::new(Registry::new(store, clock).with_release(release)), now, _dir: dir };
        lab.make("namespaces", "", json!({"metadata": {"name": "ns"}})).await;
        lab.make("serviceaccounts", "ns", json!({"metadata": {"name": "default"}})).await;
        lab
    }

    pub(crate) fn tokens(&self) -> Arc<Tokens> {
        self.tokens_with(|_| ())
    }

    /// The same with other settings.
    pub(crate) fn tokens_with(&self, change: impl FnOnce(&mut Policy)) -> Arc<Tokens> {
        let mut policy =
            Policy { release: self.registry.release, ..Policy::for_issuer("https://issuer.example") };
        change(&mut policy);
        let signer = LocalSigner::from_pem(local::new_key_pem().unwrap().as_bytes()).unwrap();
        let keys = KeySet::new([signer.public().clone()]);
        Arc::new(Tokens {
            policy,
            ring: ArcSwap::from_pointee(Keyring::fixed(Signer::Local(Arc::new(signer)), keys)),
            source: Source::Given("sa.key".into()),
            uses: Uses::default(),
            store: self.registry.store().clone(),
            clock: self.registry.clock().clone(),
        })
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) async fn make(&self, plural: &str, namespace: &str, body: Value) -> Value {
        self.registry.create(kind(plural), namespace, body, false).await.unwrap()
    }

    pub(crate) fn get(&self, plural: &str, namespace: &str, name: &str) -> Value {
        self.registry.get(kind(plural), namespace, name).unwrap()
    }

    pub(crate) async fn put(&self, plural: &str, namespace: &str, body: Value) -> Value {
        let name = body["metadata"]["name"].as_str().unwrap().to_owned();
        let write = crate::objects::Write::default();
        self.registry.update(kind(plural), namespace, &name, body, write).await.unwrap()
    }

    pub(crate) async fn remove(&self, plural: &str, namespace: &str, name: &str) {
        let options = DeleteOptions::default();
        self.registry.delete(kind(plural), namespace, name, &options).await.unwrap();
    }

    pub(crate) fn names(&self, plural: &str, namespace: &str) -> Vec<String> {
        let prefix = Key::prefix_ns(kind(plural).stored_as, namespace);
        self.registry
            .store()
            .index()
            .read(|view| view.rows(&prefix).map(|(key, _)| key.parts().2.to_owned()).collect())
    }
}

pub(crate) fn kind(plural: &str) -> &'static Kind {
    kinds::ALL.into_iter().find(|kind| kind.plural == plural).unwrap()
}

pub(crate) fn pod(name: &str, node: &str) -> Value {
    let mut pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    if !node.is_empty() {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}
