//! Reads a transcript.

/// One command and what it must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Line of the file, from 1.
    pub line: usize,
    /// The only program that runs it; every program where empty.
    pub only: Option<String>,
    /// What a shell runs.
    pub command: String,
    /// Lines of output, each with the only program that prints it.
    pub want: Vec<(Option<String>, String)>,
    /// Exit code.
    pub code: i32,
    /// The lines of the file that hold the output, from 0, end excluded.
    pub(super) output: (usize, usize),
}

impl Step {
    /// Whether a program runs it.
    pub fn is_for(&self, program: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == program)
    }

    /// What a program must print.
    pub(super) fn expected(&self, program: &str) -> Vec<String> {
        let mine = self.want.iter().filter(|(only, _)| only.as_deref().is_none_or(|only| only == program));
        mine.map(|(_, line)| line.clone()).collect()
    }
}

/// The steps of a transcript; the error names the line.
pub fn parse(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some(line) = line.strip_prefix("    ") else { continue };
        let (only, rest) = marked(line);
        if let Some(command) = rest.strip_prefix("$ ") {
            let output = (at + 1, at + 1);
            let command = command.to_owned();
            steps.push(Step { line: at + 1, only, command, want: Vec::new(), code: 0, output });
            continue;
        }
        let Some(step) = steps.last_mut() else {
            return Err(format!("line {}: output before the first command", at + 1));
        };
        let more = line.strip_prefix("> ").or((line == ">").then_some(""));
        match (more, exit_code(line)) {
            (Some(more), _) if step.output == (at, at) => {
                step.command.push('\n');
                step.command.push_str(more);
                step.output = (at + 1, at + 1);
                continue;
            }
            (_, Some(code)) => step.code = code,
            _ if rest.trim().is_empty() => {}
            _ => step.want.push((only, rest.trim_end().to_owned())),
        }
        step.output.1 = at + 1;
    }
    Ok(steps)
}

/// `{old} text` → `old`, `text`.
fn marked(line: &str) -> (Option<String>, &str) {
    let split = line.strip_prefix('{').and_then(|line| line.split_once("} "));
    match split {
        Some((name, rest)) if name.chars().all(|c| c.is_ascii_lowercase()) && !name.is_empty() => {
            (Some(name.to_owned()), rest)
        }
        _ => (None, line),
    }
}

fn exit_code(line: &str) -> Option<i32> {
    line.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read() {
        let text = "# Title\n\nProse.\n\n    $ cat <<E\n    > a\n    >\n    > E\n    a\n    {old} b\n    [3]\n\nMore.\n\n    {new} $ true\n";
        let steps = parse(text).unwrap();
        assert_eq!(steps.len(), 2);
        assert_eq!((steps[0].line, steps[0].code, steps[0].output), (5, 3, (8, 11)));
        assert_eq!(steps[0].command, "cat <<E\na\n\nE");
        assert_eq!(steps[0].expected("old"), ["a", "b"]);
        assert_eq!(steps[0].expected("new"), ["a"]);
        assert!(steps[1].is_for("new") && !steps[1].is_for("old"));
        assert!(parse("    out\n").is_err());
    }
}
