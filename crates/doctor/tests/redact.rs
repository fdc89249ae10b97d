//! `--redact`: a mark is planted in every field that comes from outside, and no output holds it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cases::{self, LANGS};
use common::{HOUR, START};
use jeton_core::time::UnixTime;
use jeton_doctor::facts::*;
use jeton_doctor::knowledge::Knowledge;
use jeton_doctor::render::{json, markdown, sarif, split, table};
use jeton_doctor::report::Report;
use jeton_doctor::rules::{Settings, report};
use std::collections::BTreeMap;

const MARK: &str = "qzx";

/// A name that nothing else has.
fn mark(what: &str) -> String {
    format!("{MARK}-{what}")
}

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(START + seconds)
}

fn used(agent: &str, more: impl FnOnce(&mut Use)) -> Use {
    let mut one = Use {
        account: Account { namespace: mark("namespace"), name: mark("account") },
        pod: Some((mark("pod"), mark("uid"))),
        node: Some(mark("node")),
        user_agent: agent.to_owned(),
        credential: Some(mark("credential")),
        first: Some(at(0)),
        last: Some(at(20 * HOUR)),
        uses: 3,
        spans: vec![],
        stale: Some(Stale { first: at(2 * HOUR), last: at(20 * HOUR), warn_after: at(HOUR) }),
        legacy: None,
        addresses: vec![mark("address")],
        audit_ids: vec![mark("audit")],
    };
    more(&mut one);
    one
}

fn pod() -> Pod {
    let token = |kind, sub_path| TokenSource { container: mark("container"), kind, sub_path };
    Pod {
        namespace: mark("other"),
        name: mark("pod-2"),
        uid: mark("uid-2"),
        account: mark("account-2"),
        node: mark("node"),
        owner: format!("{MARK}Thing/{MARK}-owner"),
        addresses: vec![mark("address")],
        labels: BTreeMap::from([(mark("label"), mark("value"))]),
        images: vec![format!(
            "602401143452.dkr.ecr.us-west-2.amazonaws.com/{MARK}/eks/coredns:v1.8.3-{MARK}"
        )],
        started: BTreeMap::from([(mark("container"), at(0))]),
        tokens: vec![token(SourceKind::Injected, true), token(SourceKind::SecretEnv(mark("secret")), false)],
    }
}

fn cluster() -> Cluster {
    let gap = |id, detail: String| Missing { id, detail };
    let secret = |auto, invalid| TokenSecret {
        namespace: mark("namespace"),
        name: mark("secret"),
        account: mark("account"),
        auto,
        last_used: Some(mark("date")),
        invalid_since: invalid,
        roles: vec![
            format!("ClusterRole/{MARK} in namespace {MARK}"),
            format!("{MARK}/{MARK}"),
            MARK.to_owned(),
        ],
    };
    Cluster {
        name: mark("context"),
        version: Some(format!("v1.23.4-{MARK}")),
        platform: Some(MARK.to_owned()),
        replicas: vec![Replica { name: mark("replica"), stale: Some(3), ..Replica::default() }],
        pods: vec![pod()],
        secrets: vec![secret(Some(true), None), secret(Some(false), None), secret(None, Some(mark("day")))],
        releases: vec![
            ("cceaddon-npd".to_owned(), Some(format!("1.15.0-{MARK}"))),
            ("cceaddon-prometheus".to_owned(), Some(MARK.to_owned())),
            (mark("release"), Some(MARK.to_owned())),
            (mark("own-release"), Some("1.0.0".to_owned())),
        ],
        listed: vec![
            ListedAddon { platform: "cce", name: "npd".to_owned(), version: Some(format!("1.14.0-{MARK}")) },
            ListedAddon { platform: "cce", name: mark("addon"), version: Some("1.0.0".to_owned()) },
        ],
        unknown: vec![
            gap("not-granted", format!("pods: 403: User \"{MARK}\"")),
            gap("other", MARK.to_owned()),
        ],
    }
}

fn planted() -> Facts {
    let legacy = |auto, invalidated| Some(Legacy { secret: Some(mark("secret")), auto, invalidated });
    let gap = |id, detail: String| Missing { id, detail };
    Facts {
        cluster: None,
        sources: vec![
            Source {
                name: format!("/srv/{MARK}/audit.log"),
                window: Some((at(0), at(24 * HOUR))),
                missing: vec![gap("broken-off", mark("line")), gap("too-long", "3".to_owned())],
                ..Source::default()
            },
            Source { name: mark("context"), error: Some(mark("error")), ..Source::default() },
        ],
        uses: vec![
            used(&format!("{MARK}/v0.0.0 (linux/amd64) kubernetes/$Format"), |_| ()),
            used(&format!("{MARK}/1.0"), |_| ()),
            used(&format!("OpenAPI-Generator/11.0.0-{MARK}/python"), |one| one.stale = None),
            used(&format!("fabric8-kubernetes-client/5.12.2-{MARK}"), |_| ()),
            used(&format!("kubelet/v1.18.2 ({MARK}) kubernetes/{MARK}"), |_| ()),
            used(&format!("own-{MARK}/2"), |_| ()),
            used("curl/8", |one| (one.legacy, one.pod) = (legacy(false, false), None)),
            used("curl/7", |one| (one.legacy, one.pod) = (legacy(true, true), None)),
        ],
        issues: vec![Issue {
            credential: mark("credential"),
            account: Account { namespace: mark("namespace"), name: mark("account") },
            node: Some(mark("node")),
            at: at(0),
            lifetime: None,
            pod_uid: Some(mark("uid")),
        }],
        refusals: vec![Refusal {
            address: mark("elsewhere"),
            user_agent: mark("agent"),
            first: at(0),
            last: at(HOUR),
            count: 2,
            audit_ids: vec![mark("refused")],
        }],
        deleted: BTreeMap::new(),
        clusters: vec![cluster()],
    }
}

fn told(report: &Report, lang: jeton_doctor::knowledge::texts::Lang) -> Vec<(String, String)> {
    let mut all = vec![
        ("table".to_owned(), table(report, lang)),
        ("json".to_owned(), json(report)),
        ("markdown".to_owned(), markdown(report, lang)),
        ("sarif".to_owned(), sarif(report, lang)),
    ];
    for by in ["namespace".to_owned(), mark("label")] {
        all.extend(
            split(report, &by, lang)
                .into_iter()
                .map(|(name, text)| (name.clone(), format!("{name}\n{text}"))),
        );
    }
    all
}

#[test]
fn nothing_of_the_users_is_left() {
    let mut knowledge = Knowledge::built_in().unwrap();
    let own = format!(
        "own-{MARK}/{{v}}\town-{MARK}\texact\t{MARK}\t{MARK}\t{MARK}\n\
         own-{MARK}\tsemver\t-\t-\tnever\tnever\t9.9-{MARK}\tthread\t{MARK}\t{MARK}\n\
         cce\t{MARK}-addon\t{MARK}-own-release\t-\t{MARK}/{MARK}\t1.0.0\t1.1.0-{MARK}\t{MARK}\thttps://{MARK}.example\thttps://{MARK}.example\t{MARK}\t{MARK}\n"
    );
    knowledge.extend("own.tsv", &own).unwrap();
    for (lang, tag) in LANGS {
        let mut settings = Settings::new(at(48 * HOUR));
        settings.lang = lang;
        let open = report(&planted(), &knowledge, &settings);
        let rules: std::collections::BTreeSet<&str> = open.findings.iter().map(|f| f.rule).collect();
        assert!(rules.len() >= 12, "the plant reaches most rules: {rules:?}");
        settings.redact = true;
        let hidden = report(&planted(), &knowledge, &settings);
        assert_eq!(open.findings.len(), hidden.findings.len());
        for (name, text) in told(&hidden, lang) {
            let line = text.lines().find(|line| line.to_lowercase().contains(MARK));
            assert_eq!(line, None, "{name} in {tag}");
        }
    }
}

#[test]
fn remedies_stay_useful_and_names_stay_distinct() {
    for case in cases::all() {
        for (lang, _) in LANGS {
            let (open, hidden) = (case.report(lang, false), case.report(lang, true));
            assert_eq!(open.verdict.will_fail, hidden.verdict.will_fail, "{}", case.rule);
            for (a, b) in open.findings.iter().zip(&hidden.findings) {
                assert_eq!((a.rule, a.severity), (b.rule, b.severity));
                let (long, short) = (a.remedy.chars().count(), b.remedy.chars().count());
                assert!(short * 10 >= long * 8, "{}: {}", b.rule, b.remedy);
                assert!(!b.title.is_empty());
            }
        }
    }
}
