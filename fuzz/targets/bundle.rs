//! Bundles that come from elsewhere: what is read of one is bounded, cannot drive a terminal, and stays what it is when it
//! is written and read again.
#![no_main]

use jeton_core::time::UnixTime;
use jeton_doctor::collect::bundle;
use jeton_doctor::collect::cluster::limits::MAX_REASON_BYTES;
use jeton_doctor::facts::{Cluster, Facts, Source};
use jeton_doctor::limits::MAX_TEXT_BYTES;
use jeton_fuzz::hidden_in;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = bundle::read(bytes) else { return };
    for (cluster, _) in &read {
        let names = cluster.pods.iter().flat_map(|pod| [&pod.namespace, &pod.name, &pod.account, &pod.owner]);
        let names = names.chain(cluster.secrets.iter().flat_map(|s| [&s.namespace, &s.name, &s.account]));
        assert!(names.chain([&cluster.name]).all(|name| name.len() <= MAX_TEXT_BYTES));
        assert!(cluster.unknown.iter().all(|gap| gap.detail.len() <= MAX_REASON_BYTES), "{cluster:?}");
    }
    let once = written(read);
    assert!(!hidden_in(&serde_json::from_str(&once).unwrap()), "{once}");
    let twice = written(bundle::read(once.as_bytes()).unwrap());
    assert_eq!(once, twice);
});

fn written(read: Vec<(Cluster, Source)>) -> String {
    let (clusters, sources) = read.into_iter().unzip();
    bundle::write(&Facts { sources, clusters, ..Facts::default() }, UnixTime::from_seconds(0)).unwrap()
}
