//! `/openapi/v2`, the older form of OpenAPI, without definitions.
//!
//! Kubernetes 1.36: kubectl asks for it where version 3 says nothing of an object, as for a `v1` List, and leaves the
//! checking to the server where there is no definition; this server checks every object. kubectl reads protobuf alone.
//! Left out on purpose: the definitions, which version 3 tells.

use super::reply::Reply;
use crate::status::ApiError;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde_json::json;

/// What the answer says: Kubernetes 1.36 leaves out the `@` of the question, which is not allowed in a media type.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const TITLE: &str = "Kubernetes";
const VERSION: &str = "v1.36.0";

pub(super) fn reply(headers: &HeaderMap) -> Result<Reply, ApiError> {
    let accept = headers.get(ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or("");
    if accept.contains("com.github.proto-openapi.spec.v2") {
        let mut reply = Reply::bytes(StatusCode::OK, protobuf());
        reply.content_type = PROTOBUF;
        return Ok(reply);
    }
    let info = json!({"title": TITLE, "version": VERSION});
    Reply::json(StatusCode::OK, &json!({"swagger": "2.0", "info": info, "paths": {}, "definitions": {}}))
}

/// The same as `openapi.v2.Document`: 1 swagger, 2 info (1 title, 2 version), 8 paths, 9 definitions.
fn protobuf() -> Vec<u8> {
    let info = [field(1, TITLE.as_bytes()), field(2, VERSION.as_bytes())].concat();
    [field(1, b"2.0"), field(2, &info), field(8, b""), field(9, b"")].concat()
}

/// A field of bytes; all of these are shorter than 128.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap_or(0);
    [&[number << 3 | 2, length], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_a_protobuf_message() {
        let want = b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.0\x42\x00\x4a\x00";
        assert_eq!(protobuf(), want);
    }
}
