//! What was measured, held against its target.

use serde::Serialize;
use std::io::{self, Write};

/// One measured line.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The part of the benchmark it belongs to.
    pub part: &'static str,
    /// What was measured.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The figure against what it is compared with; absent when the target is about the figure itself.
    pub ratio: Option<f64>,
    /// What is asked for, in words.
    pub target: String,
    /// Whether it was met; absent when nothing is asked for.
    pub ok: Option<bool>,
}

/// A bound that a figure or a ratio must keep.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Nothing is asked for: the line is there to compare with.
    None,
    /// At least.
    Least(f64),
    /// At most.
    Most(f64),
}

impl Target {
    fn words(self, unit: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::Least(bound) => format!("≥ {bound}{unit}"),
            Self::Most(bound) => format!("≤ {bound}{unit}"),
        }
    }

    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::None => None,
            Self::Least(bound) => Some(value >= bound),
            Self::Most(bound) => Some(value <= bound),
        }
    }
}

impl Line {
    /// A figure that stands for itself.
    pub fn figure(part: &'static str, what: &str, value: f64, unit: &'static str, target: Target) -> Self {
        let target_words = target.words(&format!(" {unit}"));
        Self {
            part,
            what: what.to_owned(),
            value,
            unit,
            ratio: None,
            target: target_words,
            ok: target.met(value),
        }
    }

    /// A figure whose ratio to another one counts.
    pub fn ratio(
        part: &'static str,
        what: &str,
        (value, unit): (f64, &'static str),
        ratio: f64,
        target: Target,
    ) -> Self {
        let ok = target.met(ratio);
        Self { part, what: what.to_owned(), value, unit, ratio: Some(ratio), target: target.words(""), ok }
    }
}

/// The middle one; of an even number, the lower of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// The smallest value that `share` of all do not exceed.
pub fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length is one")]
    let at = (values.len() as f64 * share).ceil() as usize;
    values.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Writes lines as a table for people.
///
/// # Errors
/// When the output is closed.
pub fn table(out: &mut impl Write, lines: &[Line]) -> io::Result<()> {
    let width = lines.iter().map(|l| l.what.chars().count()).max().unwrap_or(0);
    for line in lines {
        let ratio = line.ratio.map_or_else(String::new, |r| format!("{r:.2}"));
        let verdict = match line.ok {
            None => "",
            Some(true) => "ok",
            Some(false) => "missed",
        };
        let figure = figure(line.value);
        let (what, unit, target) = (&line.what, line.unit, &line.target);
        let text = format!("{what:width$}  {figure:>9} {unit:5}  {ratio:>5}  {target:10}  {verdict}");
        writeln!(out, "{}", text.trim_end())?;
    }
    out.flush()
}

/// Three digits that matter.
fn figure(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 || v == 0.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_held_against_what_was_measured() {
        let line = |ratio| Line::ratio("p", "w", (10.0, "/s"), ratio, Target::Least(0.5));
        assert_eq!((line(0.5).ok, line(0.49).ok), (Some(true), Some(false)));
        let figure = |value| Line::figure("p", "w", value, "MiB", Target::Most(64.0));
        assert_eq!((figure(64.0).ok, figure(64.1).ok), (Some(true), Some(false)));
        assert_eq!(figure(f64::NAN).ok, Some(false), "no measurement is no success");
        assert_eq!(Line::figure("p", "w", 1.0, "s", Target::None).ok, None);
    }

    #[test]
    fn the_middle_and_the_tail() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((median(values.clone()), percentile(values, 0.99)), (50.0, 99.0));
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn the_table_says_what_was_missed() {
        let lines = [
            Line::ratio("p", "long name", (1234.5, "/s"), 0.456, Target::Least(0.5)),
            Line::figure("p", "short", 0.25, "s", Target::None),
        ];
        let mut out = Vec::new();
        table(&mut out, &lines).unwrap();
        let want = "long name       1234 /s      0.46  ≥ 0.5       missed\nshort          0.250 s\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
