//! Credentials from a program that a kubeconfig names, as client-go runs it (`client.authentication.k8s.io`).

use super::Failure;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of the program's answer.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;
/// Time the program may take.
const MAX_TIME: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

fn failed(message: impl Into<String>) -> Failure {
    Failure { code: 1, message: message.into() }
}

/// Runs the program of a user's `exec`; gives back the user with its credentials filled in.
pub(super) fn credentials(user: &Value, cluster: &Value, base: &Path) -> Result<Value, Failure> {
    let exec = &user["exec"];
    let program = exec["command"].as_str().filter(|c| !c.is_empty());
    let program = program.ok_or_else(|| failed("kubeconfig: exec has no command"))?;
    if exec["interactiveMode"] == "Always" {
        return Err(failed(format!(
            "kubeconfig: {program} wants a terminal (interactiveMode: Always); use a kubeconfig with a token or certificate"
        )));
    }
    // client-go: a path is relative to the kubeconfig, a bare name is looked up on the PATH.
    let path = if program.contains('/') { base.join(program) } else { program.into() };
    let mut command = Command::new(path);
    command.args(exec["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
    for pair in exec["env"].as_array().into_iter().flatten() {
        if let (Some(name), Some(value)) = (pair["name"].as_str(), pair["value"].as_str()) {
            command.env(name, value);
        }
    }
    command.env("KUBERNETES_EXEC_INFO", info(exec, cluster).to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.spawn().map_err(|e| {
        let hint = exec["installHint"].as_str().map(|h| format!("; {h}")).unwrap_or_default();
        failed(format!("kubeconfig: {program}: {e}{hint}"))
    })?;
    let text = answer(child).map_err(|why| failed(format!("kubeconfig: {program}: {why}")))?;
    filled(user, &text).ok_or_else(|| {
        failed(format!("kubeconfig: {program} gave no ExecCredential with a token or certificate"))
    })
}

fn info(exec: &Value, cluster: &Value) -> Value {
    let mut spec = json!({"interactive": false});
    if exec["provideClusterInfo"] == true {
        spec["cluster"] = json!({"server": cluster["server"],
            "certificate-authority-data": cluster["certificate-authority-data"]});
    }
    json!({"apiVersion": exec["apiVersion"], "kind": "ExecCredential", "spec": spec})
}

/// What a program writes until it ends well.
fn answer(mut child: Child) -> Result<Vec<u8>, String> {
    let out = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(out) = out {
            // More than fits makes no JSON, which is noticed later.
            let _ = out.take(MAX_ANSWER_BYTES).read_to_end(&mut text);
        }
        text
    });
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < MAX_TIME => std::thread::sleep(LOOK),
            outcome => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(match outcome {
                    Err(e) => e.to_string(),
                    Ok(_) => format!("no answer within {} s", MAX_TIME.as_secs()),
                });
            }
        }
    };
    if !status.success() {
        return Err(format!("ended with {status}"));
    }
    reader.join().map_err(|_| "its answer cannot be read".to_owned())
}

fn filled(user: &Value, text: &[u8]) -> Option<Value> {
    let answer: Value = serde_json::from_slice(text).ok()?;
    let status = &answer["status"];
    let mut user = user.clone();
    let mut any = false;
    if let Some(token) = status["token"].as_str().filter(|t| !t.is_empty()) {
        user["token"] = json!(token);
        any = true;
    }
    let pair = (status["clientCertificateData"].as_str(), status["clientKeyData"].as_str());
    if let (Some(certificate), Some(key)) = pair {
        user["client-certificate-data"] = json!(STANDARD.encode(certificate));
        user["client-key-data"] = json!(STANDARD.encode(key));
        any = true;
    }
    any.then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> Result<Value, String> {
        let user = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
            "args": ["-c", script], "env": [{"name": "GREETING", "value": "abc"}]}});
        credentials(&user, &json!({}), Path::new(".")).map_err(|failure| failure.message)
    }

    #[test]
    fn a_token_comes_from_a_program_that_is_told_what_it_is_asked_for() {
        let script = r#"case "$KUBERNETES_EXEC_INFO" in *'"kind":"ExecCredential"'*'"interactive":false'*)
            printf '{"kind":"ExecCredential","status":{"token":"%s"}}' "$GREETING";; esac"#;
        assert_eq!(run(script).unwrap()["token"], "abc");
    }

    #[test]
    fn a_program_that_fails_is_named_and_its_answer_is_not_shown() {
        for (script, want) in [
            ("exit 3", "sh: ended with exit status: 3"),
            ("echo secret", "sh gave no ExecCredential"),
            ("echo '{\"status\":{\"clientCertificateData\":\"secret\"}}'", "sh gave no ExecCredential"),
        ] {
            let error = run(script).unwrap_err();
            assert!(error.contains(want) && !error.contains("secret"), "{error}");
        }
    }
}
