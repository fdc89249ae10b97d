//! What a server costs before it does anything: the same HTTP and TLS stack, with a handler that reads the request and
//! answers a fixed body.
//!
//! The same means the server's own code up to the handler: `edge` with its limits on connections, handshakes, heads and
//! their time, TLS with client certificates, hyper's settings, allocator, runtime and number of threads; and the same
//! load, whose requests carry the same bodies. What the handler does is the server's price and none of it is done here:
//! no head is looked at, no time limit or room for the body is kept, nothing is counted or written down, and the answer
//! has no headers but its type, length and date.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use jeton_authority::answer::Body;
use jeton_authority::edge::{self, Peer};
use jeton_authority::pki::{self, Authority};
use jeton_authority::server::tls;
use jeton_core::time::UnixTime;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of a request that are read.
const MAX_REQUEST_BYTES: usize = 3 * 1024 * 1024;

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Serves until it is killed: every request gets the content of the file `body` with code 201.
///
/// # Errors
/// When it cannot listen, read `body`, or write its certificates into `dir`.
pub fn serve(dir: &Path, body: &Path) -> Result<(), Box<dyn Error>> {
    pki::make_dir(dir)?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let now = UnixTime::from_seconds(i64::try_from(seconds)?);
    let authority = Authority::ensure(dir, now)?;
    let body = Bytes::from(std::fs::read(body)?);
    let connected = move |_: Peer| {
        let body = body.clone();
        move |request: Request<Incoming>| async move {
            let read = Limited::new(request.into_body(), MAX_REQUEST_BYTES).collect().await;
            let mut response = Response::new(Body::new(body));
            let code = if read.is_ok() { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
            *response.status_mut() = code;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = edge::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let serving = authority.serving(dir, &[], now)?;
        let tls = Arc::new(tls(authority.pem(), Arc::new(One(serving.key)))?);
        let kubeconfig = authority.admin(dir, address, now)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "ready https://{address} kubeconfig={}", kubeconfig.display())?;
        out.flush()?;
        drop(out);
        edge::serve(listener, tls, connected, std::future::pending()).await;
        Ok(())
    })
}
