//! Whether the machine had anything else to do: ratios that were measured beside a compiler say nothing.

use super::report::{Line, Target};
use std::error::Error;
use std::time::Duration;

/// How long the machine is watched before a part.
const WATCH: Duration = Duration::from_secs(1);
/// Percent of the processors' time that must be free.
const FREE_PERCENT: f64 = 90.0;

/// What share of the processors' time nobody used, just before a part.
///
/// # Errors
/// When the system does not say.
pub fn line(part: &'static str) -> Result<Line, Box<dyn Error>> {
    let before = times(&std::fs::read_to_string("/proc/stat")?)?;
    std::thread::sleep(WATCH);
    let after = times(&std::fs::read_to_string("/proc/stat")?)?;
    let share = 100.0 * (after.0 - before.0) / (after.1 - before.1);
    Ok(Line::figure(part, "machine idle before", share, "%", Target::Least(FREE_PERCENT)))
}

/// Idle and whole time since the machine started, in ticks of all processors.
fn times(stat: &str) -> Result<(f64, f64), Box<dyn Error>> {
    let line =
        stat.lines().next().and_then(|l| l.strip_prefix("cpu ")).ok_or("/proc/stat has no cpu line")?;
    let ticks = line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guest times are in user's already.
    let idle = ticks.get(3).ok_or("/proc/stat is too short")? + ticks.get(4).unwrap_or(&0.0);
    Ok((idle, ticks.iter().take(8).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_found() {
        assert_eq!(times("cpu  10 1 5 80 4 0 0 0 7 7\ncpu0 1\n").unwrap(), (84.0, 100.0));
        assert!(times("").is_err());
    }
}
