//! Requests to the API, several behind each other, by an administrator: no path, header or body makes a handler panic or
//! answer 500.
#![no_main]

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use jeton_authority::access::bootstrap;
use jeton_authority::answer::Body;
use jeton_authority::api::App;
use jeton_authority::edge::Peer;
use jeton_authority::exchange::Observer;
use jeton_authority::flow::{Keyring, Source};
use jeton_authority::metrics::Metrics;
use jeton_authority::server::app;
use jeton_authority::signer::{LocalSigner, Signer, local};
use jeton_authority::store::{Embedded, Store};
use jeton_core::clock::Clock;
use jeton_core::keys::KeySet;
use jeton_core::policy::Policy;
use jeton_core::time::UnixTime;
use jeton_core::wire::UserInfo;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use tokio::runtime::{Builder, Runtime};

/// Inputs after which a server is made anew, so that what they leave does not add up.
const INPUTS: usize = 256;
/// Requests of one input.
const REQUESTS: usize = 8;

static SIGNER: LazyLock<Arc<LocalSigner>> =
    LazyLock::new(|| Arc::new(LocalSigner::from_pem(local::new_key_pem().unwrap().as_bytes()).unwrap()));
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

thread_local! {
    static SERVER: RefCell<Option<(Arc<App>, usize)>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    let app = SERVER.with_borrow_mut(|server| {
        let (app, used) = server.take().filter(|(_, used)| *used < INPUTS).unwrap_or_else(|| (fresh(), 0));
        *server = Some((app.clone(), used + 1));
        app
    });
    for part in bytes.split(|byte| *byte == 0xff).take(REQUESTS) {
        let Some(request) = request(part) else { continue };
        RUNTIME.block_on(send(&app, request));
    }
});

fn fresh() -> Arc<App> {
    let clock = Clock::new(|| UnixTime::from_seconds(1_795_651_200));
    let store: Arc<dyn Store> = Arc::new(Embedded::in_memory().unwrap());
    let observer = Observer::new(Arc::new(Metrics::new(store.figures()).unwrap()), None, clock.clone());
    let keys = KeySet::new([SIGNER.public().clone()]);
    let ring = Keyring::fixed(Signer::Local(SIGNER.clone()), keys);
    let address = "127.0.0.1:6443".parse().unwrap();
    let policy = Policy::for_issuer("https://jeton.example");
    let app = Arc::new(app(store, policy, (ring, Source::Given("fuzz".into())), clock, observer, address));
    RUNTIME.block_on(bootstrap::ensure(&app.registry)).unwrap();
    app
}

/// `METHOD /path?query`, a header on each line, an empty line, the body.
fn request(part: &[u8]) -> Option<Request<Full<Bytes>>> {
    let end = part.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((part, &[][..]), |end| (&part[..end], &part[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    *request.method_mut() = Method::from_bytes(&first[..space]).ok()?;
    *request.uri_mut() = std::str::from_utf8(&first[space + 1..]).ok()?.parse().ok()?;
    for line in lines.take(16) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some(request)
}

async fn send(app: &Arc<App>, request: Request<Full<Bytes>>) {
    let user = UserInfo {
        username: "admin".to_owned(),
        groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
        ..UserInfo::default()
    };
    let peer = Peer { address: "127.0.0.1:1".parse().unwrap(), user: Some(user) };
    let shown = format!("{} {}", request.method(), request.uri());
    let response = app.answer(request, &app.converse(peer)).await;
    assert_ne!(response.status().as_u16(), 500, "{shown}");
    let media = response.headers().get("content-type").cloned();
    // The rest comes as it happens, and nothing does.
    if let Body::Whole(body) = response.into_body()
        && media.is_some_and(|media| media == "application/json")
    {
        let bytes = body.collect().await.unwrap().to_bytes();
        assert!(bytes.is_empty() || serde_json::from_slice::<IgnoredAny>(&bytes).is_ok(), "{shown}");
    }
}
