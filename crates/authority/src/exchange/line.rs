//! An exchange as a line of the audit log.

use super::{End, Exchange};
use crate::audit::event::{AuditEvent, ObjectRef, Stage, user_agent};
use crate::request_info::ResourcePath;
use crate::status::ApiError;
use http::header::{AUTHORIZATION, USER_AGENT};
use jeton_core::time::UnixTime;
use jeton_core::wire::UserInfo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::PoisonError;

/// Addresses of proxies that are written down.
const SOURCE_IPS_MAX: usize = 16;

impl Exchange {
    /// The Status in the audit event of an error. Kubernetes 1.36: a refused caller learns only `Unauthorized`, the
    /// audit log also which credentials were tried.
    pub(super) fn status_of(&self, error: &ApiError) -> Value {
        let mut status = error.status();
        if let Some(map) = status.as_object_mut() {
            map.remove("kind");
            map.remove("apiVersion");
            if matches!(error, ApiError::Unauthorized) {
                map.insert("message".to_owned(), json!(self.attempted()));
            }
        }
        status
    }

    fn attempted(&self) -> String {
        let header = self.parts.headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok()).unwrap_or("");
        let scheme = header.trim().split(' ').next().unwrap_or("").to_lowercase();
        let mut tried: Vec<&str> = ["basic", "bearer"].into_iter().filter(|s| *s == scheme).collect();
        if self.query().get("access_token").is_some() {
            tried.push("access_token");
        }
        if self.conversation.user().is_some() {
            tried.push("x509");
        }
        match &tried[..] {
            [] => "Authentication failed, no credentials provided".to_owned(),
            tried => format!("Authentication failed, attempted: {}", tried.join(", ")),
        }
    }

    /// Its audit event.
    pub(super) fn line(&self, stage: Stage, end: &End) -> Vec<u8> {
        let nobody = UserInfo::default();
        let status = match end {
            End::Answered(code) => json!({"metadata": {}, "code": code}),
            End::Refused { status, .. } => status.clone().unwrap_or_default(),
            End::Panicked => {
                let message = "the request's handling panicked; the server's log says where";
                json!({
                    "metadata": {}, "status": "Failure", "message": message,
                    "reason": "InternalError", "code": 500,
                })
            }
        };
        let uri = self.parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let id = self.id.to_str().unwrap_or("");
        let mut event = AuditEvent::new(id, stage, uri, self.user.get().map_or(&nobody, |user| &**user));
        let method = self.parts.method.as_str().to_lowercase();
        event.verb = self.info().map(|i| i.verb).filter(|v| !v.is_empty()).unwrap_or(&method);
        event.impersonated_user = self.impersonated.get();
        event.source_ips = self.source_ips();
        event.user_agent =
            self.parts.headers.get(USER_AGENT).map(|h| user_agent(h.as_bytes())).unwrap_or_default();
        event.object_ref = self.info().and_then(|i| i.resource.as_ref()).map(|path| self.object_ref(path));
        event.response_status = status;
        event.request_received_timestamp = self.received.map(UnixTime::rfc3339_micros).unwrap_or_default();
        event.stage_timestamp = self.observer().clock.now().rfc3339_micros();
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        event.annotations = notes.iter().map(|note| (note.key, note.value.as_str())).collect();
        self.decision_into(&mut event.annotations);
        event.line()
    }

    fn object_ref<'a>(&'a self, path: &'a ResourcePath) -> ObjectRef<'a> {
        let name = if path.name.is_empty() { self.created.get() } else { None };
        ObjectRef {
            resource: &path.plural,
            namespace: &path.namespace,
            name: name.unwrap_or(&path.name),
            api_group: &path.group,
            api_version: &path.version,
            subresource: &path.subresource,
        }
    }

    fn decision_into<'a>(&'a self, annotations: &mut BTreeMap<&'a str, &'a str>) {
        if let Some((allowed, reason)) = self.decision.get() {
            let decision = if *allowed { "allow" } else { "forbid" };
            annotations.insert("authorization.k8s.io/decision", decision);
            annotations.insert("authorization.k8s.io/reason", reason);
        }
    }

    /// What proxies say of the client, then the other end of the connection. Kubernetes 1.36: in this order.
    fn source_ips(&self) -> Vec<String> {
        let header = |name: &str| self.parts.headers.get(name).and_then(|h| h.to_str().ok()).unwrap_or("");
        let parse = |text: &str| text.trim().parse::<IpAddr>().ok();
        let mut all: Vec<IpAddr> =
            header("x-forwarded-for").split(',').filter_map(parse).take(SOURCE_IPS_MAX).collect();
        for ip in [parse(header("x-real-ip")), Some(self.conversation.address.ip())].into_iter().flatten() {
            if all.last() != Some(&ip) {
                all.push(ip);
            }
        }
        all.iter().map(IpAddr::to_string).collect()
    }
}
