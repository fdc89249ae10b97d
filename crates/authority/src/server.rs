//! A whole server: files read or made, parts put together, connections accepted.

use crate::access::bootstrap;
use crate::api::{App, Documents};
use crate::audit::AuditLog;
use crate::config::{Config, ConfigError};
use crate::controllers;
use crate::edge;
use crate::exchange::Observer;
use crate::flow::rotate::{self, KeysError};
use crate::flow::{Keyring, Source, Tokens, Uses};
use crate::health::{self, Health};
use crate::metrics::Metrics;
use crate::objects::Registry;
use crate::objects::registry::DISK_FULL;
use crate::pki::{self, Authority, PkiError};
use crate::renew;
use crate::signer::local::{self, PrivateKeyError};
use crate::signer::{LocalSigner, Signer};
use crate::status::ApiError;
use crate::store::{Embedded, OpenError, Store};
use arc_swap::ArcSwap;
use jeton_core::clock::Clock;
use jeton_core::keys::{KeyError, KeySet, PublicKey};
use jeton_core::policy::Policy;
use jeton_core::time::UnixTime;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Name of the store's file in the data directory.
pub const STORE_FILE: &str = "jeton.db";

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting.
    #[error("the settings cannot be used")]
    Config(#[from] ConfigError),
    /// Certificates or files.
    #[error("the data directory cannot be used")]
    Pki(#[from] PkiError),
    /// The store.
    #[error("the objects cannot be read")]
    Store(#[from] OpenError),
    /// The signing key.
    #[error("the signing key in {} cannot be used", .0.display())]
    SigningKey(PathBuf, #[source] PrivateKeyError),
    /// The keys that are managed here.
    #[error("the signing keys cannot be used")]
    Keys(#[from] KeysError),
    /// A verification key.
    #[error("the verification keys in {} cannot be used", .0.display())]
    KeyFile(PathBuf, #[source] KeyError),
    /// A key file that was named.
    #[error("the key file {} is not there", .0.display())]
    NoKeyFile(PathBuf),
    /// The address.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The counters.
    #[error("metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
    /// The audit log.
    #[error("the audit log {} cannot be written", .0.display())]
    Audit(PathBuf, #[source] std::io::Error),
    /// The objects every server has.
    #[error("the first objects cannot be written: {0}")]
    Bootstrap(String),
}

/// A server that listens and has not begun to answer.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    app: Arc<App>,
    renewal: Renewal,
    controllers: controllers::Settings,
    kubeconfig: PathBuf,
}

#[derive(Debug)]
struct Renewal {
    authority: Authority,
    dir: PathBuf,
    names: Vec<String>,
    address: SocketAddr,
    clock: Clock,
    current: Arc<Current>,
}

/// The serving certificate of the moment.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Renewal {
    fn renew(&self, now: UnixTime) -> Result<PathBuf, PkiError> {
        self.current.0.store(self.authority.serving(&self.dir, &self.names, now)?.key);
        self.authority.admin(&self.dir, self.address, now)
    }
}

/// Reads or makes everything a server needs, and listens.
///
/// # Errors
/// [`StartError`] says what is wrong; nothing that existed was overwritten.
pub async fn start(config: &Config, clock: Clock) -> Result<Server, StartError> {
    let dir = &config.data_dir;
    let store_file = dir.join(STORE_FILE);
    let fresh = !store_file.exists();
    let policy = config.policy(fresh)?;
    pki::make_dir(dir)?;
    // The store is locked first: a second process must not touch anything else.
    let store: Arc<dyn Store> = Arc::new(Embedded::open(&store_file)?);
    let now = clock.now();
    let keys = keys(config, &*store, &policy, now).await?;
    let authority = Authority::ensure(dir, now)?;
    let listener = edge::listen(config.listen).map_err(|e| StartError::Listen(config.listen, e))?;
    let listening = listener.local_addr().map_err(|e| StartError::Listen(config.listen, e))?;
    let address = pki::reachable(listening);
    let names = names(listening.ip());
    let serving = authority.serving(dir, &names, now)?;
    let current = Arc::new(Current(ArcSwap::from(serving.key)));
    let tls = Arc::new(tls(authority.pem(), current.clone())?);
    let controllers =
        controllers::Settings { ca_pem: authority.pem().into(), clean_up_seconds: config.clean_up_seconds };
    let kubeconfig = authority.admin(dir, address, now)?;
    let renewal = Renewal { authority, dir: dir.clone(), names, address, clock: clock.clone(), current };
    let observer = observer(config, &*store, &clock)?;
    let app = Arc::new(app(store, policy, keys, clock, observer, address));
    up_to_date(bootstrap::ensure(&app.registry).await, fresh)?;
    up_to_date(bootstrap::announce(&app.registry, address).await, fresh)?;
    app.health.prove(&app.tokens);
    Ok(Server { listener, tls, app, renewal, controllers, kubeconfig })
}

/// What became of writing the first objects. A store that exists on a disk that is full has older ones, and its
/// reviews and deletions must work after a restart too.
fn up_to_date(written: Result<(), ApiError>, fresh: bool) -> Result<(), StartError> {
    match written {
        Err(ApiError::Unavailable(why)) if why == DISK_FULL && !fresh => {
            tracing::error!(why, "the first objects were not brought up to date");
            Ok(())
        }
        written => written.map_err(|error| StartError::Bootstrap(error.message())),
    }
}

/// Puts the parts of an API together.
pub fn app(
    store: Arc<dyn Store>,
    policy: Policy,
    (ring, source): (Keyring, Source),
    clock: Clock,
    observer: Observer,
    address: SocketAddr,
) -> App {
    let jwks_uri = format!("https://{address}/openid/v1/jwks");
    let documents = Documents::new(policy.issuer(), &jwks_uri, &ring.keys)
        .inspect_err(|why| tracing::error!(why, "no OIDC discovery; tokens work all the same"))
        .ok();
    let registry = Registry::new(store.clone(), clock.clone()).with_release(policy.release);
    let registry = Arc::new(registry.with_injected(policy.lifetimes.injected));
    let tokens = Arc::new(Tokens {
        policy,
        ring: ArcSwap::from_pointee(ring),
        source,
        uses: Uses::default(),
        store,
        clock,
    });
    App::new(
        tokens,
        registry,
        Arc::new(Health::default()),
        Arc::new(observer),
        documents,
        address.to_string(),
    )
}

/// Counters, and the audit log where one is wanted.
fn observer(config: &Config, store: &dyn Store, clock: &Clock) -> Result<Observer, StartError> {
    let mut metrics = Metrics::new(store.figures())?;
    metrics.uses = metrics.uses.filter(|_| config.token_uses);
    let metrics = Arc::new(metrics);
    let audit = match &config.audit {
        Some(settings) => {
            let opened = AuditLog::open(settings.clone(), clock.clone(), metrics.clone());
            Some(opened.map_err(|error| StartError::Audit(settings.path.clone(), error))?)
        }
        None => None,
    };
    Ok(Observer::new(metrics, audit, clock.clone()))
}

impl Server {
    /// Where clients on this machine reach it.
    pub fn address(&self) -> SocketAddr {
        self.renewal.address
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Answers until `stop` is ready.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let app = self.app;
        let observer = app.observer.clone();
        tokio::spawn(health::run(app.health.clone(), app.tokens.clone()));
        controllers::spawn(&app.registry, &app.tokens, &self.controllers);
        let renewal = self.renewal;
        let clock = renewal.clock.clone();
        tokio::spawn(renew::certificates("serving and administrator", clock, move |now| {
            renewal.renew(now).map(drop).map_err(|error| error.to_string())
        }));
        let ending = app.clone();
        let stop = async move {
            stop.await;
            ending.end();
        };
        let connected = move |peer| {
            let line = Arc::new((app.clone(), app.converse(peer)));
            move |request| async move { line.0.answer(request, &line.1).await }
        };
        edge::serve(self.listener, self.tls, connected, stop).await;
        if observer.audit.is_some() {
            // It may wait for the disk.
            let finished = tokio::task::spawn_blocking(move || observer.audit.as_ref().map(AuditLog::finish));
            if finished.await.is_err() {
                tracing::error!("the audit log was not finished");
            }
        }
    }
}

/// The keys of a server: those it manages itself, or those it was given; the signing key's public half always verifies.
async fn keys(
    config: &Config,
    store: &dyn Store,
    policy: &Policy,
    now: UnixTime,
) -> Result<(Keyring, Source), StartError> {
    let mut all: Vec<Arc<PublicKey>> = Vec::new();
    for path in &config.key_files {
        let failed = |e| StartError::KeyFile(path.clone(), e);
        let pem = pki::read(path)?.ok_or_else(|| StartError::NoKeyFile(path.clone()))?;
        all.extend(local::verification_keys(&pem).map_err(failed)?.into_iter().map(Arc::new));
    }
    let Some(path) = &config.signing_key_file else {
        let (ring, rotation) = rotate::open(store, &config.data_dir, policy, all, now).await?;
        return Ok((ring, Source::Managed(rotation)));
    };
    let failed = |error| StartError::SigningKey(path.clone(), error);
    let pem = pki::read(path)?.ok_or_else(|| StartError::NoKeyFile(path.clone()))?;
    let signer = LocalSigner::from_pem(&pem).map_err(failed)?;
    if !all.iter().any(|key| key.id() == signer.public().id()) {
        all.insert(0, signer.public().clone());
    }
    let ring = Keyring::fixed(Signer::Local(Arc::new(signer)), KeySet::new(all));
    Ok((ring, Source::Given(path.clone())))
}

/// Names for the serving certificate beside the usual ones.
fn names(ip: IpAddr) -> Vec<String> {
    let mut names = Vec::new();
    if !ip.is_unspecified() && !ip.is_loopback() {
        names.push(ip.to_string());
    }
    let host = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    if jeton_core::ident::dns_subdomain(&host).is_ok() {
        names.push(host);
    }
    names
}

/// TLS 1.2 and 1.3; a client certificate is optional, and must be ours where it is given.
///
/// # Errors
/// [`StartError::Tls`] when the certificate authority cannot be used.
pub fn tls(ca_pem: &str, current: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Tls(error.to_string());
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|e| failed(&e))?;
    let mut roots = RootCertStore::empty();
    roots.add(ca).map_err(|e| failed(&e))?;
    let provider = Arc::new(default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|e| failed(&e))?;
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(&e))?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(current);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}
