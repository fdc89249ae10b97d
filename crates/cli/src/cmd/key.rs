//! `jeton key`: the keys that sign and verify tokens, and a new one.

use super::columns;
use crate::args::Output;
use crate::args_key::{Common, Key, Rotate};
use crate::process::client::{self, Client, expect};
use crate::process::{self, Failure};
use serde_json::{Value, json};
use std::process::ExitCode;

const KEYS: &str = "/apis/jeton.dev/v1/signingkeys";
const JWKS: &str = "/openid/v1/jwks";
/// What stands where nothing is known.
const NOTHING: &str = "-";

/// Runs one of them.
pub(crate) fn run(command: &Key) -> Result<ExitCode, Failure> {
    match command {
        Key::List(args) => list(&args.common),
        Key::Rotate(args) => rotate(args),
    }
}

fn connect(common: &Common) -> Result<Client, Failure> {
    Client::read(&client::find(common.kubeconfig.as_ref())?)
}

fn list(common: &Common) -> Result<ExitCode, Failure> {
    let client = connect(common)?;
    let (code, answer) = client.get(KEYS)?;
    let managed = expect(code, answer)?["items"].take();
    // A server whose issuer cannot be published, or a caller who may not look, has none.
    let published = match client.get(JWKS) {
        Ok((200, found)) => found["keys"].as_array().cloned(),
        _ => None,
    };
    let shown = shown(managed.as_array().map_or(&[][..], Vec::as_slice), published.as_deref());
    if common.output == Output::Json {
        let list = json!({"apiVersion": "jeton.dev/v1", "kind": "SigningKeyReport", "keys": shown});
        process::say(&format!("{list:#}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in table(&shown) {
        process::say(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The managed keys, and those that are published beside them because they were given as files. When the signing key
/// itself was given, managed ones of an earlier time are not in use.
fn shown(managed: &[Value], published: Option<&[Value]>) -> Vec<Value> {
    let all = published.unwrap_or_default();
    let mut shown: Vec<Value> = Vec::new();
    for key in managed {
        let status = &key["status"];
        let unused = published.is_some()
            && status["phase"] != "Prepared"
            && all.iter().all(|p| p["kid"] != status["keyID"]);
        let phase = if unused { &json!("NotInUse") } else { &status["phase"] };
        shown.push(json!({
            "name": key["metadata"]["name"], "phase": phase, "keyID": status["keyID"],
            "algorithm": status["algorithm"], "activationTime": status["activationTime"],
            "retiredTime": status["retiredTime"], "tokensExpireBefore": status["tokensExpireBefore"],
        }));
    }
    for key in all.iter().filter(|p| managed.iter().all(|m| m["status"]["keyID"] != p["kid"])) {
        shown.push(json!({"phase": "File", "keyID": key["kid"], "algorithm": key["alg"]}));
    }
    let order = ["Active", "Published", "Prepared", "Retired", "File"];
    shown.sort_by_key(|key| order.iter().position(|phase| key["phase"] == *phase).unwrap_or(order.len()));
    shown
}

/// Lines of columns that are as wide as they must be.
fn table(keys: &[Value]) -> Vec<String> {
    let columns = [
        ("NAME", "name"),
        ("PHASE", "phase"),
        ("ALGORITHM", "algorithm"),
        ("SIGNS FROM", "activationTime"),
        ("RETIRED", "retiredTime"),
        ("TOKENS EXPIRE BEFORE", "tokensExpireBefore"),
        ("KEY ID", "keyID"),
    ];
    let rows =
        keys.iter().map(|key| columns.map(|(_, field)| key[field].as_str().unwrap_or(NOTHING).to_owned()));
    columns::table(columns.map(|(heading, _)| heading), rows.collect())
}

fn rotate(args: &Rotate) -> Result<ExitCode, Failure> {
    let client = connect(&args.common)?;
    let body = json!({
        "apiVersion": "jeton.dev/v1", "kind": "SigningKey",
        "spec": {"activateAfterSeconds": args.activate_after},
    });
    let (code, answer) = client.post(KEYS, &body)?;
    let key = expect(code, answer)?;
    if args.common.output == Output::Json {
        process::say(&format!("{key:#}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |pointer: &str| key.pointer(pointer).and_then(Value::as_str).unwrap_or(NOTHING);
    let (name, id, at) = (text("/metadata/name"), text("/status/keyID"), text("/status/activationTime"));
    process::say(&match text("/status/phase") {
        "Active" => format!("key {name} ({id}) is published and signs every new token"),
        _ => format!("key {name} ({id}) is published and signs every new token from {at} on"),
    })?;
    process::say("the old key verifies until the last token it signed has expired: jeton key list")?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managed(id: &str, phase: &str) -> Value {
        json!({"metadata": {"name": id}, "status": {"keyID": id, "phase": phase, "algorithm": "RS256"}})
    }

    #[test]
    fn keys_are_shown_by_what_they_do() {
        let keys = [managed("a", "Retired"), managed("b", "Active"), managed("c", "Prepared")];
        let published = [json!({"kid": "a"}), json!({"kid": "b"}), json!({"kid": "f", "alg": "ES256"})];
        let phases = |shown: Vec<Value>| -> Vec<String> {
            shown.iter().map(|k| format!("{}:{}", k["keyID"], k["phase"]).replace('"', "")).collect()
        };
        let want = ["b:Active", "c:Prepared", "a:Retired", "f:File"];
        assert_eq!(phases(shown(&keys, Some(&published))), want);
        assert_eq!(phases(shown(&keys, None)), &want[..3]);
        assert_eq!(phases(shown(&keys[1..2], Some(&published[2..]))), ["f:File", "b:NotInUse"]);
        assert_eq!(table(&[]).len(), 1);
    }
}
