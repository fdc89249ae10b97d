//! A translated page keeps step with its original: as many headings of each depth in the same order, the same commands,
//! the same links.

use super::Problem;
use crate::workspace::File;

/// Original and translation.
const PAIRS: [(&str, &str); 1] = [("README.md", "README.zh-CN.md")];

/// Translations that fell behind.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let find = |path: &str| files.iter().find(|file| file.path == path);
    let mut found = Vec::new();
    for (original, translation) in PAIRS {
        let Some(first) = find(original) else { continue };
        let Some(second) = find(translation) else {
            found.push(Problem::of(translation, format!("is missing; it translates {original}")));
            continue;
        };
        let (want, have) = (bones(&first.text, translation), bones(&second.text, original));
        let at = want.iter().zip(&have).take_while(|(a, b)| a == b).count();
        if let (Some(bone), _) | (None, Some(bone)) = (want.get(at), have.get(at)) {
            let message = format!("is not in step with {original}, from here on: {bone}");
            found.push(Problem::of(translation, message));
        }
    }
    found
}

/// What must be the same in every language. Links between the two pages do not count.
fn bones(text: &str, other: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            code = !code;
            found.push(line.to_owned());
        } else if code {
            found.push(line.to_owned());
        } else if line.starts_with('#') {
            found.push(format!("a heading of depth {}", line.bytes().take_while(|b| *b == b'#').count()));
        } else {
            let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            found.extend(links.map(|(link, _)| link.to_owned()).filter(|link| link != other));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(original: &str, translation: &str) -> usize {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        check(&[file("README.md", original), file("README.zh-CN.md", translation)]).len()
    }

    #[test]
    fn what_fell_behind_is_found() {
        let original = "# A\n[zh](README.zh-CN.md)\n## B\n```console\n$ x\n```\n[c](c.md)\n";
        for (translation, count) in [
            ("# 甲\n[en](README.md)\n## 乙\n```console\n$ x\n```\n[丙](c.md)\n", 0),
            ("# 甲\n## 乙\n```console\n$ y\n```\n[丙](c.md)\n", 1),
            ("# 甲\n```console\n$ x\n```\n[丙](c.md)\n", 1),
            ("# 甲\n### 乙\n```console\n$ x\n```\n[丙](c.md)\n", 1),
            ("# 甲\n## 乙\n```console\n$ x\n```\n", 1),
            ("# 甲\n## 乙\n```console\n$ x\n```\n[丙](c.md)\n## 丁\n", 1),
        ] {
            assert_eq!(problems(original, translation), count, "{translation}");
        }
        let alone = [File { path: "README.md".to_owned(), text: String::new() }];
        assert_eq!(check(&alone).len(), 1);
    }
}
