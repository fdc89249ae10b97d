//! ConfigMaps and Secrets, one at a time: a node may read those that its pods name, by name, and no others.

use super::{Context, Failure, Slot};
use crate::wanted::ObjectKind;
use futures_util::StreamExt;
use jeton_core::deliver::Bytes;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch;

/// The data of an object, by key.
pub type Data = BTreeMap<String, Bytes>;

/// Whether there is one.
#[derive(Clone, Debug, Default)]
pub enum Found {
    /// Nobody has answered yet.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// This is in it.
    Data(Arc<Data>),
}

/// What is known of an object.
#[derive(Clone, Debug, Default)]
pub struct ObjectSeen {
    /// As it last was.
    pub found: Found,
    /// Why nothing newer is known.
    pub trouble: Option<String>,
}

impl Context {
    /// An object whose data become files.
    pub fn object(self: &Arc<Self>, kind: ObjectKind, namespace: &str, name: &str) -> Arc<Slot<ObjectSeen>> {
        let key = (kind, namespace.to_owned(), name.to_owned());
        let (client, namespace, name) = (self.client.clone(), namespace.to_owned(), name.to_owned());
        self.objects.get(key, |sender| async move {
            match kind {
                ObjectKind::ConfigMap => look(Api::namespaced(client, &namespace), &name, sender, map).await,
                ObjectKind::Secret => look(Api::namespaced(client, &namespace), &name, sender, secret).await,
            }
        })
    }
}

fn map(object: ConfigMap) -> Data {
    let text =
        object.data.into_iter().flatten().map(|(key, value)| (key, Arc::new(value.into_bytes().into())));
    let bytes = object.binary_data.into_iter().flatten().map(|(key, value)| (key, Arc::new(value.0.into())));
    text.chain(bytes).collect()
}

fn secret(object: Secret) -> Data {
    object.data.into_iter().flatten().map(|(key, value)| (key, Arc::new(value.0.into()))).collect()
}

async fn look<K>(api: Api<K>, name: &str, sender: watch::Sender<ObjectSeen>, data: fn(K) -> Data)
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + 'static,
    K: serde::de::DeserializeOwned,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut listed = Found::Missing;
    while let Some(event) = events.next().await {
        let found = match event {
            Ok(watcher::Event::Init) => {
                listed = Found::Missing;
                continue;
            }
            Ok(watcher::Event::InitApply(object)) => {
                listed = Found::Data(Arc::new(data(object)));
                continue;
            }
            Ok(watcher::Event::InitDone) => std::mem::take(&mut listed),
            Ok(watcher::Event::Apply(object)) => Found::Data(Arc::new(data(object))),
            Ok(watcher::Event::Delete(_)) => Found::Missing,
            Err(error) => {
                let why = Failure::from(&error).why;
                sender.send_if_modified(|seen| seen.trouble.replace(why.clone()).as_ref() != Some(&why));
                continue;
            }
        };
        sender.send_replace(ObjectSeen { found, trouble: None });
    }
}
