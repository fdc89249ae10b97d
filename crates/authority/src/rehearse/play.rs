//! One release, lived through: every workload's pod is made, and its tokens are looked at.

use super::manifests::{Manifests, Workload};
use crate::flow::issue::issue;
use crate::objects::kind::text;
use crate::objects::kinds::{POD, SECRET, SERVICE_ACCOUNT};
use crate::signer::LocalSigner;
use crate::status::ApiError;
use crate::world::{World, WorldError};
use jeton_core::clock::Clock;
use jeton_core::issue::Ask;
use jeton_core::release::{Gate, Release};
use jeton_core::wire::BoundObjectRef;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Where programs look for their token.
pub(super) const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where a container's token comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "from")]
pub enum TokenSource {
    /// A Secret that holds a token without end.
    Secret {
        /// Its name; the random end of a Secret that was made by itself is shown as `…`.
        name: String,
    },
    /// A projected volume: a token that is written anew before it ends.
    #[serde(rename_all = "camelCase")]
    Projected {
        /// Seconds asked for.
        requested_seconds: i64,
        /// Seconds after which a program that keeps the first token is refused.
        lifetime_seconds: i64,
    },
    /// Something else is mounted where the token is looked for.
    Other {
        /// Name of the volume.
        volume: String,
    },
    /// Nothing is mounted there.
    Nothing,
}

/// The token of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerToken {
    /// The container.
    pub container: String,
    /// Where its token comes from.
    #[serde(flatten)]
    pub source: TokenSource,
}

/// What a workload is given in one release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Given {
    /// Such as `1.21`.
    pub version: String,
    /// Whether a Secret with a token is made for its account by itself.
    pub account_secret: bool,
    /// The tokens of its containers; empty when the pod is refused.
    pub tokens: Vec<ContainerToken>,
    /// Why its pod is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Plays all workloads in one release; the answers are in their order.
pub(super) async fn play(
    manifests: &Manifests,
    minor: u16,
    clock: Clock,
    signer: Arc<LocalSigner>,
) -> Result<Vec<Given>, WorldError> {
    let release = Release::of(minor);
    let world = World::new(release, clock, signer).await?;
    prepare(&world, manifests).await.map_err(|error| WorldError::Objects(error.message()))?;
    let mut all = Vec::with_capacity(manifests.workloads.len());
    for (at, workload) in manifests.workloads.iter().enumerate() {
        let (tokens, refused) = match pod(&world, workload, at).await {
            Ok(pod) => (tokens(&world, &pod, workload), None),
            Err(error) => (Vec::new(), Some(error.message())),
        };
        let account_secret = !release.has(Gate::NoAutoGeneration);
        all.push(Given { version: format!("1.{minor}"), account_secret, tokens, refused });
    }
    Ok(all)
}

/// Namespaces, accounts and Secrets; an account that no manifest brings is taken to be in the cluster.
async fn prepare(world: &World, manifests: &Manifests) -> Result<(), ApiError> {
    let beside = || manifests.accounts.iter().chain(&manifests.secrets);
    let namespaces = beside().map(|object| text(object, "/metadata/namespace"));
    for namespace in namespaces.chain(manifests.workloads.iter().map(|w| w.namespace.as_str())) {
        world.namespace(namespace).await?;
    }
    for account in &manifests.accounts {
        // One that is made by itself, such as `default`, is there already: what the manifest says of it counts.
        let (namespace, name) = (text(account, "/metadata/namespace"), text(account, "/metadata/name"));
        match world.registry.delete(&SERVICE_ACCOUNT, namespace, name, &Default::default()).await {
            Ok(_) | Err(ApiError::NotFound(_) | ApiError::BadRequest(_)) => {}
            Err(error) => return Err(error),
        }
        world.registry.create(&SERVICE_ACCOUNT, namespace, account.clone(), false).await?;
    }
    world.settle().await;
    for workload in &manifests.workloads {
        let body = json!({"metadata": {"name": workload.account()}});
        match world.registry.create(&SERVICE_ACCOUNT, &workload.namespace, body, false).await {
            // A name that cannot be one is told when its pod is refused.
            Ok(_) | Err(ApiError::AlreadyExists(_) | ApiError::Invalid(..)) => {}
            Err(error) => return Err(error),
        }
    }
    for secret in &manifests.secrets {
        let namespace = text(secret, "/metadata/namespace");
        match world.registry.create(&SECRET, namespace, secret.clone(), false).await {
            Ok(_) | Err(ApiError::AlreadyExists(_) | ApiError::Invalid(..)) => {}
            Err(error) => return Err(error),
        }
    }
    world.settle().await;
    Ok(())
}

async fn pod(world: &World, workload: &Workload, at: usize) -> Result<Value, ApiError> {
    let mut body = workload.pod.clone();
    // Restart policies of jobs are theirs to set; a pod that names a node is none of the rehearsal's.
    body["metadata"]["name"] = json!(format!("pod-{at}"));
    world.registry.create(&POD, &workload.namespace, body, false).await
}

fn tokens(world: &World, pod: &Value, workload: &Workload) -> Vec<ContainerToken> {
    let groups = ["initContainers", "containers"].into_iter();
    let containers = groups.flat_map(|group| pod["spec"][group].as_array().into_iter().flatten());
    containers
        .map(|container| ContainerToken {
            container: text(container, "/name").to_owned(),
            source: source(world, pod, container, workload),
        })
        .collect()
}

fn source(world: &World, pod: &Value, container: &Value, workload: &Workload) -> TokenSource {
    let mounts = container["volumeMounts"].as_array().into_iter().flatten();
    let at_path = |m: &&Value| text(m, "/mountPath").trim_end_matches('/') == MOUNT_PATH;
    let Some(mount) = mounts.into_iter().find(at_path) else { return TokenSource::Nothing };
    let volume_name = text(mount, "/name");
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let volume = volumes.into_iter().find(|v| text(v, "/name") == volume_name).unwrap_or(&Value::Null);
    let secret = text(volume, "/secret/secretName");
    if !secret.is_empty() {
        return TokenSource::Secret { name: shown_secret(secret, workload) };
    }
    let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
    let token = sources.into_iter().flatten().map(|s| &s["serviceAccountToken"]).find(|t| t.is_object());
    let Some(token) = token else { return TokenSource::Other { volume: volume_name.to_owned() } };
    let requested_seconds = token["expirationSeconds"].as_i64().unwrap_or(3600);
    let lifetime_seconds = lifetime(world, pod, token, workload).unwrap_or(requested_seconds);
    TokenSource::Projected { requested_seconds, lifetime_seconds }
}

/// A Secret that the world made for this account has another name in every world.
fn shown_secret(secret: &str, workload: &Workload) -> String {
    let own = format!("{}-token-", workload.account());
    let written = workload.pod.to_string().contains(&format!("\"{secret}\""));
    if secret.starts_with(&own) && !written { format!("{own}…") } else { secret.to_owned() }
}

/// How long a token really lives: one is issued.
fn lifetime(world: &World, pod: &Value, token: &Value, workload: &Workload) -> Option<i64> {
    let name = pod["metadata"]["name"].as_str()?.into();
    let bound = BoundObjectRef { kind: "Pod".into(), name, ..BoundObjectRef::default() };
    let audience = text(token, "/audience").to_owned();
    let audiences = if audience.is_empty() { Vec::new() } else { vec![audience] };
    let ask = Ask {
        namespace: &workload.namespace,
        account: workload.account(),
        body_name: "",
        body_uid: "",
        audiences: &audiences,
        expiration_seconds: token["expirationSeconds"].as_i64(),
        bound: Some(&bound),
    };
    let claims = issue(&world.tokens, &ask).ok()?.draft.claims;
    Some(claims.expires? - claims.issued_at?)
}
