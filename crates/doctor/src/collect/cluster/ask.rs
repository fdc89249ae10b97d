//! Asks politely: no more often than the rate, again after 429 and 5xx when the server says so, and page by page.

use super::api::{Api, Get, NoAnswer};
use super::gap::Refused;
use super::limits::{
    MAX_CONNECTION_TRIES, MAX_CONTINUE_BYTES, MAX_PAGES, MAX_REASON_BYTES, MAX_RETRY_AFTER, MAX_RETRY_WAIT,
    MAX_TRIES,
};
use super::text::clean;
use crate::limits::PAGE_OBJECTS;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::time::Duration;

/// An `Api` with manners.
pub struct Asker<'a> {
    api: &'a mut dyn Api,
    interval: Duration,
    next: Duration,
    wait_left: Duration,
    answered: bool,
    gone: Option<String>,
    /// Requests sent so far.
    pub requests: u64,
    /// Objects that could not be read.
    pub skipped: u64,
}

impl std::fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asker({} requests)", self.requests)
    }
}

/// One page of any list.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
struct PageMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// The `Status` of a refusal.
#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    metadata: PageMeta,
}

impl<'a> Asker<'a> {
    /// With at most `qps` requests a second.
    pub fn new(api: &'a mut dyn Api, qps: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / qps.max(1),
            next: api.elapsed(),
            wait_left: MAX_RETRY_WAIT,
            api,
            answered: false,
            gone: None,
            requests: 0,
            skipped: 0,
        }
    }

    /// Why the cluster is not asked any more.
    pub fn gone(&self) -> Option<&str> {
        self.gone.as_deref()
    }

    /// The body of an answer of success.
    ///
    /// # Errors
    /// What the server said, or why it said nothing.
    pub fn get(&mut self, get: &Get) -> Result<Vec<u8>, Refused> {
        if let Some(why) = &self.gone {
            return Err(Refused::nonsense(why.clone()));
        }
        let mut tries = 0;
        loop {
            tries += 1;
            self.keep_to_rate();
            let (refused, after, most) = match self.api.get(get) {
                Ok(answer) => {
                    self.answered = true;
                    if (200..300).contains(&answer.code) {
                        return Ok(answer.body);
                    }
                    let refused = refusal(answer.code, &answer.body);
                    if !matches!(answer.code, 429 | 500 | 502 | 503 | 504) {
                        return Err(refused);
                    }
                    (refused, answer.retry_after.map(Duration::from_secs), MAX_TRIES)
                }
                Err(NoAnswer::TooLarge) => {
                    return Err(Refused::nonsense(format!(
                        "the answer has more than {} bytes",
                        get.max_bytes
                    )));
                }
                // The other addresses are still there.
                Err(NoAnswer::Unreachable(why)) if get.direct.is_some() => {
                    return Err(Refused::nonsense(why));
                }
                Err(NoAnswer::Unreachable(why)) => (Refused::nonsense(why), None, MAX_CONNECTION_TRIES),
            };
            let after = after.unwrap_or(Duration::from_secs(1 << (tries - 1))).min(MAX_RETRY_AFTER);
            if tries >= most || after > self.wait_left {
                if refused.code.is_none() && !std::mem::take(&mut self.answered) {
                    self.gone = Some(refused.why.clone());
                }
                return Err(refused);
            }
            self.wait_left -= after;
            self.api.pause(after);
        }
    }

    fn keep_to_rate(&mut self) {
        let now = self.api.elapsed();
        if now < self.next {
            self.api.pause(self.next - now);
        }
        self.next = self.next.max(now) + self.interval;
        self.requests += 1;
    }

    /// Reads a list page by page; gives back how many objects were understood.
    ///
    /// # Errors
    /// As `get`; `partial` when some pages were read.
    pub fn list<T: DeserializeOwned>(&mut self, get: &Get, mut each: impl FnMut(T)) -> Result<u64, Refused> {
        let mut read = 0;
        let mut next: Option<String> = None;
        for page in 0..MAX_PAGES {
            let mut one = get.clone();
            one.query.push(("limit", PAGE_OBJECTS.to_string()));
            one.query.extend(next.take().map(|token| ("continue", token)));
            let partial = |refused: Refused| Refused { partial: page > 0, ..refused };
            let body = match self.get(&one) {
                Ok(body) => body,
                // Kubernetes 1.36: a continue token that is too old comes with one that goes on from there, at a later state.
                Err(refused) if refused.code == Some(410) && page > 0 => {
                    if refused.resume.is_none() {
                        return Err(partial(refused));
                    }
                    next = refused.resume;
                    continue;
                }
                Err(refused) => return Err(partial(refused)),
            };
            let found: Page<'_> = serde_json::from_slice(&body)
                .map_err(|_| partial(Refused::nonsense("the answer is no list of Kubernetes")))?;
            for item in found.items.into_iter().flatten() {
                match serde_json::from_str(item.get()) {
                    Ok(item) => {
                        read += 1;
                        each(item);
                    }
                    Err(_) => self.skipped += 1,
                }
            }
            next = found.metadata.next.filter(|token| !token.is_empty() && token.len() <= MAX_CONTINUE_BYTES);
            if next.is_none() {
                return Ok(read);
            }
        }
        Err(Refused { partial: true, ..Refused::nonsense(format!("more than {MAX_PAGES} pages")) })
    }
}

fn refusal(code: u16, body: &[u8]) -> Refused {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let why = status.message.map_or_else(|| "no reason given".to_owned(), |m| clean(&m, MAX_REASON_BYTES));
    let resume = status.metadata.next.filter(|t| !t.is_empty() && t.len() <= MAX_CONTINUE_BYTES);
    Refused { code: Some(code), why, partial: false, resume }
}
