//! Secrets. One of the token type belongs to the account its annotation names.

use super::data;
use crate::objects::kind::{Facts, Kind, PLAIN, default_to, text};
use crate::objects::table::{AGE, Cell, NAME, column, count, number};
use crate::status::Cause;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// The type of a Secret that holds a token without end.
pub const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT_ANNOTATION: &str = "/metadata/annotations/kubernetes.io~1service-account.name";

/// core/v1 Secret.
pub const SECRET: Kind = Kind {
    kind: "Secret",
    plural: "secrets",
    singular: "secret",
    stored_as: "core/secrets",
    prepare,
    check,
    facts,
    columns: &[
        NAME,
        column("Type", Cell::At("/type")),
        number("Data", Cell::Of(|o, _| json!(count(o, "/data")))),
        AGE,
    ],
    field: |object, field| (field == "type").then(|| text(object, "/type").to_owned()),
    ..PLAIN
};

/// `stringData` is written into `data`, and the type has a default.
fn prepare(object: &mut Value, _: Option<&Value>) {
    default_to(object, "type", "Opaque");
    let plain = object.as_object_mut().and_then(|o| o.remove("stringData"));
    for (key, value) in plain.as_ref().and_then(Value::as_object).into_iter().flatten() {
        if !object["data"].is_object() {
            object["data"] = json!({});
        }
        object["data"][key] = json!(STANDARD.encode(value.as_str().unwrap_or_default()));
    }
}

fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    data::keys(new, "data", causes);
    let mut bytes = 0;
    for (key, value) in data::entries(new, "data") {
        match value.as_str().map(|v| STANDARD.decode(v)) {
            Some(Ok(decoded)) => bytes += decoded.len(),
            // The value itself is never shown: it may be a secret all the same.
            _ => causes.push(Cause::invalid(format!("data[{key}]"), "", "must be base64")),
        }
    }
    data::size(bytes, causes);
    if text(new, "/type") == TOKEN_TYPE && text(new, ACCOUNT_ANNOTATION).is_empty() {
        causes.push(Cause::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
    }
    if let Some(old) = old
        && old["type"] != new["type"]
    {
        causes.push(Cause::invalid("type", text(new, "/type"), "field is immutable"));
    }
    data::frozen(new, old, &["data"], causes);
}

fn facts(object: &Value) -> Facts {
    if text(object, "/type") != TOKEN_TYPE {
        return Facts::default();
    }
    let token = STANDARD.decode(text(object, "/data/token")).unwrap_or_default();
    let hash = digest(&SHA256, &token);
    Facts {
        account: Some(text(object, ACCOUNT_ANNOTATION).to_owned()).filter(|a| !a.is_empty()),
        token_digest: <[u8; 32]>::try_from(hash.as_ref()).ok().filter(|_| !token.is_empty()),
        ..Facts::default()
    }
}
