//! Controllers over a real store: what they make of it, and that they do nothing twice.

use super::follow::turn;
use super::lab::{Lab, pod};
use super::{Controller, default_account, legacy_tracking, namespace, root_ca, token_secret};
use crate::flow::review::{Refused, review};
use crate::objects::delete::DeleteOptions;
use crate::objects::kinds::{POD, TOKEN_TYPE};
use base64::{Engine, engine::general_purpose::STANDARD};
use jeton_core::legacy::{ACCOUNT_NAME_ANNOTATION, INVALID_SINCE_LABEL, LAST_USED_LABEL, TRACKING};
use serde_json::{Value, json};
use std::sync::Arc;

/// Everything once; how many items must be looked at again.
async fn round<C: Controller>(controller: &C) -> usize {
    turn(controller, controller.all().into_iter().collect()).await.len()
}

fn token_secret(name: &str, account: &str) -> Value {
    let annotations = json!({ACCOUNT_NAME_ANNOTATION: account});
    json!({"metadata": {"name": name, "annotations": annotations}, "type": TOKEN_TYPE})
}

/// The token in a Secret.
fn token(secret: &Value) -> String {
    String::from_utf8(STANDARD.decode(secret["data"]["token"].as_str().unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn every_namespace_has_its_account_and_its_certificate() {
    let lab = Lab::new().await;
    let accounts = default_account::DefaultAccount(lab.registry.clone());
    let maps = root_ca::RootCa::new(lab.registry.clone(), Arc::from("CA"));
    lab.remove("serviceaccounts", "ns", "default").await;
    for _ in 0..2 {
        assert_eq!((round(&accounts).await, round(&maps).await), (0, 0));
        assert_eq!(lab.names("serviceaccounts", "ns"), ["default"]);
    }
    let revision = lab.registry.store().revision();
    assert_eq!((round(&accounts).await, round(&maps).await), (0, 0));
    assert_eq!(lab.registry.store().revision(), revision, "what is right is not written again");
    let mut map = lab.get("configmaps", "ns", "kube-root-ca.crt");
    map["data"] = json!({"ca.crt": "other", "more": "x"});
    lab.put("configmaps", "ns", map).await;
    round(&maps).await;
    assert_eq!(lab.get("configmaps", "ns", "kube-root-ca.crt")["data"], json!({"ca.crt": "CA"}));
}

#[tokio::test]
async fn token_secrets_are_filled_used_and_collected() {
    let lab = Lab::new().await;
    let tokens = lab.tokens();
    let controller = token_secret::TokenSecret::new(lab.registry.clone(), tokens.clone(), Arc::from("CA"));
    let account = lab.make("serviceaccounts", "ns", json!({"metadata": {"name": "builder"}})).await;
    for (name, of) in [("forever", "builder"), ("orphan", "ghost"), ("odd", "No Such Name")] {
        lab.make("secrets", "ns", token_secret(name, of)).await;
    }
    lab.make("secrets", "ns", json!({"metadata": {"name": "plain"}})).await;
    assert_eq!(round(&controller).await, 0);
    assert_eq!(lab.names("secrets", "ns"), ["forever", "plain"]);
    let filled = lab.get("secrets", "ns", "forever");
    assert_eq!(filled["data"]["ca.crt"], STANDARD.encode("CA"));
    assert_eq!(filled["data"]["namespace"], STANDARD.encode("ns"));
    assert_eq!(
        filled["metadata"]["annotations"]["kubernetes.io/service-account.uid"],
        account["metadata"]["uid"]
    );
    let revision = lab.registry.store().revision();
    round(&controller).await;
    assert_eq!(lab.registry.store().revision(), revision, "a full Secret is not written again");
    // A cleared token comes back with the same bytes: clearing revokes nothing.
    let mut cleared = filled.clone();
    cleared["data"].as_object_mut().unwrap().remove("token");
    lab.put("secrets", "ns", cleared).await;
    assert_eq!(
        review(&tokens, &token(&filled), &[]).unwrap_err().to_string(),
        "[invalid bearer token, Token does not match server's copy]"
    );
    round(&controller).await;
    assert_eq!(token(&lab.get("secrets", "ns", "forever")), token(&filled));
    let verified = review(&tokens, &token(&filled), &[]).unwrap();
    assert_eq!(verified.user().username, "system:serviceaccount:ns:builder");
    // Another account of the same name has no use for the Secret.
    lab.remove("serviceaccounts", "ns", "builder").await;
    lab.make("serviceaccounts", "ns", json!({"metadata": {"name": "builder"}})).await;
    assert!(review(&tokens, &token(&filled), &[]).is_err());
    round(&controller).await;
    assert_eq!(lab.names("secrets", "ns"), ["plain"]);
}

#[tokio::test]
async fn a_secret_that_goes_leaves_its_account() {
    let lab = Lab::new().await;
    let tokens = lab.tokens();
    let controller = token_secret::TokenSecret::new(lab.registry.clone(), tokens, Arc::from("CA"));
    lab.make("secrets", "ns", token_secret("forever", "default")).await;
    let mut account = lab.get("serviceaccounts", "ns", "default");
    account["secrets"] = json!([{"name": "forever"}, {"name": "other"}]);
    lab.put("serviceaccounts", "ns", account).await;
    let gone = token_secret::Item::Gone {
        namespace: "ns".to_owned(),
        name: "forever".to_owned(),
        account: "default".to_owned(),
        uid: String::new(),
    };
    let listed = |lab: &Lab| lab.get("serviceaccounts", "ns", "default")["secrets"].as_array().unwrap().len();
    turn(&controller, [gone.clone()].into()).await;
    assert_eq!(listed(&lab), 2, "it is still there");
    lab.remove("secrets", "ns", "forever").await;
    turn(&controller, [gone].into()).await;
    assert_eq!(listed(&lab), 1);
}

#[tokio::test]
async fn a_use_leaves_its_day_once_and_a_mark_keeps_out() {
    let lab = Lab::new().await;
    let tokens = lab.tokens();
    let controller = token_secret::TokenSecret::new(lab.registry.clone(), tokens.clone(), Arc::from("CA"));
    lab.make("secrets", "ns", token_secret("forever", "default")).await;
    round(&controller).await;
    let token = token(&lab.get("secrets", "ns", "forever"));
    let day = |lab: &Lab| lab.get("secrets", "ns", "forever")["metadata"]["labels"][LAST_USED_LABEL].clone();
    let used = async || {
        let outcome = review(&tokens, &token, &[]);
        legacy_tracking::write_uses(&lab.registry, &tokens.uses).await;
        outcome
    };
    assert!(!used().await.unwrap().legacy().unwrap().auto_generated);
    assert_eq!(day(&lab), "2026-07-25");
    let revision = lab.registry.store().revision();
    used().await.unwrap();
    assert_eq!(lab.registry.store().revision(), revision, "once a day is enough");
    let mut account = lab.get("serviceaccounts", "ns", "default");
    account["secrets"] = json!([{"name": "forever"}]);
    lab.put("serviceaccounts", "ns", account).await;
    assert!(used().await.unwrap().legacy().unwrap().auto_generated);
    let mut secret = lab.get("secrets", "ns", "forever");
    secret["metadata"]["labels"][INVALID_SINCE_LABEL] = json!("2026-07-25");
    lab.put("secrets", "ns", secret).await;
    lab.pass(24 * 3600);
    let refused = used().await.unwrap_err();
    assert!(
        matches!(refused, Refused::Rejected { .. })
            && refused.to_string().contains("has been marked invalid")
    );
    assert_eq!(day(&lab), "2026-07-26", "a use while invalid is written down");
}

#[tokio::test]
async fn since_when_uses_are_written_down() {
    let lab = Lab::new().await;
    lab.make("namespaces", "", json!({"metadata": {"name": TRACKING.0}})).await;
    let controller = legacy_tracking::Tracking::new(lab.registry.clone());
    let since = |lab: &Lab| lab.get("configmaps", TRACKING.0, TRACKING.1)["data"]["since"].clone();
    assert_eq!(round(&controller).await, 0);
    assert_eq!(since(&lab), "2026-07-25");
    lab.pass(24 * 3600);
    round(&controller).await;
    assert_eq!(since(&lab), "2026-07-25", "a day that can be read stays");
    let mut map = lab.get("configmaps", TRACKING.0, TRACKING.1);
    map["data"]["since"] = json!("long ago");
    lab.put("configmaps", TRACKING.0, map).await;
    round(&controller).await;
    assert_eq!(since(&lab), "2026-07-26");
    for (seconds, waits) in [(0, 0), (60, 1), (29 * 60, 0)] {
        lab.remove("configmaps", TRACKING.0, TRACKING.1).await;
        lab.pass(seconds);
        assert_eq!(round(&controller).await, waits, "after {seconds} s");
        if waits > 0 {
            lab.make("configmaps", TRACKING.0, json!({"metadata": {"name": TRACKING.1}})).await;
        }
    }
}

#[tokio::test]
async fn a_namespace_loses_its_pods_before_all_else() {
    let lab = Lab::new().await;
    let controller = namespace::Namespaces(lab.registry.clone());
    lab.make("pods", "ns", pod("running", "n")).await;
    lab.make("pods", "ns", pod("waiting", "")).await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    lab.make("configmaps", "ns", held).await;
    lab.remove("namespaces", "", "ns").await;
    assert_eq!(round(&controller).await, 1, "a pod is ending");
    assert_eq!(lab.names("pods", "ns"), ["running"]);
    assert_eq!(lab.names("serviceaccounts", "ns"), ["default"], "which it still needs");
    let now = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
    lab.registry.delete(&POD, "ns", "running", &now).await.unwrap();
    assert_eq!(round(&controller).await, 1, "a finalizer holds");
    let conditions = lab.get("namespaces", "", "ns")["status"]["conditions"].clone();
    let words =
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances";
    assert_eq!((conditions.as_array().map(Vec::len), &conditions[4]["message"]), (Some(5), &json!(words)));
    assert!(lab.names("serviceaccounts", "ns").is_empty());
    let mut held = lab.get("configmaps", "ns", "held");
    held["metadata"]["finalizers"] = json!([]);
    lab.put("configmaps", "ns", held).await;
    assert_eq!(round(&controller).await, 0);
    assert!(lab.names("configmaps", "ns").is_empty());
    let gone = lab.registry.get(super::lab::kind("namespaces"), "", "ns");
    assert!(gone.is_err(), "{gone:?}");
    assert!(controller.all().is_empty());
}
