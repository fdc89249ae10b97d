//! The road from 1.19 to 1.25, with workloads of every sort.

use super::*;
use jeton_core::time::UnixTime;

const MANIFESTS: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: quiet}
automountServiceAccountToken: false
---
apiVersion: v1
kind: Secret
metadata: {name: ci, annotations: {kubernetes.io/service-account.name: app}}
type: kubernetes.io/service-account-token
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: plain}
spec: {template: {spec: {serviceAccountName: app, containers: [{name: c, image: i}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: quiet}
spec: {template: {spec: {serviceAccountName: quiet, containers: [{name: c, image: i}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: by-name}
spec:
  template:
    spec:
      restartPolicy: Never
      serviceAccountName: app
      volumes: [{name: t, secret: {secretName: app-token-x2vzq}}]
      containers:
      - name: c
        image: i
        volumeMounts: [{name: t, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}]
        env: [{name: T, valueFrom: {secretKeyRef: {name: default-token-abcde, key: token}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: by-hand}
spec:
  serviceAccountName: app
  volumes: [{name: t, secret: {secretName: ci}}]
  containers: [{name: c, image: i, volumeMounts: [{name: t, mountPath: /token}]}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: parts}
spec:
  template:
    spec:
      volumes:
      - {name: kube-api-access-mine, emptyDir: {}}
      - name: own
        projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 600}}]}
      containers:
      - name: a
        image: i
      - name: b
        image: i
        volumeMounts: [{name: own, subPath: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount/token}]
---
apiVersion: v1
kind: Pod
metadata: {name: wrong}
spec: {containers: [{name: Bad_Name, image: i}]}
"#;

async fn report(from: &str, to: &str, profile: Profile) -> Report {
    let mut manifests = Manifests::default();
    manifests.add("f.yaml", MANIFESTS, "shop").unwrap();
    let clock = Clock::new(|| UnixTime::from_seconds(1_784_973_600));
    rehearse(&manifests, &steps(from, to, profile).unwrap(), profile, &clock).await.unwrap()
}

fn of<'a>(report: &'a Report, name: &str) -> &'a Rehearsed {
    report.workloads.iter().find(|w| w.name == name).unwrap()
}

/// The rules that found something, by the version they are about.
fn rules(workload: &Rehearsed) -> Vec<(&str, &str)> {
    let steps = workload.steps.iter();
    steps.flat_map(|s| s.judged.work.iter().map(|w| (s.to.as_str(), w.rule))).collect()
}

#[tokio::test]
async fn cce_from_19_to_25() {
    let report = report("1.19", "1.25", Profile::Cce).await;
    assert_eq!(report.versions, ["1.19", "1.21", "1.23", "1.25"]);
    let plain = of(&report, "plain");
    let changes: Vec<&[String]> = plain.steps.iter().map(|s| &s.judged.changes[..]).collect();
    assert_eq!(
        changes[0],
        [
            "token of container c: Secret app-token-…, without end → a file that is renewed, 3607 s asked for; one that is never read again lasts 365 days"
        ]
    );
    assert!(changes[1].is_empty());
    assert!(changes[2].len() == 1 && changes[2][0].starts_with("no Secret with a token is made"));
    assert!(!plain.needs_work() && plain.permanent_secrets == ["ci"]);
    let quiet = of(&report, "quiet");
    assert!(quiet.versions.iter().all(|v| v.tokens[0].source == TokenSource::Nothing) && !quiet.needs_work());
    assert_eq!(rules(of(&report, "by-name")), [("1.25", "generated-secret"), ("1.25", "generated-secret")]);
    let tokens = &of(&report, "by-name").versions[3].tokens[0].source;
    assert_eq!(*tokens, TokenSource::Secret { name: "app-token-x2vzq".to_owned() }, "its own mount stays");
    assert!(!of(&report, "by-hand").needs_work(), "a Secret that was made by hand works everywhere");
    assert_eq!(
        rules(of(&report, "parts")),
        [("1.21", "sub-path"), ("1.21", "volume-name"), ("1.21", "volume-name")]
    );
    let wrong = of(&report, "wrong");
    assert!(wrong.work[0].shows.contains("refused in 1.19 already") && rules(wrong).is_empty());
    assert!(report.needs_work);
    let asked: Vec<(&str, bool)> =
        report.questions.iter().map(|q| (q.to.as_str(), q.text.contains("secrets[0]"))).collect();
    assert_eq!(
        asked,
        [("1.21", false), ("1.21", false), ("1.21", false), ("1.21", false), ("1.25", true), ("1.25", false)]
    );
}

#[tokio::test]
async fn where_nothing_changes_nothing_is_said() {
    let report = report("1.25", "1.27", Profile::Kubernetes).await;
    assert_eq!(report.versions, ["1.25", "1.26", "1.27"]);
    for workload in report.workloads.iter().filter(|w| w.name != "wrong") {
        assert!(!workload.needs_work(), "{workload:?}");
        assert!(workload.steps.iter().all(|s| s.judged.changes.is_empty()), "{workload:?}");
    }
    assert!(report.questions.is_empty());
}

#[test]
fn steps_that_cannot_be() {
    for (from, to, profile, want) in [
        ("1.19", "1.19", Profile::Kubernetes, StepsError::Order),
        ("1.25", "1.19", Profile::Cce, StepsError::Order),
        ("1.14", "1.19", Profile::Kubernetes, StepsError::Version("1.14".to_owned())),
        ("1.19", "2", Profile::Kubernetes, StepsError::Version("2".to_owned())),
        ("1.20", "1.25", Profile::Cce, StepsError::Cce("1.20".to_owned())),
        ("1.19", "1.27", Profile::Cce, StepsError::Cce("1.27".to_owned())),
    ] {
        assert_eq!(steps(from, to, profile).unwrap_err(), want);
    }
    assert_eq!(steps("v1.20", "1.22", Profile::Kubernetes).unwrap(), [20, 21, 22]);
}
