//! `kubectl jeton …`, run and completed by the real kubectl.

use crate::lab::{KUBECTLS, Lab};
use e2e::server::program;
use std::os::unix::fs::symlink;

/// A lab whose PATH has the links of an archive.
fn with_plugin(kubectl: &str) -> Lab {
    let lab = Lab::new(kubectl);
    lab.run("mkdir bin");
    for name in ["kubectl-jeton", "kubectl_complete-jeton"] {
        symlink(program(), lab.folder().join("bin").join(name)).unwrap();
    }
    lab
}

const ON_PATH: &str = "export PATH=$PWD/bin:$PATH;";

#[test]
fn kubectl_runs_the_program_and_passes_its_exit_code_on() {
    for kubectl in KUBECTLS {
        let lab = with_plugin(kubectl);
        for (typed, code, words) in [
            ("doctor demo", 1, "workloads will fail"),
            ("doctor demo --fail-on never", 0, "workloads will fail"),
            ("doctor demo --require gone --fail-on never", 64, "there is no such source"),
            ("doctor cluster --fail-on never", 0, "No workload is known to fail"),
            ("doctor demo --help", 0, "kubectl jeton doctor demo --lang zh"),
            ("doctor", 64, "Usage: kubectl jeton doctor <COMMAND>"),
        ] {
            let out = lab.shell(&format!("{ON_PATH} kubectl jeton {typed}"));
            assert_eq!(out.code, Some(code), "{typed}: {:?}", out.lines);
            assert!(out.lines.iter().any(|line| line.contains(words)), "{typed}: {:?}", out.lines);
        }
    }
}

#[test]
fn kubectl_completes_it() {
    for kubectl in KUBECTLS {
        let lab = with_plugin(kubectl);
        for (typed, want) in [
            ("jeton doctor d", "demo"),
            ("jeton doctor demo --lang ''", "zh"),
            ("jeton doctor demo --fail", "--fail-on"),
            ("jeto", "jeton"),
        ] {
            let out = lab.run(&format!("{ON_PATH} kubectl __complete {typed} 2>/dev/null"));
            let found = out.lines().any(|line| line.split('\t').next() == Some(want));
            assert!(found, "{typed}: {out}");
        }
    }
}
