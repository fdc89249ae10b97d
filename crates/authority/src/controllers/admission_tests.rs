//! Admission over a real store: what is told first, and the account that a controller is about to make.

use super::lab::{Lab, kind, pod};
use crate::objects::delete::DeleteOptions;
use crate::objects::kinds::{ENFORCE_MOUNTABLE, NAMESPACE, POD};
use crate::status::ApiError;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

async fn refusal(lab: &Lab, namespace: &str, body: Value) -> ApiError {
    lab.registry.create(&POD, namespace, body, false).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn the_default_account_is_waited_for_and_no_other() {
    let lab = Lab::new().await;
    lab.remove("serviceaccounts", "ns", "default").await;
    let begun = Instant::now();
    let error = refusal(&lab, "ns", pod("a", "")).await;
    let waited = begun.elapsed();
    assert_eq!(
        error.message(),
        "pods \"a\" is forbidden: error looking up service account ns/default: serviceaccount \"default\" not found"
    );
    assert!(waited >= Duration::from_millis(900) && waited < Duration::from_millis(1800), "{waited:?}");
    let begun = Instant::now();
    let mut other = pod("a", "");
    other["spec"]["serviceAccountName"] = json!("ghost");
    refusal(&lab, "ns", other).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // An account that comes while a pod waits is found. Time stands as long as somebody is busy.
    let registry = lab.registry.clone();
    let waiting = tokio::spawn(async move { registry.create(&POD, "ns", pod("a", ""), false).await });
    let busy = tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    lab.make("serviceaccounts", "ns", json!({"metadata": {"name": "default"}})).await;
    busy.abort();
    let made = waiting.await.unwrap().unwrap();
    assert_eq!(made["spec"]["serviceAccountName"], "default");
    assert_eq!(
        made["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"],
        3607
    );
}

#[tokio::test]
async fn a_missing_namespace_is_told_before_an_account_and_that_before_a_field() {
    let lab = Lab::new().await;
    let mut wrong = pod("Bad_Name", "");
    wrong["spec"]["serviceAccountName"] = json!("ghost");
    let code = |error: &ApiError| error.row().code;
    assert_eq!(refusal(&lab, "nowhere", wrong.clone()).await.message(), "namespaces \"nowhere\" not found");
    assert_eq!(code(&refusal(&lab, "ns", wrong.clone()).await), 403);
    wrong["spec"]["serviceAccountName"] = json!("default");
    assert_eq!(code(&refusal(&lab, "ns", wrong.clone()).await), 422);
    lab.remove("namespaces", "", "ns").await;
    wrong["metadata"] = json!({"generateName": "web-"});
    let error = refusal(&lab, "ns", wrong).await;
    assert_eq!(
        error.message(),
        "pods \"web-\" is forbidden: unable to create new content in namespace ns because it is being terminated"
    );
    assert_eq!(error.status()["details"]["causes"][0]["reason"], "NamespaceTerminating");
}

#[tokio::test]
async fn an_account_can_keep_its_pods_to_its_own_secrets() {
    let lab = Lab::new().await;
    let account = json!({
        "metadata": {"name": "strict", "annotations": {ENFORCE_MOUNTABLE: "true"}},
        "secrets": [{"name": "own"}],
        "imagePullSecrets": [{"name": "registry"}],
    });
    lab.make("serviceaccounts", "ns", account).await;
    let with = |secret: &str| {
        let mut pod = pod("a", "");
        pod["spec"]["serviceAccountName"] = json!("strict");
        pod["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": secret}}]);
        pod
    };
    assert_eq!(
        refusal(&lab, "ns", with("other")).await.message(),
        "pods \"a\" is forbidden: volume with secret.secretName=\"other\" is not allowed because service account strict does not reference that secret"
    );
    let made = lab.make("pods", "ns", with("own")).await;
    assert_eq!(made["spec"]["imagePullSecrets"], json!([{"name": "registry"}]), "pulled as its account says");
}

#[tokio::test]
async fn mirror_pods_are_left_as_they_are() {
    let lab = Lab::new().await;
    let mut mirror = pod("a", "n");
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": ""});
    let made = lab.make("pods", "ns", mirror.clone()).await;
    assert!(
        made["spec"].get("serviceAccountName").is_none() && made["spec"].get("volumes").is_none(),
        "{made}"
    );
    mirror["metadata"]["name"] = json!("b");
    mirror["spec"]["serviceAccount"] = json!("default");
    assert!(
        refusal(&lab, "ns", mirror)
            .await
            .message()
            .ends_with("a mirror pod may not reference service accounts")
    );
}

#[tokio::test]
async fn some_namespaces_stay() {
    let lab = Lab::new().await;
    lab.make("namespaces", "", json!({"metadata": {"name": "kube-system"}})).await;
    let error =
        lab.registry.delete(&NAMESPACE, "", "kube-system", &DeleteOptions::default()).await.unwrap_err();
    assert_eq!(error.row().code, 403);
    assert!(lab.registry.get(kind("namespaces"), "", "kube-system").is_ok());
}
