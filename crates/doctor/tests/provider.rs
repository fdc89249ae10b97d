//! What lies in kube-system is marked, and many rows of it are told in one line.

mod common;

use common::{Log, WEB, Who, judge};
use jeton_doctor::knowledge::texts::Lang;
use jeton_doctor::render::{markdown, table};
use jeton_doctor::report::Report;

const NAMES: [&str; 6] = ["a-0", "b-0", "c-0", "d-0", "e-0", "f-0"];

/// So many fresh workloads of the provider's, and one of the user's.
fn report(count: usize, stale: bool) -> Report {
    let mut log = Log::default();
    log.rotating(25, WEB);
    for pod in &NAMES[..count] {
        log.rotating(2, Who { namespace: "kube-system", account: pod, pod, ..WEB });
    }
    if stale {
        let who = Who { namespace: "kube-system", account: "bad", pod: "bad-0", ..WEB };
        (2..26).for_each(|hour| drop(log.stale(hour * 3600, who, "bad", hour * 3600 - 3607).clone()));
    }
    judge(&log.facts())
}

#[test]
fn few_are_marked_and_many_are_one_line() {
    for (lang, mark, more) in [
        (Lang::En, "kube-system (provider)", "and 6 more of the provider of the cluster (kube-system)"),
        (Lang::Zh, "kube-system（集群提供方）", "另有集群提供方（kube-system）的 6 个工作负载"),
    ] {
        for print in [table, markdown] {
            let few = print(&report(5, false), lang);
            assert_eq!((few.matches(mark).count(), few.contains("StatefulSet/a")), (5, true), "{few}");
            assert!(!few.contains(more));
            let many = print(&report(6, false), lang);
            assert_eq!((many.matches(mark).count(), many.contains("StatefulSet/a")), (0, false), "{many}");
            assert!(many.contains(more) && many.contains("Deployment/web"), "{many}");
            // What was found is never folded away.
            let bad = print(&report(6, true), lang);
            assert!(bad.contains("StatefulSet/bad") && bad.contains(mark) && bad.contains(more), "{bad}");
        }
    }
    let report = report(6, false);
    assert_eq!(report.workloads.iter().filter(|row| row.provider).count(), 6, "JSON keeps every row");
    assert!(table(&report, Lang::En).contains("fresh 6"));
}
