//! The Node of this machine and its Lease, as a kubelet keeps them.
//!
//! Invariant: a Node that this agent did not make is never touched: another kubelet's pods are not its own. The taint
//! keeps a scheduler from putting anything here; who wants a pod here names the node, or tolerates the taint.

use super::metrics::Metrics;
use crate::api::Failure;
use jeton_core::clock::Clock;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The taint of nodes that are agents.
pub const TAINT: &str = "jeton.dev/agent";
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// Seconds between two renewals of the Lease. Kubernetes 1.36: 10.
const RENEW_SECONDS: u64 = 10;
/// Seconds after which a Lease counts as not renewed. Kubernetes 1.36: 40.
const LEASE_SECONDS: i64 = 40;
/// Renewals between two reports of the Node's status: five minutes, as a kubelet whose status does not change.
const RENEWALS_PER_STATUS: u64 = 30;
/// Seconds to wait for an answer.
const ANSWER_SECONDS: u64 = 10;
/// First and longest pause, in seconds, between attempts to register.
const MAX_PAUSE_SECONDS: u64 = 30;

/// The Node belongs to somebody else.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "node {name:?} exists and has no taint {TAINT}: it is another kubelet's. Choose another name, or delete it"
)]
pub struct NotOurs {
    /// Its name.
    pub name: String,
}

/// The Node of this machine.
pub(super) struct Own {
    nodes: Api<Node>,
    leases: Api<Lease>,
    clock: Clock,
    metrics: Arc<Metrics>,
    name: String,
    pods: usize,
    since: String,
}

impl Own {
    pub(super) fn new(client: &Client, clock: Clock, metrics: Arc<Metrics>, name: &str, pods: usize) -> Self {
        let leases = Api::namespaced(client.clone(), LEASE_NAMESPACE);
        let nodes = Api::all(client.clone());
        let since = clock.now().rfc3339();
        Self { nodes, leases, clock, metrics, name: name.to_owned(), pods, since }
    }

    async fn ask<T>(&self, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), request).await;
        let result = match answer {
            Ok(result) => result.map_err(|error| Failure::from(&error)),
            Err(_) => Err(Failure::late(ANSWER_SECONDS)),
        };
        if let Err(failure) = &result {
            self.metrics.failed(failure.code);
        }
        result
    }

    /// Makes the Node, or finds that it is there; tries for as long as nobody answers.
    ///
    /// # Errors
    /// The Node belongs to somebody else.
    pub(super) async fn register(&self) -> Result<(), NotOurs> {
        let mut pause = 1;
        loop {
            let failure = match self.ask(self.nodes.get_opt(&self.name)).await {
                Ok(Some(node)) if is_ours(&node) => return Ok(()),
                Ok(Some(_)) => return Err(NotOurs { name: self.name.clone() }),
                Ok(None) => match serde_json::from_value(self.wanted()) {
                    Ok(node) => match self.ask(self.nodes.create(&PostParams::default(), &node)).await {
                        Ok(_) => {
                            tracing::info!(node = self.name, "registered");
                            return Ok(());
                        }
                        Err(failure) => failure,
                    },
                    Err(error) => Failure { code: 0, why: error.to_string() },
                },
                Err(failure) => failure,
            };
            tracing::error!(node = self.name, error = %failure, "the node is not registered yet");
            tokio::time::sleep(Duration::from_secs(pause)).await;
            pause = (pause * 2).min(MAX_PAUSE_SECONDS);
        }
    }

    fn wanted(&self) -> Value {
        json!({
            "metadata": {"name": self.name, "labels": {
                "kubernetes.io/hostname": self.name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": architecture(),
            }},
            "spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]},
            "status": self.status(),
        })
    }

    fn status(&self) -> Value {
        let now = self.clock.now().rfc3339();
        let system = rustix::system::uname();
        let count = self.pods.to_string();
        json!({
            "capacity": {"pods": count},
            "allocatable": {"pods": count},
            "addresses": [{"type": "Hostname", "address": self.name}],
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "AgentReady",
                "message": "jeton agent keeps tokens and files of pods; it starts no containers",
                "lastHeartbeatTime": now, "lastTransitionTime": self.since,
            }],
            "nodeInfo": {
                "architecture": architecture(), "operatingSystem": "linux", "machineID": "", "systemUUID": "",
                "bootID": "", "osImage": "", "kubeProxyVersion": "", "containerRuntimeVersion": "",
                "kernelVersion": system.release().to_string_lossy(),
                "kubeletVersion": concat!("jeton-", env!("CARGO_PKG_VERSION")),
            },
        })
    }

    /// Renews the Lease and tells the status, for ever. A Node that was deleted is made anew.
    pub(super) async fn keep(&self) {
        let mut round = 0_u64;
        loop {
            if round.is_multiple_of(RENEWALS_PER_STATUS) {
                let patch = Patch::Strategic(json!({"status": self.status()}));
                let params = PatchParams::default();
                match self.ask(self.nodes.patch_status(&self.name, &params, &patch)).await {
                    Err(Failure { code: 404, .. }) => {
                        if let Err(error) = self.register().await {
                            tracing::error!(%error, "the node was replaced");
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the node's status was not told"),
                    Ok(_) => {}
                }
            }
            if let Err(error) = self.renew().await {
                tracing::warn!(node = self.name, %error, "the lease was not renewed");
            }
            tokio::time::sleep(Duration::from_secs(RENEW_SECONDS)).await;
            round += 1;
        }
    }

    async fn renew(&self) -> Result<(), Failure> {
        let spec = json!({
            "holderIdentity": self.name, "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": self.clock.now().rfc3339_micros(),
        });
        let patch = Patch::Merge(json!({"spec": spec}));
        let params = PatchParams::default();
        match self.ask(self.leases.patch(&self.name, &params, &patch)).await {
            Err(Failure { code: 404, .. }) => {}
            other => return other.map(|_| ()),
        }
        // Gone with the node, or not there yet. Without a node its pods would be collected.
        if let Err(error) = self.register().await {
            tracing::error!(%error, "the node was replaced");
        }
        let node = self.ask(self.nodes.get(&self.name)).await?;
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": node.metadata.uid});
        let metadata = json!({"name": self.name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]});
        let lease = serde_json::from_value(json!({"metadata": metadata, "spec": spec}));
        let lease: Lease = lease.map_err(|error| Failure { code: 0, why: error.to_string() })?;
        self.ask(self.leases.create(&PostParams::default(), &lease)).await.map(|_| ())
    }
}

fn is_ours(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    taints.into_iter().flatten().any(|taint| taint.key == TAINT)
}

/// As Go spells it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
