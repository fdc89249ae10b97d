//! Uses of tokens: objects that are nowhere stored, made out of memory when somebody looks.

use crate::objects::kind::{Kind, PLAIN, text};
use crate::objects::table::{Cell, NAME, age, column, number, wide};
use jeton_core::explain::relative;
use jeton_core::time::UnixTime;
use serde_json::{Value, json};

/// jeton.dev/v1 TokenUse.
pub const TOKEN_USE: Kind = Kind {
    group: "jeton.dev",
    kind: "TokenUse",
    plural: "tokenuses",
    singular: "tokenuse",
    stored_as: "jeton.dev/tokenuses",
    deletes_collections: false,
    read_only: true,
    computed: true,
    columns: &[
        NAME,
        column("Account", Cell::At("/status/serviceAccountName")),
        column("Workload", Cell::Of(workload)),
        column("Token", Cell::At("/status/kind")),
        column("Token Age", Cell::Of(token_age)),
        column("Last Use", Cell::Since("/status/lastUse")),
        column("Client", Cell::At("/status/client")),
        column("Stops Working", Cell::Of(end)),
        number("Uses", Cell::At("/status/uses")),
        wide("First Use", Cell::Since("/status/firstUse")),
    ],
    ..PLAIN
};

fn workload(object: &Value, _: UnixTime) -> Value {
    let (kind, name) = (text(object, "/status/workload/kind"), text(object, "/status/workload/name"));
    json!(if name.is_empty() { "-".to_owned() } else { format!("{kind}/{name}") })
}

fn token_age(object: &Value, now: UnixTime) -> Value {
    let known = object["status"]["issuedAt"].is_string();
    json!(if known { age(object, "/status/issuedAt", now) } else { "-".to_owned() })
}

fn end(object: &Value, now: UnixTime) -> Value {
    let at = UnixTime::parse_rfc3339(text(object, "/status/stopsWorking"));
    json!(at.map_or("never by itself".to_owned(), |at| relative(at.seconds(), now)))
}
