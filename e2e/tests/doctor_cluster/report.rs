//! What `doctor cluster` says of a cluster: each way to a token, add-ons at their boundaries, clusters side by side.

use crate::lab::{Lab, SPACE, doctor, release, token_secret};
use e2e::client::As;
use serde_json::{Value, json};
use std::process::Output;

const EKS: &str = "602401143452.dkr.ecr.us-west-2.amazonaws.com";
const DAY: i64 = 24 * 3600;

pub(crate) fn report_of(out: &Output) -> Value {
    let notes = String::from_utf8_lossy(&out.stderr);
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("no report; {notes}"))
}

/// Rule and object of every finding.
fn findings(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = report["findings"].as_array().unwrap().iter();
    all.map(|finding| (text(&finding["rule"]), text(&finding["workload"]))).collect()
}

fn row<'r>(report: &'r Value, pod: &str) -> &'r Value {
    let mut rows = report["workloads"].as_array().unwrap().iter();
    rows.find(|row| row["pods"][0] == pod).unwrap_or(&Value::Null)
}

/// A pod whose container has run for so many days; gives back since when, in seconds since the epoch.
fn running(lab: &Lab, name: &str, days: i64, spec: &Value) -> i64 {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]}});
    let (container, more) = (&mut pod["spec"]["containers"][0], spec["container"].as_object());
    more.into_iter().flatten().for_each(|(key, value)| container[key] = value.clone());
    let more = spec["pod"].as_object();
    more.into_iter().flatten().for_each(|(key, value)| pod["spec"][key] = value.clone());
    let mut made = lab.made(&format!("{SPACE}/pods"), &pod);
    let start = jiff::Timestamp::now().as_second() - days * DAY;
    made["status"] = json!({"phase": "Running",
        "containerStatuses": [{"name": "app", "state": {"running": {"startedAt": moment(start)}}}]});
    let path = format!("{SPACE}/pods/{name}/status");
    let answer = lab.server.access.ask(&As::Admin, "PUT", &path, Some(&made)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.value());
    start
}

fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

fn projected(audience: Option<&str>, seconds: i64, sub_path: Option<&str>) -> Value {
    let mut token = json!({"path": "token", "expirationSeconds": seconds});
    audience.into_iter().for_each(|audience| token["audience"] = json!(audience));
    let mut mount = json!({"name": "own", "mountPath": "/own"});
    sub_path.into_iter().for_each(|path| mount["subPath"] = json!(path));
    json!({"container": {"volumeMounts": [mount]}, "pod": {"automountServiceAccountToken": false,
        "volumes": [{"name": "own", "projected": {"sources": [{"serviceAccountToken": token}]}}]}})
}

#[test]
fn each_way_to_a_token_has_its_row_its_deadline_and_its_remedy() {
    let lab = Lab::new();
    token_secret(&lab);
    let plain = running(&lab, "plain", 2, &json!({}));
    running(&lab, "none", 2, &json!({"pod": {"automountServiceAccountToken": false}}));
    let passed = running(&lab, "passed", 400, &projected(None, 7200, Some("token")));
    let soon = running(&lab, "soon", 1, &projected(None, 2 * DAY, Some("token")));
    let own = running(&lab, "own", 1, &projected(None, 2 * DAY, None));
    running(&lab, "vault", 1, &projected(Some("vault"), 600, None));
    let env = json!([{"name": "T", "valueFrom": {"secretKeyRef": {"name": "forever", "key": "token"}}}]);
    running(
        &lab,
        "env",
        2,
        &json!({"container": {"env": env}, "pod": {"automountServiceAccountToken": false}}),
    );
    lab.grant(&["--with-secrets"]);
    let config = lab.kubeconfig();
    let out = doctor(&["cluster", "--kubeconfig", config.to_str().unwrap(), "-o", "json", "--qps", "100"]);
    assert_eq!(out.status.code(), Some(1), "two subPath mounts are critical");
    let report = report_of(&out);
    assert_eq!(row(&report, "none"), &Value::Null, "without a token there is nothing to say");
    for (pod, state, cause, deadline) in [
        ("plain", "unknown", "unseen", Some(plain + 365 * DAY)),
        ("passed", "unknown", "sub-path", Some(passed + 7200)),
        ("soon", "unknown", "sub-path", Some(soon + 2 * DAY)),
        ("own", "unknown", "unseen", Some(own + 2 * DAY)),
        ("vault", "unknown", "unseen", None),
        ("env", "legacy", "legacy", None),
    ] {
        let row = row(&report, pod);
        assert_eq!((&row["state"], &row["cause"]), (&json!(state), &json!(cause)), "{pod}: {row}");
        assert_eq!(row["deadline"], json!(deadline.map(moment)), "{pod}: {row}");
        let kind = if deadline.is_some() { "estimated" } else { "none" };
        assert_eq!((&row["deadlineKind"], &row["container"]), (&json!(kind), &json!("app")), "{pod}");
        assert_eq!(row["cluster"], "jeton", "{pod}");
    }
    let place = |pod: &str| format!("default/default/Pod/{pod}");
    let owned = |rule: &str, place: String| (rule.to_owned(), place);
    let want = [
        owned("stale-sub-path", place("passed")),
        owned("stale-sub-path", place("soon")),
        owned("pod-uses-token-secret", place("env")),
        owned("legacy-secret-manual", "default/forever".to_owned()),
    ];
    assert_eq!(findings(&report), want);
    let verdict = &report["verdict"];
    assert_eq!(
        (&verdict["willFail"], &verdict["blockers"], &verdict["legacy"]),
        (&json!(2), &json!(2), &json!(1))
    );
    assert_eq!(verdict["firstWorkload"], "default/default/Pod/passed");
    let manual = &report["findings"][3];
    assert!(manual["title"].as_str().unwrap().contains("mounted by: Pod/env"), "{manual}");
    assert!(
        manual["remedy"].as_str().unwrap().starts_with("First choice: short-lived tokens from TokenRequest")
    );
}

#[test]
fn add_ons_are_flagged_up_to_their_boundary_and_not_beyond() {
    for (versions, want) in [
        (["1.15.0", "2.23.34", "v1.7.10", "v1.8.3-eksbuild.1", "v1.1.9", "2.24.1"], true),
        (["1.15.1", "2.23.35", "v1.8.0", "v1.8.4-eksbuild.1", "v2.0.0", "2.25.0"], false),
    ] {
        let lab = Lab::new();
        let [npd, prometheus, cni, dns, balancer, bit] = versions;
        for (namespace, name, chart) in
            [("deep", "cceaddon-npd", npd), ("monitoring", "cceaddon-prometheus", prometheus)]
        {
            lab.made("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}));
            lab.made(&format!("/api/v1/namespaces/{namespace}/secrets"), &release(name, 1, chart));
        }
        // Chart numbers of others are not the add-on's own.
        let chart = release("aws-load-balancer-controller", 2, "1.4.9");
        lab.made(&format!("{SPACE}/secrets"), &chart);
        let images = [
            format!("{EKS}/amazon-k8s-cni:{cni}"),
            format!("{EKS}/eks/coredns:{dns}"),
            format!("{EKS}/amazon/aws-load-balancer-controller:{balancer}"),
            format!("public.ecr.aws/aws-observability/aws-for-fluent-bit:{bit}"),
        ];
        for (n, image) in images.iter().enumerate() {
            let spec = json!({"container": {"image": image}});
            running(&lab, &format!("part-{n}"), 1, &spec);
        }
        lab.grant(&["--with-secrets"]);
        let config = lab.kubeconfig();
        let out =
            doctor(&["cluster", "--kubeconfig", config.to_str().unwrap(), "-o", "json", "--qps", "100"]);
        assert_eq!(out.status.code(), Some(i32::from(want)));
        let report = report_of(&out);
        let mut names: Vec<String> = findings(&report)
            .into_iter()
            .filter(|(rule, _)| rule.starts_with("addon-"))
            .map(|(rule, object)| format!("{rule} {object}"))
            .collect();
        names.sort_unstable();
        let all =
            ["aws-for-fluent-bit", "aws-load-balancer-controller", "coredns", "npd", "prometheus", "vpc-cni"];
        let all: Vec<String> = all.iter().map(|name| format!("addon-outdated jeton/{name}")).collect();
        assert_eq!(names, if want { all } else { Vec::new() });
        let count = json!(if want { 6 } else { 0 });
        assert_eq!((&report["verdict"]["willFail"], &report["verdict"]["blockers"]), (&count, &count));
    }
}

#[test]
fn a_list_of_the_cloud_stands_in_for_secrets_that_may_not_be_read() {
    let lab = Lab::new();
    lab.made("/api/v1/namespaces", &json!({"metadata": {"name": "monitoring"}}));
    lab.made("/api/v1/namespaces/monitoring/secrets", &release("cceaddon-prometheus", 1, "2.23.34"));
    lab.grant(&[]);
    let config = lab.kubeconfig();
    let list = lab.dir.path().join("addons.json");
    let instance = |name: &str, version: &str| {
        json!({"kind": "Addon", "apiVersion": "v3", "metadata": {"name": name},
            "spec": {"clusterID": "c-1", "version": version, "addonTemplateName": name, "values": {}},
            "status": {"status": "running", "currentVersion": {"version": version}}})
    };
    let items = [instance("prometheus", "2.23.34"), instance("npd", "1.15.1")];
    let text = json!({"kind": "Addon", "apiVersion": "v3", "items": items});
    std::fs::write(&list, text.to_string()).unwrap();
    let list = list.to_str().unwrap();
    let args = ["cluster", "--kubeconfig", config.to_str().unwrap(), "-o", "json", "--qps", "100"];
    let blind = report_of(&doctor(&args));
    assert!(findings(&blind).is_empty(), "{:?}", findings(&blind));
    assert_eq!(blind["verdict"]["safeToDisableExtension"], "unknown");
    let out = doctor(&[&args[..], &["--addons", list]].concat());
    assert_eq!(out.status.code(), Some(1));
    let report = report_of(&out);
    assert_eq!(findings(&report), [("addon-outdated".to_owned(), "jeton/prometheus".to_owned())]);
    assert_eq!(
        report["coverage"][1],
        json!({"source": list, "cluster": "jeton", "window": null, "read": 2, "skipped": 0, "missing": []})
    );
    let gaps: Vec<&str> = report["coverage"][0]["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| gap["id"].as_str().unwrap())
        .collect();
    assert!(
        gaps.contains(&"not-granted-secrets") && report["coverage"][0].get("error").is_none(),
        "{gaps:?}"
    );
}
