//! A connection, as far as its requests have something in common.
//!
//! Purpose: clients ask the same thing again and again, and what a request line means depends on nothing but itself. So
//! the last one is not read twice, and what counts the answers of its kind is not looked up twice. What all connections
//! share is reached through this one, because a reference that many processors count is slower than what it refers to.
//!
//! Invariant: only what cannot change is kept: who the certificate names, and what a line means. Whether it may is not.

use super::Observer;
use super::labels::labels;
use crate::metrics::Series;
use crate::request_info::RequestLine;
use http::request::Parts;
use jeton_core::wire::UserInfo;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Longest request target that is kept, in bytes: idle connections are many.
const KEPT_TARGET_BYTES: usize = 256;

/// One client's connection.
#[derive(Debug)]
pub struct Conversation {
    pub(super) observer: Arc<Observer>,
    pub(super) address: SocketAddr,
    user: Option<Arc<UserInfo>>,
    number: u64,
    requests: AtomicU64,
    last: Mutex<Option<Arc<Asked>>>,
}

/// A request line, and what counts its answers.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) line: RequestLine,
    /// For the code and kind of answer that came first.
    series: OnceLock<(u16, bool, Arc<Series>)>,
}

impl Conversation {
    /// A connection that has just been made: from where, and by whom if a certificate says so.
    pub fn new(observer: Arc<Observer>, address: SocketAddr, user: Option<UserInfo>) -> Self {
        let number = observer.conversations.fetch_add(1, Ordering::Relaxed);
        let user = user.map(Arc::new);
        Self { observer, address, user, number, requests: AtomicU64::new(0), last: Mutex::default() }
    }

    /// Whom the client's certificate names.
    pub fn user(&self) -> Option<&Arc<UserInfo>> {
        self.user.as_ref()
    }

    /// An id that no other request of this server has.
    pub(super) fn next_id(&self) -> Uuid {
        let request = (self.number, self.requests.fetch_add(1, Ordering::Relaxed));
        self.observer.ids.of(request)
    }

    /// What a request asks for.
    pub(super) fn asked(&self, parts: &Parts) -> Arc<Asked> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = last.as_ref().filter(|asked| asked.line.is(&parts.method, &parts.uri)) {
            return asked.clone();
        }
        let line = RequestLine::read(&parts.method, &parts.uri);
        let series =
            last.as_ref().and_then(|asked| asked.series_of(&line)).map_or_else(OnceLock::new, OnceLock::from);
        let asked = Arc::new(Asked { line, series });
        if asked.line.target().len() <= KEPT_TARGET_BYTES {
            *last = Some(asked.clone());
        }
        asked
    }
}

impl Asked {
    /// What counts the answers of another line too: one of the same kind about another object.
    fn series_of(&self, line: &RequestLine) -> Option<(u16, bool, Arc<Series>)> {
        let (code, served, series) = self.series.get()?;
        let same = labels(&self.line, *served) == labels(line, *served);
        same.then(|| (*code, *served, series.clone()))
    }

    /// Counts an answer; `served`: what was asked for is known to be something that is served.
    pub(super) fn count(&self, observer: &Observer, code: u16, served: bool, took: Duration) {
        let look_up = || observer.metrics.series(&labels(&self.line, served), code);
        let (of_code, of_served, series) = self.series.get_or_init(|| (code, served, look_up()));
        if (*of_code, *of_served) == (code, served) && series.is_shown() {
            series.count(took);
        } else {
            look_up().count(took);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::store::Figures;
    use http::Request;
    use jeton_core::clock::Clock;
    use jeton_core::time::UnixTime;

    #[test]
    fn a_line_is_read_once_and_no_other_passes_for_it() {
        let metrics = Arc::new(Metrics::new(&Figures::new().unwrap()).unwrap());
        let clock = Clock::new(|| UnixTime::from_seconds(0));
        let observer = Arc::new(Observer::new(metrics.clone(), None, clock));
        let address = "192.0.2.7:1".parse().unwrap();
        let conversation = Conversation::new(observer.clone(), address, None);
        let asked = |method: &str, target: &str| {
            let request = Request::builder().method(method).uri(target).body(()).unwrap();
            let asked = conversation.asked(&request.into_parts().0);
            let verb = asked.line.info.as_ref().unwrap().verb;
            (asked, verb)
        };
        let (first, verb) = asked("GET", "/api/v1/pods");
        assert_eq!(verb, "list");
        assert!(Arc::ptr_eq(&first, &asked("GET", "/api/v1/pods").0));
        assert!(Arc::ptr_eq(&first, &asked("GET", "http://h:1/api/v1/pods").0), "as HTTP/2 writes it");
        assert_eq!(asked("DELETE", "/api/v1/pods").1, "deletecollection");
        assert_eq!(asked("GET", "/api/v1/pods?watch=1").1, "watch");
        let counted =
            |target: &str| asked("POST", target).0.series.get().map(|(_, _, series)| series.clone());
        let token = |account: &str| format!("/api/v1/namespaces/a/serviceaccounts/{account}/token");
        asked("POST", &token("b")).0.count(&observer, 201, true, Duration::ZERO);
        let (same, other) = (counted(&token("b")).unwrap(), counted(&token("c")).unwrap());
        assert!(Arc::ptr_eq(&same, &other), "a line of the same kind is counted by the same series");
        assert!(counted("/api/v1/namespaces/a/pods").is_none(), "and one of another kind is not");
        let long = format!("/api/v1/pods?labelSelector={}", "x".repeat(KEPT_TARGET_BYTES));
        assert!(!Arc::ptr_eq(&asked("GET", &long).0, &asked("GET", &long).0), "too long to be kept");
        for code in [200, 200, 404] {
            first.count(&observer, code, true, Duration::ZERO);
        }
        metrics.keep(|_, _, _| false);
        first.count(&observer, 200, true, Duration::ZERO);
        let shown = |code: u16| {
            let text = metrics.text().unwrap();
            let start = format!("apiserver_request_total{{code=\"{code}\"");
            text.lines()
                .find(|line| line.starts_with(&start))
                .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        };
        assert_eq!((shown(200).as_deref(), shown(404)), (Some("1"), None), "what was forgotten begins anew");
        let other = Conversation::new(observer, address, None);
        let ids = [conversation.next_id(), conversation.next_id(), other.next_id(), other.next_id()];
        assert!(ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id)));
    }
}
