//! Real kubectl, built from its Go module, against a real server: issue, look, delete, and the token is dead.
//!
//! Needs the feature `kubectl`, which `cargo xtask test` turns on once it has built the program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its counts"
)]

use e2e::client::As;
use e2e::server::{Server, target};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

struct Lab {
    dir: tempfile::TempDir,
    server: Server,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("data"), &[]).unwrap();
        Self { dir, server }
    }

    fn try_run(&self, args: &[&str]) -> Output {
        Command::new(target().join("kubectl/new/kubectl"))
            .arg("--kubeconfig")
            .arg(&self.server.kubeconfig)
            .arg("--cache-dir")
            .arg(self.dir.path().join("cache"))
            .args(args)
            .env("HOME", self.dir.path())
            .output()
            .unwrap()
    }

    fn run(&self, args: &[&str]) -> String {
        let out = self.try_run(args);
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "kubectl {args:?}: {error}");
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    fn apply(&self, name: &str, object: &Value) {
        let path = self.dir.path().join(name);
        std::fs::write(&path, object.to_string()).unwrap();
        self.run(&["create", "-f", path.to_str().unwrap()]);
    }

    fn review(&self, token: &str) -> Value {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        self.server.access.ask(&As::Admin, "POST", path, Some(&body)).unwrap().value()["status"].clone()
    }
}

fn claims(token: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"serviceAccountName": "builder", "containers": [{"name": "c", "image": "i"}]}})
}

#[test]
fn a_token_lives_and_dies_with_its_pod() {
    let lab = Lab::new();
    lab.run(&["create", "serviceaccount", "builder"]);
    lab.apply("pod.json", &pod());
    let token =
        lab.run(&["create", "token", "builder", "--bound-object-kind", "Pod", "--bound-object-name", "web"]);
    assert_eq!(lab.review(&token)["authenticated"], true);
    lab.run(&["delete", "pod", "web", "--grace-period=0", "--force", "--wait=false"]);
    let refused = lab.review(&token);
    assert_eq!(refused["authenticated"], Value::Null);
    assert_eq!(refused["error"], "[invalid bearer token, service account token has been invalidated]");
}

#[test]
fn create_token_with_each_flag() {
    let lab = Lab::new();
    lab.run(&["create", "serviceaccount", "builder"]);
    lab.apply("pod.json", &pod());
    lab.run(&["create", "secret", "generic", "lease"]);
    let uid = lab.run(&["get", "pod", "web", "-o", "jsonpath={.metadata.uid}"]);
    let create = |more: &[&str]| {
        let args = [&["create", "token", "builder"][..], more].concat();
        claims(&lab.run(&args))
    };
    let lifetime = |c: &Value| c["exp"].as_i64().unwrap() - c["iat"].as_i64().unwrap();
    let plain = create(&[]);
    assert_eq!(
        (lifetime(&plain), plain["sub"].as_str()),
        (3600, Some("system:serviceaccount:default:builder"))
    );
    assert_eq!(lifetime(&create(&["--duration", "10m"])), 600);
    let audiences = create(&["--audience", "vault", "--audience", "other"]);
    assert_eq!(audiences["aud"], json!(["vault", "other"]));
    let pod =
        create(&["--bound-object-kind", "Pod", "--bound-object-name", "web", "--bound-object-uid", &uid]);
    assert_eq!(pod["kubernetes.io"]["pod"], json!({"name": "web", "uid": uid}));
    let secret = create(&["--bound-object-kind", "Secret", "--bound-object-name", "lease"]);
    assert_eq!(secret["kubernetes.io"]["secret"]["name"], "lease");
    let whole = lab.run(&["create", "token", "builder", "-o", "json"]);
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(
        (whole["kind"].as_str(), &whole["spec"]["expirationSeconds"]),
        (Some("TokenRequest"), &json!(3600))
    );
    for (args, words) in [
        (&["create", "token", "ghost"][..], "serviceaccounts \"ghost\" not found"),
        (
            &["create", "token", "builder", "--duration", "5m"],
            "may not specify a duration less than 10 minutes",
        ),
    ] {
        let out = lab.try_run(args);
        assert_eq!(out.status.code(), Some(1));
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn get_delete_whoami_and_raw() {
    let lab = Lab::new();
    lab.run(&["create", "namespace", "ci"]);
    lab.run(&["-n", "ci", "create", "configmap", "settings", "--from-literal=a=b"]);
    assert_eq!(lab.run(&["-n", "ci", "get", "configmap", "settings", "-o", "jsonpath={.data.a}"]), "b");
    let listed = lab.run(&["-n", "ci", "get", "cm", "-o", "name"]);
    assert!(listed.lines().any(|l| l == "configmap/settings"), "{listed}");
    let shown = lab.run(&["-n", "ci", "get", "configmaps"]);
    assert!(shown.starts_with("NAME") && shown.contains("settings"), "{shown}");
    assert!(lab.run(&["-n", "ci", "delete", "configmap", "settings", "--wait=false"]).contains("deleted"));
    let gone = lab.try_run(&["-n", "ci", "get", "configmap", "settings"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(lab.run(&["auth", "whoami"]).contains("system:masters"));
    assert_eq!(lab.run(&["get", "--raw", "/readyz"]), "ok");
    let keys: Value = serde_json::from_str(&lab.run(&["get", "--raw", "/openid/v1/jwks"])).unwrap();
    assert_eq!(keys["keys"][0]["alg"], "RS256");
    assert!(lab.run(&["version"]).contains("v1.36"));
    assert!(Path::new(&lab.server.kubeconfig).exists());
}

/// A command, and a fragment that its output must hold; each row sees what the rows before it left.
const TABLE: &[(&str, &str)] = &[
    ("create sa builder", "serviceaccount/builder created"),
    ("create role reader --verb=get --resource=pods", "role.rbac.authorization.k8s.io/reader created"),
    ("create rolebinding r --role=reader --serviceaccount=default:builder", "/r created"),
    ("create clusterrole cr --verb=list --resource=nodes", "/cr created"),
    ("create clusterrolebinding crb --clusterrole=cr --user=ann", "/crb created"),
    ("create secret generic s --from-literal=a=b", "secret/s created"),
    ("create deployment d --image=i", "deployment.apps/d created"),
    ("create job j --image=i", "job.batch/j created"),
    ("create service clusterip svc --tcp=80", "service/svc created"),
    ("label sa builder team=a", "serviceaccount/builder labeled"),
    ("annotate sa builder note=b", "serviceaccount/builder annotated"),
    ("get sa -l team=a -o name", "serviceaccount/builder"),
    ("get sa builder -o yaml", "note: b"),
    ("get sa builder -o wide", "builder"),
    ("get sa builder -o custom-columns=N:.metadata.name", "builder"),
    (r#"patch sa builder --type=merge -p {"metadata":{"labels":{"p":"1"}}}"#, "patched"),
    (r#"patch sa builder --type=json -p [{"op":"remove","path":"/metadata/labels/p"}]"#, "patched"),
    (r#"patch sa builder --type=strategic -p {"metadata":{"labels":{"q":"2"}}}"#, "patched"),
    ("get sa builder -o jsonpath={.metadata.labels}", r#"{"q":"2","team":"a"}"#),
    ("describe sa builder", "Name:"),
    ("auth can-i get pods --as=system:serviceaccount:default:builder", "yes"),
    ("auth can-i --list", "*.*"),
    ("api-resources", "serviceaccounts"),
    ("api-versions", "rbac.authorization.k8s.io/v1"),
    ("explain sa.secrets", "FIELD: secrets"),
    ("delete sa builder", "deleted"),
    ("create deployment freed --image=none", "created"),
    ("delete deployment freed --cascade=orphan", "deleted"),
    ("create deployment last --image=none", "created"),
    ("delete deployment last --cascade=foreground", "deleted"),
    ("auth can-i impersonate users", "yes"),
    ("get endpointslices kubernetes -o name", "endpointslice.discovery.k8s.io/kubernetes"),
    ("get --raw /openapi/v3", "apis/apps/v1"),
];

#[test]
fn each_command_of_the_table_answers() {
    let lab = Lab::new();
    for (command, fragment) in TABLE {
        let args: Vec<&str> = command.split(' ').collect();
        let out = lab.run(&args);
        assert!(out.contains(fragment), "kubectl {command}: no {fragment:?} in {out}");
    }
}
