//! Charts of Helm releases, platforms, and the flag of the API server.

use super::super::{chart_version, extended};
use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::io::Write;

/// What Helm writes: gzip, base64, and base64 again by the API.
fn release(version: &str, padding: usize) -> String {
    let values: String = std::iter::repeat_n('x', padding).collect();
    let text = json!({"name": "r", "config": {"password": "hunter2", "pad": values},
        "chart": {"metadata": {"name": "c", "version": version}, "files": []}});
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.to_string().as_bytes()).unwrap();
    STANDARD.encode(STANDARD.encode(gzip.finish().unwrap()))
}

#[test]
fn the_chart_of_the_release_in_use_is_read() {
    let stored = |name: &str, release: &str, version: &str, status: &str| {
        json!({"metadata": {"namespace": "kube-system", "name": name,
            "labels": {"owner": "helm", "name": release, "version": version, "status": status}}})
    };
    let npd = "cceaddon-npd";
    let list = json!([
        stored("npd.v9", npd, "9", "superseded"),
        stored("npd.v10", npd, "10", "deployed"),
        stored("npd.v11", npd, "11", "pending-upgrade"),
        stored("gone.v1", "cceaddon-prometheus", "1", "uninstalled"),
        stored("../../x", "cceaddon-prometheus", "2", "deployed"),
        stored("other.v1", "other", "1", "deployed")
    ]);
    let mut fake = Fake::empty().instead(SECRETS).items(SECRETS, &json!([])).items(SECRETS, &list);
    let body = json!({"data": {"release": release("1.15.0", 10)}});
    fake = fake.on("/api/v1/namespaces/kube-system/secrets/npd.v10", 200, &body);
    let got = fake.run();
    assert_eq!(got.cluster.releases, [("cceaddon-npd".to_owned(), Some("1.15.0".to_owned()))]);
    assert_eq!(got.cluster.platform.as_deref(), Some("cce"));
    assert!(!format!("{got:?}").contains("hunter2"));
}

#[test]
fn a_release_that_cannot_be_read_has_no_version() {
    let good = release("2.23.34", 0);
    assert_eq!(chart_version(&good).as_deref(), Some("2.23.34"));
    let bomb = release("1.0.0", 40 * 1024 * 1024);
    let encoded = |text: &str| STANDARD.encode(STANDARD.encode(text));
    for bad in [
        "",
        "=",
        "AAAA",
        &good[..good.len() / 2],
        &bomb,
        &encoded("{}"),
        &encoded("{\"chart\":{\"metadata\":{\"version\":7}}}"),
    ] {
        assert_eq!(chart_version(bad), None, "{}", &bad[..bad.len().min(40)]);
    }
    let plain = encoded("{\"chart\":{\"metadata\":{\"version\":\"1.2\"}}}");
    assert_eq!(chart_version(&plain).as_deref(), Some("1.2"), "Helm also reads what is not compressed");
}

#[test]
fn platforms_and_the_flag_of_the_api_server() {
    for (version, want) in [
        ("v1.29.1-eks-508b6b3", Some("eks")),
        ("v1.25.5-r0-25.1.18", Some("cce")),
        ("v1.17.9-r0-CCE21.1.1.3.B001-17.36.8", Some("cce")),
        ("v1.33.1", None),
        ("v1.33.0-rc.1", None),
        ("v1.28.4-gke.1", None),
    ] {
        let mut fake = Fake::empty().instead("/version").on("/version", 200, &json!({"gitVersion": version}));
        assert_eq!(fake.run().cluster.platform.as_deref(), want, "{version}");
    }
    for (words, want) in [
        (json!(["kube-apiserver", "--service-account-extend-token-expiration=false"]), Some(false)),
        (json!(["kube-apiserver", "--v=2"]), Some(true)),
    ] {
        let pod = json!([{"metadata": {"namespace": "kube-system", "name": "a", "labels": {"component": "kube-apiserver"}},
            "spec": {"containers": [{"name": "kube-apiserver", "command": words}]}}]);
        let got = Fake::empty().instead(PODS).items(PODS, &pod).run();
        assert_eq!(extended(&got.cluster), want);
    }
}
