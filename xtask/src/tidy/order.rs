//! Inside a crate a module imports only modules declared above it in `lib.rs`, so data flows one way and
//! there are no cycles. Tests may look anywhere.

use super::Problem;
use crate::source;
use crate::workspace::File;
use std::collections::BTreeMap;

/// Crates whose top-level modules keep this order.
const ORDERED: [&str; 6] =
    ["crates/core", "crates/schema", "crates/authority", "crates/client", "crates/node", "crates/doctor"];

/// Modules that import a later one.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    ORDERED.iter().flat_map(|folder| check_crate(files, folder)).collect()
}

fn check_crate(files: &[File], folder: &str) -> Vec<Problem> {
    let source_folder = format!("{folder}/src/");
    let Some(library) = files.iter().find(|f| f.path == format!("{source_folder}lib.rs")) else {
        return Vec::new();
    };
    let order = declared(&source::code_only(&library.text));
    let mut found = Vec::new();
    for file in files {
        let Some(inside) = file.path.strip_prefix(&source_folder) else { continue };
        let own = inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs");
        let Some(&position) = order.get(own) else { continue };
        if source::is_test_file(&file.path) {
            continue;
        }
        let code = source::code_only(&file.text);
        for (line, module) in crate_paths(source::without_tests(&code)) {
            if order.get(module.as_str()).is_some_and(|&other| other > position) {
                found.push(Problem::at(
                    &file.path,
                    line,
                    format!(
                        "`{own}` imports `crate::{module}`, which lib.rs declares below it; move one of them"
                    ),
                ));
            }
        }
    }
    found
}

/// The modules that a `lib.rs` declares, each with its position.
fn declared(code: &str) -> BTreeMap<String, usize> {
    let mut order = BTreeMap::new();
    for line in code.lines() {
        let words = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if let Some(name) = words.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            order.insert(name.trim().to_owned(), order.len());
        }
    }
    order
}

/// The first segment of every path that starts with `crate::`, groups included, with its line.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if at > 0 && source::is_word(code.as_bytes()[at - 1]) {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(group_heads(group).into_iter().map(|head| (line, head)));
        } else {
            found.push((line, head(rest)));
        }
    }
    found
}

fn head(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// First segments of `a, b::{c, d}, e}`.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.push(head(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(head(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads.retain(|h| !h.is_empty());
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn finds_an_import_that_looks_down() {
        let files = [
            file("crates/core/src/lib.rs", "//! mod zero;\npub mod time;\nmod claims;\npub mod verify;\n"),
            file("crates/core/src/time.rs", "use crate::{claims::Model, time::Instant};\n"),
            file(
                "crates/core/src/claims/encode.rs",
                "use crate::time::Instant;\nfn f() { crate::verify::x() }\n",
            ),
            file("crates/core/src/verify.rs", "use crate::claims; // crate::verify\n"),
            file("crates/core/src/time/tests.rs", "use crate::verify;\n"),
        ];
        let places: Vec<_> = check(&files).into_iter().map(|p| p.place).collect();
        assert_eq!(
            places,
            ["crates/core/src/claims/encode.rs:2", "crates/core/src/time.rs:1"]
                .map(String::from)
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn an_inline_test_module_may_look_anywhere() {
        let files = [
            file("crates/core/src/lib.rs", "mod a;\nmod b;\n"),
            file("crates/core/src/a.rs", "#[cfg(test)]\nmod tests { use crate::b; }\n"),
        ];
        assert_eq!(check(&files), []);
    }

    #[test]
    fn reads_nested_groups() {
        assert_eq!(group_heads("a, b::{c, d},\n e as f};"), ["a", "b", "e"]);
    }
}
