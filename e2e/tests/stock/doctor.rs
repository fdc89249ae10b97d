//! The doctor before a stock server: with the rights that it prints, what the server counts and writes down.

use crate::lab::{lab, until, words};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use e2e::client::As;
use e2e::server::program;
use e2e::stock::{ISSUER, SIGNING_KEY};
use jeton_authority::signer::LocalSigner;
use jeton_core::claims::{Claims, Private, Ref, payload};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const SHOP: &str = "/api/v1/namespaces/shop";
const YEAR: i64 = 365 * 24 * 3600;

fn doctor(arguments: &[&str]) -> Output {
    Command::new(program()).arg("doctor").args(arguments).env_remove("KUBECONFIG").output().unwrap()
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}", words(output)))
}

/// What `doctor rbac` prints, applied and bound to an account.
fn grant(flags: &[&str], account: &str) {
    let printed = doctor(&[&["rbac"], flags].concat());
    let text = String::from_utf8(printed.stdout).unwrap();
    for document in text.split("\n---\n") {
        let mut role: Value = serde_yaml_ng::from_str(document).unwrap();
        let name = json!(format!("{}-{account}", role["metadata"]["name"].as_str().unwrap()));
        role["metadata"]["name"] = name.clone();
        lab().made(&format!("{RBAC}/clusterroles"), &role);
        let binding = json!({"metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "shop"}]});
        lab().made(&format!("{RBAC}/clusterrolebindings"), &binding);
    }
}

/// A kubeconfig of an account of its own.
fn kubeconfig(dir: &Path, account: &str) -> PathBuf {
    lab().made(&format!("{SHOP}/serviceaccounts"), &json!({"metadata": {"name": account}}));
    let answer = lab().made(&format!("{SHOP}/serviceaccounts/{account}/token"), &json!({"spec": {}}));
    let admin = std::fs::read_to_string(&lab().server.kubeconfig).unwrap();
    let mut config: Value = serde_yaml_ng::from_str(&admin).unwrap();
    config["users"][0]["user"] = json!({"token": answer["status"]["token"]});
    let path = dir.join(format!("{account}.kubeconfig"));
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

fn pod(name: &str, volumes: &Value, container: &Value) -> Value {
    let mut main = json!({"name": "c", "image": "registry.example/app:1"});
    main.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({"metadata": {"name": name}, "spec": {"containers": [main], "volumes": volumes}})
}

/// The token Secret `forever`, made by hand, once the controller has filled it.
fn token_secret() -> String {
    let secret = json!({"type": "kubernetes.io/service-account-token",
        "metadata": {"name": "forever", "annotations": {"kubernetes.io/service-account.name": "default"}}});
    lab().made(&format!("{SHOP}/secrets"), &secret);
    let data = until("the token", || {
        lab().get(&format!("{SHOP}/secrets/forever"))?["data"]["token"].as_str().map(str::to_owned)
    });
    String::from_utf8(STANDARD.decode(data).unwrap()).unwrap()
}

/// A token of a pod that was given two hours ago, an hour before it became stale: signed as the server would have.
fn stale_token(pod: &Value) -> String {
    let account = lab().get(&format!("{SHOP}/serviceaccounts/default")).unwrap();
    let reference = |object: &Value| Ref {
        name: object["metadata"]["name"].as_str().unwrap().to_owned(),
        uid: object["metadata"]["uid"].as_str().unwrap().to_owned(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let given = i64::try_from(now).unwrap() - 7200;
    let claims = Claims {
        issuer: ISSUER.to_owned(),
        subject: "system:serviceaccount:shop:default".to_owned(),
        audiences: vec![ISSUER.to_owned()],
        expires: Some(given + YEAR),
        issued_at: Some(given),
        not_before: Some(given),
        id: uuid::Uuid::new_v4().to_string(),
        private: Private {
            namespace: "shop".to_owned(),
            account: reference(&account),
            pod: Some(reference(pod)),
            warn_after: Some(given + 3607),
            ..Private::default()
        },
    };
    let key = std::fs::read(lab().data.join(SIGNING_KEY)).unwrap();
    let signed =
        LocalSigner::from_pem(&key).unwrap().sign(&URL_SAFE_NO_PAD.encode(payload(&claims))).unwrap();
    format!("{}.{}", signed.message.text(), URL_SAFE_NO_PAD.encode(&signed.signature))
}

/// Asks something with a token, as a client library of this name.
fn used(token: &str, agent: &str) {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("User-Agent", agent), ("Accept", "application/json")];
    let answer = lab().server.access.send(&As::Anonymous, "GET", &format!("{SHOP}/pods"), &headers, None);
    let answer = answer.unwrap();
    // It may not list pods, but it is known.
    assert_eq!(answer.status, 403, "{}", answer.value());
}

/// Pods of every kind, and one use each of a fresh, a stale and a permanent token.
fn furnish() -> String {
    lab().space("shop");
    let forever = token_secret();
    let secret = json!([{"name": "t", "secret": {"secretName": "forever"}}]);
    let mounted = json!({"volumeMounts": [{"name": "t", "mountPath": "/t", "subPath": "token"}]});
    let own = json!([{"name": "v", "projected": {"sources": [
        {"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 900}}]}}]);
    let with = json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]});
    let from = json!({"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "forever", "key": "token"}}}]});
    for one in [
        pod("injected", &json!([]), &json!({})),
        pod("legacy", &secret, &mounted),
        pod("explicit", &own, &with),
        pod("env", &json!([]), &from),
    ] {
        lab().made(&format!("{SHOP}/pods"), &one);
    }
    let injected = lab().get(&format!("{SHOP}/pods/injected")).unwrap();
    let request = json!({"spec": {"expirationSeconds": 3607,
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "injected"}}});
    let fresh = lab().made(&format!("{SHOP}/serviceaccounts/default/token"), &request);
    used(fresh["status"]["token"].as_str().unwrap(), "OpenAPI-Generator/26.1.0/python");
    used(&stale_token(&injected), "OpenAPI-Generator/11.0.0/python");
    used(&forever, "fabric8-kubernetes-client/5.12.2");
    until("the label of its use", || {
        let secret = lab().get(&format!("{SHOP}/secrets/forever"))?;
        secret["metadata"]["labels"]["kubernetes.io/legacy-token-last-used"].as_str().map(str::to_owned)
    });
    forever
}

fn gaps(cluster: &Value) -> Vec<&str> {
    cluster["unknown"].as_array().unwrap().iter().map(|gap| gap["id"].as_str().unwrap()).collect()
}

fn cluster(kubeconfig: &Path) -> Value {
    let output =
        doctor(&["cluster", "--facts", "--qps", "100", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    told(&output)["clusters"][0].clone()
}

/// Where the containers of a pod have their tokens.
fn sources(cluster: &Value, name: &str) -> Vec<Value> {
    let pods = cluster["pods"].as_array().unwrap();
    let pod = pods.iter().find(|p| p["namespace"] == "shop" && p["name"] == name).unwrap();
    pod["tokens"].as_array().unwrap().iter().map(|t| t["source"].clone()).collect()
}

#[test]
fn a_stock_cluster_is_seen_with_the_printed_rights_and_only_read() {
    let dir = tempfile::tempdir().unwrap();
    let forever = furnish();
    let config = kubeconfig(dir.path(), "doctor");
    let nothing = cluster(&config);
    println!("without rights: {:?}", gaps(&nothing));
    assert!(gaps(&nothing).contains(&"not-granted-secrets"));
    grant(&["--with-secrets"], "doctor");
    let seen = until("the rights", || Some(cluster(&config)).filter(|c| gaps(c).is_empty()));
    assert_eq!(seen["version"], "v1.36.3");
    let counters = &seen["replicas"][0];
    for name in ["staleTokens", "validTokens", "legacyTokens"] {
        assert!(counters[name].as_u64().unwrap() > 0, "{name}: {counters}");
    }
    assert_eq!(sources(&seen, "injected"), [json!("injected")]);
    let secret = json!({"secretVolume": "forever"});
    assert!(sources(&seen, "legacy").contains(&secret), "{:?}", sources(&seen, "legacy"));
    let own = json!({"projected": {"audience": "vault", "expirationSeconds": 900}});
    assert!(sources(&seen, "explicit").contains(&own), "{:?}", sources(&seen, "explicit"));
    let env = json!({"secretEnv": "forever"});
    assert!(sources(&seen, "env").contains(&env), "{:?}", sources(&seen, "env"));
    let secrets = seen["tokenSecrets"].as_array().unwrap();
    let own = secrets.iter().find(|s| s["namespace"] == "shop").unwrap();
    assert_eq!((&own["auto"], &own["name"]), (&json!(false), &json!("forever")), "made by hand");
    only_read();
    let bundle = dir.path().join("bundle.json");
    let (bundle, config) = (bundle.to_str().unwrap(), config.to_str().unwrap());
    let output = doctor(&["collect", "--qps", "100", "--kubeconfig", config, "--out", bundle]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let text = std::fs::read_to_string(bundle).unwrap();
    assert!(!text.contains(&forever) && !text.contains("eyJ"), "the bundle holds a token");
    let report = told(&doctor(&["cluster", "--from", bundle, "-o", "json"]));
    let of_cluster = ["counter-stale", "legacy-secret-manual", "pod-uses-token-secret"];
    finds(&report, &of_cluster);
    let log = lab().data.join(e2e::stock::AUDIT_LOG);
    let log = log.to_str().unwrap();
    let of_log = ["legacy-token-manual", "library-never-reloads", "stale-once"];
    let alone = told(&doctor(&["audit", log, "-o", "json"]));
    finds(&alone, &of_log);
    let both = told(&doctor(&["cluster", "--from", bundle, "--audit-log", log, "-o", "json"]));
    finds(&both, &[of_cluster, of_log].concat());
    for report in [&alone, &both] {
        clients(report);
    }
}

/// The rules that found something.
fn finds(report: &Value, wanted: &[&str]) {
    let found = report["findings"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap());
    let found: BTreeSet<&str> = found.collect();
    println!("{} {found:?}", report["verdict"]);
    assert!(wanted.iter().all(|rule| found.contains(rule)), "{found:?}, not {wanted:?}");
}

/// Who used which token, as the server wrote it down.
fn clients(report: &Value) {
    let rows = report["workloads"].as_array().unwrap().iter().filter(|w| w["namespace"] == "shop");
    let seen = rows.filter(|w| w["serviceAccount"] == "default" && w["uses"] == 1);
    let text = |w: &Value, pointer: &str| w.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let seen: BTreeSet<[String; 3]> =
        seen.map(|w| [text(w, "/client/name"), text(w, "/client/version"), text(w, "/cause")]).collect();
    println!("{seen:?}");
    let versions: Vec<&str> = seen.iter().map(|[_, version, _]| version.as_str()).collect();
    assert_eq!(versions, ["5.12.2", "11.0.0", "26.1.0"]);
}

/// The server's own log: the doctor's account only got and listed.
fn only_read() {
    let own = lab().audit(|e| e["user"]["username"] == "system:serviceaccount:shop:doctor");
    assert!(!own.is_empty());
    for event in &own {
        assert!(matches!(event["verb"].as_str(), Some("get" | "list")), "{event}");
    }
}
