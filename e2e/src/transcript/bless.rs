//! Writes what was printed into a transcript.

use super::judge;
use super::parse::Step;
use super::run::Outcome;

pub(super) fn rewrite(text: &str, steps: &[Step], outcomes: &[(&str, Vec<Option<Outcome>>)]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Vec::new();
    let mut at = 0;
    for (index, step) in steps.iter().enumerate() {
        let here: Vec<(&str, &Outcome)> = outcomes
            .iter()
            .filter_map(|(program, all)| Some((*program, all.get(index)?.as_ref()?)))
            .collect();
        if here.iter().all(|(program, outcome)| judge(step, program, outcome).is_none()) {
            continue;
        }
        out.extend(lines[at..step.output.0].iter().map(|line| (*line).to_owned()));
        out.extend(merged(&here).into_iter().map(|line| format!("    {line}")));
        if let Some(code) = here.first().and_then(|(_, outcome)| outcome.code).filter(|code| *code != 0) {
            out.push(format!("    [{code}]"));
        }
        at = step.output.1;
    }
    out.extend(lines[at..].iter().map(|line| (*line).to_owned()));
    out.join("\n") + "\n"
}

/// What both printed once, the rest under the name of who printed it.
fn merged(outcomes: &[(&str, &Outcome)]) -> Vec<String> {
    let [(a, first), (b, second)] = outcomes else {
        return outcomes.iter().flat_map(|(_, outcome)| outcome.lines.clone()).collect();
    };
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < first.lines.len() || j < second.lines.len() {
        let (left, right) = (&first.lines[i..], &second.lines[j..]);
        match (left.first(), right.first()) {
            (Some(l), Some(r)) if l == r => {
                out.push(l.clone());
                (i, j) = (i + 1, j + 1);
            }
            (Some(l), _) if right.is_empty() || !right.contains(l) => {
                out.push(format!("{{{a}}} {l}"));
                i += 1;
            }
            (_, Some(r)) => {
                out.push(format!("{{{b}}} {r}"));
                j += 1;
            }
            _ => break,
        }
    }
    out
}
