//! The counters of one API server, from the text of `/metrics`.

use crate::facts::Replica;
use jeton_core::time::UnixTime;

/// Reads a page; `None` when it is not one of kube-apiserver.
pub(super) fn replica(page: &[u8]) -> Option<Replica> {
    let mut found = Replica::default();
    let mut known = false;
    for line in page.split(|b| *b == b'\n') {
        // Cheap, because a page has a million lines of histograms.
        if !line.starts_with(b"serviceaccount_") && !line.starts_with(b"process_start_time_seconds") {
            continue;
        }
        let Some((metric, value)) = std::str::from_utf8(line).ok().and_then(sample) else { continue };
        match metric {
            "serviceaccount_stale_tokens_total" => found.stale = count(value),
            "serviceaccount_valid_tokens_total" => found.valid = count(value),
            "serviceaccount_legacy_tokens_total" => found.legacy = count(value),
            "process_start_time_seconds" => found.started = moment(value),
            _ => continue,
        }
        known = true;
    }
    known.then_some(found)
}

/// `name{labels} value timestamp` → name and value.
fn sample(line: &str) -> Option<(&str, f64)> {
    let end = line.find(['{', ' ', '\t'])?;
    let rest = match line[end..].strip_prefix('{') {
        Some(_) => &line[line.rfind('}')? + 1..],
        None => &line[end..],
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some((&line[..end], value))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn count(value: f64) -> Option<u64> {
    (value.is_finite() && (0.0..9e15).contains(&value)).then_some(value as u64)
}

#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
fn moment(seconds: f64) -> Option<UnixTime> {
    let millis = (seconds * 1000.0).round();
    (millis.is_finite() && (0.0..9e15).contains(&millis)).then(|| UnixTime::from_millis(millis as i64))
}

/// Adds a sample of an address behind which several processes stand. The same start is the same process, whose
/// counters only grow; another start is another process, or the same one after a restart: its counts are its own.
pub(super) fn merge(replicas: &mut Vec<Replica>, sample: Replica) {
    match replicas.iter_mut().find(|known| known.started == sample.started) {
        Some(known) => {
            known.stale = known.stale.max(sample.stale);
            known.valid = known.valid.max(sample.valid);
            known.legacy = known.legacy.max(sample.legacy);
        }
        None => replicas.push(sample),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP serviceaccount_stale_tokens_total [ALPHA] Cumulative stale tokens\n\
        # TYPE serviceaccount_stale_tokens_total counter\nserviceaccount_stale_tokens_total 17\n\
        serviceaccount_valid_tokens_total{} 4.2e+03 1700000000000\nserviceaccount_legacy_tokens_total 0\n\
        process_start_time_seconds 1.78497360025e+09\n";

    #[test]
    fn counters_are_read() {
        let got = replica(PAGE.as_bytes()).unwrap();
        assert_eq!((got.stale, got.valid, got.legacy), (Some(17), Some(4200), Some(0)));
        assert_eq!(got.started, Some(UnixTime::from_millis(1_784_973_600_250)));
    }

    #[test]
    fn nonsense_is_not_a_count() {
        for (value, want) in
            [("-1", None), ("NaN", None), ("+Inf", None), ("1e300", None), ("x", None), ("3", Some(3))]
        {
            let page = format!("process_start_time_seconds 1\nserviceaccount_stale_tokens_total {value}\n");
            assert_eq!(replica(page.as_bytes()).unwrap().stale, want, "{value}");
        }
        for page in [
            &b""[..],
            b"up 1\n",
            b"\xff\xfe",
            b"serviceaccount_stale_tokens_total",
            b"serviceaccount_stale_tokens_total{",
        ] {
            assert_eq!(replica(page), None);
        }
    }

    #[test]
    fn a_restart_is_another_process_and_counts_never_shrink() {
        let at = |start, stale| Replica {
            started: Some(UnixTime::from_seconds(start)),
            stale: Some(stale),
            ..Replica::default()
        };
        let mut all = Vec::new();
        for sample in [at(100, 5), at(200, 1), at(100, 7), at(100, 6), at(300, 0)] {
            merge(&mut all, sample);
        }
        assert_eq!(all, [at(100, 7), at(200, 1), at(300, 0)]);
    }
}
