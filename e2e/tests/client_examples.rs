//! The documented examples of `jeton-client`, run as they stand against a real server: they send the token that is in
//! the file, and get by a 401 when the file has a newer one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../crates/client/examples/kube.rs"]
#[allow(dead_code, reason = "its main is for a pod")]
mod with_kube;
#[path = "../../crates/client/examples/reqwest.rs"]
#[allow(dead_code, reason = "its main is for a pod")]
mod with_reqwest;

use e2e::client::As;
use e2e::server::Server;
use jeton_client::TokenFile;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;

const SPACE: &str = "/api/v1/namespaces/default";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// A server, and a volume as a kubelet lays it out.
struct Lab {
    server: Server,
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("data"), &[]).unwrap();
        symlink("..data/token", dir.path().join("token")).unwrap();
        Self { server, dir }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.server.access.ask(&As::Admin, method, path, body).unwrap();
        assert!(answer.status < 300, "{}", answer.value());
        answer.value()
    }

    /// Makes a pod, and puts a token that lives as long as the pod into the volume. Answers the token's id.
    fn swap(&self, pod: &str) -> String {
        let object =
            json!({"metadata": {"name": pod}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        self.ask("POST", &format!("{SPACE}/pods"), Some(&object));
        let request = json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod}}});
        let answer = self.ask("POST", &format!("{SPACE}/serviceaccounts/default/token"), Some(&request));
        let token = answer["status"]["token"].as_str().unwrap();
        let at = |name: &str| self.dir.path().join(name);
        fs::create_dir(at(pod)).unwrap();
        fs::write(at(pod).join("token"), token).unwrap();
        symlink(pod, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let answer = self.server.access.ask(&As::Token(token), "POST", REVIEWS, Some(&review)).unwrap();
        credential(&answer.value()["status"]["userInfo"]["extra"])
    }

    /// From here on the server refuses the pod's token.
    fn end(&self, pod: &str) {
        self.ask("DELETE", &format!("{SPACE}/pods/{pod}?gracePeriodSeconds=0"), None);
    }

    fn file(&self) -> TokenFile {
        TokenFile::new(self.dir.path().join("token"))
    }
}

/// Which token the server saw.
fn credential(extra: &Value) -> String {
    extra["authentication.kubernetes.io/credential-id"][0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn kube_gets_by_a_401_when_the_file_has_a_newer_token() {
    let lab = Lab::new();
    let first = lab.swap("one");
    let text = fs::read_to_string(&lab.server.kubeconfig).unwrap();
    let config = kube::config::Kubeconfig::from_yaml(&text).unwrap();
    // The administrator's certificate must not help: the example drops what the configuration says of the user.
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
    let client = with_kube::with_token(config, lab.file()).unwrap();
    let api: kube::Api<SelfSubjectReview> = kube::Api::all(client);
    let seen = async || {
        let review = api.create(&Default::default(), &SelfSubjectReview::default()).await?;
        let user = review.status.unwrap().user_info.unwrap();
        Ok::<_, kube::Error>(credential(&json!(user.extra.unwrap())))
    };
    assert_eq!(seen().await.unwrap(), first);
    let second = lab.swap("two");
    lab.end("one");
    assert_eq!(seen().await.unwrap(), second);
    lab.end("two");
    let refused = seen().await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 401), "{refused}");
}

#[tokio::test]
async fn reqwest_gets_by_a_401_when_the_file_has_a_newer_token() {
    let lab = Lab::new();
    let first = lab.swap("one");
    let client = with_reqwest::client(&lab.dir.path().join("data/ca.crt")).unwrap();
    let file = lab.file();
    let url = format!("https://{}{REVIEWS}", lab.server.access.address);
    let review = r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}"#;
    let seen = async || {
        let request = client.post(&url).header("Content-Type", "application/json").body(review);
        let answer = with_reqwest::send(&client, &file, request.build().unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        (status, body["status"]["userInfo"]["extra"].clone())
    };
    let (status, extra) = seen().await;
    assert_eq!((status, credential(&extra)), (201, first));
    let second = lab.swap("two");
    lab.end("one");
    let (status, extra) = seen().await;
    assert_eq!((status, credential(&extra)), (201, second));
    lab.end("two");
    assert_eq!(seen().await.0, 401);
}
