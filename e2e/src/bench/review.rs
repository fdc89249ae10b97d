//! Reviewing over HTTPS against a bare handler in the same stack: tokens never seen that somebody else signed with the
//! same key, tokens never seen that this server issued, and tokens seen before.

use super::load::Generator;
use super::material::{ACCEPTED, LONG, fill, issued_reviews, once, reviews, round};
use super::report::{Line, Target, median};
use crate::server::Server;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Distinct tokens.
const TOKENS: usize = 100_000;
/// How often each side is measured; every round takes its share of the tokens. Many short rounds: a machine's speed
/// drifts, and only what is measured within the same second or two meets the same speed.
const ROUNDS: usize = 20;
/// How long the bare handler and the repeated tokens are measured in a round.
const SLICE: Duration = Duration::from_millis(500);

/// All rates.
///
/// # Errors
/// When a server does not start or an answer does not accept its token.
pub fn run() -> Result<Vec<Line>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let pem = jeton_authority::signer::local::new_key_pem()?;
    let key = dir.path().join("sa.key");
    std::fs::write(&key, pem.as_bytes())?;
    let key = key.to_str().ok_or("a temporary directory with a strange name")?;
    let start = |name: &str| -> Result<_, Box<dyn Error>> {
        let server = Server::start(&dir.path().join(name), &["--service-account-signing-key-file", key])?;
        let pods = fill(&server.access, 1, 100)?;
        Ok((server, pods))
    };
    let (server, pods) = start("data")?;
    let all = reviews(pem.as_bytes(), &pods, TOKENS + 1)?;
    let (tokens, probe) = all.split_at(TOKENS);
    // A server of its own, because no server remembers as many tokens as both need.
    let (issuer, own_pods) = start("own")?;
    let mut own_load = Generator::connect(&issuer.access)?;
    let own = issued_reviews(&mut own_load, &own_pods, TOKENS)?;
    // Only now: a server does not wait for long until a connection says something.
    let mut load = Generator::connect(&server.access)?;
    let body = load.body(&probe[0], ACCEPTED)?;
    let bare = bare(&dir.path().join("bare"), &body)?;
    let mut bare_load = Generator::connect(&bare.access)?;
    load.run(&round(probe), ACCEPTED, SLICE)?;
    bare_load.run(&round(tokens), ACCEPTED, SLICE)?;
    let mut rates = [const { Vec::new() }; 4];
    for (share, own) in tokens.chunks(TOKENS / ROUNDS).zip(own.chunks(TOKENS / ROUNDS)) {
        let measured = [
            bare_load.run(&round(share), ACCEPTED, SLICE)?,
            load.run(&once(share), ACCEPTED, LONG)?,
            own_load.run(&once(own), ACCEPTED, LONG)?,
            load.run(&round(share), ACCEPTED, SLICE)?,
        ];
        rates.iter_mut().zip(measured).for_each(|(rates, rate)| rates.push(rate));
    }
    let [fixed, first, own, again] = rates;
    let line = |what: &str, rates: Vec<f64>, target| {
        let ratio = median(rates.iter().zip(&fixed).map(|(rate, fixed)| rate / fixed).collect());
        Line::ratio("review", what, (median(rates), "/s"), ratio, target)
    };
    let elsewhere = "review, 100,000 tokens seen for the first time, signed elsewhere";
    let here = "review, 100,000 tokens seen for the first time, issued by this server";
    let lines = [
        line(elsewhere, first, Target::Least(0.5)),
        line(here, own, Target::Least(0.5)),
        line("review, tokens seen before", again, Target::Least(0.7)),
    ];
    let bare = format!("bare handler, same stack, {} bytes", body.len());
    let bare = Line::figure("review", &bare, median(fixed.clone()), "/s", Target::None);
    Ok(std::iter::once(bare).chain(lines).collect())
}

/// This program again, as the bare server. Its body is a real answer, so that the load generator has the same work.
fn bare(dir: &Path, body: &[u8]) -> Result<Server, Box<dyn Error>> {
    let file = dir.with_extension("body");
    std::fs::write(&file, body)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").arg(dir).arg(file);
    Ok(Server::spawn(command, dir.with_extension("log"))?)
}
