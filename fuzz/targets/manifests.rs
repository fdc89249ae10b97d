//! Manifests of a rehearsal: an error names the file, and what can be read can be played.
#![no_main]

use jeton_authority::rehearse::{Manifests, Profile, rehearse};
use jeton_core::clock::Clock;
use jeton_core::time::UnixTime;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut manifests = Manifests::default();
    if let Err(error) = manifests.add("mine.yaml", text, "shop") {
        assert!(error.to_string().contains("mine.yaml") || text.len() > 5000, "{error}");
        return;
    }
    assert!(manifests.workloads.iter().all(|w| !w.namespace.is_empty() && w.pod["spec"].is_object()));
    // Two worlds and a new key take as long as thousands of manifests.
    if bytes.len() % 64 == 0 && (1..=2).contains(&manifests.workloads.len()) {
        let clock = Clock::new(|| UnixTime::from_seconds(1_795_651_200));
        let played = rehearse(&manifests, &[20, 21], Profile::Kubernetes, &clock);
        let report = RUNTIME.block_on(played).unwrap();
        assert_eq!(report.workloads.len(), manifests.workloads.len());
    }
});
