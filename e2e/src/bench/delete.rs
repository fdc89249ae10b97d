//! What revocation costs and whether it holds: deleting a pod against deleting a ConfigMap, and the tokens of deleted
//! pods from the moment the answer is there.

use super::material::{Pod, REVIEWS, fill, pod};
use super::report::{Line, Target, percentile};
use crate::client::{Access, Connection};
use crate::server::Server;
use serde_json::{Value, json};
use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PART: &str = "delete";
/// Clients that delete at the same time.
const CLIENTS: usize = 8;
/// Pods, and as many config maps, that each client makes and deletes.
const EACH: usize = 400;
/// Pods whose tokens are reviewed while they are deleted.
const REVOKED: usize = 300;
/// Clients that go on using the token of a pod that is being deleted; half review it, half send it as bearer.
const USERS: usize = 6;
/// How long they go on after the answer to the DELETE.
const AFTER: Duration = Duration::from_millis(20);
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Both questions.
///
/// # Errors
/// When a server does not start or does not answer as expected.
pub fn run() -> Result<Vec<Line>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let server = Server::start(&dir.path().join("data"), &[])?;
    let pods = fill(&server.access, 1, REVOKED)?;
    let mut lines = latency(&server.access)?;
    lines.extend(revoked(&server.access, &pods)?);
    Ok(lines)
}

fn expect(
    connection: &mut Connection,
    method: &str,
    path: &str,
    body: Option<&Value>,
    code: u16,
) -> io::Result<Value> {
    let text = body.map(Value::to_string);
    let answer = connection.request(method, path, &[JSON], text.as_deref().map(str::as_bytes))?;
    let value = answer.value();
    if answer.status == code {
        Ok(value)
    } else {
        Err(io::Error::other(format!("{method} {path}: {} {value}", answer.status)))
    }
}

/// Milliseconds of each DELETE: pods and config maps in turn.
fn client(access: &Access, number: usize) -> io::Result<(Vec<f64>, Vec<f64>)> {
    let mut connection = access.connect(true)?;
    let (mut pods, mut maps) = (Vec::new(), Vec::new());
    for n in 0..EACH {
        let name = format!("delete-{number}-{n}");
        let map = json!({"metadata": {"name": name}, "data": {"n": "x"}});
        for (plural, body, times) in
            [("pods", pod(&name, "account-0"), &mut pods), ("configmaps", map, &mut maps)]
        {
            let path = format!("/api/v1/namespaces/team-0/{plural}");
            expect(&mut connection, "POST", &path, Some(&body), 201)?;
            let begun = Instant::now();
            expect(&mut connection, "DELETE", &format!("{path}/{name}"), None, 200)?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok((pods, maps))
}

fn latency(access: &Access) -> Result<Vec<Line>, Box<dyn Error>> {
    let (mut pods, mut maps) = (Vec::new(), Vec::new());
    let all = std::thread::scope(|scope| {
        let running: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(move || client(access, n))).collect();
        running
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|_| Err(io::Error::other("a thread died"))))
            .collect::<io::Result<Vec<_>>>()
    })?;
    for (pod, map) in all {
        pods.extend(pod);
        maps.extend(map);
    }
    let (pod, map) = (percentile(pods, 0.99), percentile(maps, 0.99));
    Ok(vec![
        Line::figure(PART, "DELETE of a ConfigMap, 99th percentile", map, "ms", Target::None),
        Line::ratio(PART, "DELETE of a pod, 99th percentile", (pod, "ms"), pod / map, Target::Most(2.0)),
    ])
}

/// What the users of one pod's token saw.
#[derive(Debug, Default)]
struct Seen {
    accepted_before: AtomicUsize,
    refused_after: AtomicUsize,
    accepted_after: AtomicUsize,
}

fn revoked(access: &Access, pods: &[Pod]) -> Result<Vec<Line>, Box<dyn Error>> {
    let seen = Seen::default();
    let mut admin = access.connect(true)?;
    let mut users: Vec<(Connection, bool)> = Vec::new();
    for n in 0..USERS {
        let reviews = n % 2 == 0;
        users.push((access.connect(reviews)?, reviews));
    }
    for pod in pods {
        one(&mut admin, &mut users, pod, &seen)?;
    }
    let count = |n: &AtomicUsize| n.load(Ordering::SeqCst) as f64;
    let figure = |what, n, unit, target| Line::figure(PART, what, count(n), unit, target);
    Ok(vec![
        figure(
            "uses of pods' tokens before the DELETE that succeeded",
            &seen.accepted_before,
            "",
            Target::Least(1.0),
        ),
        figure("uses begun after its answer that were refused", &seen.refused_after, "", Target::Least(1.0)),
        figure("uses begun after its answer that succeeded", &seen.accepted_after, "", Target::Most(0.0)),
    ])
}

/// Deletes one pod while its token is in use on every connection.
fn one(
    admin: &mut Connection,
    users: &mut [(Connection, bool)],
    pod: &Pod,
    seen: &Seen,
) -> Result<(), Box<dyn Error>> {
    let (namespace, name) = (&pod.pod.namespace, &pod.pod.name);
    let bound = json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": pod.pod.uid});
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{}/token", pod.account.name);
    let answer = expect(admin, "POST", &path, Some(&json!({"spec": {"boundObjectRef": bound}})), 201)?;
    let token = answer["status"]["token"].as_str().ok_or("no token")?.to_owned();
    let (gone, end) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let mut running = Vec::new();
        for (connection, reviews) in users.iter_mut() {
            let (token, gone, end, reviews) = (&token, &gone, &end, *reviews);
            running.push(scope.spawn(move || -> io::Result<()> {
                while !end.load(Ordering::SeqCst) {
                    let after = gone.load(Ordering::SeqCst);
                    let count = match (after, accepted(connection, token, reviews)?) {
                        (false, true) => &seen.accepted_before,
                        (true, true) => &seen.accepted_after,
                        (true, false) => &seen.refused_after,
                        // Begun before the answer and refused: the DELETE was under way.
                        (false, false) => continue,
                    };
                    count.fetch_add(1, Ordering::SeqCst);
                }
                Ok(())
            }));
        }
        let deleted =
            expect(admin, "DELETE", &format!("/api/v1/namespaces/{namespace}/pods/{name}"), None, 200);
        gone.store(true, Ordering::SeqCst);
        std::thread::sleep(AFTER);
        end.store(true, Ordering::SeqCst);
        for user in running {
            user.join().map_err(|_| "a thread died")??;
        }
        deleted.map(drop).map_err(Into::into)
    })
}

/// Whether a token works: in a review, or as bearer.
fn accepted(connection: &mut Connection, token: &str, reviews: bool) -> io::Result<bool> {
    if reviews {
        let body = json!({"spec": {"token": token}});
        let answer = expect(connection, "POST", REVIEWS, Some(&body), 201)?;
        return Ok(answer["status"]["authenticated"] == true);
    }
    let bearer = format!("Bearer {token}");
    let answer = connection.request("GET", "/api", &[("Authorization", &bearer)], None)?;
    match answer.status {
        200 => Ok(true),
        401 => Ok(false),
        other => Err(io::Error::other(format!("GET /api: {other}"))),
    }
}
