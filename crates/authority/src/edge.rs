//! TCP, TLS and HTTP/1.1 or HTTP/2 in front of a handler.
//!
//! Invariant: a client may be slow, silent or many without holding up others: handshakes and headers have a time limit,
//! connections a number, and each connection has its own task. Left out on purpose: what requests mean.

use crate::access::authn::certificate_user;
use crate::answer::Body;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use jeton_core::wire::UserInfo;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Connections at once; more wait in the backlog.
pub const MAX_CONNECTIONS: usize = 16_384;
/// Connections that wait to be accepted.
pub const BACKLOG: i32 = 4096;
/// Seconds for a TLS handshake.
pub const HANDSHAKE_SECONDS: u64 = 10;
/// Seconds for the head of a request, and that a connection may stay idle between requests.
pub const HEAD_SECONDS: u64 = 60;
/// Bytes of a request's head.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Requests at once on one HTTP/2 connection. Kubernetes 1.36: 100.
pub const MAX_STREAMS: u32 = 100;
/// Seconds that requests under way may take when the server ends.
pub const DRAIN_SECONDS: u64 = 10;

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// Whom its certificate names, when it presented one.
    pub user: Option<UserInfo>,
}

/// Opens a listening socket.
///
/// # Errors
/// When the address is taken or not ours.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves until `stop` is ready, then lets requests under way finish. `connected` is asked once for each connection for
/// what answers its requests.
pub async fn serve<C, H, F>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    connected: C,
    stop: impl Future<Output = ()>,
) where
    C: Fn(Peer) -> H + Clone + Send + Sync + 'static,
    H: FnOnce(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the client is gone already: neither may end the server.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let (acceptor, connected, watcher) = (acceptor.clone(), connected.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection(stream, address, acceptor, connected, watcher).await {
                tracing::debug!(%address, error, "connection");
            }
        });
    }
    let drained = tokio::time::timeout(Duration::from_secs(DRAIN_SECONDS), graceful.shutdown()).await;
    if drained.is_err() {
        tracing::warn!("requests were still under way after {DRAIN_SECONDS} s");
    }
}

async fn connection<C, H, F>(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    connected: C,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), String>
where
    C: Fn(Peer) -> H,
    H: FnOnce(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let handshake = tokio::time::timeout(Duration::from_secs(HANDSHAKE_SECONDS), acceptor.accept(stream));
    let stream = handshake.await.map_err(|_| "slow TLS handshake".to_owned())?.map_err(|e| e.to_string())?;
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    let user = certificate.and_then(|der| certificate_user(der));
    let second = session.alpn_protocol() == Some(b"h2");
    let handler = connected(Peer { address, user });
    let service = service_fn(move |request| {
        let handler = handler.clone();
        // Its future comes to be where it stays: it is large, and moving it costs.
        async move {
            Ok::<_, Infallible>(match refused(&request) {
                Some(refusal) => refusal,
                None => handler(request).await,
            })
        }
    });
    let io = TokioIo::new(stream);
    let head = Duration::from_secs(HEAD_SECONDS);
    if second {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
            .keep_alive_interval(Some(head / 2))
            .keep_alive_timeout(head / 2);
        watcher.watch(builder.serve_connection(io, service)).await.map_err(|e| e.to_string())
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(MAX_HEAD_BYTES);
        watcher.watch(builder.serve_connection(io, service)).await.map_err(|e| e.to_string())
    }
}

/// The refusal of a head that the HTTP library lets through: it reads on until its buffer is full, which is more than
/// [`MAX_HEAD_BYTES`], and leaves `Host` to others. Kubernetes 1.36 (Go's net/http): these codes and words.
fn refused<B>(request: &Request<B>) -> Option<Response<Body>> {
    let headers = request.headers();
    // On the wire: ": " and the end of the line beside each name and value; " " twice and the version beside the path.
    let lines: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(1, |path| path.as_str().len());
    if lines + target + request.method().as_str().len() + 14 > MAX_HEAD_BYTES {
        return Some(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is larger than 64 KiB"));
    }
    if request.version() != Version::HTTP_11 {
        return None;
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Some(refusal(StatusCode::BAD_REQUEST, "missing required Host header")),
        (Some(_), Some(_)) => Some(refusal(StatusCode::BAD_REQUEST, "too many Host headers")),
        (Some(_), None) => None,
    }
}

fn refusal(code: StatusCode, why: &str) -> Response<Body> {
    let mut response = Response::new(Body::new(format!("{code}: {why}\n")));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_held_against_their_limits() {
        let filler = |bytes: usize| "x".repeat(bytes);
        let code = |version: Version, headers: &[(&str, String)]| {
            let mut request = Request::builder().uri("/version").version(version);
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            refused(&request.body(()).unwrap()).map(|r| r.status().as_u16())
        };
        let host = ("host", "h".to_owned());
        // GET /version HTTP/1.1, host: h, a: …
        let spent = 3 + 8 + 14 + 9 + 5;
        for (version, headers, want) in [
            (Version::HTTP_11, vec![host.clone()], None),
            (Version::HTTP_11, vec![], Some(400)),
            (Version::HTTP_11, vec![host.clone(), host.clone()], Some(400)),
            (Version::HTTP_10, vec![], None),
            (Version::HTTP_2, vec![], None),
            (Version::HTTP_11, vec![host.clone(), ("a", filler(MAX_HEAD_BYTES - spent))], None),
            (Version::HTTP_11, vec![host, ("a", filler(MAX_HEAD_BYTES - spent + 1))], Some(431)),
        ] {
            assert_eq!(code(version, &headers), want, "{version:?} with {} headers", headers.len());
        }
    }
}
