//! `reqwest` with a [`TokenFile`]: each request carries the token that is in the file now, and one that the server
//! refused is tried once more when the file has a newer one.
//!
//! Run it in a pod: it prints what the server knows of this pod's account.

#![allow(clippy::print_stdout, reason = "an example shows what it got")]

use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use jeton_client::TokenFile;
use reqwest::{Certificate, Client, Request, Response};
use std::path::Path;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let host = std::env::var("KUBERNETES_SERVICE_HOST")?;
    let port = std::env::var("KUBERNETES_SERVICE_PORT")?;
    let url = format!("https://{host}:{port}/apis/authentication.k8s.io/v1/selfsubjectreviews");
    let client = client(&Path::new(FOLDER).join("ca.crt"))?;
    let review = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
    let request = client.post(url).header("Content-Type", "application/json").body(review).build()?;
    println!("{}", send(&client, &TokenFile::in_cluster(), request).await?.text().await?);
    Ok(())
}

/// A client that trusts this authority and no other. One is enough for a program: it keeps its connections.
pub(crate) fn client(authority: &Path) -> Result<Client, Failure> {
    // reqwest leaves the choice of cryptography to the program; a second choice changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let authority = Certificate::from_pem(&std::fs::read(authority)?)?;
    Ok(Client::builder().tls_certs_only([authority]).build()?)
}

/// Sends a request as the account whose token is in the file.
pub(crate) async fn send(
    client: &Client,
    file: &TokenFile,
    mut request: Request,
) -> Result<Response, Failure> {
    // A body that streams cannot be sent twice.
    let again = request.try_clone();
    let token = file.get()?;
    request.headers_mut().insert(AUTHORIZATION, bearer(token.expose())?);
    let answer = client.execute(request).await?;
    let (StatusCode::UNAUTHORIZED, Some(mut again)) = (answer.status(), again) else { return Ok(answer) };
    let newer = file.after_401(&token)?;
    if newer == token {
        return Ok(answer);
    }
    again.headers_mut().insert(AUTHORIZATION, bearer(newer.expose())?);
    Ok(client.execute(again).await?)
}

/// A header that is never logged.
fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}
