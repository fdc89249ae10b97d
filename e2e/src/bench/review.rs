//! Reviewing over HTTPS, tokens never seen and tokens seen before, against a bare handler in the same stack.

use super::load::Generator;
use super::material::{ACCEPTED, LONG, fill, once, reviews, round};
use super::report::{Line, Target, median};
use crate::server::Server;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Distinct tokens.
const TOKENS: usize = 100_000;
/// How often each side is measured; every round takes its share of the tokens.
const ROUNDS: usize = 10;
/// How long the bare handler and the repeated tokens are measured in a round.
const SLICE: Duration = Duration::from_secs(1);

/// All three rates.
///
/// # Errors
/// When a server does not start or an answer does not accept its token.
pub fn run() -> Result<Vec<Line>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let pem = jeton_authority::signer::local::new_key_pem()?;
    let key = dir.path().join("sa.key");
    std::fs::write(&key, pem.as_bytes())?;
    let key = key.to_str().ok_or("a temporary directory with a strange name")?;
    let server = Server::start(&dir.path().join("data"), &["--service-account-signing-key-file", key])?;
    let pods = fill(&server.access, 1, 100)?;
    let all = reviews(pem.as_bytes(), &pods, TOKENS + 1)?;
    let (tokens, probe) = all.split_at(TOKENS);
    let mut load = Generator::connect(&server.access)?;
    let body = load.body(&probe[0], ACCEPTED)?;
    let bare = bare(&dir.path().join("bare"), &body)?;
    let mut bare_load = Generator::connect(&bare.access)?;
    load.run(&round(probe), ACCEPTED, SLICE)?;
    bare_load.run(&round(tokens), ACCEPTED, SLICE)?;
    let (mut fixed, mut first, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for share in tokens.chunks(TOKENS / ROUNDS) {
        fixed.push(bare_load.run(&round(share), ACCEPTED, SLICE)?);
        first.push(load.run(&once(share), ACCEPTED, LONG)?);
        again.push(load.run(&round(share), ACCEPTED, SLICE)?);
    }
    let ratio = |rates: &[f64]| median(rates.iter().zip(&fixed).map(|(r, f)| r / f).collect());
    let (first_ratio, again_ratio) = (ratio(&first), ratio(&again));
    let bare = format!("bare handler, same stack, {} bytes", body.len());
    Ok(vec![
        Line::figure("review", &bare, median(fixed), "/s", Target::None),
        Line::ratio(
            "review",
            "review, 100,000 tokens seen for the first time",
            (median(first), "/s"),
            first_ratio,
            Target::Least(0.5),
        ),
        Line::ratio(
            "review",
            "review, tokens seen before",
            (median(again), "/s"),
            again_ratio,
            Target::Least(0.7),
        ),
    ])
}

/// This program again, as the bare server. Its body is a real answer, so that the load generator has the same work.
fn bare(dir: &Path, body: &[u8]) -> Result<Server, Box<dyn Error>> {
    let file = dir.with_extension("body");
    std::fs::write(&file, body)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").arg(dir).arg(file);
    Ok(Server::spawn(command, dir.with_extension("log"))?)
}
