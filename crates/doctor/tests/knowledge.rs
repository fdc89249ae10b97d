//! What is known, at every boundary: versions in each library's own order, published minimums, add-ons, the version rule,
//! and rows of the user's own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cases::cluster;
use common::{Log, WEB, Who, judge};
use jeton_doctor::knowledge::Knowledge;
use jeton_doctor::knowledge::library::find;
use jeton_doctor::knowledge::reload::Reload;
use jeton_doctor::knowledge::texts::Lang;
use jeton_doctor::knowledge::version::{Order, Version};
use jeton_doctor::report::Report;
use std::cmp::Ordering;

fn built_in() -> Knowledge {
    Knowledge::built_in().unwrap()
}

fn reload(library: &str, version: &str) -> Reload {
    find(&built_in().libraries, library, Some(version))
        .unwrap_or_else(|| panic!("{library} {version}"))
        .token_reload
}

#[test]
fn versions_follow_their_own_order() {
    use Order::{Gem, Go, Maven, NuGet, Pep440, Pvp, SemVer};
    for (order, older, newer) in [
        (Go, "v8.0.0+incompatible", "v0.15.7"),
        (Go, "v0.15.7", "v0.36.0"),
        (Go, "v12.0.0+incompatible", "v0.16.0"),
        (Go, "kubernetes-1.13.1", "v11.0.0"),
        (Go, "v0.0.0-20180628043050-7d04d0e2a0a1", "v9.0.0"),
        (Go, "v0.17.0-beta.1", "v0.17.0"),
        (Pep440, "12.0.0a1", "12.0.0b1"),
        (Pep440, "12.0.0b1", "12.0.0rc1"),
        (Pep440, "12.0.0rc1", "12.0.0"),
        (Pep440, "12.0.0", "12.0.0.post1"),
        (Pep440, "9.0.0", "12.0.0"),
        (SemVer, "0.10.2", "0.10.3"),
        (SemVer, "0.10.3-rc1", "0.10.3"),
        (SemVer, "0.9.9", "0.10.0"),
        (Maven, "9.0.0-SNAPSHOT", "9.0.0"),
        (Maven, "6.0.0-M1", "6.0.0"),
        (Gem, "4.10.0.pre1", "4.10.0"),
        (Gem, "4.9.4", "4.10.0"),
        (Pvp, "0.3", "0.3.0.0"),
        (Pvp, "0.2.9.9", "0.3.0.0"),
        (NuGet, "2.0.21", "2.0.22"),
        (NuGet, "7.0.4", "7.0.5"),
    ] {
        let parse = |text| Version::parse(order, text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(parse(older).compare(&parse(newer)), Ordering::Less, "{older} {newer}");
        assert_eq!(parse(newer).compare(&parse(older)), Ordering::Greater, "{newer} {older}");
    }
    let same = |order, a, b| {
        Version::parse(order, a).unwrap().compare(&Version::parse(order, b).unwrap()) == Ordering::Equal
    };
    assert!(same(Maven, "9.0.0.Final", "9.0.0") && same(Go, "v12.0.0", "kubernetes-1.15.0"));
    for nonsense in ["", "v", "latest", "v1.5.2", "v0.0.0-99999999999999-abcdefabcdef"] {
        assert_eq!(Version::parse(Go, nonsense), None, "{nonsense}");
    }
}

#[test]
fn classes_change_where_they_were_measured_to() {
    use Reload::{After401, Broken, Conditional, Never, Periodic};
    for (library, version, want) in [
        ("client-go", "v8.0.0+incompatible", Never),
        ("client-go", "v9.0.0+incompatible", Periodic(300)),
        ("client-go", "v10.0.0+incompatible", Periodic(300)),
        ("client-go", "v11.0.0+incompatible", Periodic(60)),
        ("client-go", "v0.15.7", Periodic(60)),
        ("client-go", "kubernetes-1.12.4", Periodic(300)),
        ("client-go", "kubernetes-1.12.5", Periodic(60)),
        ("python-kubernetes", "11.0.0", Never),
        ("python-kubernetes", "12.0.0b1", Never),
        ("python-kubernetes", "12.0.0", Periodic(60)),
        ("python-kubernetes", "35.0.0", Periodic(60)),
        ("python-kubernetes", "36.0.0", Broken),
        ("python-kubernetes", "36.0.1", Periodic(60)),
        ("python-kubernetes-asyncio", "22.6.4", Never),
        ("python-kubernetes-asyncio", "22.6.5", Conditional),
        ("python-kubernetes-asyncio", "24.2.2", Conditional),
        ("python-kubernetes-asyncio", "24.2.3", Periodic(60)),
        ("python-lightkube", "0.19.1", Never),
        ("python-lightkube", "0.21.0", After401),
        ("python-kr8s", "0.20.15", After401),
        ("java-official", "8.0.2", Never),
        ("java-official", "9.0.0", Periodic(60)),
        ("fabric8", "5.3.9", Never),
        ("fabric8", "5.4.0", Broken),
        ("fabric8", "5.8.0", After401),
        ("fabric8", "5.12.3", After401),
        ("fabric8", "5.12.4", Periodic(60)),
        ("fabric8", "6.0.0", After401),
        ("fabric8", "6.1.0", Periodic(60)),
        ("javascript-official", "0.10.2", Never),
        ("javascript-official", "0.10.3", Periodic(60)),
        ("csharp-official", "2.0.21", Never),
        ("csharp-official", "2.0.22", Periodic(60)),
        ("ruby-kubeclient", "4.9.3", Never),
        ("ruby-kubeclient", "4.10.0", Conditional),
        ("haskell-official", "0.2.0.0", Never),
        ("haskell-official", "0.3.0.0", Periodic(60)),
        ("rust-kube", "0.68.0", Never),
        ("rust-kube", "0.69.0", Broken),
        ("rust-kube", "0.69.1", Periodic(60)),
    ] {
        assert_eq!(reload(library, version), want, "{library} {version}");
    }
}

#[test]
fn published_minimums_are_there_and_say_where_they_are_wrong() {
    let knowledge = built_in();
    for (library, minimum, disagrees) in [
        ("client-go", "v0.15.7", true),
        ("python-kubernetes", "12.0.0", true),
        ("java-official", "9.0.0", false),
        ("javascript-official", "0.10.3", false),
        ("ruby-official", "master", true),
        ("haskell-official", "0.3.0.0", false),
        ("csharp-official", "7.0.5", true),
    ] {
        let row = knowledge.published.iter().find(|row| row.library == library).unwrap();
        assert_eq!(
            (row.minimum.as_str(), row.disagrees(Lang::En).is_some()),
            (minimum, disagrees),
            "{library}"
        );
        assert_eq!(row.disagrees(Lang::Zh).is_some(), disagrees, "{library}");
        assert!(!row.source.is_empty() && row.date.starts_with("20"));
        if library != "ruby-official" {
            assert!(reload(library, minimum).is_good(), "{library} {minimum} does what is published");
        }
    }
}

/// Versions that are called outdated, of releases in any namespace.
fn outdated(releases: &[(&str, &str)]) -> Vec<String> {
    let facts = cluster(|cluster| {
        cluster.releases = releases
            .iter()
            .map(|(name, version)| ((*name).to_owned(), Some((*version).to_owned())))
            .collect();
    });
    let told = judge(&facts);
    assert_eq!(told.verdict.blockers > 0, told.findings.iter().any(|f| f.rule == "addon-outdated"));
    told.findings.iter().filter(|f| f.rule == "addon-outdated").map(|f| f.title.clone()).collect()
}

#[test]
fn add_ons_at_their_boundaries() {
    let (prometheus, npd) = ("cceaddon-prometheus", "cceaddon-npd");
    for (name, version, bad) in [
        (prometheus, "2.23.34", true),
        (prometheus, "2.23.35", false),
        (prometheus, "2.9.99", true),
        (prometheus, "2.100.0", false),
        (npd, "1.15.0", true),
        (npd, "1.15.1", false),
        (npd, "1.9.0", true),
        ("prometheus", "2.23.34", false),
    ] {
        assert_eq!(outdated(&[(name, version)]).len(), usize::from(bad), "{name} {version}");
    }
    let told = outdated(&[(npd, "1.15.0"), (npd, "1.15.0"), (npd, "1.14.0"), (npd, "1.15.1")]);
    assert_eq!(told, ["Add-on npd 1.14.0, 1.15.0 does not read its token again"]);
    let unknown = judge(&cluster(|c| c.releases = vec![(npd.to_owned(), Some("latest".to_owned()))]));
    assert_eq!(unknown.findings[0].rule, "addon-version-unknown");
}

#[test]
fn image_tags_tell_the_version_of_eks_add_ons_alone() {
    let with = |image: &str| {
        let report = judge(&cluster(|cluster| {
            let mut pod = common::cases::pod(jeton_doctor::facts::SourceKind::Injected, false, 1);
            pod.images = vec![image.to_owned()];
            cluster.pods = vec![pod];
        }));
        report.findings.iter().any(|finding| finding.rule == "addon-outdated")
    };
    let eks = "602401143452.dkr.ecr.us-west-2.amazonaws.com";
    for (image, bad) in [
        (format!("{eks}/amazon-k8s-cni:v1.7.10"), true),
        (format!("{eks}/amazon-k8s-cni:v1.8.0"), false),
        (format!("{eks}/eks/coredns:v1.8.3-eksbuild.1"), true),
        (format!("{eks}/eks/coredns:v1.8.4-eksbuild.1"), false),
        ("public.ecr.aws/aws-observability/aws-for-fluent-bit:2.24.1".to_owned(), true),
        ("public.ecr.aws/aws-observability/aws-for-fluent-bit:2.25.0".to_owned(), false),
        ("registry.k8s.io/coredns/coredns:v1.8.0".to_owned(), false),
        ("swr.example/hwofficial/npd:1.0.0".to_owned(), false),
    ] {
        assert_eq!(with(&image), bad, "{image}");
    }
}

/// Whether a client of one Kubernetes is called too old for a cluster of another.
fn too_old(cluster_version: &str, client: &str) -> bool {
    let agent: &'static str =
        Box::leak(format!("app/v1.{client}.0 (linux/amd64) kubernetes/abc").into_boxed_str());
    let mut log = Log::default();
    log.request(0, Who { agent, ..WEB }, "one");
    let mut facts = log.facts();
    facts.clusters.append(&mut cluster(|c| c.version = Some(cluster_version.to_owned())).clusters);
    let report: Report = judge(&facts);
    report.findings.iter().any(|finding| finding.rule == "client-older-than-cluster")
}

#[test]
fn the_version_rule_at_each_boundary() {
    for (cluster, oldest) in
        [("1.21", 17), ("1.23", 19), ("1.25", 21), ("1.27", 23), ("1.28", 25), ("1.29", 27)]
    {
        let version = format!("v{cluster}.3-r0");
        assert!(!too_old(&version, &oldest.to_string()), "{oldest} passes on {cluster}");
        assert!(too_old(&version, &(oldest - 1).to_string()), "{} does not on {cluster}", oldest - 1);
    }
    assert!(!too_old("v1.19.0", "10"), "no rule for what is older than the first row");
}

#[test]
fn rows_of_the_users_come_first() {
    let mut knowledge = built_in();
    let rows = "# mine\n\
        acme/{v}\tacme-client\texact\tours\tus\t2026-11-25\n\
        acme-client\tsemver\t-\t2.0.0\tnever\tnever\t2.0.0\tsource\tus\t2026-11-25\n\
        acme-client\tsemver\t2.0.0\t-\tper-request\tyes\t2.0.0\tsource\tus\t2026-11-25\n\
        cce\tnpd\tcceaddon-npd\t-\t-\t1.16.0\t1.16.1\t-\thttps://a.example\thttps://a.example/zh\tus\t2026-11-25\n\
        cce\t1.23\t1.20\tus\t2026-11-25\n";
    knowledge.extend("own.tsv", rows).unwrap();
    assert_eq!(knowledge.client("acme/1.9.9").token_reload, Reload::Never);
    assert_eq!(knowledge.client("acme/2.0.0").token_reload, Reload::PerRequest);
    let npd: Vec<_> = knowledge.addons.iter().filter(|addon| addon.name == "npd").collect();
    assert_eq!((npd.len(), npd[0].affects("1.16.0")), (1, Some(true)), "one row, the user's");
    let rules: Vec<u64> = knowledge.skew.iter().filter(|s| s.cluster == 23).map(|s| s.client).collect();
    assert_eq!(rules, [20]);
    for (rows, words) in [
        ("a\tb\n", "line 1: 2 cells"),
        ("\n\na\tsemver\tx\t-\tnever\tyes\t-\tsource\ts\td\n", "line 3: \"x\" is no version"),
        ("a\tabc\t-\t-\tnever\tyes\t-\tsource\ts\td\n", "order \"abc\""),
        ("a\tsemver\t-\t-\tnever\tmaybe\t-\tsource\ts\td\n", "caReload \"maybe\""),
        ("x\tlib\tperhaps\t\ts\td\n", "version \"perhaps\""),
        ("cce\t2.0\t1.1\ts\td\n", "\"2.0\" is not like 1.23"),
    ] {
        let error = built_in().extend("own.tsv", rows).unwrap_err().to_string();
        assert!(error.starts_with("own.tsv, ") && error.contains(words), "{error}");
    }
}

/// Each `*` more would take hundreds of times as long, were dead ends not remembered.
#[test]
fn a_pattern_of_many_stars_comes_to_an_end() {
    let mut knowledge = built_in();
    let pattern = "*a".repeat(16);
    knowledge.extend("own.tsv", &format!("{pattern}{{v}}!\tmine\tnone\t-\tx\tx\n")).unwrap();
    let agent = "a".repeat(512);
    assert_eq!(knowledge.client(&format!("{agent}/1")).library, agent);
    assert_eq!(knowledge.client(&format!("{agent}1/!")).library, format!("{agent}1"));
}
