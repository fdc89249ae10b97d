//! Owners and what they own, over a real store.

use super::{Garbage, Item};
use crate::controllers::Controller;
use crate::controllers::follow::turn;
use crate::controllers::lab::{Lab, kind, pod};
use crate::objects::delete::{DeleteOptions, Propagation};
use crate::store::{Event, Key, Watcher};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A lab whose collector hears of everything that happens.
struct Yard {
    lab: Lab,
    garbage: Garbage,
    watcher: Watcher,
}

impl Yard {
    async fn new() -> Self {
        let lab = Lab::new().await;
        let store = lab.registry.store();
        let watcher = store.watch(&Key::everything(), store.revision()).unwrap();
        Self { garbage: Garbage::new(lab.registry.clone()), watcher, lab }
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.watcher.try_next().unwrap()).collect()
    }

    /// Lets the collector work until it has nothing left to do.
    async fn settle(&mut self) {
        let mut items = BTreeSet::new();
        for _ in 0..20 {
            let news: Vec<Item> = self.events().iter().flat_map(|e| self.garbage.touched(e)).collect();
            items.extend(news);
            if items.is_empty() {
                return;
            }
            items = turn(&self.garbage, items).await;
        }
        panic!("it never ends: {items:?}");
    }

    /// A ConfigMap with owners; gives back its uid.
    async fn make(&self, name: &str, owners: &[Value]) -> String {
        let body = json!({"metadata": {"name": name, "ownerReferences": owners}});
        self.lab.make("configmaps", "ns", body).await["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    async fn delete(&self, name: &str, propagation: Propagation) {
        let options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() };
        self.lab.registry.delete(kind("configmaps"), "ns", name, &options).await.unwrap();
    }

    fn left(&self) -> Vec<String> {
        self.lab.names("configmaps", "ns")
    }
}

fn owner(name: &str, uid: &str, blocks: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "blockOwnerDeletion": blocks})
}

#[tokio::test]
async fn in_the_background_what_is_owned_follows() {
    let mut yard = Yard::new().await;
    let top = yard.make("top", &[]).await;
    let other = yard.make("other", &[]).await;
    let middle = yard.make("middle", &[owner("top", &top, false)]).await;
    yard.make("leaf", &[owner("middle", &middle, false)]).await;
    yard.make("shared", &[owner("top", &top, false), owner("other", &other, false)]).await;
    yard.settle().await;
    assert_eq!(yard.left().len(), 5);
    yard.delete("top", Propagation::Background).await;
    yard.settle().await;
    assert_eq!(yard.left(), ["other", "shared"]);
    let owners = yard.lab.get("configmaps", "ns", "shared")["metadata"]["ownerReferences"].clone();
    assert_eq!(owners, json!([owner("other", &other, false)]), "the owner that is gone is taken out");
}

#[tokio::test]
async fn in_the_foreground_the_owner_goes_last() {
    let mut yard = Yard::new().await;
    let top = yard.make("top", &[]).await;
    yard.make("free", &[owner("top", &top, false)]).await;
    let mut ending = pod("ending", "n");
    ending["metadata"]["ownerReferences"] = json!([owner("top", &top, true)]);
    yard.lab.make("pods", "ns", ending).await;
    yard.settle().await;
    yard.delete("top", Propagation::Foreground).await;
    yard.settle().await;
    assert_eq!(yard.left(), ["top"], "it waits for the pod that is ending, and for nothing else");
    let now = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
    yard.lab.registry.delete(kind("pods"), "ns", "ending", &now).await.unwrap();
    yard.settle().await;
    assert!(yard.left().is_empty());
}

#[tokio::test]
async fn orphans_stay_without_their_owner() {
    let mut yard = Yard::new().await;
    let top = yard.make("top", &[]).await;
    yard.make("child", &[owner("top", &top, true)]).await;
    yard.settle().await;
    yard.delete("top", Propagation::Orphan).await;
    yard.settle().await;
    assert_eq!(yard.left(), ["child"]);
    assert_eq!(yard.lab.get("configmaps", "ns", "child")["metadata"]["ownerReferences"], Value::Null);
}

#[tokio::test]
async fn an_owner_is_the_one_with_its_uid_in_its_namespace() {
    let mut yard = Yard::new().await;
    yard.lab.make("namespaces", "", json!({"metadata": {"name": "far"}})).await;
    let far = yard.lab.make("configmaps", "far", json!({"metadata": {"name": "far"}})).await;
    let top = yard.make("top", &[]).await;
    let node = yard.lab.make("nodes", "", json!({"metadata": {"name": "n"}})).await;
    let uid = |object: &Value| object["metadata"]["uid"].as_str().unwrap().to_owned();
    let of_node = json!({"apiVersion": "v1", "kind": "Node", "name": "n", "uid": uid(&node)});
    let unknown = json!({"apiVersion": "example.com/v1", "kind": "Odd", "name": "n", "uid": uid(&node)});
    yard.make("of-node", &[of_node]).await;
    yard.make("of-unknown", &[unknown]).await;
    yard.make("of-far", &[owner("far", &uid(&far), false)]).await;
    yard.make("of-another", &[owner("top", &uid(&far), false)]).await;
    yard.make("of-top", &[owner("top", &top, false)]).await;
    yard.settle().await;
    assert_eq!(yard.left(), ["of-node", "of-top", "of-unknown", "top"]);
    yard.lab.remove("nodes", "", "n").await;
    yard.settle().await;
    assert_eq!(yard.left(), ["of-top", "of-unknown", "top"]);
}

#[tokio::test]
async fn what_happened_while_nobody_looked_is_caught_up_with() {
    let mut yard = Yard::new().await;
    let (top, orphaned) = (yard.make("top", &[]).await, yard.make("orphaned", &[]).await);
    yard.make("child", &[owner("top", &top, false)]).await;
    yard.make("free", &[owner("orphaned", &orphaned, false)]).await;
    yard.delete("top", Propagation::Background).await;
    yard.delete("orphaned", Propagation::Orphan).await;
    yard.events();
    let again = turn(&yard.garbage, yard.garbage.all().into_iter().collect()).await;
    assert!(again.is_empty());
    assert_eq!(yard.left(), ["free"]);
}

#[tokio::test]
async fn one_that_cannot_go_keeps_no_other() {
    let mut yard = Yard::new().await;
    let gone = owner("gone", "00000000-0000-0000-0000-00000000dead", false);
    let stays = json!({"metadata": {"name": "default", "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "gone", "uid": "00000000-0000-0000-0000-00000000dead"}]}});
    yard.lab.make("namespaces", "", stays).await;
    for name in ["a", "b"] {
        yard.make(name, std::slice::from_ref(&gone)).await;
    }
    yard.settle().await;
    assert!(yard.left().is_empty());
    assert!(yard.lab.get("namespaces", "", "default")["metadata"]["deletionTimestamp"].is_null());
}
