//! A small controller on the real `kube` runtime: it hears of every change, also across a server that is killed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::server::Server;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Times a controller's work is looked for, 100 ms apart.
const ATTEMPTS: u32 = 400;

/// Keeps a copy of each labelled map, owned by it.
async fn reconcile(map: Arc<ConfigMap>, maps: Arc<Api<ConfigMap>>) -> kube::Result<Action> {
    let name = format!("{}-copy", map.name_any());
    match maps.get_opt(&name).await? {
        None => {
            let mut copy = ConfigMap { data: map.data.clone(), ..ConfigMap::default() };
            copy.metadata.name = Some(name);
            copy.metadata.owner_references = map.controller_owner_ref(&()).map(|owner| vec![owner]);
            maps.create(&PostParams::default(), &copy).await?;
        }
        Some(copy) if copy.data != map.data => {
            maps.patch(&name, &PatchParams::default(), &Patch::Merge(json!({"data": map.data}))).await?;
        }
        Some(_) => {}
    }
    Ok(Action::await_change())
}

/// Runs until it is dropped; errors are tried again, as a controller does.
async fn run(maps: Api<ConfigMap>) {
    let labelled = watcher::Config::default().labels("copied=yes");
    Controller::new(maps.clone(), labelled)
        .owns(maps.clone(), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_millis(200)), Arc::new(maps))
        .for_each(|_| async {})
        .await;
}

async fn maps(kubeconfig: &Path) -> Api<ConfigMap> {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let config = kube::config::Kubeconfig::from_yaml(&text).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
    Api::default_namespaced(Client::try_from(config).unwrap())
}

fn map(name: &str, step: &str) -> ConfigMap {
    let object = json!({"metadata": {"name": name, "labels": {"copied": "yes"}}, "data": {"step": step}});
    serde_json::from_value(object).unwrap()
}

/// Waits until a map, or that there is none, is as wanted.
async fn until(maps: &Api<ConfigMap>, name: &str, wanted: impl Fn(Option<&ConfigMap>) -> bool) {
    for _ in 0..ATTEMPTS {
        if wanted(maps.get_opt(name).await.unwrap().as_ref()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{name} is not as wanted: {:?}", maps.get_opt(name).await);
}

/// Whether a map is there and says this.
fn says(step: &str) -> impl Fn(Option<&ConfigMap>) -> bool {
    move |map| map.is_some_and(|map| map.data.as_ref().is_some_and(|data| data["step"] == step))
}

#[tokio::test]
async fn a_controller_goes_on_when_its_server_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &[]).unwrap();
    let address = server.access.address;
    let maps = maps(&server.kubeconfig).await;
    let controller = tokio::spawn(run(maps.clone()));
    let post = PostParams::default();
    maps.create(&post, &map("one", "1")).await.unwrap();
    until(&maps, "one-copy", says("1")).await;
    let change = Patch::Merge(json!({"data": {"step": "2"}}));
    maps.patch("one", &PatchParams::default(), &change).await.unwrap();
    until(&maps, "one-copy", says("2")).await;
    let before = maps.get("one-copy").await.unwrap().uid();

    server.kill();
    let _server = Server::start_on(&data, address, &[]).unwrap();
    maps.create(&post, &map("two", "1")).await.unwrap();
    until(&maps, "two-copy", says("1")).await;
    // Both watches go on: the one of what it owns brings back what somebody removes.
    maps.delete("one-copy", &DeleteParams::default()).await.unwrap();
    until(&maps, "one-copy", |map| map.is_some_and(|map| map.uid() != before)).await;
    // What it owns goes with its owner, by the server's own collector.
    maps.delete("one", &DeleteParams::default()).await.unwrap();
    until(&maps, "one-copy", |map| map.is_none()).await;
    let labelled = maps.list(&ListParams::default().labels("copied=yes")).await.unwrap();
    assert_eq!(labelled.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["two"]);
    controller.abort();
}
