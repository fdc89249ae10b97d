//! A request to its answer: who asks, may they, and which adapter does it.

use super::body::{Read, Room};
use super::discovery::{self, Discovery};
use super::negotiate::{self, Format};
use super::openid::Documents;
use super::reply::{Reply, refusal};
use super::watch::MAX_WATCHES;
use super::{access_reviews, openapi_v2, resource, reviews, signing_keys, token_request};
use crate::access::attributes::Attributes;
use crate::access::authn::{self, Caller};
use crate::access::authorizer::Authorizer;
use crate::access::impersonate;
use crate::answer::Body;
use crate::controllers::legacy_tracking::write_uses;
use crate::edge::Peer;
use crate::exchange::{AUDIT_ID, Conversation, Exchange, Observer};
use crate::flow::{Tokens, key_figures};
use crate::health::{self, Health};
use crate::metrics::CONTENT_TYPE;
use crate::objects::Registry;
use crate::request_info::{Query, RequestInfo, ResourcePath};
use crate::status::ApiError;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jeton_core::wire::UserInfo;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::{Semaphore, watch};

/// A request for a resource, from somebody who may.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a Query,
    pub(super) path: &'a ResourcePath,
    pub(super) user: &'a UserInfo,
    pub(super) token: Option<&'a str>,
    pub(super) exchange: &'a Exchange,
}

/// A server's API.
#[derive(Debug)]
pub struct App {
    /// The token path.
    pub tokens: Arc<Tokens>,
    /// The objects.
    pub registry: Arc<Registry>,
    /// Who may do what.
    pub authorizer: Authorizer,
    /// Whether it works.
    pub health: Arc<Health>,
    /// What is counted and written down.
    pub observer: Arc<Observer>,
    /// OIDC discovery, where the issuer can be published.
    pub documents: Option<Documents>,
    /// Where clients reach this server: host and port.
    pub address: String,
    /// Places for watches.
    pub(super) watches: Arc<Semaphore>,
    /// True once the server is about to end.
    pub(crate) ending: watch::Sender<bool>,
    room: Room,
}

impl App {
    /// An API over these parts.
    pub fn new(
        tokens: Arc<Tokens>,
        registry: Arc<Registry>,
        health: Arc<Health>,
        observer: Arc<Observer>,
        documents: Option<Documents>,
        address: String,
    ) -> Self {
        let authorizer = Authorizer::new(&registry);
        let watches = Arc::new(Semaphore::new(MAX_WATCHES));
        let (ending, _) = watch::channel(false);
        Self {
            tokens,
            registry,
            authorizer,
            health,
            observer,
            documents,
            address,
            watches,
            ending,
            room: Room::default(),
        }
    }

    /// Ends the answers that would go on for ever.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }

    /// A connection whose requests this API will answer.
    pub fn converse(&self, peer: Peer) -> Arc<Conversation> {
        Arc::new(Conversation::new(self.observer.clone(), peer.address, peer.user))
    }

    /// Answers a request, whatever it is.
    pub async fn answer<B>(
        self: &Arc<Self>,
        request: Request<B>,
        conversation: &Arc<Conversation>,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let head = parts.method == Method::HEAD;
        let mut exchange = Exchange::begin(conversation, parts);
        // Kubernetes 1.36: a caller is warned of their token whatever the answer is.
        let mut warning = None;
        let handled = {
            // It comes to be where it stays: it is large, and moving it costs.
            let handling = pin!(self.handle(&exchange, body, conversation.user(), &mut warning));
            unpanicked(handling).await
        };
        // Kubernetes 1.36: the date of a legacy token's use is there before the answer is.
        write_uses(&self.registry, &self.tokens.uses).await;
        let mut response = match handled {
            Some(Ok(reply)) => {
                exchange.answered(reply.code.as_u16());
                reply.warn(warning.map(str::to_owned)).into_response()
            }
            Some(Err(error)) => {
                log(&exchange, &error);
                exchange.refused(&error);
                refusal(&error, warning)
            }
            None => {
                exchange.panicked();
                let why = "the handling of this request panicked; the server's log says where";
                refusal(&ApiError::Internal(why.to_owned()), warning)
            }
        };
        if head {
            *response.body_mut() = Body::default();
        }
        response.headers_mut().insert(AUDIT_ID, exchange.id().clone());
        let code = response.status().as_u16();
        match response.body_mut() {
            Body::Parts(_, until_end) => *until_end = Some(exchange.stream(code).await),
            Body::Whole(_) => exchange.finish().await,
        }
        response
    }

    async fn handle<B>(
        self: &Arc<Self>,
        exchange: &Exchange,
        body: B,
        certificate: Option<&Arc<UserInfo>>,
        warned: &mut Option<&'static str>,
    ) -> Result<Reply, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let headers = &exchange.parts.headers;
        let info = exchange.info().ok_or_else(|| ApiError::BadRequest("the URL is not UTF-8".to_owned()))?;
        let caller = authn::authenticate(&self.tokens, exchange, certificate)
            .inspect_err(|_| exchange.not_authenticated())?;
        let Caller { user, token, warning } = caller;
        *warned = warning;
        let mut user = exchange.authenticated(user);
        if let Some(other) = impersonate::wanted(headers)? {
            let other = impersonate::become_other(user, other, |w| self.authorizer.decide(user, w))?;
            user = exchange.impersonates(other);
        }
        let wanted = Attributes::of(info);
        let decision = self.authorizer.decide(user, &wanted)?;
        exchange.decided(decision.allowed, &decision.reason);
        if !decision.allowed {
            return Err(wanted.forbidden(user, &decision.reason));
        }
        match &info.resource {
            // Kubernetes 1.36: decided on as if the slash were one, and served by nobody.
            _ if info.path.starts_with("//") => Ok(not_found()),
            None => self.plain(exchange, info),
            Some(path) => {
                let body = self.room.read(headers, body).await?;
                let request = Incoming { headers, query: exchange.query(), path, user, token, exchange };
                self.resource(&request, info.verb, &body).await
            }
        }
    }

    async fn resource(
        self: &Arc<Self>,
        request: &Incoming<'_>,
        verb: &'static str,
        body: &Read,
    ) -> Result<Reply, ApiError> {
        let Incoming { headers, query, path, user, token, exchange } = *request;
        let body = &body.bytes;
        let create = verb == "create";
        if path.in_namespace() && !self.namespaced(path) {
            return Err(ApiError::NoResource);
        }
        match (path.group.as_str(), path.version.as_str(), path.plural.as_str(), path.subresource.as_str()) {
            ("authentication.k8s.io", "v1", "tokenreviews", "") if create => {
                reviews::token_review(self, exchange, body)
            }
            ("authentication.k8s.io", "v1", "selfsubjectreviews", "") if create => {
                reviews::self_subject_review(self, exchange, body, user)
            }
            ("authorization.k8s.io", "v1", plural, "") if create => {
                access_reviews::answer(self, plural, request, body)
            }
            ("authentication.k8s.io", "v1", "tokenreviews" | "selfsubjectreviews", "") => {
                Err(ApiError::MethodNotAllowed)
            }
            ("", "v1", "serviceaccounts", "token") if create && !path.name.is_empty() => {
                token_request::create(self, request, body).await
            }
            ("", "v1", "serviceaccounts", "token") => Err(ApiError::MethodNotAllowed),
            ("jeton.dev", "v1", "signingkeys", "") if create => {
                signing_keys::create(self, request, body).await
            }
            (group, version, plural, subresource) => {
                let kind = self.registry.kind(group, version, plural).ok_or(ApiError::NoResource)?;
                if !kind.has_subresource(subresource) {
                    return Err(ApiError::NoSubresource(kind.plural, subresource.to_owned()));
                }
                if kind.read_only && !matches!(verb, "get" | "list" | "watch") {
                    return Err(ApiError::MethodNotAllowed);
                }
                let request =
                    resource::Request { app: self, kind, path, query, headers, body, user, token, exchange };
                // On the heap: its future is large, and every request would carry the room for it.
                Box::pin(request.answer(verb)).await
            }
        }
    }

    /// Whether a resource lies in namespaces. What does not must not be reached through one: rights in a namespace
    /// would then be rights over the cluster.
    fn namespaced(&self, path: &ResourcePath) -> bool {
        let kind =
            || self.registry.kind(&path.group, &path.version, &path.plural).map(|kind| kind.namespaced);
        // Of what is not served nothing is reached either way.
        discovery::virtual_scope(&path.group, &path.plural).or_else(kind).unwrap_or(true)
    }

    /// Everything that is counted of what there is, and the keys, as Prometheus reads it.
    fn metrics(&self) -> Result<Reply, ApiError> {
        let metrics = &self.observer.metrics;
        metrics.keep(|group, version, plural| {
            let kind = || self.registry.kind(group, version, plural);
            discovery::virtual_scope(group, plural).is_some() || kind().is_some()
        });
        let mut text = metrics.text().map_err(|e| ApiError::Internal(e.to_string()))?;
        let keys = tokio::task::block_in_place(|| key_figures::text(&self.tokens));
        text.push_str(&keys.map_err(|e| ApiError::Internal(e.to_string()))?);
        let mut reply = Reply::text(StatusCode::OK, &text);
        reply.content_type = CONTENT_TYPE;
        Ok(reply)
    }

    /// Health, version, discovery and OIDC.
    fn plain(&self, exchange: &Exchange, info: &RequestInfo) -> Result<Reply, ApiError> {
        let parts = &exchange.parts;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            return Err(ApiError::MethodNotAllowed);
        }
        match info.path.as_str() {
            "/healthz" | "/livez" | "/readyz" => {
                let ready = self.health.ready(self.tokens.clock.now());
                let report = health::report(&info.path, exchange.query(), ready);
                return Ok(match report {
                    Ok(text) => Reply::text(StatusCode::OK, &text),
                    Err(text) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, &text),
                });
            }
            "/metrics" => return self.metrics(),
            "/openapi/v2" => return openapi_v2::reply(&parts.headers),
            "/version" | "/version/" => {
                return Reply::json(StatusCode::OK, &discovery::version(self.registry.release));
            }
            _ => {}
        }
        if let Some(reply) =
            self.documents.as_ref().and_then(|d| d.at(&info.path, &self.tokens.ring.load().keys))
        {
            return Ok(reply);
        }
        let kinds = self.registry.kinds();
        let discovery = Discovery { kinds: &kinds, address: &self.address };
        if negotiate::aggregated(&parts.headers)
            && let Some(found) = discovery.aggregated(&info.path)
        {
            let mut reply = Reply::json(StatusCode::OK, &found)?;
            reply.content_type = negotiate::AGGREGATED;
            return Ok(reply);
        }
        if let Some(found) = discovery.at(&info.path) {
            return Reply::value(StatusCode::OK, &found, Format::of(&parts.headers)?);
        }
        if let Some(found) = discovery.openapi(&info.path) {
            return Reply::json(StatusCode::OK, &found);
        }
        if info.path.starts_with("/api/") || info.path.starts_with("/apis/") {
            return Err(ApiError::NoResource);
        }
        Ok(not_found())
    }
}

/// Kubernetes 1.36 (Go's net/http): these words.
fn not_found() -> Reply {
    Reply::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn log(exchange: &Exchange, error: &ApiError) {
    let (row, parts) = (error.row(), &exchange.parts);
    let (method, path) = (&parts.method, parts.uri.path());
    match row.level {
        tracing::Level::ERROR => tracing::error!(%method, path, error = error.message(), "request"),
        _ => tracing::debug!(%method, path, label = row.label, "request"),
    }
}

/// What a future comes to; `None` when it panics, which must not take the connection's other requests with it.
async fn unpanicked<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_outcome() {
        assert_eq!(unpanicked(pin!(async { 1 })).await, Some(1));
        let panics = async {
            tokio::task::yield_now().await;
            assert_eq!(1, 2, "a panic, as a fault in a handler would be");
        };
        assert_eq!(unpanicked(pin!(panics)).await, None);
    }
}
