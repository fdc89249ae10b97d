//! Revocations of single tokens: one object for each, whose name is the token's `jti`. That it exists is what counts.

use crate::flow::review::REVOCATIONS;
use crate::objects::kind::{Kind, PLAIN, text};
use crate::objects::table::{AGE, Cell, NAME, column};
use crate::status::Cause;
use jeton_core::limits::{LEEWAY_SECONDS, MAX_LIFETIME_SECONDS};
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
    } else if let Err(why) = ends(until, UnixTime::parse_rfc3339(text(new, "/metadata/creationTimestamp"))) {
        causes.push(Cause::invalid("spec.until", until, why));
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

/// Held against the moment the revocation was made: what it says must be the end of a token that was accepted then.
fn ends(until: &str, made: Option<UnixTime>) -> Result<(), String> {
    let Some(until) = UnixTime::parse_rfc3339(until) else {
        return Err("must be a time such as 2026-07-25T10:00:00Z".to_owned());
    };
    let Some(made) = made else { return Ok(()) };
    if until.plus_seconds(LEEWAY_SECONDS) < made {
        return Err("is past: a token that expired then is refused already".to_owned());
    }
    if until > made.plus_seconds(MAX_LIFETIME_SECONDS) {
        let latest = made.plus_seconds(MAX_LIFETIME_SECONDS).rfc3339();
        return Err(format!(
            "must not be after {latest}: no token lives longer than {MAX_LIFETIME_SECONDS} s"
        ));
    }
    Ok(())
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

    #[test]
    fn it_ends_when_a_token_that_was_accepted_then_can_end() {
        let made = UnixTime::parse_rfc3339("2026-07-25T10:00:00Z");
        for (until, want) in [
            ("2026-07-25T10:00:01Z", None),
            // The minute that is forgiven.
            ("2026-07-25T09:59:00Z", None),
            ("2026-07-25T09:58:59Z", Some("is past")),
            ("2027-07-25T12:00:00+02:00", None),
            ("2162-08-31T16:28:16Z", None),
            ("2162-08-31T16:28:17Z", Some("must not be after 2162-08-31T16:28:16Z")),
            ("9999-12-30T22:00:00Z", Some("must not be after")),
            ("2026-07-25", Some("must be a time")),
        ] {
            let found = ends(until, made).err();
            assert_eq!(found.is_some(), want.is_some(), "{until}: {found:?}");
            assert!(found.is_none_or(|why| why.contains(want.unwrap())), "{until}");
        }
    }
}
