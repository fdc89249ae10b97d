//! Real client libraries for the tests, each under `target/clients` in the versions that its lock file names.
//!
//! Invariant: what a stamp says is installed is there; a stamp is written last, and holds what it was made from.

use crate::tools::{self, Missing};
use crate::workspace;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A language that tests speak: the prefix of their names, and what installs its library.
pub(crate) struct Language {
    pub(crate) name: &'static str,
    pub(crate) install: fn() -> Result<(), Missing>,
}

pub(crate) const LANGUAGES: [Language; 5] = [
    Language { name: "python", install: python },
    Language { name: "python11", install: python11 },
    Language { name: "go", install: go },
    Language { name: "javascript", install: javascript },
    Language { name: "java", install: java },
];

/// A client's folder in the project.
fn source(name: &str) -> PathBuf {
    workspace::root().join("clients").join(name)
}

/// Where it is installed.
fn home(name: &str) -> PathBuf {
    workspace::target().join("clients").join(name)
}

/// Does `install` unless it was done for the same files and tool before.
fn once(
    name: &str,
    made_from: &[PathBuf],
    tool: &str,
    install: impl FnOnce(&Path) -> Result<(), Missing>,
) -> Result<(), Missing> {
    let home = home(name);
    let stamp = home.join(".made-from");
    let texts = made_from.iter().map(|path| fs::read_to_string(path).unwrap_or_default());
    let wanted = std::iter::once(tool.to_owned()).chain(texts).collect::<Vec<_>>().join("\n--\n");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(&home);
    let failed =
        |e: std::io::Error| Missing { what: format!("{}: {e}", home.display()), remedy: "make room there" };
    fs::create_dir_all(&home).map_err(failed)?;
    install(&home)?;
    fs::write(&stamp, wanted).map_err(failed)
}

/// Runs one step of an installation.
fn step(command: &mut Command, remedy: &'static str) -> Result<(), Missing> {
    let name = command.get_program().display().to_string();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Missing { what: format!("{name} ended with {status}"), remedy }),
        Err(error) => Err(Missing { what: format!("{name}: {error}"), remedy }),
    }
}

/// What `program --version` says, as part of a stamp; empty when it does not run.
fn version(program: &str) -> String {
    let out = Command::new(program).arg("--version").output();
    out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}

/// A virtual environment with what a list of pinned packages names.
fn environment(name: &str, requirements: PathBuf) -> Result<(), Missing> {
    once(name, std::slice::from_ref(&requirements), &version("python3"), |home| {
        let remedy = "apt-get install python3-venv, and a network where pip finds its packages";
        step(Command::new("python3").args(["-m", "venv"]).arg(home), remedy)?;
        let mut pip = Command::new(home.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        step(pip.arg(&requirements), remedy)
    })
}

fn python() -> Result<(), Missing> {
    environment("python", source("python/requirements.txt"))
}

/// An old library, for what it makes of new tokens. It runs the programs of the newest.
fn python11() -> Result<(), Missing> {
    environment("python-11", source("python-11/requirements.txt"))
}

/// Go's own cache knows what is up to date.
fn go() -> Result<(), Missing> {
    let go = tools::go().ok_or_else(tools::no_go)?;
    let mut build = Command::new(go);
    build.args(["build", "-o"]).arg(home("go").join("client")).arg(".").current_dir(source("go"));
    step(&mut build, "cd clients/go && go mod download, with a network where Go finds its modules")
}

/// The programs lie beside their packages, where Node.js looks for them.
fn javascript() -> Result<(), Missing> {
    let node = tools::node()?;
    let lists = ["package.json", "package-lock.json"].map(|name| source("javascript").join(name));
    let remedy = "npm ci in clients/javascript, with a network where npm finds its packages";
    let failed = |e: std::io::Error| Missing { what: format!("javascript: {e}"), remedy };
    once("javascript", &lists, &node.display().to_string(), |home| {
        copy(&lists, home).map_err(failed)?;
        std::os::unix::fs::symlink(&node, home.join("node")).map_err(failed)?;
        // The npm that came with this Node.js, wherever `PATH` leads.
        let npm = node.with_file_name("../lib/node_modules/npm/bin/npm-cli.js");
        let mut install = if npm.exists() { Command::new(&node) } else { Command::new("npm") };
        install.args(npm.exists().then_some(npm)).args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ]);
        step(install.current_dir(home), remedy)
    })?;
    let entries = fs::read_dir(source("javascript")).map_err(failed)?;
    let files = entries.flatten().map(|entry| entry.path());
    let programs: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "mjs")).collect();
    copy(&programs, &home("javascript")).map_err(failed)
}

/// Maven brings the packages; the compiler alone does the rest, and a program needs no Maven to run.
fn java() -> Result<(), Missing> {
    let remedy = "apt-get install default-jdk-headless maven, and a network where Maven finds its packages";
    let programs = ["Ask.java", "Journey.java"].map(|name| source("java").join(name));
    let pom = source("java/pom.xml");
    once("java", &[&programs[..], std::slice::from_ref(&pom)].concat(), &version("javac"), |home| {
        let mut maven = Command::new("mvn");
        maven.args([
            "--batch-mode",
            "--quiet",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            "--file",
        ]);
        maven.arg(&pom).arg(format!("-DoutputDirectory={}", home.join("lib").display()));
        step(&mut maven, remedy)?;
        let mut compiler = Command::new("javac");
        compiler.args(["--release", "17", "-Xlint:all", "-Werror", "-d"]).arg(home.join("classes"));
        step(compiler.arg("-cp").arg(home.join("lib/*")).args(&programs), remedy)
    })
}

fn copy(files: &[PathBuf], folder: &Path) -> std::io::Result<()> {
    for file in files {
        fs::copy(file, folder.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}
