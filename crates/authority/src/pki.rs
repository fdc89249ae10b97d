//! Certificates of a first start, and their renewal.
//!
//! Invariant: private keys lie in files of mode 0600, written whole and then renamed into place; an existing authority is
//! never replaced. Serving and administrator's certificates are made anew at every start and at two thirds of their life.

use base64::{Engine, engine::general_purpose::STANDARD};
use jeton_core::time::UnixTime;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Days the certificate authority lives.
const CA_DAYS: i64 = 3650;
/// Days a serving or administrator's certificate lives.
const LEAF_DAYS: i64 = 365;
/// Seconds after which leaf certificates are made anew: two thirds of their life.
pub const RENEW_AFTER_SECONDS: u64 = 365 * 24 * 3600 * 2 / 3;
const DAY_SECONDS: i64 = 24 * 3600;

/// Why certificates or keys could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// The operation.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// One half of a pair is there, the other is not.
    #[error("{} exists, but {} does not: restore it, or move both away to start anew", there.display(), missing.display())]
    Half {
        /// The file that exists.
        there: PathBuf,
        /// The file that does not.
        missing: PathBuf,
    },
    /// A file holds something else.
    #[error("{} holds no usable {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The library could not make a certificate.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
}

/// The certificate authority of a data directory.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that TLS can serve, and the same as PEM.
#[derive(Debug)]
pub struct Serving {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
}

/// Makes a directory of mode 0700, if it is not there.
///
/// # Errors
/// When it cannot be made.
pub fn make_dir(dir: &Path) -> Result<(), PkiError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| PkiError::File { doing: "create the directory", path: dir.to_owned(), source })
}

/// Reads a file; `None` when there is none.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, PkiError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PkiError::File { doing: "read", path: path.to_owned(), source }),
    }
}

/// Writes a file of mode 0600 whole: a reader sees the old content or the new one.
///
/// # Errors
/// When it cannot be written; the old content stays.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), PkiError> {
    let failed = |doing, source| PkiError::File { doing, path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|source| failed("write", source))?;
    fs::rename(&temporary, path).map_err(|source| failed("replace", source))?;
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|d| d.sync_all()).map_err(|source| failed("sync the directory of", source))
}

impl Authority {
    /// Reads the authority of a data directory, or makes one.
    ///
    /// # Errors
    /// Half a pair, unusable content, or a failing disk.
    pub fn ensure(dir: &Path, now: UnixTime) -> Result<Self, PkiError> {
        let (crt, key) = (dir.join("ca.crt"), dir.join("ca.key"));
        match (read(&crt)?, read(&key)?) {
            (Some(pem), Some(secret)) => Self::load(&crt, &pem, &key, &secret),
            (None, None) => {
                let pair = KeyPair::generate().map_err(PkiError::Make)?;
                let mut params = params("jeton-ca", &[], now, CA_DAYS)?;
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
                let pem = params.self_signed(&pair).map_err(PkiError::Make)?.pem();
                write(&key, Zeroizing::new(pair.serialize_pem()).as_bytes())?;
                write(&crt, pem.as_bytes())?;
                Ok(Self { pem, issuer: Issuer::new(params, pair) })
            }
            (Some(_), None) => Err(PkiError::Half { there: crt, missing: key }),
            (None, Some(_)) => Err(PkiError::Half { there: key, missing: crt }),
        }
    }

    fn load(crt: &Path, pem: &[u8], key: &Path, secret: &[u8]) -> Result<Self, PkiError> {
        let content = |path: &Path, what| PkiError::Content { path: path.to_owned(), what };
        let pem = std::str::from_utf8(pem).map_err(|_| content(crt, "certificate"))?.to_owned();
        let secret = std::str::from_utf8(secret).map_err(|_| content(key, "private key"))?;
        let pair = KeyPair::from_pem(secret).map_err(|_| content(key, "private key"))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, pair).map_err(|_| content(crt, "certificate"))?;
        Ok(Self { pem, issuer })
    }

    /// The authority's certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A new serving certificate for loopback, the usual names of an API server and `names`; also written to
    /// `serving.crt` and `serving.key`.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn serving(&self, dir: &Path, names: &[String], now: UnixTime) -> Result<Serving, PkiError> {
        let usual = [
            "localhost",
            "127.0.0.1",
            "::1",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let mut all: Vec<String> = usual.iter().map(|n| (*n).to_owned()).collect();
        all.extend(names.iter().filter(|n| !usual.contains(&n.as_str())).cloned());
        let pair = KeyPair::generate().map_err(PkiError::Make)?;
        let mut params = params("jeton", &all, now, LEAF_DAYS)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let crt = params.signed_by(&pair, &self.issuer).map_err(PkiError::Make)?.pem();
        let secret = Zeroizing::new(pair.serialize_pem());
        write(&dir.join("serving.key"), secret.as_bytes())?;
        write(&dir.join("serving.crt"), crt.as_bytes())?;
        let content = |what| PkiError::Content { path: dir.join("serving.crt"), what };
        let chain = CertificateDer::from_pem_slice(crt.as_bytes()).map_err(|_| content("certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(secret.as_bytes()).map_err(|_| content("private key"))?;
        let key = any_supported_type(&key).map_err(|_| content("private key"))?;
        Ok(Serving { key: Arc::new(CertifiedKey::new(vec![chain], key)) })
    }

    /// Writes `admin.kubeconfig`: a fresh administrator's certificate and the address to reach the server at.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn admin(&self, dir: &Path, address: SocketAddr, now: UnixTime) -> Result<PathBuf, PkiError> {
        let server = format!("https://{address}");
        let text = self.client("jeton-admin", "system:masters", &server, now)?;
        let path = dir.join("admin.kubeconfig");
        write(&path, text.as_bytes())?;
        Ok(path)
    }

    /// The kubeconfig of a node: user `system:node:<name>`, group `system:nodes`, valid for a year.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn node(&self, name: &str, server: &str, now: UnixTime) -> Result<Zeroizing<String>, PkiError> {
        self.client(&format!("system:node:{name}"), "system:nodes", server, now)
    }

    /// A kubeconfig with a fresh client certificate for a user of one group.
    fn client(
        &self,
        user: &str,
        group: &str,
        server: &str,
        now: UnixTime,
    ) -> Result<Zeroizing<String>, PkiError> {
        let pair = KeyPair::generate().map_err(PkiError::Make)?;
        let mut params = params(user, &[], now, LEAF_DAYS)?;
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let crt = params.signed_by(&pair, &self.issuer).map_err(PkiError::Make)?.pem();
        let secret = Zeroizing::new(pair.serialize_pem());
        Ok(Zeroizing::new(kubeconfig(&self.pem, &crt, &secret, server)))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

fn kubeconfig(ca: &str, crt: &str, key: &str, server: &str) -> String {
    let encode = |text: &str| Zeroizing::new(STANDARD.encode(text));
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: jeton\nclusters:\n- name: jeton\n  cluster:\n    server: {server}\n    certificate-authority-data: {}\ncontexts:\n- name: jeton\n  context:\n    cluster: jeton\n    user: jeton\nusers:\n- name: jeton\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        *encode(ca),
        *encode(crt),
        *encode(key),
    )
}

/// Where clients on this machine reach a listener.
pub fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

fn params(name: &str, names: &[String], now: UnixTime, days: i64) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(name.as_str().try_into().map_err(PkiError::Make)?),
        });
    }
    // A day of tolerance for clocks that are behind.
    let (year, month, day) = date(now.plus_seconds(-DAY_SECONDS));
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = date(now.plus_seconds(days * DAY_SECONDS));
    params.not_after = date_time_ymd(year, month, day);
    Ok(params)
}

fn date(at: UnixTime) -> (i32, u8, u8) {
    let text = at.date();
    let part =
        |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<u16>().ok()).unwrap_or(1);
    let small = |range| u8::try_from(part(range)).unwrap_or(1);
    (i32::from(part(0..4)), small(5..7), small(8..10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const NOW: UnixTime = UnixTime::from_seconds(1_784_973_600);

    #[test]
    fn a_first_start_makes_files_that_only_the_owner_reads_and_a_second_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        make_dir(&data).unwrap();
        let first = Authority::ensure(&data, NOW).unwrap();
        first.serving(&data, &["example.test".to_owned()], NOW).unwrap();
        first.admin(&data, "127.0.0.1:6443".parse().unwrap(), NOW).unwrap();
        let again = Authority::ensure(&data, NOW).unwrap();
        assert_eq!(first.pem(), again.pem());
        for entry in fs::read_dir(&data).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        }
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 5);
    }

    #[test]
    fn half_a_pair_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        Authority::ensure(dir.path(), NOW).unwrap();
        fs::remove_file(dir.path().join("ca.crt")).unwrap();
        let key = fs::read(dir.path().join("ca.key")).unwrap();
        assert!(matches!(Authority::ensure(dir.path(), NOW), Err(PkiError::Half { .. })));
        assert_eq!(fs::read(dir.path().join("ca.key")).unwrap(), key);
        fs::write(dir.path().join("ca.crt"), "nonsense").unwrap();
        assert!(matches!(Authority::ensure(dir.path(), NOW), Err(PkiError::Content { .. })));
    }

    #[test]
    fn clients_reach_a_wildcard_listener_at_loopback() {
        for (listener, want) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "127.0.0.1:2"), ("10.0.0.1:3", "10.0.0.1:3")]
        {
            assert_eq!(reachable(listener.parse().unwrap()).to_string(), want);
        }
    }
}
