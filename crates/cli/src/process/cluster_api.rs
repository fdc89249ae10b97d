//! The doctor's way to a cluster: GETs, as a kubeconfig says.
//!
//! Left out on purpose: every other verb, redirects, proxies, and connections whose server cannot be known.

use super::Failure;
use super::client::{address, data, failed, named, tls};
use super::exec_plugin;
use form_urlencoded::Serializer;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use jeton_doctor::collect::cluster::api::{Answer, Api, Get, NoAnswer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Bytes of a kubeconfig.
const MAX_KUBECONFIG_BYTES: u64 = 16 * 1024 * 1024;
/// Time for a connection and its handshake.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time for a whole request: a page of pods can have megabytes.
const REQUEST_TIME: Duration = Duration::from_secs(60);

/// A kubeconfig and where it stands.
pub(crate) struct Kubeconfig {
    config: Value,
    path: std::path::PathBuf,
}

/// A cluster to ask.
pub(crate) struct ClusterApi {
    host: String,
    port: u16,
    /// Path before every path, where the server shares its name with others.
    prefix: String,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    headers: Vec<(&'static str, String)>,
    runtime: Runtime,
    begun: Instant,
}

impl Kubeconfig {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |e: std::io::Error| failed(format!("{}: {e}", path.display()));
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(wrong)?;
        file.take(MAX_KUBECONFIG_BYTES).read_to_string(&mut text).map_err(wrong)?;
        let config = serde_yaml_ng::from_str(&text)
            .map_err(|_| failed(format!("{} is no kubeconfig", path.display())))?;
        Ok(Self { config, path: path.to_owned() })
    }

    /// The wanted contexts, or the current one.
    pub(crate) fn contexts(&self, wanted: &[String]) -> Result<Vec<String>, Failure> {
        let known: Vec<&str> = self.config["contexts"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|c| c["name"].as_str())
            .collect();
        let current = self.config["current-context"].as_str().map(str::to_owned);
        let wanted = if wanted.is_empty() { Vec::from_iter(current) } else { wanted.to_vec() };
        let list = || if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        if wanted.is_empty() {
            return Err(Failure::misuse(format!(
                "{} has no current context: pass --context, one of: {}",
                self.path.display(),
                list()
            )));
        }
        match wanted.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Failure::misuse(format!(
                "{} has no context {name:?}; it has: {}",
                self.path.display(),
                list()
            ))),
            None => {
                let mut once: Vec<String> = Vec::new();
                for name in wanted {
                    if !once.contains(&name) {
                        once.push(name);
                    }
                }
                Ok(once)
            }
        }
    }

    /// Makes the cluster of a context ready; runs the program that gives credentials, if there is one.
    pub(crate) fn cluster(&self, context: &str) -> Result<ClusterApi, Failure> {
        let base = self.path.parent().unwrap_or(Path::new("."));
        let context = named(&self.config, "contexts", context, "context");
        let cluster = named(&self.config, "clusters", context["cluster"].as_str().unwrap_or(""), "cluster");
        let user = named(&self.config, "users", context["user"].as_str().unwrap_or(""), "user");
        refuse(cluster, user)?;
        let server = cluster["server"].as_str().unwrap_or("");
        let (host, port) = address(server)?;
        let prefix = server.parse::<Uri>().map(|uri| uri.path().trim_end_matches('/').to_owned());
        let user = match user["exec"].is_object() {
            true => &exec_plugin::credentials(user, cluster, base)?,
            false => user,
        };
        let name = cluster["tls-server-name"].as_str().filter(|n| !n.is_empty()).unwrap_or(&host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| failed(format!("kubeconfig: {name:?} is no name of a server")))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(ClusterApi {
            tls: Arc::new(tls(cluster, user, base)?),
            headers: headers(user, base)?,
            prefix: prefix.unwrap_or_default(),
            host,
            port,
            name,
            runtime: runtime.map_err(|e| Failure::of(&e))?,
            begun: Instant::now(),
        })
    }
}

/// What a kubeconfig may say and the doctor will not do.
fn refuse(cluster: &Value, user: &Value) -> Result<(), Failure> {
    if cluster["insecure-skip-tls-verify"] == true {
        return Err(failed(
            "kubeconfig: insecure-skip-tls-verify would give your credentials to anybody who answers; put the cluster's certificate-authority-data there instead (Huawei CCE: context externalTLSVerify or internal)",
        ));
    }
    if cluster["proxy-url"].as_str().is_some_and(|url| !url.is_empty()) {
        return Err(failed(
            "kubeconfig: proxy-url cannot be used; run the doctor where the server can be reached",
        ));
    }
    if user["auth-provider"].is_object() {
        return Err(failed(
            "kubeconfig: auth-provider ended with Kubernetes 1.26; use exec, a token or a certificate",
        ));
    }
    if user["username"].is_string() {
        return Err(failed(
            "kubeconfig: username and password ended with Kubernetes 1.19; use a token or a certificate",
        ));
    }
    Ok(())
}

fn headers(user: &Value, base: &Path) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut headers = Vec::new();
    let token = match user["token"].as_str().filter(|t| !t.is_empty()) {
        Some(token) => Some(token.to_owned()),
        None => data(user, "tokenFile", base)?.map(|t| String::from_utf8_lossy(&t).trim().to_owned()),
    };
    headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
    headers.extend(user["as"].as_str().map(|name| ("impersonate-user", name.to_owned())));
    let groups = user["as-groups"].as_array().into_iter().flatten().filter_map(Value::as_str);
    headers.extend(groups.map(|group| ("impersonate-group", group.to_owned())));
    Ok(headers)
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

impl ClusterApi {
    async fn send(&self, get: &Get) -> Result<Answer, Trouble> {
        let connected = timeout(CONNECT_TIME, async {
            let tcp = match &get.direct {
                Some(direct) => TcpStream::connect(direct.as_str()).await?,
                None => TcpStream::connect((self.host.as_str(), self.port)).await?,
            };
            TlsConnector::from(self.tls.clone()).connect(self.name.clone(), tcp).await
        });
        let stream =
            connected.await.map_err(|_| format!("no connection within {} s", CONNECT_TIME.as_secs()))??;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(self.target(get))
            .header("host", format!("{}:{}", self.host, self.port))
            .header("accept", get.accept)
            .header("user-agent", concat!("jeton-doctor/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let code = answer.status().as_u16();
        let after = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()?.trim().parse().ok());
        let body = Limited::new(answer.into_body(), get.max_bytes).collect().await?.to_bytes();
        Ok(Answer { code, retry_after: after, body: body.into() })
    }

    fn target(&self, get: &Get) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&get.query);
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{query}", self.prefix, get.path)
    }
}

impl Api for ClusterApi {
    fn get(&mut self, get: &Get) -> Result<Answer, NoAnswer> {
        let place = get.direct.clone().unwrap_or_else(|| format!("{}:{}", self.host, self.port));
        match self.runtime.block_on(async { timeout(REQUEST_TIME, self.send(get)).await }) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(trouble)) if trouble.is::<LengthLimitError>() => Err(NoAnswer::TooLarge),
            Ok(Err(trouble)) => {
                let trouble: &dyn std::error::Error = trouble.as_ref();
                Err(NoAnswer::Unreachable(format!("{place}: {}", Failure::of(trouble).message)))
            }
            Err(_) => {
                Err(NoAnswer::Unreachable(format!("{place}: no answer within {} s", REQUEST_TIME.as_secs())))
            }
        }
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn pause(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Kubeconfig {
        Kubeconfig { config: serde_yaml_ng::from_str(text).unwrap(), path: "k".into() }
    }

    const TWO: &str =
        "{contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: d}}],
        clusters: [{name: c, cluster: {server: 'https://h', insecure-skip-tls-verify: true}},
                   {name: d, cluster: {server: 'http://h'}}]}";

    #[test]
    fn contexts_are_checked_against_the_file() {
        let config = read(TWO);
        let want = ["b".to_owned(), "a".to_owned()];
        assert_eq!(config.contexts(&want).unwrap(), want);
        assert_eq!(config.contexts(&[want[0].clone(), want[0].clone()]).unwrap(), want[..1]);
        let error = config.contexts(&["x".to_owned()]).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (64, "k has no context \"x\"; it has: a, b"));
        assert!(config.contexts(&[]).unwrap_err().message.contains("pass --context, one of: a, b"));
    }

    #[test]
    fn what_is_unsafe_is_refused_with_the_reason() {
        let config = read(TWO);
        let error = |context| config.cluster(context).map(|_| ()).unwrap_err().message;
        assert!(
            error("a").contains("insecure-skip-tls-verify would give your credentials"),
            "{}",
            error("a")
        );
        assert!(error("b").contains("must be an https URL"), "{}", error("b"));
        for (user, want) in [("{auth-provider: {}}", "auth-provider"), ("{username: u}", "username")] {
            let user: Value = serde_yaml_ng::from_str(user).unwrap();
            assert!(refuse(&Value::Null, &user).unwrap_err().message.contains(want));
        }
    }
    proptest::proptest! {
        /// No `exec` among the pieces: it would be run.
        #[test]
        fn no_kubeconfig_makes_it_panic(picks in proptest::collection::vec(0..PIECES.len(), 0..24)) {
            let text: String = picks.into_iter().map(|at| PIECES[at]).collect();
            for text in [&text, &format!("{TWO_OPEN}{text}}}}}], clusters: [{{name: c, cluster: {{{text}}}}}]}}")] {
                let Ok(config) = serde_yaml_ng::from_str(text) else { continue };
                let config = Kubeconfig { config, path: "k".into() };
                for context in config.contexts(&[]).unwrap_or_default() {
                    if let Err(failure) = config.cluster(&context) {
                        proptest::prop_assert!(failure.message.starts_with("kubeconfig: "), "{}", failure.message);
                    }
                }
            }
        }
    }

    const TWO_OPEN: &str = "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], users: [{name: u, user: {";
    const PIECES: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        "name: a",
        ", ",
        "contexts: ",
        "clusters: ",
        "users: ",
        "cluster: ",
        "user: ",
        "token: x",
        "server: 'https://[::1]:0/p'",
        "server: https://h",
        "server: 'https://h:99999'",
        "tls-server-name: '*'",
        "certificate-authority-data: ",
        "aGVsbG8=",
        "client-key-data: ",
        "client-certificate-data: ",
        "current-context: a",
        "as-groups: ",
        "tokenFile: /nowhere",
        "null",
    ];
}
