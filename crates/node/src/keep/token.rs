//! One token of a pod: what is on disk, and when the next one is asked for.

use crate::api::Granted;
use crate::happening::Happening;
use crate::wanted::TokenKey;
use jeton_core::deliver::{Bytes, Draw, Freshness, Lease, retry_after_millis};
use jeton_core::time::UnixTime;

/// A token, and its times.
pub(super) struct TokenState {
    /// Which one.
    pub(super) key: TokenKey,
    held: Option<Held>,
    failures: u32,
    /// Why the last request failed.
    why: Option<String>,
    attempt: UnixTime,
    told: Freshness,
}

struct Held {
    token: Bytes,
    lease: Lease,
    account_uid: Option<String>,
}

impl TokenState {
    /// None yet, and due at once.
    pub(super) fn new(key: TokenKey, now: UnixTime) -> Self {
        Self { key, held: None, failures: 0, why: None, attempt: now, told: Freshness::Fresh }
    }

    /// What is in the file.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        self.held.as_ref().map(|held| &held.token)
    }

    /// Whether it is to be asked for.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        now >= self.attempt
    }

    /// Takes a new token.
    pub(super) fn granted(&mut self, granted: Granted, now: UnixTime, draw: Draw) -> Happening {
        let late = self.held.as_ref().map_or(0, |old| now.millis() - old.lease.late().millis());
        let first = self.held.is_none();
        let lease = Lease::new(granted.asked, granted.seconds, draw);
        self.held = Some(Held { token: granted.token.into(), lease, account_uid: granted.account_uid });
        (self.failures, self.why) = (0, None);
        (self.attempt, self.told) = (lease.due(), Freshness::Fresh);
        Happening::TokenRefreshed { late_millis: late.max(0), first }
    }

    /// Asks again after a pause; the old token stays.
    pub(super) fn failed(&mut self, now: UnixTime, draw: Draw, why: &str) {
        self.why = Some(why.to_owned());
        self.failures = self.failures.saturating_add(1);
        let left = self.held.as_ref().map_or(0, |held| held.lease.expires().seconds() - now.seconds());
        let pause = retry_after_millis(self.failures, left, draw);
        self.attempt = UnixTime::from_millis(now.millis().saturating_add(pause));
    }

    /// Why no token is there, when it failed.
    pub(super) fn missing(&self) -> Option<&str> {
        self.why.as_deref().filter(|_| self.held.is_none())
    }

    /// Takes what is known of the account; true when the token is another account's and a new one is due at once.
    pub(super) fn account_is(&mut self, uid: &str, now: UnixTime) -> bool {
        let Some(held) = &mut self.held else { return false };
        if held.account_uid.as_deref().is_none_or(|own| own == uid) {
            return false;
        }
        // Noticed once: the next token says which account it is for.
        held.account_uid = None;
        self.attempt = now;
        true
    }

    /// What is worth telling since the last time.
    pub(super) fn news(&mut self, now: UnixTime) -> Option<Happening> {
        let freshness = self.held.as_ref()?.lease.freshness(now);
        if freshness == self.told {
            return None;
        }
        self.told = freshness;
        let audience = self.key.audience.clone();
        match freshness {
            Freshness::Late => Some(Happening::TokenLate { audience }),
            Freshness::Expired => Some(Happening::TokenExpired { audience }),
            Freshness::Fresh | Freshness::Due => None,
        }
    }

    /// When there is something to do or to tell.
    pub(super) fn wakes(&self) -> UnixTime {
        // A moment counts as late after it, so it is looked at one millisecond later.
        let after = |at: UnixTime| UnixTime::from_millis(at.millis().saturating_add(1));
        let Some(held) = &self.held else { return self.attempt };
        match self.told {
            Freshness::Fresh | Freshness::Due => self.attempt.min(after(held.lease.late())),
            Freshness::Late => self.attempt.min(after(held.lease.expires())),
            Freshness::Expired => self.attempt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_000_000);

    fn granted(asked: UnixTime, uid: &str) -> Granted {
        let account_uid = Some(uid.to_owned());
        Granted { token: zeroize::Zeroizing::new(b"t".to_vec()), asked, seconds: 600, account_uid }
    }

    fn state() -> TokenState {
        TokenState::new(TokenKey { audience: "vault".to_owned(), seconds: None }, NOW)
    }

    #[test]
    fn from_the_first_token_to_one_that_expired() {
        let mut token = state();
        assert!(token.is_due(NOW));
        assert_eq!(
            token.granted(granted(NOW, "a"), NOW, Draw(0)),
            Happening::TokenRefreshed { late_millis: 0, first: true }
        );
        assert_eq!(token.wakes(), NOW.plus_seconds(420));
        assert!(!token.is_due(NOW.plus_seconds(419)) && token.is_due(NOW.plus_seconds(420)));
        let mut now = NOW.plus_seconds(420);
        let mut told = Vec::new();
        let mut attempts = 0;
        while now < NOW.plus_seconds(700) {
            told.extend(token.news(now));
            if token.is_due(now) {
                token.failed(now, Draw(0), "away");
                attempts += 1;
            }
            assert!(token.wakes() > now);
            now = token.wakes();
            assert!(token.bytes().is_some(), "the old token stays");
        }
        let audience = || "vault".to_owned();
        assert_eq!(
            told,
            [Happening::TokenLate { audience: audience() }, Happening::TokenExpired { audience: audience() }]
        );
        assert!((10..60).contains(&attempts), "{attempts}");
        let back = token.granted(granted(now, "a"), now, Draw(0));
        let late_millis = now.millis() - NOW.plus_seconds(480).millis();
        assert_eq!(back, Happening::TokenRefreshed { late_millis, first: false });
        assert_eq!(token.news(now), None);
    }

    #[test]
    fn another_account_makes_it_due_once() {
        let mut token = state();
        assert!(!token.account_is("b", NOW), "no token yet");
        token.granted(granted(NOW, "a"), NOW, Draw(0));
        assert!(!token.account_is("a", NOW));
        assert!(!token.is_due(NOW));
        assert!(token.account_is("b", NOW));
        assert!(token.is_due(NOW));
        assert!(!token.account_is("b", NOW), "told once");
        token.granted(granted(NOW, "b"), NOW, Draw(0));
        assert!(!token.account_is("b", NOW));
    }
}
