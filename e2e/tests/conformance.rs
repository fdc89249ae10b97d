//! Every recorded case is answered as kube-apiserver 1.36 answered it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its counts"
)]

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::{Engine, engine::general_purpose::STANDARD};
use e2e::conformance::{Player, matches, play, recorded};
use e2e::server::Server;

/// Every group of the recording.
const GROUPS: [&str; 8] = ["issue", "review", "forge", "revoke", "legacy", "admit", "discover", "objects"];

#[test]
fn answers_are_those_that_were_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let der = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = der.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let key = dir.path().join("sa.pem");
    std::fs::write(&key, &pem).unwrap();
    let more = ["--service-account-signing-key-file", key.to_str().unwrap()];
    let server = Server::start(&dir.path().join("data"), &more).unwrap();
    let mut differ = Vec::new();
    let mut count = 0;
    for group in GROUPS {
        let mut player = Player::new(&server.access, pem.as_bytes(), &format!("conf-{group}"));
        play(&mut player, group).unwrap();
        let wanted = recorded(group);
        assert_eq!(
            wanted.len(),
            player.records.len(),
            "{group}: every recorded case is played, and no other"
        );
        for (case, want) in wanted {
            count += 1;
            let have = player.records.get(&case).cloned().unwrap_or_default();
            if !(matches(&want["body"], &have["body"]) && want["status"] == have["status"]) {
                differ.push(format!("{case}\n  want {want}\n  have {have}"));
            }
        }
    }
    assert!(differ.is_empty(), "{} of {count} differ:\n{}", differ.len(), differ.join("\n"));
    assert_eq!(count, 125);
    let log = std::fs::read_to_string(&server.log).unwrap();
    assert!(!log.contains("eyJ"), "a token in the log");
}
