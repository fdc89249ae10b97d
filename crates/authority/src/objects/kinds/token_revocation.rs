//! Revocations of single tokens: one object for each, whose name is the token's `jti`. That it exists is what counts.

use crate::flow::review::REVOCATIONS;
use crate::objects::kind::{Kind, PLAIN, text};
use crate::objects::table::{AGE, Cell, NAME, column};
use crate::status::Cause;
use jeton_core::time::UnixTime;
use serde_json::Value;

/// Longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1024;

/// jeton.dev/v1 TokenRevocation.
pub const TOKEN_REVOCATION: Kind = Kind {
    group: "jeton.dev",
    kind: "TokenRevocation",
    plural: "tokenrevocations",
    singular: "tokenrevocation",
    namespaced: false,
    stored_as: REVOCATIONS,
    open: true,
    check,
    columns: &[
        NAME,
        column("Until", Cell::At("/spec/until")),
        column("Reason", Cell::At("/spec/reason")),
        AGE,
    ],
    ..PLAIN
};

fn check(new: &Value, _: Option<&Value>, causes: &mut Vec<Cause>) {
    let until = text(new, "/spec/until");
    if until.is_empty() {
        causes.push(Cause::required("spec.until", "the moment the token expires, RFC 3339"));
    } else if UnixTime::parse_rfc3339(until).is_none() {
        causes.push(Cause::invalid("spec.until", until, "must be a time such as 2026-07-25T10:00:00Z"));
    }
    match &new["spec"]["reason"] {
        Value::Null => {}
        Value::String(reason) if reason.len() <= MAX_REASON_BYTES => {}
        _ => {
            let why = format!("must be a text of at most {MAX_REASON_BYTES} bytes");
            causes.push(Cause::invalid_value("spec.reason", "...", why));
        }
    }
    for key in new["spec"].as_object().into_iter().flat_map(|spec| spec.keys()) {
        if key != "until" && key != "reason" {
            causes.push(Cause::forbidden(format!("spec.{key}"), "no such field: until and reason are"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_revocation_says() {
        let time = "2026-07-25T10:00:00Z";
        for (spec, fields) in [
            (json!({"until": time}), vec![]),
            (json!({"until": time, "reason": "leaked"}), vec![]),
            (json!(null), vec!["spec.until"]),
            (json!({"until": "tomorrow"}), vec!["spec.until"]),
            (json!({"until": time, "reason": 1, "jti": "x"}), vec!["spec.reason", "spec.jti"]),
            (json!({"until": time, "reason": "x".repeat(1025)}), vec!["spec.reason"]),
        ] {
            let mut causes = Vec::new();
            check(&json!({"spec": spec}), None, &mut causes);
            assert_eq!(causes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), fields);
        }
    }
}
