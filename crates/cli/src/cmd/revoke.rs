//! `jeton token revoke`.

use crate::args::Output;
use crate::args_revoke::Revoke;
use crate::process::client::{self, Client, expect};
use crate::process::{self, Failure};
use jeton_core::revoke::{Revocable, revocable};
use serde_json::{Value, json};
use std::process::ExitCode;

const API_VERSION: &str = "jeton.dev/v1";
const PATH: &str = "/apis/jeton.dev/v1/tokenrevocations";

/// Revokes one token, and with the token at hand has the server say that it is refused.
pub(crate) fn run(args: &Revoke) -> Result<ExitCode, Failure> {
    let (token, wanted) = match (&args.jti, args.until) {
        (Some(id), Some(until)) => (None, Revocable { id: id.clone(), until }),
        _ => {
            let token = process::token_from_stdin()?;
            let wanted = revocable(&token).map_err(|e| Failure::of(&e))?;
            (Some(token), wanted)
        }
    };
    let client = Client::read(&client::find(args.kubeconfig.as_ref())?)?;
    let until = wanted.until.rfc3339();
    let mut spec = json!({"until": until});
    if !args.reason.is_empty() {
        spec["reason"] = json!(args.reason);
    }
    let body = json!({
        "kind": "TokenRevocation", "apiVersion": API_VERSION,
        "metadata": {"name": wanted.id}, "spec": spec,
    });
    let (code, answer) = client.post(PATH, &body)?;
    let known = code == 409 && answer["reason"] == "AlreadyExists";
    let answer =
        if known { told(client.get(&format!("{PATH}/{}", wanted.id))?)? } else { told((code, answer))? };
    if let Some(token) = token {
        refused(&client, &token)?;
    }
    match args.output {
        Output::Json => process::say(&format!("{answer:#}"))?,
        Output::Text => {
            let already = if known { "was revoked already" } else { "revoked" };
            let until = answer["spec"]["until"].as_str().unwrap_or("");
            process::say(&format!("token {} {already}; kept until {until}", wanted.id))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The proof: the server was asked, and does not accept the token.
fn refused(client: &Client, token: &str) -> Result<(), Failure> {
    let body = json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token},
    });
    let answer = told(client.post("/apis/authentication.k8s.io/v1/tokenreviews", &body)?)?;
    if answer["status"]["authenticated"] == true {
        let message = "the server stored the revocation and still accepts the token".to_owned();
        return Err(Failure { code: 1, message });
    }
    Ok(())
}

fn told((code, answer): (u16, Value)) -> Result<Value, Failure> {
    expect(code, answer)
}
