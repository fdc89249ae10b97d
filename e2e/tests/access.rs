//! Who may do what: as somebody else, with rights that are handed out, and as a node.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::client::{Answer, As};
use e2e::server::Server;
use serde_json::{Value, json};

const NS: &str = "/api/v1/namespaces/default";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

struct Lab {
    _dir: tempfile::TempDir,
    server: Server,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("data"), &[]).unwrap();
        Self { _dir: dir, server }
    }

    fn admin(&self, method: &str, path: &str, body: Value) -> Answer {
        self.server.access.ask(&As::Admin, method, path, Some(&body)).unwrap()
    }

    fn made(&self, path: &str, body: Value) -> Value {
        let answer = self.admin("POST", path, body);
        assert_eq!(answer.status, 201, "{:?}", answer.value());
        answer.value()
    }

    /// A request of the administrator as somebody else.
    fn acting(&self, user: &str, groups: &[&str], method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut headers = vec![("Content-Type", "application/json"), ("Impersonate-User", user)];
        headers.extend(groups.iter().map(|group| ("Impersonate-Group", *group)));
        let body = body.map(Value::to_string);
        let bytes = body.as_deref().map(str::as_bytes);
        self.server.access.send(&As::Admin, method, path, &headers, bytes).unwrap()
    }

    fn node(&self, name: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.acting(&format!("system:node:{name}"), &["system:nodes"], method, path, body)
    }
}

fn message(answer: &Answer) -> String {
    answer.value()["message"].as_str().unwrap_or("").to_owned()
}

fn cluster_binding(name: &str, role: &str, user: &str) -> Value {
    let subject = json!({"kind": "User", "name": user});
    json!({"metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [subject]})
}

/// All rights in a namespace are none over the cluster, whatever the path looks like.
#[test]
fn nothing_of_the_cluster_is_reached_through_a_namespace() {
    let lab = Lab::new();
    let mut binding = cluster_binding("owner", "cluster-admin", "owner");
    binding["metadata"]["namespace"] = json!("default");
    lab.made(&format!("{RBAC}/namespaces/default/rolebindings"), binding);
    let owner =
        |method: &str, path: &str, body: Option<&Value>| lab.acting("owner", &[], method, path, body).status;
    assert_eq!(owner("GET", &format!("{NS}/pods"), None), 200);
    assert_eq!(owner("GET", NS, None), 200);
    assert_eq!(owner("GET", "/api/v1/nodes", None), 403);
    let object = json!({"metadata": {"name": "evil"}});
    let review = json!({"spec": {"token": "x"}});
    for (method, path, body) in [
        ("GET", format!("{NS}/nodes"), None),
        ("GET", format!("{NS}/nodes/n"), None),
        ("GET", format!("{NS}/nodes?watch=1"), None),
        ("POST", format!("{NS}/nodes"), Some(&object)),
        ("GET", format!("{NS}/namespaces"), None),
        ("GET", format!("{NS}/namespaces/kube-system"), None),
        ("DELETE", format!("{NS}/namespaces/kube-system"), None),
        ("POST", format!("{NS}/namespaces"), Some(&object)),
        ("GET", format!("{RBAC}/namespaces/default/clusterroles"), None),
        ("POST", format!("{RBAC}/namespaces/default/clusterrolebindings"), Some(&object)),
        ("POST", "/apis/authentication.k8s.io/v1/namespaces/default/tokenreviews".to_owned(), Some(&review)),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/namespaces/default/subjectaccessreviews".to_owned(),
            Some(&review),
        ),
        ("GET", "/apis/jeton.dev/v1/namespaces/default/signingkeys".to_owned(), None),
        ("POST", "/apis/jeton.dev/v1/namespaces/default/signingkeys".to_owned(), Some(&object)),
    ] {
        assert_eq!(owner(method, &path, body), 404, "{method} {path}");
    }
}

#[test]
fn acting_as_somebody_else_is_a_right_and_shows_whom() {
    let lab = Lab::new();
    let review = json!({"spec": {}});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let who = lab.acting("jane", &["dev"], "POST", path, Some(&review)).value();
    assert_eq!(who["status"]["userInfo"]["groups"], json!(["dev", "system:authenticated"]));
    // Jane has no right to be anybody.
    let role = json!({"metadata": {"name": "be-bob"}, "rules": [
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"]}]});
    lab.made(&format!("{RBAC}/clusterroles"), role);
    lab.made(
        &format!("{RBAC}/clusterrolebindings"),
        cluster_binding("be-bob", "be-bob", "system:serviceaccount:default:default"),
    );
    let token = lab.made(&format!("{NS}/serviceaccounts/default/token"), json!({}));
    let token = As::Token(token["status"]["token"].as_str().unwrap());
    for (headers, status, words) in [
        (vec![("Impersonate-User", "bob")], 201, ""),
        (vec![("Impersonate-User", "eve")], 403, "cannot impersonate resource \"users\""),
        (
            vec![("Impersonate-User", "bob"), ("Impersonate-Group", "x")],
            403,
            "cannot impersonate resource \"groups\"",
        ),
        (vec![("Impersonate-Group", "x")], 400, "Impersonate-User"),
    ] {
        let headers = [headers.clone(), vec![("Content-Type", "application/json")]].concat();
        let answer = lab.server.access.send(&token, "POST", path, &headers, Some(b"{}")).unwrap();
        assert_eq!(answer.status, status, "{headers:?}: {}", message(&answer));
        assert!(message(&answer).contains(words), "{}", message(&answer));
    }
}

#[test]
fn nobody_hands_out_more_than_they_have() {
    let lab = Lab::new();
    lab.made(&format!("{RBAC}/clusterrolebindings"), cluster_binding("admins", "admin", "jane"));
    let roles = format!("{RBAC}/namespaces/default/roles");
    let role = |name: &str, resource: &str| json!({"metadata": {"name": name}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": [resource]}]});
    let as_jane = |path: &str, body: &Value| lab.acting("jane", &[], "POST", path, Some(body));
    assert_eq!(as_jane(&roles, &role("pods", "pods")).status, 201);
    let refused = as_jane(&roles, &role("nodes", "nodes"));
    assert_eq!(refused.status, 403);
    let text = message(&refused);
    assert!(text.ends_with("is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}"), "{text}");
    // An update may not do what a creation may not; one that changes no rule may.
    let update = |body: &Value| lab.acting("jane", &[], "PUT", &format!("{roles}/pods"), Some(body)).status;
    assert_eq!(update(&role("pods", "nodes")), 403);
    assert_eq!(update(&role("pods", "pods")), 200);
    let bindings = format!("{RBAC}/namespaces/default/rolebindings");
    let bind = |role: &str| json!({"metadata": {"name": role}, "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [{"kind": "User", "name": "eve"}]});
    assert_eq!(as_jane(&bindings, &bind("view")).status, 201);
    assert_eq!(as_jane(&bindings, &bind("cluster-admin")).status, 403);
    assert_eq!(as_jane(&bindings, &bind("no-such-role")).status, 404);
}

#[test]
fn questions_about_access_are_answered_with_the_reason() {
    let lab = Lab::new();
    lab.made(&format!("{RBAC}/clusterrolebindings"), cluster_binding("views", "view", "jane"));
    let ask = |kind: &str, spec: Value| {
        lab.admin("POST", &format!("/apis/authorization.k8s.io/v1/{kind}"), json!({"spec": spec}))
    };
    for (spec, allowed) in [
        (
            json!({"user": "jane", "resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "a"}}),
            true,
        ),
        (
            json!({"user": "jane", "resourceAttributes": {"verb": "list", "resource": "secrets", "namespace": "a"}}),
            false,
        ),
        (
            json!({"user": "eve", "groups": ["system:masters"], "resourceAttributes": {"verb": "x", "resource": "y"}}),
            true,
        ),
        (json!({"user": "jane", "nonResourceAttributes": {"verb": "get", "path": "/metrics"}}), false),
    ] {
        let answer = ask("subjectaccessreviews", spec.clone()).value();
        assert_eq!(answer["status"]["allowed"], allowed, "{spec}: {answer}");
        if spec["user"] == "jane" && allowed {
            let why = r#"RBAC: allowed by ClusterRoleBinding "views" of ClusterRole "view" to User "jane""#;
            assert_eq!(answer["status"]["reason"], why);
        }
    }
    for bad in [
        json!({"user": "jane"}),
        json!({"resourceAttributes": {"verb": "get", "resource": "pods"}}),
        json!({"user": "j", "resourceAttributes": {}, "nonResourceAttributes": {}}),
    ] {
        assert_eq!(ask("subjectaccessreviews", bad.clone()).status, 422, "{bad}");
    }
    let local = "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews";
    let elsewhere = json!({"spec": {"user": "jane", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "a"}}});
    assert_eq!(lab.admin("POST", local, elsewhere).status, 422);
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let rules = lab.acting("jane", &[], "POST", path, Some(&json!({"spec": {"namespace": "a"}}))).value();
    let rules = rules["status"]["resourceRules"].as_array().unwrap().clone();
    assert!(rules.iter().any(|r| r["resources"].as_array().unwrap().contains(&json!("pods"))), "{rules:?}");
}

#[test]
fn a_node_sees_and_gets_what_its_pods_need() {
    let lab = Lab::new();
    lab.made(&format!("{NS}/configmaps"), json!({"metadata": {"name": "other"}}));
    let pod = |name: &str, node: &str| json!({"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}});
    let uid = lab.made(&format!("{NS}/pods"), pod("mine", "n1"))["metadata"]["uid"].clone();
    let foreign = lab.made(&format!("{NS}/pods"), pod("foreign", "n2"))["metadata"]["uid"].clone();
    let status = |method: &str, path: &str| lab.node("n1", method, path, None).status;
    for (path, want) in [
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", 403),
        ("/api/v1/pods", 403),
        ("/api/v1/namespaces/default/pods/mine", 200),
        ("/api/v1/namespaces/default/pods/foreign", 403),
        ("/api/v1/namespaces/default/configmaps/kube-root-ca.crt", 200),
        ("/api/v1/namespaces/default/configmaps?fieldSelector=metadata.name%3Dkube-root-ca.crt", 200),
        ("/api/v1/namespaces/default/configmaps/other", 403),
        ("/api/v1/namespaces/default/configmaps", 403),
        ("/api/v1/namespaces/default/serviceaccounts/default", 200),
        ("/api/v1/nodes/n2", 403),
        ("/apis/coordination.k8s.io/v1/namespaces/default/leases/n1", 403),
    ] {
        assert_eq!(status("GET", path), want, "{path}");
    }
    let made = lab.node("n1", "POST", "/api/v1/nodes", Some(&json!({"metadata": {"name": "n1"}})));
    assert_eq!(made.status, 201);
    let other = lab.node("n1", "POST", "/api/v1/nodes", Some(&json!({"metadata": {"name": "n3"}})));
    assert_eq!((other.status, message(&other).contains("is not allowed to modify node")), (403, true));
    let lease = json!({"metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1"}});
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    assert_eq!(lab.node("n1", "POST", leases, Some(&lease)).status, 201);
    let token = |pod: &str, uid: &Value, audiences: Value| {
        let bound = json!({"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid});
        let body = json!({"spec": {"boundObjectRef": bound, "audiences": audiences}});
        lab.node("n1", "POST", &format!("{NS}/serviceaccounts/default/token"), Some(&body))
    };
    for (pod, uid, audiences, status, words) in [
        ("mine", &uid, json!([]), 201, ""),
        ("mine", &json!(""), json!([]), 403, "node requested token with a pod binding without a uid"),
        ("mine", &json!("x"), json!([]), 403, "does not match the UID in record"),
        ("gone", &uid, json!([]), 404, "pod \"gone\" not found"),
        (
            "foreign",
            &foreign,
            json!([]),
            403,
            "node requested token bound to a pod scheduled on a different node",
        ),
        ("mine", &uid, json!(["vault"]), 403, "audience \"vault\" not found in pod spec volume"),
        ("mine", &uid, json!(["a", "b"]), 403, "node may only request 0 or 1 audiences"),
    ] {
        let answer = token(pod, uid, audiences.clone());
        assert_eq!(answer.status, status, "{pod} {audiences}: {}", message(&answer));
        assert!(message(&answer).contains(words), "{}", message(&answer));
    }
    assert_eq!(status("DELETE", "/api/v1/namespaces/default/pods/foreign"), 403);
    assert_eq!(status("DELETE", "/api/v1/namespaces/default/pods/mine?gracePeriodSeconds=0"), 200);
    assert_eq!(token("mine", &uid, json!([])).status, 403, "the account is no longer related");
}
