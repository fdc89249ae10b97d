//! Roles and bindings that a fresh server has, and that a later start puts right.
//!
//! Names and meanings are Kubernetes 1.36's, cut to the resources this server knows. A role whose annotation
//! `rbac.authorization.kubernetes.io/autoupdate` says `false` is left as its owner made it.

use super::rule::Rule;
use crate::objects::kind::text;
use crate::objects::kinds::{CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ENDPOINT_SLICE, NAMESPACE, SERVICE};
use crate::objects::{Kind, Registry, Write};
use crate::status::ApiError;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Role, verbs, API groups, resources (or paths, when they begin with `/`).
type Grant = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
const RBAC: &[&str] = &["rbac.authorization.k8s.io"];
const CORE: &[&str] = &[""];
const APPS: &[&str] = &["apps", "batch"];
const LEASES: &[&str] = &["coordination.k8s.io"];
const WORKLOADS: &[&str] = &[
    "cronjobs",
    "cronjobs/status",
    "daemonsets",
    "daemonsets/status",
    "deployments",
    "deployments/status",
    "jobs",
    "jobs/status",
    "replicasets",
    "replicasets/status",
    "statefulsets",
    "statefulsets/status",
];
const VIEWED: &[&str] = &[
    "configmaps",
    "events",
    "namespaces",
    "namespaces/status",
    "pods",
    "pods/status",
    "serviceaccounts",
    "services",
    "services/status",
];
const EDITED: &[&str] = &["configmaps", "events", "pods", "secrets", "serviceaccounts", "services"];

const GRANTS: &[Grant] = &[
    ("cluster-admin", &["*"], &["*"], &["*"]),
    ("cluster-admin", &["*"], &[], &["/*"]),
    (
        "system:discovery",
        &["get"],
        &[],
        &[
            "/api",
            "/api/*",
            "/apis",
            "/apis/*",
            "/healthz",
            "/livez",
            "/openapi",
            "/openapi/*",
            "/readyz",
            "/version",
            "/version/",
        ],
    ),
    ("system:public-info-viewer", &["get"], &[], &["/healthz", "/livez", "/readyz", "/version", "/version/"]),
    (
        "system:basic-user",
        &["create"],
        &["authorization.k8s.io"],
        &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    ),
    ("system:basic-user", &["create"], &["authentication.k8s.io"], &["selfsubjectreviews"]),
    (
        "system:service-account-issuer-discovery",
        &["get"],
        &[],
        &[
            "/.well-known/openid-configuration",
            "/.well-known/openid-configuration/",
            "/openid/v1/jwks",
            "/openid/v1/jwks/",
        ],
    ),
    (
        "system:monitoring",
        &["get"],
        &[],
        &[
            "/healthz",
            "/healthz/*",
            "/livez",
            "/livez/*",
            "/metrics",
            "/metrics/slis",
            "/readyz",
            "/readyz/*",
        ],
    ),
    ("system:auth-delegator", &["create"], &["authentication.k8s.io"], &["tokenreviews"]),
    ("system:auth-delegator", &["create"], &["authorization.k8s.io"], &["subjectaccessreviews"]),
    ("system:node", &["create"], &["authentication.k8s.io"], &["tokenreviews"]),
    (
        "system:node",
        &["create"],
        &["authorization.k8s.io"],
        &["localsubjectaccessreviews", "subjectaccessreviews"],
    ),
    ("system:node", READ, CORE, &["services"]),
    ("system:node", &["create", "get", "list", "watch", "delete", "patch", "update"], CORE, &["nodes"]),
    ("system:node", &["patch", "update"], CORE, &["nodes/status", "pods/status"]),
    ("system:node", &["create", "patch", "update"], CORE, &["events"]),
    ("system:node", &["get", "list", "watch", "create", "delete"], CORE, &["pods"]),
    ("system:node", READ, CORE, &["configmaps", "secrets"]),
    ("system:node", &["create", "get"], CORE, &["serviceaccounts", "serviceaccounts/token"]),
    ("system:node", &["create", "delete", "get", "patch", "update"], &["coordination.k8s.io"], &["leases"]),
    ("view", READ, CORE, VIEWED),
    ("view", READ, APPS, WORKLOADS),
    ("view", READ, &["discovery.k8s.io"], &["endpointslices"]),
    ("edit", READ, CORE, VIEWED),
    ("edit", READ, CORE, &["secrets"]),
    ("edit", READ, APPS, WORKLOADS),
    ("edit", READ, &["discovery.k8s.io"], &["endpointslices"]),
    ("edit", WRITE, CORE, EDITED),
    ("edit", WRITE, APPS, WORKLOADS),
    ("edit", READ, LEASES, &["leases"]),
    ("edit", WRITE, LEASES, &["leases"]),
    ("edit", &["create"], CORE, &["serviceaccounts/token"]),
    ("edit", &["impersonate"], CORE, &["serviceaccounts"]),
    ("admin", READ, CORE, VIEWED),
    ("admin", READ, CORE, &["secrets"]),
    ("admin", READ, APPS, WORKLOADS),
    ("admin", READ, &["discovery.k8s.io"], &["endpointslices"]),
    ("admin", WRITE, CORE, EDITED),
    ("admin", WRITE, APPS, WORKLOADS),
    ("admin", READ, LEASES, &["leases"]),
    ("admin", WRITE, LEASES, &["leases"]),
    ("admin", &["create"], CORE, &["serviceaccounts/token"]),
    ("admin", &["impersonate"], CORE, &["serviceaccounts"]),
    ("admin", &["create"], &["authorization.k8s.io"], &["localsubjectaccessreviews"]),
    ("admin", READ, RBAC, &["roles", "rolebindings"]),
    ("admin", WRITE, RBAC, &["roles", "rolebindings"]),
];

/// Binding and role of the same name, group.
const BINDINGS: &[(&str, &str)] = &[
    ("cluster-admin", "system:masters"),
    ("system:discovery", "system:authenticated"),
    ("system:basic-user", "system:authenticated"),
    ("system:public-info-viewer", "system:authenticated"),
    ("system:public-info-viewer", "system:unauthenticated"),
    ("system:service-account-issuer-discovery", "system:serviceaccounts"),
    ("system:monitoring", "system:monitoring"),
];

/// The service that stands for this server.
const SERVICE_NAME: &str = "kubernetes";
/// Namespaces every server has.
const NAMESPACES: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

const AUTOUPDATE: &str = "/metadata/annotations/rbac.authorization.kubernetes.io~1autoupdate";

/// Makes what is missing, and puts right what is ours.
///
/// # Errors
/// When the store fails.
pub async fn ensure(registry: &Registry) -> Result<(), ApiError> {
    for name in NAMESPACES {
        put_right(registry, &NAMESPACE, "", json!({"metadata": {"name": name}}), |_, _| true).await?;
    }
    for role in roles() {
        let same = |old: &Value, new: &Value| old["rules"] == new["rules"];
        put_right(registry, &CLUSTER_ROLE, "", role, same).await?;
    }
    for binding in bindings() {
        let same = |old: &Value, new: &Value| old["subjects"] == new["subjects"];
        put_right(registry, &CLUSTER_ROLE_BINDING, "", binding, same).await?;
    }
    Ok(())
}

/// The cluster roles of a fresh server, as objects.
pub fn roles() -> Vec<Value> {
    let mut names: Vec<&str> = GRANTS.iter().map(|(role, ..)| *role).collect();
    names.dedup();
    names.into_iter().map(role).collect()
}

/// The cluster role bindings of a fresh server, as objects.
pub fn bindings() -> Vec<Value> {
    let mut names: Vec<&str> = BINDINGS.iter().map(|(role, _)| *role).collect();
    names.dedup();
    names.into_iter().map(binding).collect()
}

/// Says where this server is: the service `kubernetes` and its slice. The service has no address of its own, for there
/// is no proxy that would serve one.
///
/// # Errors
/// When the store fails.
pub async fn announce(registry: &Registry, address: SocketAddr) -> Result<(), ApiError> {
    let port = |name: &str| json!({"name": name, "protocol": "TCP", "port": address.port()});
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let service = json!({
        "metadata": {"name": SERVICE_NAME, "labels": labels},
        "spec": {"clusterIP": "None", "ports": [port("https")]},
    });
    let same = |old: &Value, new: &Value| old["spec"]["ports"][0]["port"] == new["spec"]["ports"][0]["port"];
    put_right(registry, &SERVICE, "default", service, same).await?;
    let slice = json!({
        "metadata": {"name": SERVICE_NAME, "labels": {"kubernetes.io/service-name": SERVICE_NAME}},
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
        "ports": [port("https")],
    });
    let same =
        |old: &Value, new: &Value| old["endpoints"] == new["endpoints"] && old["ports"] == new["ports"];
    put_right(registry, &ENDPOINT_SLICE, "default", slice, same).await
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
    })
}

/// What every node may, beside what the node authorizer decides by its pods.
pub fn node_rules() -> Vec<Rule> {
    Rule::of_role(&role("system:node"))
}

fn role(name: &str) -> Value {
    let rules: Vec<Value> = GRANTS
        .iter()
        .filter(|(role, ..)| *role == name)
        .map(|(_, verbs, groups, resources)| match groups {
            [] => json!({"verbs": verbs, "nonResourceURLs": resources}),
            _ => json!({"verbs": verbs, "apiGroups": groups, "resources": resources}),
        })
        .collect();
    json!({"metadata": metadata(name), "rules": rules})
}

fn binding(name: &str) -> Value {
    let subjects: Vec<Value> = BINDINGS
        .iter()
        .filter(|(role, _)| *role == name)
        .map(|(_, group)| json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group}))
        .collect();
    json!({
        "metadata": metadata(name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": subjects,
    })
}

async fn put_right(
    registry: &Registry,
    kind: &Kind,
    namespace: &str,
    wanted: Value,
    same: impl Fn(&Value, &Value) -> bool,
) -> Result<(), ApiError> {
    let name = text(&wanted, "/metadata/name").to_owned();
    match registry.get(kind, namespace, &name) {
        Err(ApiError::NotFound(_)) => match registry.create(kind, namespace, wanted, false).await {
            Ok(_) | Err(ApiError::AlreadyExists(_)) => Ok(()),
            Err(error) => Err(error),
        },
        Ok(old) if text(&old, AUTOUPDATE) == "false" || same(&old, &wanted) => Ok(()),
        Ok(mut old) => {
            for key in ["rules", "subjects", "spec", "endpoints", "ports"] {
                if !wanted[key].is_null() {
                    old[key] = wanted[key].clone();
                }
            }
            registry.update(kind, namespace, &name, old, Write::default()).await.map(|_| ())
        }
        Err(error) => Err(error),
    }
}
