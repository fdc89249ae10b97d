//! Every dependency says why it is there: a comment above it in the top `Cargo.toml`.

use super::Problem;
use crate::workspace::File;

/// Dependencies of `[workspace.dependencies]` without a comment directly above.
/// Our own crates (`path = …`) need none.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let Some(file) = files.iter().find(|f| f.path == "Cargo.toml") else {
        return vec![Problem::of("Cargo.toml", "is not there")];
    };
    let (mut inside, mut reason, mut found) = (false, false, Vec::new());
    for (number, line) in file.text.lines().map(str::trim).enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if line.starts_with('#') {
            reason = true;
            continue;
        } else if inside && line.contains('=') && !line.contains("path =") && !reason {
            let name = line.split('=').next().unwrap_or(line).trim();
            found.push(Problem::at(
                &file.path,
                number + 1,
                format!("`{name}` has no comment that says why it is needed"),
            ));
        }
        reason = false;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let text = "[package]\nname = \"x\"\n[workspace.dependencies]\nown = { path = \"x\" }\n# why\na = \"1\"\nb = \"2\"\n\n# c\n\nc = \"3\"\n[profile.dev]\ndebug = 1\n";
        let found = check(&[File { path: "Cargo.toml".to_owned(), text: text.to_owned() }]);
        let places: Vec<_> = found.iter().map(|p| p.place.as_str()).collect();
        assert_eq!(places, ["Cargo.toml:7", "Cargo.toml:11"]);
    }
}
