//! The API server as a program in a pod will see it.

use super::RunError;
use kube::Config;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Who asks, in the server's audit log and `managedFields`.
pub(super) const USER_AGENT: &str = concat!("jeton-run/", env!("CARGO_PKG_VERSION"));

/// Host and port, as `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` have them.
pub(super) fn address(config: &Config) -> Result<(String, String), RunError> {
    let url = &config.cluster_url;
    let path = url.path().trim_end_matches('/');
    match (url.scheme_str(), url.host()) {
        (Some("https"), Some(host)) if path.is_empty() => {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Ok((host, url.port_u16().unwrap_or(443).to_string()))
        }
        _ => Err(RunError::Server(url.to_string())),
    }
}

/// Whether a program that trusts `ca.crt` trusts this server; `None`: the kubeconfig does not say whom it trusts.
pub(super) fn is_trusted(config: &Config, ca: &[u8]) -> Option<bool> {
    let ours = config.root_cert.as_ref()?;
    let theirs = CertificateDer::pem_slice_iter(ca).filter_map(Result::ok);
    Some(theirs.into_iter().any(|cert| ours.iter().any(|own| own.as_slice() == cert.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_in_cluster_configuration_can_name() {
        for (url, want) in [
            ("https://127.0.0.1:6443", Some(("127.0.0.1", "6443"))),
            ("https://api.example", Some(("api.example", "443"))),
            ("https://[::1]:8443/", Some(("::1", "8443"))),
            ("http://127.0.0.1:8080", None),
            ("https://rancher.example/k8s/clusters/c-1", None),
        ] {
            let got = address(&Config::new(url.parse().unwrap())).ok();
            assert_eq!(got.as_ref().map(|(h, p)| (h.as_str(), p.as_str())), want, "{url}");
        }
    }
}
