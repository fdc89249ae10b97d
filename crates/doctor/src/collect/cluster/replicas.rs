//! The counters of every API server: each at its own address, else by sampling the one address before them.

use super::api::{Get, JSON, TEXT};
use super::ask::Asker;
use super::gap::{REPLICAS_UNSEEN, Refused, Subject};
use super::limits::{
    MAX_ANSWER_BYTES, MAX_DIRECT_FAILURES, MAX_REASON_BYTES, MAX_REPLICAS, MAX_SAMPLES, MIN_SAMPLES,
};
use super::metrics::{merge, replica};
use super::text::clean;
use crate::facts::{Cluster, Missing, Replica};
use crate::limits::MAX_METRICS_BYTES;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::IpAddr;

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
/// Kubernetes 1.36: the service of the API servers themselves.
const OF_SERVICE: &str = "kubernetes.io/service-name=kubernetes";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Slice {
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<Port>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    addresses: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port {
    port: Option<u16>,
}

/// Fills the cluster's replicas.
pub(super) fn read(asker: &mut Asker<'_>, cluster: &mut Cluster) {
    let addresses = match addresses(asker) {
        Ok(addresses) => Some(addresses),
        Err(refused) => {
            cluster.unknown.push(refused.missing(Subject::Endpoints));
            None
        }
    };
    let several = addresses.as_ref().is_some_and(|a| a.len() > 1);
    let mut silent = Vec::new();
    if several {
        silent = directly(asker, addresses.as_deref().unwrap_or_default(), &mut cluster.replicas);
        if silent.is_empty() {
            return;
        }
    }
    let wanted = addresses.as_ref().map(Vec::len);
    if cluster.replicas.is_empty()
        && let Err(refused) = sample(asker, wanted, &mut cluster.replicas)
    {
        cluster.unknown.push(refused.missing(Subject::Metrics));
        return;
    }
    let seen = cluster.replicas.len();
    let detail = match wanted {
        Some(wanted) if seen == wanted.max(1) => return,
        Some(wanted) if seen < wanted => {
            format!("{seen}/{wanted}; {}", silent.join(", "))
        }
        // More than there are addresses: a load balancer stands behind one of them.
        _ => format!("{seen}/?"),
    };
    cluster.unknown.push(Missing { id: REPLICAS_UNSEEN, detail: clean(&detail, MAX_REASON_BYTES) });
}

/// `10.0.0.1:6443` of every API server. Only literal addresses: a name could lead anywhere.
fn addresses(asker: &mut Asker<'_>) -> Result<Vec<String>, Refused> {
    let get = Get {
        path: SLICES.to_owned(),
        query: vec![("labelSelector", OF_SERVICE.to_owned())],
        accept: JSON,
        max_bytes: MAX_ANSWER_BYTES,
        ..Get::default()
    };
    let mut found = BTreeSet::new();
    asker.list(&get, |slice: Slice| {
        let port = slice.ports.iter().flatten().find_map(|p| p.port).unwrap_or(443);
        let all = slice.endpoints.iter().flatten().flat_map(|e| e.addresses.iter().flatten());
        for ip in all.filter_map(|a| a.parse::<IpAddr>().ok()).take(MAX_REPLICAS) {
            found.insert(std::net::SocketAddr::new(ip, port).to_string());
        }
    })?;
    Ok(found.into_iter().take(MAX_REPLICAS).collect())
}

fn page() -> Get {
    Get { path: "/metrics".to_owned(), accept: TEXT, max_bytes: MAX_METRICS_BYTES, ..Get::default() }
}

/// Asks each address; gives back those that did not answer.
fn directly(asker: &mut Asker<'_>, addresses: &[String], replicas: &mut Vec<Replica>) -> Vec<String> {
    let mut silent = Vec::new();
    for address in addresses {
        let answer = if silent.len() >= MAX_DIRECT_FAILURES && replicas.is_empty() {
            None
        } else {
            asker.get(&Get { direct: Some(address.clone()), ..page() }).ok()
        };
        match answer.and_then(|page| replica(&page)) {
            Some(one) => replicas.push(Replica { name: address.clone(), ..one }),
            None => silent.push(address.clone()),
        }
    }
    silent
}

/// Samples the one address until all that are wanted were met, or luck has had its chances.
fn sample(asker: &mut Asker<'_>, wanted: Option<usize>, replicas: &mut Vec<Replica>) -> Result<(), Refused> {
    let samples = match wanted {
        Some(wanted) if wanted > 1 => wanted.saturating_mul(4).min(MAX_SAMPLES),
        // Managed clusters show one address, whatever stands behind it.
        _ => MIN_SAMPLES,
    };
    for taken in 0..samples {
        if wanted.is_some_and(|wanted| wanted > 1 && replicas.len() >= wanted) {
            break;
        }
        match asker.get(&page()) {
            Ok(page) => match replica(&page) {
                Some(one) => merge(replicas, Replica { name: "unknown".to_owned(), ..one }),
                None if taken == 0 => {
                    return Err(Refused::nonsense("the page has no counter of kube-apiserver"));
                }
                None => {}
            },
            Err(refused) if taken == 0 => return Err(refused),
            Err(_) => break,
        }
    }
    replicas.sort_by_key(|one| one.started);
    let mut names = BTreeSet::new();
    for one in replicas.iter_mut() {
        let Some(at) = one.started else { continue };
        one.name = at.rfc3339();
        if !names.insert(one.name.clone()) {
            // Started within the same second.
            one.name = at.rfc3339_micros();
        }
    }
    Ok(())
}
