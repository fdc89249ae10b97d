//! The keys of this server as figures, one scrape at a time.
//!
//! Read from the journal when somebody asks, so that nothing has to be kept right beside it; there are few keys.

use super::Tokens;
use super::journal::{self, JournalError};
use super::rotate::Source;
use jeton_core::keys::rotation;
use prometheus::{GaugeVec, Opts, Registry, TextEncoder};

/// What the phase of a key is called that was given and not made here.
const GIVEN: &str = "Given";

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    /// The journal cannot be read.
    #[error("the keys cannot be read")]
    Journal(#[from] JournalError),
    /// A name or label is not one.
    #[error("the figures of keys cannot be written")]
    Text(#[from] prometheus::Error),
}

struct Families {
    info: GaugeVec,
    created: GaugeVec,
    next: GaugeVec,
}

impl Families {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let family = |name: &str, help: &str, labels: &[&str]| {
            let family = GaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone())).map(|()| family)
        };
        Ok(Self {
            info: family(
                "jeton_signing_key_info",
                "Always 1; each key that this server keeps, with its id, algorithm and phase.",
                &["kid", "algorithm", "phase"],
            )?,
            created: family(
                "jeton_signing_key_created_timestamp_seconds",
                "When a key was made, in seconds since the epoch.",
                &["kid"],
            )?,
            next: family(
                "jeton_signing_key_next_step_timestamp_seconds",
                "When time alone takes a key to its next phase, in seconds since the epoch; absent: nothing is due.",
                &["kid"],
            )?,
        })
    }
}

/// The keys in the classic text format.
///
/// # Errors
/// [`FiguresError`].
#[allow(clippy::cast_precision_loss, reason = "seconds since the epoch fit into 52 bits for a long time")]
pub fn text(tokens: &Tokens) -> Result<String, FiguresError> {
    let registry = Registry::new();
    let families = Families::new(&registry)?;
    let mut known = Vec::new();
    if let Source::Managed(_) = tokens.source {
        for entry in journal::read(&*tokens.store)? {
            let key = &entry.key;
            let algorithm = entry.public.signing_algorithm().name();
            families.info.with_label_values(&[key.id.as_str(), algorithm, key.phase.name()]).set(1.0);
            if let Some(created) = entry.created() {
                families.created.with_label_values(&[key.id.as_str()]).set(created.seconds() as f64);
            }
            let next = rotation::next_due(std::slice::from_ref(key), tokens.policy.lifetimes.leeway);
            // What is due at once is done before anybody looks.
            if let Some(next) = next.filter(|at| *at != i64::MIN) {
                families.next.with_label_values(&[key.id.as_str()]).set(next as f64);
            }
            known.push(entry.key.id);
        }
    }
    let ring = tokens.ring.load();
    let signs = ring.signer.public().id();
    for key in ring.keys.iter().filter(|key| !known.iter().any(|id| id == key.id())) {
        let phase = if key.id() == signs { rotation::Phase::Active.name() } else { GIVEN };
        families.info.with_label_values(&[key.id(), key.signing_algorithm().name(), phase]).set(1.0);
    }
    Ok(TextEncoder::new().encode_to_string(&registry.gather())?)
}
