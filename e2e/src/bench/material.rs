//! What the measurements are made with: keys, filled servers, and tokens by the hundred thousand.

use super::load::{Expected, Generator, request};
use crate::client::Access;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jeton_authority::signer::LocalSigner;
use jeton_core::claims::{Claims, Private, Ref, payload};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The issuer of a server that was given none.
const ISSUER: &str = "https://kubernetes.default.svc";
/// Where TokenReviews go.
pub const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
/// What every creation answers.
pub const CREATED: Expected<'static> = Expected { code: "201", contains: "\"kind\":" };
/// What the review of a good token answers.
pub const ACCEPTED: Expected<'static> = Expected { code: "201", contains: "\"authenticated\":true" };
/// Longer than any single step takes.
pub const LONG: Duration = Duration::from_secs(600);
/// Accounts of a namespace.
const ACCOUNTS: usize = 100;

/// An object that a token can name.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A pod and its account.
#[derive(Clone, Debug)]
pub struct Pod {
    /// The pod.
    pub pod: Object,
    /// Its account.
    pub account: Object,
}

/// A P-256 key as PKCS#8 PEM.
///
/// # Errors
/// When none can be made.
pub fn p256_pem() -> Result<String, Box<dyn Error>> {
    Ok(rcgen::KeyPair::generate()?.serialize_pem())
}

/// Fills a server: `namespaces` of 100 accounts each, and `pods` spread over all accounts.
///
/// # Errors
/// When a creation fails.
pub fn fill(access: &Access, namespaces: usize, pods: usize) -> Result<Vec<Pod>, Box<dyn Error>> {
    let mut load = Generator::connect(access)?;
    let mut create = |count: usize, make: &(dyn Fn(usize) -> Vec<u8> + Sync)| {
        load.run(&|n| (n < count).then(|| Cow::Owned(make(n))), CREATED, LONG)
    };
    create(namespaces, &|n| {
        request("POST", "/api/v1/namespaces", &json!({"metadata": {"name": namespace(n)}}).to_string())
    })?;
    let accounts = namespaces * ACCOUNTS;
    create(accounts, &|n| {
        let path = format!("/api/v1/namespaces/{}/serviceaccounts", namespace(n % namespaces));
        request("POST", &path, &json!({"metadata": {"name": account(n / namespaces)}}).to_string())
    })?;
    create(pods, &|n| {
        let path = format!("/api/v1/namespaces/{}/pods", namespace(n % namespaces));
        request("POST", &path, &pod(&format!("web-{n}"), &account(n / namespaces % ACCOUNTS)).to_string())
    })?;
    let mut all = Vec::new();
    for n in 0..namespaces {
        all.extend(listed(access, &namespace(n))?);
    }
    if all.len() == pods { Ok(all) } else { Err(format!("{} pods of {pods}", all.len()).into()) }
}

fn namespace(n: usize) -> String {
    format!("team-{n}")
}

fn account(n: usize) -> String {
    format!("account-{n}")
}

/// A pod as a Deployment would make it.
pub fn pod(name: &str, account: &str) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"app": "web", "pod-template-hash": "5d8f7c9b6"}},
        "spec": {
            "serviceAccountName": account,
            "containers": [{
                "name": "web", "image": "registry.example/team/web:1.2.3",
                "env": [{"name": "LISTEN", "value": ":8080"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                "ports": [{"containerPort": 8080}],
            }],
        },
    })
}

/// The pods of a namespace with their accounts' uids.
fn listed(access: &Access, namespace: &str) -> Result<Vec<Pod>, Box<dyn Error>> {
    let mut connection = access.connect(true)?;
    let mut list = |plural: &str| -> Result<Vec<Value>, Box<dyn Error>> {
        let path = format!("/api/v1/namespaces/{namespace}/{plural}");
        let answer = connection.request("GET", &path, &[("Accept", "application/json")], None)?;
        let Value::Array(items) = answer.value()["items"].take() else {
            return Err(format!("no list of {plural}").into());
        };
        Ok(items)
    };
    let text =
        |item: &Value, pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    let object = |item: &Value| Object {
        namespace: namespace.to_owned(),
        name: text(item, "/metadata/name"),
        uid: text(item, "/metadata/uid"),
    };
    let accounts: Vec<Object> = list("serviceaccounts")?.iter().map(object).collect();
    let pods = list("pods")?;
    pods.iter()
        .map(|item| {
            let name = text(item, "/spec/serviceAccountName");
            let account = accounts.iter().find(|a| a.name == name).ok_or("a pod without account")?;
            Ok(Pod { pod: object(item), account: account.clone() })
        })
        .collect()
}

/// The TokenRequest of a pod.
pub fn token_request(pod: &Pod) -> Vec<u8> {
    let bound = json!({"kind": "Pod", "apiVersion": "v1", "name": pod.pod.name, "uid": pod.pod.uid});
    let spec = json!({"audiences": [], "expirationSeconds": 3600, "boundObjectRef": bound});
    let body = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec});
    let Object { namespace, name, .. } = &pod.account;
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    request("POST", &path, &body.to_string())
}

/// TokenReviews of `count` distinct tokens that a server issues to the pods in turn.
///
/// # Errors
/// When an answer is no token.
pub fn issued_reviews(
    load: &mut Generator,
    pods: &[Pod],
    count: usize,
) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let asks: Vec<Vec<u8>> = pods.iter().map(token_request).collect();
    let ask = |n: usize| asks.get(n % asks.len().max(1)).filter(|_| n < count);
    let made = Mutex::new(Vec::with_capacity(count));
    load.look(&|n| ask(n).map(|ask| Cow::Borrowed(ask.as_slice())), CREATED, LONG, &|body| {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let token = answer.pointer("/status/token").and_then(Value::as_str).unwrap_or("");
        made.lock().unwrap_or_else(PoisonError::into_inner).push(review(token));
    })?;
    Ok(made.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// TokenReviews of `count` distinct tokens bound to the pods in turn, signed offline on two threads.
///
/// # Errors
/// When the key cannot sign.
pub fn reviews(pem: &[u8], pods: &[Pod], count: usize) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let signer = LocalSigner::from_pem(pem)?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let one = |n: usize| -> Result<Vec<u8>, String> {
        let pod = pods.get(n % pods.len().max(1)).ok_or("no pods")?;
        let signed =
            signer.sign(&URL_SAFE_NO_PAD.encode(payload(&claims(pod, now)))).map_err(|e| e.to_string())?;
        let token = format!("{}.{}", signed.message.text(), URL_SAFE_NO_PAD.encode(&signed.signature));
        Ok(review(&token))
    };
    let half = |from: usize| (from..count).step_by(2).map(one).collect::<Result<Vec<_>, _>>();
    let (even, odd) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| half(1));
        (half(0), odd.join().unwrap_or_else(|_| Err("a thread died".to_owned())))
    });
    let mut all = even?;
    all.extend(odd?);
    Ok(all)
}

/// The TokenReview of a token.
pub fn review(token: &str) -> Vec<u8> {
    let body =
        json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}});
    request("POST", REVIEWS, &body.to_string())
}

fn claims(pod: &Pod, now: i64) -> Claims {
    let reference = |o: &Object| Ref { name: o.name.clone(), uid: o.uid.clone() };
    Claims {
        issuer: ISSUER.to_owned(),
        subject: format!("system:serviceaccount:{}:{}", pod.account.namespace, pod.account.name),
        audiences: vec![ISSUER.to_owned()],
        expires: Some(now + 3600),
        issued_at: Some(now),
        not_before: Some(now),
        id: uuid::Uuid::new_v4().to_string(),
        private: Private {
            namespace: pod.account.namespace.clone(),
            account: reference(&pod.account),
            pod: Some(reference(&pod.pod)),
            ..Private::default()
        },
    }
}

/// The n-th of these, once around.
pub fn once<'a>(requests: &'a [Vec<u8>]) -> impl Fn(usize) -> Option<Cow<'a, [u8]>> + Sync {
    move |n| requests.get(n).map(|r| Cow::Borrowed(r.as_slice()))
}

/// These in turn, without end.
pub fn round<'a>(requests: &'a [Vec<u8>]) -> impl Fn(usize) -> Option<Cow<'a, [u8]>> + Sync {
    move |n| requests.get(n % requests.len().max(1)).map(|r| Cow::Borrowed(r.as_slice()))
}
