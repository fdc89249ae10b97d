//! From a kubeconfig to a client that goes with the file.
//!
//! Invariant: credentials that are replaced on disk are used within seconds, without a restart; a file that cannot be used
//! changes nothing, because it may be half written. What is being answered goes on over its old connection.

use super::failure::chain;
use http::{Request, Response};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Seconds for a connection to come about.
const CONNECT_SECONDS: u64 = 10;
/// Time between two looks at the kubeconfig, and the files that it names; only a request makes anybody look.
const LOOK_TIME: Duration = Duration::from_secs(5);

/// Who asks, in the server's audit log and `managedFields`.
const USER_AGENT: &str = concat!("jeton-agent/", env!("CARGO_PKG_VERSION"));

/// Why there is no client.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct ConnectError {
    /// The kubeconfig.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// A client with the credentials that a kubeconfig's current context has at the time of each request. Nothing is sent yet.
///
/// # Errors
/// The file cannot be read, or says something that cannot be.
pub async fn connect(kubeconfig: &Path) -> Result<Client, ConnectError> {
    let (config, files) = read(kubeconfig, USER_AGENT).await?;
    client(kubeconfig, config, files, USER_AGENT)
}

/// The same for somebody who has read the file already.
///
/// # Errors
/// It says something that cannot be.
pub(crate) fn client(
    path: &Path,
    config: Config,
    files: Files,
    user_agent: &'static str,
) -> Result<Client, ConnectError> {
    let namespace = config.default_namespace.clone();
    let current = build(path, config)?;
    let stamp = files.stamp();
    let held = Mutex::new(Held { client: current, files, stamp, looked: Instant::now() });
    let followed = Arc::new(Followed { path: path.to_owned(), user_agent, held });
    let service = tower::service_fn(move |request| send(followed.clone(), request));
    Ok(Client::new(service, namespace))
}

async fn send(followed: Arc<Followed>, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
    followed.client().await.send(request).await
}

/// Reads what a kubeconfig says now, and of which files it consists. Every request is to say who asks.
///
/// # Errors
/// [`ConnectError`]
pub(crate) async fn read(path: &Path, user_agent: &'static str) -> Result<(Config, Files), ConnectError> {
    let failed = |error: &dyn std::error::Error| ConnectError { path: path.to_owned(), why: chain(error) };
    let read = Kubeconfig::read_from(path).map_err(|e| failed(&e))?;
    let named = read.auth_infos.iter().filter_map(|named| named.auth_info.as_ref());
    let named = named.flat_map(|user| [&user.client_certificate, &user.client_key]);
    let authorities = read.clusters.iter().filter_map(|named| named.cluster.as_ref());
    let named = named.chain(authorities.map(|cluster| &cluster.certificate_authority));
    let files = named.flatten().map(PathBuf::from).chain([path.to_owned()]).collect();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|e| failed(&e))?;
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(user_agent)));
    Ok((config, Files(files)))
}

fn build(path: &Path, mut config: Config) -> Result<Client, ConnectError> {
    config.connect_timeout = Some(Duration::from_secs(CONNECT_SECONDS));
    Client::try_from(config).map_err(|e| ConnectError { path: path.to_owned(), why: chain(&e) })
}

/// The files that make up a kubeconfig.
#[derive(Clone, Debug)]
pub(crate) struct Files(Vec<PathBuf>);

/// What tells that a file is another one than before: its number, size and times; `None`: it is not there.
type Stamp = Vec<Option<(u64, u64, i64, i64)>>;

impl Files {
    fn stamp(&self) -> Stamp {
        let of = |path: &PathBuf| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
        };
        self.0.iter().map(of).collect()
    }
}

/// A kubeconfig, and the client that it last gave.
struct Followed {
    path: PathBuf,
    user_agent: &'static str,
    held: Mutex<Held>,
}

struct Held {
    client: Client,
    files: Files,
    stamp: Stamp,
    looked: Instant,
}

impl Followed {
    /// The client of the moment.
    async fn client(&self) -> Client {
        let (before, stamp) = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.looked.elapsed() < LOOK_TIME {
                return held.client.clone();
            }
            held.looked = Instant::now();
            let stamp = held.files.stamp();
            if stamp == held.stamp {
                return held.client.clone();
            }
            (held.client.clone(), stamp)
        };
        let anew = match read(&self.path, self.user_agent).await {
            Ok((config, files)) => build(&self.path, config).map(|client| (client, files)),
            Err(error) => Err(error),
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match anew {
            Ok((client, files)) => {
                tracing::info!(kubeconfig = %self.path.display(), "changed: its new credentials are used");
                // As it was before it was read: what changed meanwhile is read again.
                held.stamp = if files.0 == held.files.0 { stamp } else { Stamp::new() };
                (held.client, held.files) = (client.clone(), files);
                client
            }
            Err(error) => {
                tracing::error!(%error, "the kubeconfig changed and cannot be used; the old credentials go on");
                // Said once; the next change is another one.
                held.stamp = stamp;
                before
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that says which credentials a request had.
    async fn echo(listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while let Ok(1..) = stream.read_buf(&mut seen).await {
                    if seen.ends_with(b"\r\n\r\n") {
                        let text = String::from_utf8_lossy(&seen).into_owned();
                        let bearer = text.lines().find_map(|l| l.strip_prefix("authorization: Bearer "));
                        let bearer = bearer.unwrap_or("nobody");
                        let answer =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nseen: {bearer}\r\n\r\n");
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                        seen.clear();
                    }
                }
            });
        }
    }

    fn seen(headers: &HeaderMap) -> String {
        headers["seen"].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn credentials_that_are_replaced_on_disk_are_used_and_broken_ones_are_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(echo(listener));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        let put = |token: &str| {
            let text = format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{token: {token}}}}}]\n"
            );
            std::fs::write(dir.path().join("next"), text).unwrap();
            std::fs::rename(dir.path().join("next"), &path).unwrap();
        };
        put("first");
        let client = connect(&path).await.unwrap();
        let ask = async || {
            tokio::time::pause();
            tokio::time::advance(LOOK_TIME).await;
            tokio::time::resume();
            let request = Request::get("/version").body(Body::empty()).unwrap();
            seen(client.send(request).await.unwrap().headers())
        };
        assert_eq!(ask().await, "first");
        put("second");
        assert_eq!(ask().await, "second");
        std::fs::write(&path, "clusters: [").unwrap();
        assert_eq!(ask().await, "second", "a file that is half there changes nothing");
        put("third");
        assert_eq!(ask().await, "third");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(ask().await, "third");
    }

    #[tokio::test]
    async fn a_certificate_beside_the_kubeconfig_is_looked_at_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        std::fs::write(&path, "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority: ca.crt}}]\nusers: [{name: u, user: {client-certificate: c.crt, client-key: c.key}}]\n").unwrap();
        for name in ["ca.crt", "c.crt", "c.key"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let (_, files) = read(&path, "x").await.unwrap();
        let before = files.stamp();
        assert_eq!(before.iter().flatten().count(), 4);
        for name in ["ca.crt", "c.crt", "c.key"] {
            let before = files.stamp();
            std::fs::write(dir.path().join(name), "anew").unwrap();
            assert_ne!(files.stamp(), before, "{name}");
        }
    }
}
