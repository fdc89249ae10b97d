//! An API server that says what a test wants, over real TLS.

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// What is answered to a path, which comes with its query: status, more header lines, body.
pub(crate) type Script = Box<dyn FnMut(&str) -> (u16, &'static str, String) + Send>;

/// A certificate for 127.0.0.1 that signs itself.
pub(crate) struct Identity {
    pem: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self { pem: made.cert.pem(), config: Arc::new(config) }
    }

    /// The certificate as a kubeconfig holds it.
    pub(crate) fn data(&self) -> String {
        STANDARD.encode(&self.pem)
    }

    /// Answers on an address until the test ends.
    pub(crate) fn serve(&self, address: &str, mut script: Script) -> SocketAddr {
        let listener = TcpListener::bind(address).unwrap();
        let bound = listener.local_addr().unwrap();
        let config = self.config.clone();
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let session = ServerConnection::new(config.clone()).unwrap();
                let mut stream = BufReader::new(StreamOwned::new(session, tcp));
                // A client that does not trust us hangs up here.
                let Some(path) = request(&mut stream) else { continue };
                let (code, more, body) = script(&path);
                let head = format!(
                    "HTTP/1.1 {code} X\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let out = stream.get_mut();
                let _ = out.write_all(head.as_bytes()).and_then(|()| out.write_all(body.as_bytes()));
                out.conn.send_close_notify();
                let _ = out.flush();
            }
        });
        bound
    }
}

/// Reads a head; gives back its path.
fn request(stream: &mut impl BufRead) -> Option<String> {
    let mut first = String::new();
    stream.read_line(&mut first).ok()?;
    let mut line = String::new();
    while stream.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    let mut parts = first.split(' ');
    assert_eq!(parts.next(), Some("GET"), "{first}");
    parts.next().map(str::to_owned)
}
