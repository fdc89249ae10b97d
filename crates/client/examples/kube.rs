//! `kube` with a [`TokenFile`]: each request carries the token that is in the file now, and one that the server
//! refused is tried once more when the file has a newer one. (`kube` alone re-reads by age, and fails until then.)
//!
//! Run it in a pod: it prints the names of the pods in its namespace.

#![allow(clippy::print_stdout, reason = "an example shows what it got")]

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode};
use jeton_client::TokenFile;
use k8s_openapi::api::core::v1::Pod;
use kube::client::Body;
use kube::config::AuthInfo;
use kube::{Api, Client, Config, ResourceExt};
use std::sync::Arc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let client = with_token(Config::incluster()?, TokenFile::in_cluster())?;
    for pod in Api::<Pod>::default_namespaced(client).list(&Default::default()).await? {
        println!("{}", pod.name_any());
    }
    Ok(())
}

/// A client for this server that takes its token from the file alone.
pub(crate) fn with_token(mut config: Config, token: TokenFile) -> kube::Result<Client> {
    let namespace = config.default_namespace.clone();
    config.auth_info = AuthInfo::default();
    let plain = Client::try_from(config)?;
    let token = Arc::new(token);
    let service = tower::service_fn(move |request| send(plain.clone(), token.clone(), request));
    Ok(Client::new(service, namespace))
}

async fn send(
    client: Client,
    file: Arc<TokenFile>,
    mut request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    // A body that streams cannot be sent twice; the bodies of the typed API can.
    let (head, body) = request.into_parts();
    let again = body.try_clone().map(|body| Request::from_parts(head.clone(), body));
    request = Request::from_parts(head, body);
    let token = file.get()?;
    request.headers_mut().insert(AUTHORIZATION, bearer(token.expose())?);
    let answer = client.send(request).await?;
    let (StatusCode::UNAUTHORIZED, Some(mut again)) = (answer.status(), again) else { return Ok(answer) };
    let newer = file.after_401(&token)?;
    if newer == token {
        return Ok(answer);
    }
    again.headers_mut().insert(AUTHORIZATION, bearer(newer.expose())?);
    Ok(client.send(again).await?)
}

/// A header that is never logged.
fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}
