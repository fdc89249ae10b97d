//! Answers as HTTP: JSON or YAML, warnings, and the Status of an error.

use super::negotiate::Format;
use crate::answer::Body;
use crate::status::ApiError;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::Value;

/// Longest warning, in bytes.
const MAX_WARNING_BYTES: usize = 1024;

/// Room for an answer that need not grow; most objects fit.
const USUAL_BODY_BYTES: usize = 2048;

/// An answer with its code and warnings.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: StatusCode,
    pub(super) body: Body,
    pub(super) content_type: &'static str,
    pub(super) cache: &'static str,
    pub(super) warnings: Vec<String>,
}

impl Reply {
    pub(super) fn json(code: StatusCode, value: &impl Serialize) -> Result<Self, ApiError> {
        let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
        serde_json::to_writer(&mut body, value).map_err(|e| ApiError::Internal(e.to_string()))?;
        Ok(Self::json_text(code, body))
    }

    /// What is JSON already.
    pub(super) fn json_text(code: StatusCode, body: Vec<u8>) -> Self {
        Self {
            code,
            body: Body::new(body),
            content_type: "application/json",
            cache: "no-cache, private",
            warnings: Vec::new(),
        }
    }

    /// A value in the format the client wants.
    pub(super) fn value(code: StatusCode, value: &Value, format: Format) -> Result<Self, ApiError> {
        match format {
            Format::Json => Self::json(code, value),
            Format::Yaml => {
                let text = serde_yaml_ng::to_string(value).map_err(|e| ApiError::Internal(e.to_string()))?;
                let mut reply = Self::text(code, &text);
                reply.content_type = "application/yaml";
                Ok(reply)
            }
        }
    }

    pub(super) fn text(code: StatusCode, text: &str) -> Self {
        Self::bytes(code, text.as_bytes().to_vec())
    }

    /// Bytes of a type that the caller says.
    pub(super) fn bytes(code: StatusCode, bytes: Vec<u8>) -> Self {
        Self {
            code,
            body: Body::new(bytes),
            content_type: "text/plain; charset=utf-8",
            cache: "no-cache, private",
            warnings: Vec::new(),
        }
    }

    /// Lines of JSON that come one by one.
    pub(super) fn lines(lines: tokio::sync::mpsc::Receiver<bytes::Bytes>) -> Self {
        let mut reply = Self::text(StatusCode::OK, "");
        reply.body = Body::Parts(lines, None);
        reply.content_type = "application/json";
        reply
    }

    pub(super) fn warn(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.code;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.cache));
        for warning in self.warnings {
            if let Ok(value) = HeaderValue::from_str(&warning_header(&warning)) {
                headers.append(WARNING, value);
            }
        }
        response
    }
}

/// RFC 7234 warning 299, with quotes escaped and control characters left out.
fn warning_header(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if quoted.len() >= MAX_WARNING_BYTES {
            break;
        }
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    format!("299 - \"{quoted}\"")
}

/// An error as an answer.
pub(super) fn refusal(error: &ApiError, warning: Option<&str>) -> Response<Body> {
    let row = error.row();
    let code = StatusCode::from_u16(row.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let status = error.status();
    let reply = Reply {
        code,
        body: Body::new(status.to_string()),
        content_type: "application/json",
        cache: "no-cache, private",
        warnings: warning.into_iter().map(str::to_owned).collect(),
    };
    let mut response = reply.into_response();
    let retry = match error {
        ApiError::TooManyRequests(seconds) => Some(*seconds),
        ApiError::NotYet(..) => Some(1),
        _ => None,
    };
    if let Some(seconds) = retry {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_cannot_break_out_of_their_header() {
        assert_eq!(warning_header("a \"b\"\r\nX: y"), "299 - \"a \\\"b\\\"X: y\"");
    }
}
