//! Archives to hand out: one static binary for each kind of machine, with checksums.
//!
//! What compiles C for another machine is zig, from the PyPI package `ziglang`, driven by `cargo-zigbuild`; both are
//! installed under `target/`, the standard library's targets by rustup.

use crate::{console, workspace};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Machines that archives are made for.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];
/// Names by which kubectl finds the program: to run it, and to complete what is typed behind it.
const PLUGIN: [&str; 2] = ["kubectl-jeton", "kubectl_complete-jeton"];
const ZIG: &str = "ziglang==0.17.1";
const ZIGBUILD: &str = "0.24.1";

/// Builds every archive and the file of their checksums in `target/dist`.
pub(crate) fn chore(only: Option<&str>) -> Result<ExitCode, String> {
    let targets: Vec<&str> = TARGETS.into_iter().filter(|t| only.is_none_or(|wanted| wanted == *t)).collect();
    if targets.is_empty() {
        return Err(format!("no such target; there are {}", TARGETS.join(", ")));
    }
    let out = workspace::target().join("dist");
    std::fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let python = zig()?;
    let zigbuild = zigbuild()?;
    let mut archives = Vec::new();
    for target in targets {
        run(Command::new("rustup").args(["target", "add", target]))?;
        console::say(&format!("== {target}"));
        let mut build = Command::new(&zigbuild);
        build.args(["zigbuild", "--release", "--locked", "--package", "jeton", "--target", target]);
        build.env("CARGO_ZIGBUILD_PYTHON_PATH", &python).env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
        run(build.current_dir(workspace::root()))?;
        archives.push(archive(&out, target)?);
    }
    let sums = run_for_text(Command::new("sha256sum").args(&archives).current_dir(&out))?;
    let file = out.join("SHA256SUMS");
    std::fs::write(&file, &sums).map_err(|e| format!("{}: {e}", file.display()))?;
    console::say(sums.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// One archive: the program, its other names for kubectl, and what must go with it. Gives back its file name.
fn archive(out: &Path, target: &str) -> Result<String, String> {
    let name = format!("jeton-{}-{target}", env!("CARGO_PKG_VERSION"));
    let dir = out.join(&name);
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let program = workspace::target().join(target).join("release/jeton");
    for (from, to) in [
        (program, "jeton"),
        (workspace::root().join("LICENSE"), "LICENSE"),
        (workspace::root().join("README.md"), "README.md"),
        (workspace::root().join("README.zh-CN.md"), "README.zh-CN.md"),
    ] {
        std::fs::copy(&from, dir.join(to)).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    for name in PLUGIN {
        let link = dir.join(name);
        if link.symlink_metadata().is_err() {
            std::os::unix::fs::symlink("jeton", &link).map_err(|e| format!("{}: {e}", link.display()))?;
        }
    }
    let file = format!("{name}.tar.gz");
    // The same input makes the same archive: no times, owners or order of the machine that made it.
    let mut tar = Command::new("tar");
    tar.args([
        "--sort=name",
        "--mtime=@0",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "-czf",
        &file,
        &name,
    ]);
    run(tar.env("GZIP", "-n").current_dir(out))?;
    Ok(file)
}

/// A Python that has zig.
fn zig() -> Result<PathBuf, String> {
    let venv = workspace::target().join("zig");
    let python = venv.join("bin/python");
    let has = |python: &Path| {
        Command::new(python).args(["-m", "ziglang", "version"]).output().is_ok_and(|o| o.status.success())
    };
    if !has(&python) {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", ZIG]))?;
    }
    if has(&python) { Ok(python) } else { Err(format!("{} has no zig", python.display())) }
}

fn zigbuild() -> Result<PathBuf, String> {
    let root = workspace::target().join("zigbuild");
    let program = root.join("bin/cargo-zigbuild");
    if !program.exists() {
        let mut install = workspace::cargo();
        install.args(["install", "--quiet", "--locked", "cargo-zigbuild", "--version", ZIGBUILD, "--root"]);
        run(install.arg(&root))?;
    }
    Ok(program)
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{}", command.get_program().display());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown} ended with {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

fn run_for_text(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    String::from_utf8(output.stdout).map_err(|e| e.to_string())
}
