//! Rules about the text of files: how long, nothing left over, no path of somebody's machine.

use super::Problem;
use crate::source;
use crate::workspace::File;

/// The longest Rust file, in lines. Tests and generated files are exempt.
const MAX_FILE_LINES: usize = 450;

/// This folder names what it forbids.
const SELF: &str = "xtask/src/tidy/";

/// Macros that must not be left behind.
const LEFTOVER_MACROS: [&str; 3] = ["todo", "dbg", "unimplemented"];

/// Words that mark unfinished work in comments.
const LEFTOVER_WORDS: [&str; 3] = ["FIXME", "XXX", "TODO"];

/// Folders that exist on one machine alone.
const MACHINE_FOLDERS: [&str; 4] = ["/work/", "/root/", "/home/", "/Users/"];

/// Rust files that hold more than one idea's worth of lines.
pub(super) fn too_long(files: &[File]) -> Vec<Problem> {
    rust(files)
        .filter(|f| !source::is_test_file(&f.path) && !is_generated(f))
        .filter_map(|f| {
            let lines = f.text.lines().count();
            (lines > MAX_FILE_LINES).then(|| {
                Problem::of(&f.path, format!("{lines} lines; split it, {MAX_FILE_LINES} is the most"))
            })
        })
        .collect()
}

/// Unfinished work: leftover macros and words, and tests switched off without a reason.
pub(super) fn leftovers(files: &[File]) -> Vec<Problem> {
    let mut found = Vec::new();
    for file in rust(files) {
        let code = source::code_only(&file.text);
        for (number, (line, text)) in code.lines().zip(file.text.lines()).enumerate() {
            let at = number + 1;
            for name in LEFTOVER_MACROS.iter().filter(|name| calls_macro(line, name)) {
                found.push(Problem::at(&file.path, at, format!("`{name}!` is left over")));
            }
            for word in LEFTOVER_WORDS.iter().filter(|word| has_word(text, word)) {
                found.push(Problem::at(&file.path, at, format!("`{word}`: do it or leave it out")));
            }
            if line.trim() == "#[ignore]" {
                found.push(Problem::at(&file.path, at, "a test is ignored without a reason"));
            }
        }
    }
    found
}

/// Paths that mean something on the author's machine only.
pub(super) fn machine_paths(files: &[File]) -> Vec<Problem> {
    let mut found = Vec::new();
    for file in files.iter().filter(|f| !f.path.starts_with(SELF)) {
        for (number, line) in file.text.lines().enumerate() {
            for folder in MACHINE_FOLDERS.iter().filter(|folder| has_path(line, folder)) {
                found.push(Problem::at(
                    &file.path,
                    number + 1,
                    format!("`{folder}…` is a path of one machine"),
                ));
            }
        }
    }
    found
}

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|f| f.path.ends_with(".rs") && !f.path.starts_with(SELF))
}

fn is_generated(file: &File) -> bool {
    file.path.contains("generated") || file.text.lines().take(5).any(|line| line.contains("@generated"))
}

fn calls_macro(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        line[at + name.len()..].starts_with('!') && !(at > 0 && source::is_word(line.as_bytes()[at - 1]))
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = at > 0 && source::is_word(line.as_bytes()[at - 1]);
        let after = line.as_bytes().get(at + word.len()).copied().is_some_and(source::is_word);
        !before && !after
    })
}

/// `folder` where a path begins, not in the middle of one (`/apis/work/v1` is fine).
fn has_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        at == 0
            || !(source::is_word(line.as_bytes()[at - 1]) || b"}/.>)~-$".contains(&line.as_bytes()[at - 1]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Vec<File> {
        vec![File { path: path.to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn a_long_file_is_found_unless_exempt() {
        let long = "x\n".repeat(MAX_FILE_LINES + 1);
        assert_eq!(too_long(&file("crates/a/src/b.rs", &long)).len(), 1);
        assert_eq!(too_long(&file("crates/a/src/tests.rs", &long)), []);
        assert_eq!(too_long(&file("crates/a/src/b.rs", &format!("// @generated\n{long}"))), []);
        assert_eq!(too_long(&file("crates/a/src/b.rs", "x\n")), []);
    }

    #[test]
    fn leftovers_are_found_in_code_and_comments() {
        for (text, count) in [
            ("fn f() { todo!() }", 1),
            ("dbg!(x);", 1),
            ("let a = \"todo!\";", 0),
            ("// FIXME later", 1),
            ("// XXXL is a size", 0),
            ("#[ignore]\nfn t() {}", 1),
            ("#[ignore = \"needs root\"]\nfn t() {}", 0),
        ] {
            assert_eq!(leftovers(&file("a.rs", text)).len(), count, "{text}");
        }
    }

    #[test]
    fn machine_paths_are_found() {
        for (text, count) in [
            ("see /work/x", 1),
            ("open(\"/root/.kube\")", 1),
            ("/apis/work/v1", 0),
            ("https://example.com/home/page", 0),
        ] {
            assert_eq!(machine_paths(&file("README.md", text)).len(), count, "{text}");
        }
    }
}
