//! One audit event as a line of JSON.
//!
//! Kubernetes 1.36, apiserver/pkg/apis/audit/v1: order and spelling of the members.

use jeton_core::wire::UserInfo;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of a user agent that are kept. Kubernetes 1.36: 1024.
pub const USER_AGENT_MAX_BYTES: usize = 1024;
/// What stands for the rest. Kubernetes 1.36: the same.
const TRUNCATED: &str = "...TRUNCATED";
/// Start of every JWS header in base64url: `{"`.
const TOKEN_START: &[u8] = b"eyJ";
/// A run of base64url and dots from which on it is taken for a token, in bytes.
const TOKEN_MIN_BYTES: usize = 20;
/// What stands where a token stood.
const BLOT: &[u8] = b"<redacted>";

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Stage {
    /// A stream began.
    ResponseStarted,
    /// It was answered.
    ResponseComplete,
    /// It made the server panic.
    Panic,
}

/// What a request was about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef<'a> {
    /// Plural.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub resource: &'a str,
    /// Namespace.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub namespace: &'a str,
    /// Name.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: &'a str,
    /// API group.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub api_group: &'a str,
    /// API version.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub api_version: &'a str,
    /// Subresource.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub subresource: &'a str,
}

/// An event of level Metadata.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent<'a> {
    kind: &'static str,
    api_version: &'static str,
    level: &'static str,
    /// The request's id, which its answer carries too.
    #[serde(rename = "auditID")]
    pub audit_id: &'a str,
    /// How far it got.
    pub stage: Stage,
    /// Path and query as sent.
    #[serde(rename = "requestURI")]
    pub request_uri: &'a str,
    /// Verb of the API, or the method.
    pub verb: &'a str,
    /// Who presented the credentials; empty when they did not hold.
    pub user: &'a UserInfo,
    /// In whose name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonated_user: Option<&'a UserInfo>,
    /// From where, the farthest first.
    #[serde(rename = "sourceIPs", skip_serializing_if = "Vec::is_empty")]
    pub source_ips: Vec<String>,
    /// With what.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
    /// About what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_ref: Option<ObjectRef<'a>>,
    /// With which answer.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub response_status: Value,
    /// When it came, RFC 3339 with microseconds.
    pub request_received_timestamp: String,
    /// When it got this far.
    pub stage_timestamp: String,
    /// What else was found out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<&'a str, &'a str>,
}

impl<'a> AuditEvent<'a> {
    /// An event of which nothing is known but who asked for what.
    pub fn new(audit_id: &'a str, stage: Stage, request_uri: &'a str, user: &'a UserInfo) -> Self {
        Self {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level: "Metadata",
            audit_id,
            stage,
            request_uri,
            verb: "",
            user,
            impersonated_user: None,
            source_ips: Vec::new(),
            user_agent: String::new(),
            object_ref: None,
            response_status: Value::Null,
            request_received_timestamp: String::new(),
            stage_timestamp: String::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// The line, with its end; nothing in it looks like a token.
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        blotted(line)
    }
}

/// A user agent of bounded length.
pub fn user_agent(header: &[u8]) -> String {
    let text = String::from_utf8_lossy(header);
    if text.len() <= USER_AGENT_MAX_BYTES {
        return text.into_owned();
    }
    let mut end = USER_AGENT_MAX_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{TRUNCATED}", &text[..end])
}

/// Replaces whatever looks like a token.
fn blotted(line: Vec<u8>) -> Vec<u8> {
    let find = |from: usize| {
        line[from..].windows(TOKEN_START.len()).position(|w| w == TOKEN_START).map(|at| from + at)
    };
    let Some(mut start) = find(0) else { return line };
    let mut out = Vec::with_capacity(line.len());
    let mut copied = 0;
    loop {
        let of_token = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let length = line[start..].iter().take_while(|b| of_token(b)).count();
        if length >= TOKEN_MIN_BYTES {
            out.extend_from_slice(&line[copied..start]);
            out.extend_from_slice(BLOT);
            copied = start + length;
        }
        match find(start + length) {
            Some(next) => start = next,
            None => break,
        }
    }
    out.extend_from_slice(&line[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_is_what_kube_apiserver_writes() {
        let user = UserInfo { username: "a".to_owned(), groups: vec!["g".to_owned()], ..UserInfo::default() };
        let mut event = AuditEvent::new("id", Stage::ResponseComplete, "/api/v1/namespaces/n/pods/p", &user);
        event.verb = "get";
        event.source_ips = vec!["127.0.0.1".to_owned()];
        event.user_agent = "kubectl".to_owned();
        event.object_ref = Some(ObjectRef {
            resource: "pods",
            namespace: "n",
            name: "p",
            api_version: "v1",
            ..ObjectRef::default()
        });
        event.response_status = json!({"metadata": {}, "code": 200});
        event.request_received_timestamp = "2026-07-25T10:00:00.000000Z".to_owned();
        event.stage_timestamp = "2026-07-25T10:00:00.001000Z".to_owned();
        event.annotations = BTreeMap::from([("b", "2"), ("a", "1")]);
        let want = concat!(
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"id","#,
            r#""stage":"ResponseComplete","requestURI":"/api/v1/namespaces/n/pods/p","verb":"get","#,
            r#""user":{"username":"a","groups":["g"]},"sourceIPs":["127.0.0.1"],"userAgent":"kubectl","#,
            r#""objectRef":{"resource":"pods","namespace":"n","name":"p","apiVersion":"v1"},"#,
            r#""responseStatus":{"code":200,"metadata":{}},"#,
            r#""requestReceivedTimestamp":"2026-07-25T10:00:00.000000Z","#,
            r#""stageTimestamp":"2026-07-25T10:00:00.001000Z","annotations":{"a":"1","b":"2"}}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(event.line()).unwrap(), want);
    }

    #[test]
    fn tokens_are_blotted_out_wherever_they_stand() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln-_";
        for (line, want) in [
            (format!("/a?token={token}&b"), "/a?token=<redacted>&b".to_owned()),
            (format!("{token} {token}"), "<redacted> <redacted>".to_owned()),
            ("keyJob eyJ".to_owned(), "keyJob eyJ".to_owned()),
            (format!("keyJob {token}"), "keyJob <redacted>".to_owned()),
            (String::new(), String::new()),
        ] {
            assert_eq!(String::from_utf8(blotted(line.clone().into_bytes())).unwrap(), want, "{line}");
        }
    }

    #[test]
    fn user_agents_are_bounded() {
        assert_eq!(user_agent(b"kubectl/v1"), "kubectl/v1");
        let long = user_agent("ä".repeat(2000).as_bytes());
        assert_eq!(long.len(), USER_AGENT_MAX_BYTES + TRUNCATED.len());
        assert!(long.ends_with(TRUNCATED));
    }
}
