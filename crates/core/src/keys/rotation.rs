//! The life of a signing key: prepared → published → active → retired → pruned.
//!
//! A relying party keeps the JWKS for up to an hour, so a key is published before it signs; tokens outlive the key that
//! signed them, so a key verifies after it has stopped signing, until the last of its tokens has expired. Everything
//! here is a function of the keys as journaled and the moment; whoever performs a [`Step`] journals the keys that
//! [`after`] gives back, in one transaction, and only then acts on them.
//!
//! Invariant: exactly one key is active, at most one waits to become so, in every state that [`after`] gives back.
//! So a process may end between any two steps: the next one finds a state in which tokens are signed and verified,
//! and goes on from there.

use crate::limits::MAX_SIGNING_KEYS;
use crate::time::UnixTime;

/// How far a key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It exists, and nobody has heard of it.
    Prepared,
    /// It verifies and is in the JWKS; it does not sign.
    Published,
    /// It signs.
    Active,
    /// It no longer signs; its tokens may live.
    Retired,
}

impl Phase {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepared => "Prepared",
            Self::Published => "Published",
            Self::Active => "Active",
            Self::Retired => "Retired",
        }
    }

    /// The phase of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Prepared, Self::Published, Self::Active, Self::Retired].into_iter().find(|p| p.name() == name)
    }
}

/// A key as it is journaled. Times are seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedKey {
    /// Key id (`kid`).
    pub id: String,
    /// How far it has come.
    pub phase: Phase,
    /// Seconds between its publication and its first signature.
    pub activate_after: i64,
    /// When it was published.
    pub published: Option<i64>,
    /// When it began to sign.
    pub activated: Option<i64>,
    /// When it stopped.
    pub retired: Option<i64>,
    /// No token it signed expires later; `None`: it has signed none.
    pub covered_until: Option<i64>,
}

impl ManagedKey {
    /// A key that was just made.
    pub fn prepared(id: &str, activate_after: i64) -> Self {
        Self {
            id: id.to_owned(),
            phase: Phase::Prepared,
            activate_after,
            published: None,
            activated: None,
            retired: None,
            covered_until: None,
        }
    }

    /// When it may begin to sign; `None`: it is not published, or has begun.
    pub fn activates(&self) -> Option<i64> {
        let waits = self.phase == Phase::Published;
        self.published.filter(|_| waits).map(|published| published.saturating_add(self.activate_after))
    }

    /// When the last token it signed stops verifying, `leeway` included; `None`: it may still sign.
    pub fn needed_until(&self, leeway: i64) -> Option<i64> {
        let retired = self.retired.filter(|_| self.phase == Phase::Retired)?;
        Some(self.covered_until.unwrap_or(retired).max(retired).saturating_add(leeway))
    }
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// This key gets into the JWKS.
    Publish(String),
    /// This key signs from now on; the one that did so far no longer does.
    Activate(String),
    /// This key is no longer needed.
    Prune(String),
}

/// What becomes of a wish for a new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A key is to be made.
    Prepare,
    /// One waits already and is to begin earlier: so many seconds after its publication.
    BringForward {
        /// Its id.
        id: String,
        /// Seconds after its publication.
        activate_after: i64,
    },
}

/// Why there will be no new key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// One waits already, and would begin no later.
    #[error(
        "key {id} is already on its way and becomes active at {}; ask for an earlier time, or wait until then",
        UnixTime::from_seconds(*activates).rfc3339()
    )]
    Pending {
        /// Its id.
        id: String,
        /// When it begins to sign, in seconds.
        activates: i64,
    },
    /// Too many keys are needed still.
    #[error(
        "{MAX_SIGNING_KEYS} keys are still needed to verify tokens; the first of them can go when its tokens have expired"
    )]
    TooMany,
}

/// What becomes of the wish for a key that signs `activate_after` seconds after it is published.
///
/// # Errors
/// [`RotationError`] when one is on its way already, or too many are needed still.
pub fn wish(keys: &[ManagedKey], activate_after: i64, now: UnixTime) -> Result<Wish, RotationError> {
    let waiting = keys.iter().find(|k| matches!(k.phase, Phase::Prepared | Phase::Published));
    if let Some(key) = waiting {
        let published = key.published.unwrap_or(now.seconds());
        let (old, new) =
            (published.saturating_add(key.activate_after), now.seconds().saturating_add(activate_after));
        if new < old {
            let activate_after = new.saturating_sub(published).max(0);
            return Ok(Wish::BringForward { id: key.id.clone(), activate_after });
        }
        return Err(RotationError::Pending { id: key.id.clone(), activates: old });
    }
    if keys.len() >= MAX_SIGNING_KEYS {
        return Err(RotationError::TooMany);
    }
    Ok(Wish::Prepare)
}

/// What is due now. `held` tells whether a Secret holds a token that a key signed: such tokens never expire. It is
/// asked only about a key that is not needed otherwise.
pub fn due(
    keys: &[ManagedKey],
    now: UnixTime,
    leeway: i64,
    held: impl Fn(&ManagedKey) -> bool,
) -> Option<Step> {
    let mut sorted: Vec<&ManagedKey> = keys.iter().collect();
    // A key that waits comes before one that nobody misses.
    sorted.sort_by_key(|k| k.phase);
    sorted.into_iter().find_map(|key| match key.phase {
        Phase::Prepared => Some(Step::Publish(key.id.clone())),
        Phase::Published => {
            key.activates().is_some_and(|at| at <= now.seconds()).then(|| Step::Activate(key.id.clone()))
        }
        Phase::Active => None,
        Phase::Retired => {
            let over = key.needed_until(leeway).is_some_and(|until| until < now.seconds());
            (over && !held(key)).then(|| Step::Prune(key.id.clone()))
        }
    })
}

/// The moment at which time alone makes something due; `None`: no such moment.
pub fn next_due(keys: &[ManagedKey], leeway: i64) -> Option<i64> {
    let at = |key: &ManagedKey| match key.phase {
        Phase::Prepared => Some(i64::MIN),
        Phase::Published => key.activates(),
        Phase::Active => None,
        Phase::Retired => key.needed_until(leeway).map(|until| until.saturating_add(1)),
    };
    keys.iter().filter_map(at).min()
}

/// The keys after a step: what to journal.
pub fn after(keys: &[ManagedKey], step: &Step, now: UnixTime) -> Vec<ManagedKey> {
    let mut keys = keys.to_vec();
    let at = Some(now.seconds());
    match step {
        Step::Publish(id) => {
            for key in keys.iter_mut().filter(|k| k.id == *id && k.phase == Phase::Prepared) {
                (key.phase, key.published) = (Phase::Published, at);
            }
        }
        Step::Activate(id) if keys.iter().any(|k| k.id == *id && k.phase == Phase::Published) => {
            for key in &mut keys {
                if key.id == *id {
                    (key.phase, key.activated) = (Phase::Active, at);
                } else if key.phase == Phase::Active {
                    (key.phase, key.retired) = (Phase::Retired, at);
                }
            }
        }
        Step::Activate(_) => {}
        Step::Prune(id) => keys.retain(|k| k.id != *id || k.phase != Phase::Retired),
    }
    keys
}

/// What is wrong with a journal; `None`: nothing.
pub fn fault(keys: &[ManagedKey]) -> Option<&'static str> {
    let count = |wanted: fn(Phase) -> bool| keys.iter().filter(|k| wanted(k.phase)).count();
    match (count(|p| p == Phase::Active), count(|p| matches!(p, Phase::Prepared | Phase::Published))) {
        (1, 0 | 1) => None,
        (1, _) => Some("more than one key waits to become active"),
        (0, _) => Some("no key is active"),
        _ => Some("more than one key is active"),
    }
}

/// How far to journal that a key's tokens reach, before one that expires at `expires` leaves; `None`: far enough is
/// journaled. `slack` seconds more, so that this happens once in a while and not for each token.
pub fn cover(covered_until: Option<i64>, expires: i64, slack: i64) -> Option<i64> {
    let covered = covered_until.is_some_and(|until| expires <= until);
    (!covered).then(|| expires.saturating_add(slack))
}
