//! Issuing over HTTPS against the same library's signing in one process on both cores.

use super::load::Generator;
use super::material::{CREATED, fill, p256_pem, round, token_request};
use super::report::{Line, Target, median};
use crate::server::Server;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use std::error::Error;
use std::time::{Duration, Instant};

/// How often each side is measured.
const ROUNDS: usize = 5;
/// How long each side is measured in a round.
const SLICE: Duration = Duration::from_secs(2);
/// What a pod-bound token with its node signs over, about.
const SIGNED_BYTES: usize = 900;

/// Both algorithms.
///
/// # Errors
/// When a server does not start or an answer is not a token.
pub fn run() -> Result<Vec<Line>, Box<dyn Error>> {
    let rsa = jeton_authority::signer::local::new_key_pem()?;
    let mut lines = one("RS256", &rsa, Target::Least(0.8))?;
    lines.extend(one("ES256", &p256_pem()?, Target::Least(0.3))?);
    Ok(lines)
}

fn one(name: &str, pem: &str, target: Target) -> Result<Vec<Line>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let key = dir.path().join("sa.key");
    std::fs::write(&key, pem)?;
    let key = key.to_str().ok_or("a temporary directory with a strange name")?;
    let server = Server::start(&dir.path().join("data"), &["--service-account-signing-key-file", key])?;
    let pods = fill(&server.access, 1, 100)?;
    let requests: Vec<Vec<u8>> = pods.iter().map(token_request).collect();
    let mut load = Generator::connect(&server.access)?;
    load.run(&round(&requests), CREATED, SLICE / 4)?;
    let (mut issued, mut signed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        signed.push(raw(pem)?);
        issued.push(load.run(&round(&requests), CREATED, SLICE)?);
    }
    let ratios = issued.iter().zip(&signed).map(|(i, s)| i / s).collect();
    let line = |what: String, value| (what, (value, "/s"));
    let (what, value) = line(format!("{name}: signing in one process, both cores"), median(signed));
    let bare = Line::figure("issue", &what, value.0, value.1, Target::None);
    let (what, value) = line(format!("{name}: issue over HTTPS"), median(issued));
    Ok(vec![bare, Line::ratio("issue", &what, value, median(ratios), target)])
}

enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

/// Signatures per second of two threads that do nothing else.
fn raw(pem: &str) -> Result<f64, Box<dyn Error>> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())?;
    let der = der.secret_pkcs8_der();
    let key = match RsaKeyPair::from_pkcs8(der) {
        Ok(key) => Key::Rsa(key),
        Err(_) => Key::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)?),
    };
    let begun = Instant::now();
    let work = || {
        let (random, message) = (SystemRandom::new(), [b'x'; SIGNED_BYTES]);
        let mut count = 0_u32;
        while begun.elapsed() < SLICE {
            let done = match &key {
                Key::Rsa(key) => {
                    let mut out = vec![0; key.public_modulus_len()];
                    key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut out).is_ok()
                }
                Key::P256(key) => key.sign(&random, &message).is_ok(),
            };
            count += u32::from(done);
        }
        count
    };
    let total = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work() + other.join().unwrap_or(0)
    });
    Ok(f64::from(total) / begun.elapsed().as_secs_f64())
}
