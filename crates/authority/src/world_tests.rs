//! Every release against what accounts, pods, Secrets and tokens are there: one table, each row with its source.

use crate::access::attributes::Decision;
use crate::access::node_restriction::{self, Asked};
use crate::controllers::legacy_tracking::write_uses;
use crate::flow::issue::{IssueFailure, Issued, issue};
use crate::flow::review::review;
use crate::objects::delete::DeleteOptions;
use crate::objects::kinds::{CONFIG_MAP, NODE, POD, SECRET, SERVICE_ACCOUNT, TOKEN_TYPE};
use crate::objects::{Kind, Write};
use crate::status::ApiError;
use crate::store::Key;
use crate::world::{World, signer};
use base64::{Engine, engine::general_purpose::STANDARD};
use jeton_core::claims::Claims;
use jeton_core::clock::Clock;
use jeton_core::issue::{Ask, IssueError};
use jeton_core::legacy::{ACCOUNT_NAME_ANNOTATION, INVALID_SINCE_LABEL, LAST_USED_LABEL, TRACKING};
use jeton_core::observe::{Event, counters};
use jeton_core::release::{NEWEST, OLDEST, Release};
use jeton_core::time::UnixTime;
use jeton_core::wire::{BoundObjectRef, UserInfo};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const YEAR: i64 = 365 * 24 * 3600;

/// A fact, where its rule comes from, and what it is in which minor versions.
type Row = (&'static str, &'static str, &'static [(RangeInclusive<u16>, &'static str)]);

/// Sections are those of Kubernetes' own sources: KEP-1205 (bound volumes), KEP-2799 (fewer Secrets), KEP-4193 (ids and
/// nodes), KEP-4412 (audiences of nodes), and the code where no proposal says it.
const ROWS: &[Row] = &[
    ("account: Secrets it lists", "KEP-2799; kube_features.go 1.24", &[(15..=23, "1"), (24..=36, "0")]),
    (
        "account: its Secret, deleted, comes back",
        "tokens_controller.go 1.23, ensureReferencedToken",
        &[(15..=23, "1"), (24..=36, "0")],
    ),
    (
        "account: columns",
        "printers.go; #117160 in 1.35",
        &[(15..=34, "Name Secrets Age"), (35..=36, "Name Age")],
    ),
    (
        "namespace: kube-root-ca.crt",
        "KEP-1205, RootCAConfigMap",
        &[(15..=19, "absent"), (20..=36, "present")],
    ),
    ("pod: token from", "KEP-1205; admission.go 1.20", &[(15..=20, "secret"), (21..=36, "projected 3607")]),
    (
        "pod: before its account has a Secret",
        "admission.go 1.20, NewServerTimeout",
        &[(15..=20, "500 ServerTimeout"), (21..=36, "created")],
    ),
    ("pod: with a volume at the path", "admission.go, every version", &[(15..=36, "own")]),
    ("pod: automount off", "admission.go, every version", &[(15..=36, "none")]),
    ("secret: made by hand", "tokens_controller.go, every version", &[(15..=36, "filled, not listed")]),
    ("secret: its token", "legacy.go, every version", &[(15..=36, "accepted")]),
    (
        "secret: a use leaves",
        "KEP-2799, tracking",
        &[
            (15..=26, "serviceaccount_legacy_tokens_total"),
            (27..=36, "serviceaccount_legacy_tokens_total serviceaccount_legacy_auto_token_uses_total label"),
        ],
    ),
    ("secret: marked invalid", "KEP-2799, tracking", &[(15..=26, "accepted"), (27..=36, "refused")]),
    (
        "cluster: since when uses are tracked",
        "KEP-2799, tracking",
        &[(15..=26, "absent"), (27..=36, "present")],
    ),
    (
        "secret: after two years unused",
        "KEP-2799, clean-up",
        &[(15..=28, "kept"), (29..=36, "marked, then deleted")],
    ),
    (
        "token of a pod: lifetime",
        "#96273, the flag's default since 1.20",
        &[(15..=19, "3607"), (20..=36, "31536000 warnafter")],
    ),
    ("token: jti", "KEP-4193", &[(15..=29, "none"), (30..=36, "jti credential-id")]),
    ("token of a pod: node", "KEP-4193", &[(15..=29, "none"), (30..=36, "n1 node-name")]),
    (
        "token of a node",
        "KEP-4193, ServiceAccountTokenNodeBinding",
        &[(15..=28, "unknown kind"), (29..=30, "gate off"), (31..=36, "issued")],
    ),
    (
        "token: another uid",
        "kube_features.go 1.34, TokenRequestServiceAccountUIDValidation",
        &[(15..=33, "warned"), (34..=36, "refused")],
    ),
    (
        "token: a node asks for an audience of no volume",
        "KEP-4412",
        &[(15..=32, "allowed"), (33..=36, "forbidden")],
    ),
];

struct Lab {
    world: World,
    now: Arc<AtomicI64>,
}

impl Lab {
    async fn at(minor: u16, signer: Arc<crate::signer::LocalSigner>) -> Self {
        let now = Arc::new(AtomicI64::new(1_784_973_600));
        let hand = now.clone();
        let clock = Clock::new(move || UnixTime::from_seconds(hand.load(Ordering::SeqCst)));
        Self { world: World::new(Release::of(minor), clock, signer).await.unwrap(), now }
    }

    async fn make(&self, kind: &Kind, body: Value) -> Result<Value, ApiError> {
        let namespace = if kind.namespaced { "default" } else { "" };
        self.world.registry.create(kind, namespace, body, false).await
    }

    fn get(&self, kind: &Kind, name: &str) -> Value {
        self.world.registry.get(kind, "default", name).unwrap()
    }

    async fn put(&self, kind: &Kind, body: Value) {
        let name = body["metadata"]["name"].as_str().unwrap().to_owned();
        self.world.registry.update(kind, "default", &name, body, Write::default()).await.unwrap();
    }

    /// Secrets that hold tokens of an account.
    fn secrets_of(&self, account: &str) -> Vec<String> {
        let all = Key::prefix_ns(SECRET.stored_as, "default");
        self.world.registry.store().index().read(|view| {
            let own = view.rows(&all).filter(|(_, row)| row.account.as_deref() == Some(account));
            own.map(|(key, _)| key.parts().2.to_owned()).collect()
        })
    }

    fn token_in(&self, secret: &str) -> String {
        let secret = self.get(&SECRET, secret);
        String::from_utf8(STANDARD.decode(secret["data"]["token"].as_str().unwrap()).unwrap()).unwrap()
    }

    fn issue(
        &self,
        bound: Option<&BoundObjectRef<'_>>,
        seconds: i64,
        uid: &str,
    ) -> Result<Issued, IssueFailure> {
        let ask = Ask {
            namespace: "default",
            account: "app",
            body_name: "",
            body_uid: uid,
            audiences: &[],
            expiration_seconds: Some(seconds),
            bound,
        };
        issue(&self.world.tokens, &ask)
    }
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"serviceAccountName": "app", "nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
    })
}

fn bound<'a>(kind: &'a str, name: &'a str) -> BoundObjectRef<'a> {
    let [kind, api_version, name] = [kind, "v1", name].map(Into::into);
    BoundObjectRef { kind, api_version, name, uid: "".into() }
}

/// Where the first container's token comes from.
fn source(pod: &Value) -> String {
    const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mounts = pod["spec"]["containers"][0]["volumeMounts"].as_array().cloned().unwrap_or_default();
    let Some(mount) = mounts.iter().find(|m| m["mountPath"] == PATH) else { return "none".to_owned() };
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|v| v["name"] == mount["name"]).unwrap();
    if let Some(secret) = volume["secret"]["secretName"].as_str() {
        assert_eq!(volume["name"], secret, "the volume has the name of its Secret");
        assert!(secret.starts_with("app-token-") && volume["secret"]["defaultMode"] == 420);
        return "secret".to_owned();
    }
    if volume["emptyDir"].is_object() {
        return "own".to_owned();
    }
    assert!(volume["name"].as_str().unwrap().starts_with("kube-api-access-"));
    let token = &volume["projected"]["sources"][0]["serviceAccountToken"];
    format!("projected {}", token["expirationSeconds"])
}

async fn accounts(lab: &Lab, facts: &mut BTreeMap<&'static str, String>) {
    lab.make(&SERVICE_ACCOUNT, json!({"metadata": {"name": "app"}})).await.unwrap();
    let early = match lab.make(&POD, pod("early")).await {
        Ok(_) => "created".to_owned(),
        Err(error) => format!("{} {}", error.row().code, error.row().reason),
    };
    facts.insert("pod: before its account has a Secret", early);
    lab.world.settle().await;
    let listed = |lab: &Lab| lab.get(&SERVICE_ACCOUNT, "app")["secrets"].as_array().map_or(0, Vec::len);
    facts.insert("account: Secrets it lists", listed(lab).to_string());
    for secret in lab.secrets_of("app") {
        lab.world.registry.delete(&SECRET, "default", &secret, &DeleteOptions::default()).await.unwrap();
    }
    lab.world.settle().await;
    facts.insert("account: its Secret, deleted, comes back", lab.secrets_of("app").len().to_string());
    let kind = lab.world.registry.kind("", "v1", "serviceaccounts").unwrap();
    let columns: Vec<&str> = kind.columns.iter().map(|c| c.name).collect();
    facts.insert("account: columns", columns.join(" "));
    let there = |namespace: &str, name: &str| match lab.world.registry.get(&CONFIG_MAP, namespace, name) {
        Ok(_) => "present".to_owned(),
        Err(_) => "absent".to_owned(),
    };
    facts.insert("namespace: kube-root-ca.crt", there("default", "kube-root-ca.crt"));
    facts.insert("cluster: since when uses are tracked", there(TRACKING.0, TRACKING.1));
}

async fn pods(lab: &Lab, facts: &mut BTreeMap<&'static str, String>) {
    facts.insert("pod: token from", source(&lab.make(&POD, pod("plain")).await.unwrap()));
    let mut own = pod("own");
    own["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    own["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "v", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]);
    facts.insert("pod: with a volume at the path", source(&lab.make(&POD, own).await.unwrap()));
    let mut off = pod("off");
    off["spec"]["automountServiceAccountToken"] = json!(false);
    facts.insert("pod: automount off", source(&lab.make(&POD, off).await.unwrap()));
}

async fn secrets(lab: &Lab, facts: &mut BTreeMap<&'static str, String>) {
    let annotations = json!({ACCOUNT_NAME_ANNOTATION: "app"});
    let by_hand = json!({"metadata": {"name": "by-hand", "annotations": annotations}, "type": TOKEN_TYPE});
    lab.make(&SECRET, by_hand).await.unwrap();
    lab.world.settle().await;
    let full = lab.get(&SECRET, "by-hand")["data"].as_object().is_some_and(|d| d.len() == 3);
    let mut account = lab.get(&SERVICE_ACCOUNT, "app");
    let listed = account["secrets"].as_array().is_some_and(|all| all.iter().any(|s| s["name"] == "by-hand"));
    let told = [if full { "filled" } else { "empty" }, if listed { "listed" } else { "not listed" }];
    facts.insert("secret: made by hand", told.join(", "));
    // As if a controller of an older release had made it.
    account["secrets"] = json!([{"name": "by-hand"}]);
    lab.put(&SERVICE_ACCOUNT, account).await;
    let token = lab.token_in("by-hand");
    let used = review(&lab.world.tokens, &token, &[]);
    facts.insert("secret: its token", accepted(used.is_ok()));
    write_uses(&lab.world.registry, &lab.world.tokens.uses).await;
    let mut traces: Vec<&str> = counters(&Event::Accepted(&used.unwrap())).map(|c| c.name()).collect();
    if lab.get(&SECRET, "by-hand")["metadata"]["labels"][LAST_USED_LABEL] == "2026-07-25" {
        traces.push("label");
    }
    facts.insert("secret: a use leaves", traces.join(" "));
    let mut secret = lab.get(&SECRET, "by-hand");
    secret["metadata"]["labels"][INVALID_SINCE_LABEL] = json!("2026-07-01");
    lab.put(&SECRET, secret.clone()).await;
    facts.insert("secret: marked invalid", accepted(review(&lab.world.tokens, &token, &[]).is_ok()));
    let mut secret = lab.get(&SECRET, "by-hand");
    secret["metadata"]["labels"] = json!({});
    lab.put(&SECRET, secret).await;
}

fn accepted(holds: bool) -> String {
    if holds { "accepted" } else { "refused" }.to_owned()
}

/// Last of all, because it takes two years.
async fn cleaning(lab: &Lab, facts: &mut BTreeMap<&'static str, String>) {
    let mut told = Vec::new();
    for _ in 0..2 {
        lab.now.fetch_add(YEAR + 2 * 24 * 3600, Ordering::SeqCst);
        lab.world.settle().await;
        match lab.world.registry.get(&SECRET, "default", "by-hand") {
            Ok(secret) if secret["metadata"]["labels"][INVALID_SINCE_LABEL].is_string() => {
                told.push("marked")
            }
            Ok(_) => {}
            Err(_) => told.push("then deleted"),
        }
    }
    let told = if told.is_empty() { "kept".to_owned() } else { told.join(", ") };
    facts.insert("secret: after two years unused", told);
}

async fn tokens(lab: &Lab, facts: &mut BTreeMap<&'static str, String>) {
    let joined = |words: &[(bool, &str)]| {
        let words: Vec<&str> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(" ") }
    };
    let issued = lab.issue(Some(&bound("Pod", "plain")), 3607, "").unwrap();
    let claims: &Claims = &issued.draft.claims;
    let lifetime = claims.expires.unwrap() - claims.issued_at.unwrap();
    let warned = if claims.private.warn_after.is_some() { " warnafter" } else { "" };
    facts.insert("token of a pod: lifetime", format!("{lifetime}{warned}"));
    let verified = review(&lab.world.tokens, issued.token.expose(), &[]).unwrap();
    let extra =
        |key: &str| verified.user().extra.contains_key(&format!("authentication.kubernetes.io/{key}"));
    assert!(extra("pod-name"), "told in every version");
    facts.insert(
        "token: jti",
        joined(&[(!claims.id.is_empty(), "jti"), (extra("credential-id"), "credential-id")]),
    );
    let node = claims.private.node.as_ref().is_some_and(|node| node.name == "n1");
    facts.insert("token of a pod: node", joined(&[(node, "n1"), (extra("node-name"), "node-name")]));
    let of_node = match lab.issue(Some(&bound("Node", "n1")), 3600, "") {
        Ok(_) => "issued",
        Err(IssueFailure::Refused(IssueError::NodeBindingOff)) => "gate off",
        Err(IssueFailure::Refused(IssueError::UnboundKind { .. })) => "unknown kind",
        Err(other) => panic!("{other:?}"),
    };
    facts.insert("token of a node", of_node.to_owned());
    let other = match lab.issue(None, 3600, "00000000-0000-0000-0000-000000000009") {
        Ok(issued) if issued.draft.other_uid.is_some() => "warned",
        Err(IssueFailure::Refused(IssueError::OtherAccountUid { .. })) => "refused",
        odd => panic!("{odd:?}"),
    };
    facts.insert("token: another uid", other.to_owned());
    facts.insert("token: a node asks for an audience of no volume", audience_of_a_node(lab));
}

fn audience_of_a_node(lab: &Lab) -> String {
    let user = UserInfo {
        username: "system:node:n1".to_owned(),
        groups: vec!["system:nodes".to_owned()],
        ..UserInfo::default()
    };
    let uid = lab.get(&POD, "plain")["metadata"]["uid"].as_str().unwrap().to_owned();
    let of_pod = BoundObjectRef { uid: uid.into(), ..bound("Pod", "plain") };
    let asked = Asked {
        namespace: "default",
        account: "app",
        audiences: &["vault".to_owned()],
        bound: Some(&of_pod),
    };
    match node_restriction::token(&lab.world.registry, &user, &asked, |_| {
        Ok(Decision { allowed: false, reason: "".into() })
    }) {
        Ok(()) => "allowed".to_owned(),
        Err(ApiError::Forbidden(..)) => "forbidden".to_owned(),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_release_does_what_its_kubernetes_does() {
    let signer = signer().unwrap();
    let mut wrong = Vec::new();
    for minor in OLDEST..=NEWEST {
        let lab = Lab::at(minor, signer.clone()).await;
        let mut facts = BTreeMap::new();
        lab.make(&NODE, json!({"metadata": {"name": "n1"}})).await.unwrap();
        accounts(&lab, &mut facts).await;
        pods(&lab, &mut facts).await;
        tokens(&lab, &mut facts).await;
        secrets(&lab, &mut facts).await;
        cleaning(&lab, &mut facts).await;
        assert_eq!(facts.len(), ROWS.len(), "every fact has a row");
        for (fact, from, ranges) in ROWS {
            let (_, want) = ranges.iter().find(|(range, _)| range.contains(&minor)).unwrap();
            if facts[fact] != *want {
                wrong.push(format!("1.{minor} {fact}: {:?}, not {want:?} ({from})", facts[fact]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
