//! `jeton token`: make one, explain one, have one reviewed. Tokens come in on standard input only.

use crate::args::{Create, Inspect, Output, Review, Token};
use crate::process::client::{self, Client, expect};
use crate::process::{self, Failure};
use jeton_core::explain;
use serde_json::{Value, json};
use std::process::ExitCode;

const GROUP: &str = "authentication.k8s.io/v1";

/// Runs one of them.
pub(crate) fn run(command: &Token) -> Result<ExitCode, Failure> {
    match command {
        Token::Create(args) => create(args),
        Token::Inspect(args) => inspect(args),
        Token::Review(args) => review(args),
        Token::Revoke(args) => super::revoke::run(args),
    }
}

fn create(args: &Create) -> Result<ExitCode, Failure> {
    let client = Client::read(&client::find(args.kubeconfig.as_ref())?)?;
    let namespace = args.namespace.as_deref().unwrap_or(&client.namespace);
    let mut spec = json!({"audiences": args.audience});
    if args.duration != 0 {
        spec["expirationSeconds"] = json!(args.duration);
    }
    if let Some(kind) = &args.bound_object_kind {
        spec["boundObjectRef"] = json!({
            "kind": kind, "apiVersion": "v1",
            "name": args.bound_object_name.as_deref().unwrap_or(""),
            "uid": args.bound_object_uid.as_deref().unwrap_or(""),
        });
    }
    let body = json!({"kind": "TokenRequest", "apiVersion": GROUP, "spec": spec});
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{}/token", args.name);
    let (code, answer) = client.post(&path, &body)?;
    let answer = expect(code, answer)?;
    match args.output {
        Output::Text => process::say(answer["status"]["token"].as_str().unwrap_or(""))?,
        Output::Json => process::say(&format!("{answer:#}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn inspect(args: &Inspect) -> Result<ExitCode, Failure> {
    let token = process::token_from_stdin()?;
    let told = explain::explain(&token, process::clock().now()).map_err(|e| Failure::of(&e))?;
    if args.output == Output::Json {
        let text = serde_json::to_string_pretty(&told).map_err(|e| Failure::of(&e))?;
        process::say(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = told.claims.iter().map(|l| l.claim.len()).max().unwrap_or(0);
    for line in &told.claims {
        process::say(&format!("{:width$}  {}", line.claim, line.value))?;
        process::say(&format!("{:width$}    {}", "", line.meaning))?;
    }
    process::say("\nWhat will happen to it:")?;
    for line in &told.outlook {
        process::say(&format!("  - {line}"))?;
    }
    process::say(
        "\nNothing was verified: this is what the token says of itself. `jeton token review` asks a server.",
    )?;
    Ok(ExitCode::SUCCESS)
}

fn review(args: &Review) -> Result<ExitCode, Failure> {
    let token = process::token_from_stdin()?;
    let client = Client::read(&client::find(args.kubeconfig.as_ref())?)?;
    let body = json!({
        "kind": "TokenReview", "apiVersion": GROUP,
        "spec": {"token": token, "audiences": args.audience},
    });
    let (code, answer) = client.post("/apis/authentication.k8s.io/v1/tokenreviews", &body)?;
    let status = expect(code, answer)?["status"].clone();
    let accepted = status["authenticated"] == true;
    let words = status["error"].as_str().unwrap_or("").to_owned();
    let (check, evidence) = explain::refusal(&words, &token, process::clock().now());
    if args.output == Output::Json {
        let mut shown = json!({"accepted": accepted, "status": status});
        if !accepted {
            shown["refusedBy"] = json!({"check": check, "evidence": evidence});
        }
        process::say(&format!("{shown:#}"))?;
    } else if accepted {
        let text = |pointer: &str| status.pointer(pointer).map(Value::to_string).unwrap_or_default();
        process::say(&format!("accepted for audiences {}", text("/audiences")))?;
        for (name, pointer) in [("user", "/user/username"), ("uid", "/user/uid"), ("groups", "/user/groups")]
        {
            process::say(&format!("  {name:7} {}", text(pointer)))?;
        }
        for (key, value) in status["user"]["extra"].as_object().into_iter().flatten() {
            process::say(&format!("  {key} {value}"))?;
        }
    } else {
        process::say(&format!("refused by the check of: {check}"))?;
        process::say(&format!("  evidence  {evidence}"))?;
        process::say(&format!("  server    {words}"))?;
    }
    Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
