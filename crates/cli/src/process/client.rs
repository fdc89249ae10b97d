//! Requests to a Kubernetes API, as a kubeconfig says.

use super::Failure;
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Seconds for a whole request.
const REQUEST_SECONDS: u64 = 30;

/// A server and how to speak to it.
pub(crate) struct Client {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    token: Option<String>,
    /// The namespace of the context.
    pub(crate) namespace: String,
}

/// The kubeconfig to use: the flag, `KUBECONFIG`, the one `jeton up` made here, or the user's own.
pub(crate) fn find(flag: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = flag {
        return Ok(path.clone());
    }
    let from_env = std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty());
    if let Some(first) = from_env.and_then(|v| std::env::split_paths(&v).next()) {
        return Ok(first);
    }
    let local = PathBuf::from("jeton-data/admin.kubeconfig");
    if local.exists() {
        return Ok(local);
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).map(|h| h.join(".kube/config"));
    home.filter(|p| p.exists()).ok_or_else(|| {
        Failure::misuse(
            "no kubeconfig found: pass --kubeconfig, set KUBECONFIG, or run `jeton up` in this directory",
        )
    })
}

pub(super) fn failed(message: impl Into<String>) -> Failure {
    Failure { code: 1, message: message.into() }
}

/// An answer of success, or the server's words.
pub(crate) fn expect(code: u16, answer: Value) -> Result<Value, Failure> {
    if (200..300).contains(&code) {
        return Ok(answer);
    }
    let words = answer["message"].as_str().unwrap_or("no message").to_owned();
    Err(Failure { code: 1, message: format!("the server refused ({code}): {words}") })
}

/// One entry of a list by name.
pub(super) fn named<'a>(config: &'a Value, list: &str, name: &str, member: &str) -> &'a Value {
    let all = config[list].as_array().into_iter().flatten();
    all.filter(|e| e["name"] == name).map(|e| &e[member]).next().unwrap_or(&Value::Null)
}

/// Inline data, or the content of a file relative to the kubeconfig.
pub(super) fn data(entry: &Value, key: &str, base: &Path) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(text) = entry[format!("{key}-data")].as_str() {
        return STANDARD
            .decode(text)
            .map(Some)
            .map_err(|_| failed(format!("kubeconfig: {key}-data is not base64")));
    }
    let Some(path) = entry[key].as_str() else { return Ok(None) };
    let path = base.join(path);
    std::fs::read(&path).map(Some).map_err(|e| failed(format!("kubeconfig: {}: {e}", path.display())))
}

impl Client {
    /// Reads a kubeconfig.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|e| failed(format!("{}: {e}", path.display())))?;
        let config: Value = serde_yaml_ng::from_str(&text)
            .map_err(|_| failed(format!("{} is no kubeconfig", path.display())))?;
        let base = path.parent().unwrap_or(Path::new("."));
        let context = named(&config, "contexts", config["current-context"].as_str().unwrap_or(""), "context");
        let cluster = named(&config, "clusters", context["cluster"].as_str().unwrap_or(""), "cluster");
        let user = named(&config, "users", context["user"].as_str().unwrap_or(""), "user");
        let server = cluster["server"].as_str().unwrap_or("");
        let (host, port) = address(server)?;
        let token = match user["token"].as_str() {
            Some(token) => Some(token.to_owned()),
            None => data(user, "tokenFile", base)?.map(|t| String::from_utf8_lossy(&t).trim().to_owned()),
        };
        let namespace = context["namespace"].as_str().unwrap_or("default").to_owned();
        Ok(Self { host, port, tls: Arc::new(tls(cluster, user, base)?), token, namespace })
    }

    /// Sends a JSON body; gives back code and JSON of the answer.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), Failure> {
        self.ask(Method::POST, path, body.to_string())
    }

    /// Deletes; gives back code and JSON of the answer.
    pub(crate) fn delete(&self, path: &str) -> Result<(u16, Value), Failure> {
        self.ask(Method::DELETE, path, String::new())
    }

    /// Reads; gives back code and JSON of the answer.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, Value), Failure> {
        self.ask(Method::GET, path, String::new())
    }

    fn ask(&self, method: Method, path: &str, body: String) -> Result<(u16, Value), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Failure::of(&e))?;
        let limit = Duration::from_secs(REQUEST_SECONDS);
        runtime.block_on(async {
            let sent = tokio::time::timeout(limit, self.send(method, path, body)).await;
            let place = format!("https://{}:{}", self.host, self.port);
            match sent {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(why)) => Err(failed(format!("{place}: {why}"))),
                Err(_) => Err(failed(format!("{place} did not answer within {REQUEST_SECONDS} s"))),
            }
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(u16, Value), Box<dyn std::error::Error + Send + Sync>> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let name = ServerName::try_from(self.host.clone())?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, tcp).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("{}:{}", self.host, self.port))
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .header("user-agent", concat!("jeton/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let code = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await?.to_bytes();
        Ok((code, serde_json::from_slice(&body)?))
    }
}

pub(super) fn address(server: &str) -> Result<(String, u16), Failure> {
    let uri: hyper::Uri =
        server.parse().map_err(|_| failed(format!("kubeconfig: server {server:?} is no URL")))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(host)) => {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Ok((host, uri.port_u16().unwrap_or(443)))
        }
        _ => Err(failed(format!("kubeconfig: server {server:?} must be an https URL"))),
    }
}

pub(super) fn tls(cluster: &Value, user: &Value, base: &Path) -> Result<ClientConfig, Failure> {
    let bad = |what: &str| failed(format!("kubeconfig: {what} cannot be used"));
    let mut roots = RootCertStore::empty();
    let ca = data(cluster, "certificate-authority", base)?
        .ok_or_else(|| failed("kubeconfig: the cluster has no certificate-authority"))?;
    for certificate in CertificateDer::pem_slice_iter(&ca) {
        let certificate = certificate.map_err(|_| bad("certificate-authority"))?;
        roots.add(certificate).map_err(|_| bad("certificate-authority"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::of(&e))?
        .with_root_certificates(roots);
    match (data(user, "client-certificate", base)?, data(user, "client-key", base)?) {
        (Some(chain), Some(key)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
            let chain = chain.map_err(|_| bad("client-certificate"))?;
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| bad("client-key"))?;
            builder.with_client_auth_cert(chain, key).map_err(|_| bad("client-certificate"))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}
