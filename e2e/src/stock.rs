//! A stock control plane: etcd, kube-apiserver and kube-controller-manager as their Go modules build them.
//!
//! Invariant: they listen on the loopback only, and end with the thread that started them.

use crate::client::{Access, As};
use crate::server::target;
use jeton_authority::pki::{Authority, make_dir, write};
use jeton_authority::signer::local::new_key_pem;
use jeton_core::time::UnixTime;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the servers may take to be ready on a busy machine.
const START: Duration = Duration::from_secs(180);
/// Milliseconds between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// The issuer that kube-apiserver is given.
pub const ISSUER: &str = "https://kubernetes.default.svc";
/// An address that is nobody's (RFC 5737): Kubernetes does not publish a loopback address.
const ADVERTISED: &str = "192.0.2.1";
/// Every exchange once, without bodies.
const AUDIT_POLICY: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n";
/// What a token needs to come about, live and go.
const CONTROLLERS: &str = "serviceaccount-token-controller,serviceaccount-controller,\
    root-ca-certificate-publisher-controller,namespace-controller,pod-garbage-collector-controller,garbage-collector-controller";

/// Files of a control plane in its directory.
pub const AUDIT_LOG: &str = "audit.log";
/// The private key that signs tokens.
pub const SIGNING_KEY: &str = "sa.key";

/// A control plane that runs.
#[derive(Debug)]
pub struct Stock {
    /// Its programs.
    pub children: Vec<(&'static str, Child)>,
    /// Its administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Where kube-apiserver listens.
    pub address: SocketAddr,
}

/// One of its programs, as `cargo xtask test stock` builds them.
pub fn binary(name: &str) -> PathBuf {
    target().join("stock").join(name)
}

/// Starts all of it in a directory that is made anew, and waits until accounts can be used. `keeper`: how a program is
/// started, see [`crate::server::keep`]; `more`: flags of kube-apiserver.
///
/// # Errors
/// A program is missing, or one ends before all are ready.
pub fn start(keeper: &Path, dir: &Path, more: &[OsString]) -> Result<Stock, Box<dyn Error>> {
    let _ = fs::remove_dir_all(dir);
    make_dir(dir)?;
    let [etcd, peer, api] = ports()?;
    let now = UnixTime::from_seconds(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?);
    let authority = Authority::ensure(dir, now)?;
    authority.serving(dir, &[], now)?;
    let kubeconfig = authority.admin(dir, api, now)?;
    write(&dir.join(SIGNING_KEY), new_key_pem()?.as_bytes())?;
    fs::write(dir.join("audit-policy.yaml"), AUDIT_POLICY)?;
    let mut stock = Stock { children: Vec::new(), kubeconfig, address: api };
    stock.spawn(keeper, dir, "etcd", &etcd_flags(dir, etcd, peer), &[])?;
    stock.spawn(keeper, dir, "kube-apiserver", &api_flags(dir, etcd, api), more)?;
    let access = Access::read(&fs::read_to_string(&stock.kubeconfig)?)?;
    stock.wait(dir, &access, "/readyz")?;
    stock.spawn(keeper, dir, "kube-controller-manager", &manager_flags(dir), &[])?;
    stock.wait(dir, &access, "/api/v1/namespaces/default/serviceaccounts/default")?;
    stock.wait(dir, &access, "/api/v1/namespaces/default/configmaps/kube-root-ca.crt")?;
    stock.wait(dir, &access, "/api/v1/namespaces/kube-node-lease")?;
    Ok(stock)
}

/// Ports that were free a moment ago.
fn ports() -> std::io::Result<[SocketAddr; 3]> {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let held = [free()?, free()?, free()?];
    Ok([held[0].local_addr()?, held[1].local_addr()?, held[2].local_addr()?])
}

fn etcd_flags(dir: &Path, client: SocketAddr, peer: SocketAddr) -> Vec<String> {
    let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
    vec![
        format!("--data-dir={}", dir.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn api_flags(dir: &Path, etcd: SocketAddr, api: SocketAddr) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    vec![
        format!("--etcd-servers=http://{etcd}"),
        format!("--bind-address={}", api.ip()),
        format!("--secure-port={}", api.port()),
        format!("--advertise-address={ADVERTISED}"),
        "--service-cluster-ip-range=10.96.0.0/24".to_owned(),
        file("tls-cert-file", "serving.crt"),
        file("tls-private-key-file", "serving.key"),
        file("client-ca-file", "ca.crt"),
        file("cert-dir", "made"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        format!("--service-account-issuer={ISSUER}"),
        file("service-account-signing-key-file", SIGNING_KEY),
        file("service-account-key-file", SIGNING_KEY),
        file("audit-log-path", AUDIT_LOG),
        file("audit-policy-file", "audit-policy.yaml"),
    ]
}

fn manager_flags(dir: &Path) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    vec![
        file("kubeconfig", "admin.kubeconfig"),
        file("service-account-private-key-file", SIGNING_KEY),
        file("root-ca-file", "ca.crt"),
        format!("--controllers={CONTROLLERS}"),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ]
}

impl Stock {
    fn spawn(
        &mut self,
        keeper: &Path,
        dir: &Path,
        name: &'static str,
        flags: &[String],
        more: &[OsString],
    ) -> Result<(), Box<dyn Error>> {
        let log = fs::File::create(dir.join(format!("{name}.log")))?;
        let mut command = Command::new(keeper);
        command.arg("keep").arg(binary(name)).args(flags).args(more).stdin(Stdio::null());
        let child = command.stdout(log.try_clone()?).stderr(log).spawn();
        self.children.push((name, child.map_err(|e| format!("{}: {e}", keeper.display()))?));
        Ok(())
    }

    /// Until something is there.
    fn wait(&mut self, dir: &Path, access: &Access, path: &str) -> Result<(), Box<dyn Error>> {
        let begun = Instant::now();
        while !access.ask(&As::Admin, "GET", path, None).is_ok_and(|answer| answer.status == 200) {
            let ended = self.children.iter_mut().find_map(|(name, child)| match child.try_wait() {
                Ok(None) => None,
                _ => Some(format!("{name} ended")),
            });
            let late = (begun.elapsed() > START).then(|| format!("no {path} within {} s", START.as_secs()));
            if let Some(why) = ended.or(late) {
                return Err(format!("{why}; see the logs in {}", dir.display()).into());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
