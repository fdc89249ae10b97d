//! Rotation on real files and a real store, with a clock that is set; every moment of it is a state to start from.

use super::review::review;
use super::rotate::{self, KeysError, Source};
use super::{Tokens, Uses, journal, key_figures};
use crate::store::{
    Change, CommitFuture, Embedded, Expect, Figures, Index, IndexRow, Key, Page, Prefix, Store, StoreError,
    Stored, TooOld, Txn, Watcher,
};
use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::STANDARD};
use jeton_core::claims::LegacyClaims;
use jeton_core::clock::Clock;
use jeton_core::issue::Ask;
use jeton_core::keys::jwks;
use jeton_core::policy::Policy;
use jeton_core::time::UnixTime;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

const NOW: i64 = 1_784_973_600;
const LEEWAY: i64 = 60;

/// A store that keeps a copy of the whole data directory before and after each commit: what a process leaves behind
/// that is killed there.
struct Copying {
    inner: Embedded,
    dir: PathBuf,
    into: PathBuf,
    copies: Arc<Mutex<Vec<PathBuf>>>,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn keep(dir: &Path, into: &Path, copies: &Mutex<Vec<PathBuf>>) {
    let mut copies = copies.lock().unwrap();
    let to = into.join(copies.len().to_string());
    copy(dir, &to);
    copies.push(to);
}

impl Store for Copying {
    fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(key)
    }
    fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Page, StoreError> {
        self.inner.list(prefix, after, limit)
    }
    fn commit(&self, txn: Txn) -> CommitFuture {
        let (dir, into, copies) = (self.dir.clone(), self.into.clone(), self.copies.clone());
        let done = self.inner.commit(txn);
        Box::pin(async move {
            keep(&dir, &into, &copies);
            let done = done.await;
            keep(&dir, &into, &copies);
            done
        })
    }
    fn revision(&self) -> u64 {
        self.inner.revision()
    }
    fn index(&self) -> &Index {
        self.inner.index()
    }
    fn figures(&self) -> &Figures {
        self.inner.figures()
    }
    fn watch(&self, prefix: &Prefix, from: u64) -> Result<Watcher, TooOld> {
        self.inner.watch(prefix, from)
    }
}

/// A process on a data directory.
struct Lab {
    tokens: Tokens,
    seconds: Arc<AtomicI64>,
}

impl Lab {
    async fn on(store: Arc<dyn Store>, dir: &Path, now: i64) -> Result<Self, KeysError> {
        let seconds = Arc::new(AtomicI64::new(now));
        let hand = seconds.clone();
        let clock = Clock::new(move || UnixTime::from_seconds(hand.load(Ordering::SeqCst)));
        let policy = Policy::for_issuer("https://issuer.example");
        let (ring, rotation) = rotate::open(&*store, dir, &policy, Vec::new(), clock.now()).await?;
        let (ring, source) = (ArcSwap::from_pointee(ring), Source::Managed(rotation));
        let tokens = Tokens { policy, ring, source, uses: Uses::default(), store, clock };
        Ok(Self { tokens, seconds })
    }

    async fn start(dir: &Path, now: i64) -> Result<Self, KeysError> {
        Self::on(Arc::new(Embedded::open(&dir.join("jeton.db")).unwrap()), dir, now).await
    }

    fn at(&self, now: i64) {
        self.seconds.store(now, Ordering::SeqCst);
    }

    async fn put(&self, resource: &str, name: &str, body: Value, token_digest: Option<[u8; 32]>) {
        let key = Key::new(resource, "ns", name).unwrap();
        let row = IndexRow {
            uid: Uuid::from_u128(7),
            deletion: None,
            account: None,
            node: None,
            token_digest,
            terminating: false,
        };
        let change = Change::Put { key, body: body.to_string().into_bytes(), row };
        let txn = Txn { checks: Vec::new(), changes: vec![(change, Expect::Any)] };
        self.tokens.store.commit(txn).await.unwrap();
    }

    async fn account(&self) {
        self.put("core/serviceaccounts", "builder", json!({}), None).await;
    }

    async fn issue(&self, seconds: i64) -> String {
        let ask = Ask {
            namespace: "ns",
            account: "builder",
            body_name: "",
            body_uid: "",
            audiences: &[],
            expiration_seconds: Some(seconds),
            bound: None,
        };
        rotate::issue(&self.tokens, &ask).await.unwrap().unwrap().token.expose().to_owned()
    }

    fn holds(&self, token: &str) -> bool {
        review(&self.tokens, token, &[]).is_ok()
    }

    /// Phases of the journaled keys, sorted.
    fn phases(&self) -> Vec<&'static str> {
        let entries = journal::read(&*self.tokens.store).unwrap();
        let mut phases: Vec<_> = entries.iter().map(|e| e.key.phase).collect();
        phases.sort_unstable();
        phases.iter().map(|p| p.name()).collect()
    }

    fn published(&self) -> usize {
        let text = jwks(&self.tokens.ring.load().keys);
        serde_json::from_str::<Value>(&text).unwrap()["keys"].as_array().unwrap().len()
    }
}

/// Files with private halves.
fn private_files(dir: &Path) -> Vec<String> {
    let mut all: Vec<PathBuf> = [dir.to_owned(), dir.join("keys")]
        .iter()
        .flat_map(|d| fs::read_dir(d).into_iter().flatten())
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "key"))
        .collect();
    all.sort();
    for path in &all {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
    }
    all.iter().map(|p| p.strip_prefix(dir).unwrap().to_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_from_wish_to_prune() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::start(dir.path(), NOW).await.unwrap();
    lab.account().await;
    let old = lab.issue(3600).await;
    assert_eq!((lab.phases(), lab.published()), (vec!["Active"], 1));
    let made = rotate::wish(&lab.tokens, 3600).await.unwrap();
    assert_eq!(made["status"]["phase"], "Published");
    assert_eq!((lab.phases(), lab.published()), (vec!["Published", "Active"], 2));
    let shown = made.to_string();
    assert!(!shown.contains("PRIVATE") && made["status"]["publicKey"].is_string(), "{shown}");
    lab.at(NOW + 3599);
    assert_eq!(rotate::advance(&lab.tokens).await.unwrap(), Some(NOW + 3600));
    assert_eq!(lab.tokens.ring.load().signer.public().id(), kid(&old));
    lab.at(NOW + 3600);
    rotate::advance(&lab.tokens).await.unwrap();
    let new = lab.issue(3600).await;
    assert_ne!(kid(&old), kid(&new));
    assert_eq!(made["status"]["keyID"], kid(&new));
    assert!(lab.holds(&old) && lab.holds(&new));
    assert_eq!(lab.phases(), ["Active", "Retired"]);
    assert_eq!(private_files(dir.path()), [made["status"]["file"].as_str().unwrap()]);
    // One hour of slack beyond the end of the last token, and the leeway.
    lab.at(NOW + 7200 + LEEWAY);
    rotate::advance(&lab.tokens).await.unwrap();
    assert_eq!(lab.published(), 2);
    lab.at(NOW + 7200 + LEEWAY + 1);
    rotate::advance(&lab.tokens).await.unwrap();
    assert_eq!((lab.phases(), lab.published()), (vec!["Active"], 1));
    assert!(!lab.holds(&old), "expired, and its key is gone");
}

/// The lines of a metric, without its name.
fn figures(lab: &Lab, name: &str) -> Vec<String> {
    let text = key_figures::text(&lab.tokens).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_tell_the_phase_and_what_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::start(dir.path(), NOW).await.unwrap();
    let next = "jeton_signing_key_next_step_timestamp_seconds";
    let info = "jeton_signing_key_info";
    assert_eq!(figures(&lab, next), Vec::<String>::new(), "nothing is due for the one that signs");
    assert!(figures(&lab, info)[0].ends_with("phase=\"Active\"} 1"));
    let made = rotate::wish(&lab.tokens, 100).await.unwrap();
    rotate::advance(&lab.tokens).await.unwrap();
    let id = made["status"]["keyID"].as_str().unwrap();
    assert_eq!(figures(&lab, next), [format!("kid=\"{id}\"}} {}", NOW + 100)]);
    let created = figures(&lab, "jeton_signing_key_created_timestamp_seconds");
    assert!(created.contains(&format!("kid=\"{id}\"}} {NOW}")) && created.len() == 2, "{created:?}");
    lab.at(NOW + 100);
    rotate::advance(&lab.tokens).await.unwrap();
    let phases = figures(&lab, info);
    assert!(phases.iter().any(|l| l.contains(id) && l.contains("\"Active\"")), "{phases:?}");
    assert!(phases.iter().any(|l| !l.contains(id) && l.contains("\"Retired\"")), "{phases:?}");
    // It signed nothing: only the leeway is waited for.
    let [old] = &figures(&lab, next)[..] else { panic!("one key goes") };
    assert!(old.ends_with(&format!("}} {}", NOW + 100 + LEEWAY + 1)), "{old}");
}

fn kid(token: &str) -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&head).unwrap()["kid"].as_str().unwrap().to_owned()
}

/// The whole life of two keys; gives back the copies, each with the moment it is of, and every token with its end.
async fn lived(dir: &Path, into: &Path) -> (Vec<(PathBuf, i64)>, Vec<(String, i64)>) {
    fs::create_dir_all(dir).unwrap();
    let copies: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
    let inner = Embedded::open(&dir.join("jeton.db")).unwrap();
    let store = Copying { inner, dir: dir.to_owned(), into: into.to_owned(), copies: copies.clone() };
    let lab = Lab::on(Arc::new(store), dir, NOW).await.unwrap();
    lab.account().await;
    let (mut seen, mut moments, mut tokens) = (0, Vec::new(), Vec::new());
    for (at, action) in
        [(0, 600), (10, -1), (20, 600), (120, -2), (130, 600), (140, -1), (300, -2), (8000, -2)]
    {
        lab.at(NOW + at);
        match action {
            -1 => drop(rotate::wish(&lab.tokens, 100).await.unwrap()),
            -2 => drop(rotate::advance(&lab.tokens).await.unwrap()),
            lifetime => tokens.push((lab.issue(lifetime).await, NOW + at + lifetime)),
        }
        let all = copies.lock().unwrap();
        moments.extend(all[seen..].iter().map(|copy| (copy.clone(), NOW + at)));
        seen = all.len();
    }
    assert_eq!(lab.phases(), ["Active"], "both old keys are pruned");
    (moments, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_moment_of_a_rotation_is_a_state_to_start_from() {
    let dir = tempfile::tempdir().unwrap();
    let (moments, tokens) = lived(&dir.path().join("data"), &dir.path().join("copies")).await;
    let mut started = 0;
    for (copy, at) in moments {
        // A copy from before the first commit holds no account yet: the process was killed while it made its first key.
        let lab = Lab::start(&copy, at).await.unwrap_or_else(|e| panic!("{}: {e:?}", copy.display()));
        lab.account().await;
        for (token, expires) in &tokens {
            let issued_by_then = expires - 600 <= at;
            let living = issued_by_then && *expires + LEEWAY >= at;
            assert!(!living || lab.holds(token), "{}: a token that lives", copy.display());
        }
        let fresh = lab.issue(600).await;
        assert!(lab.holds(&fresh), "{}", copy.display());
        rotate::advance(&lab.tokens).await.unwrap();
        assert!(lab.holds(&fresh), "{}", copy.display());
        let living = lab.phases().iter().filter(|p| **p != "Retired").count();
        assert_eq!(private_files(&copy).len(), living, "{}", copy.display());
        // Whatever was interrupted comes to its end.
        for later in [100_000, 200_000] {
            lab.at(at + later);
            rotate::advance(&lab.tokens).await.unwrap();
        }
        assert_eq!(lab.phases(), ["Active"], "{}", copy.display());
        started += 1;
    }
    assert!(started > 20, "{started}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_secret_needs_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::start(dir.path(), NOW).await.unwrap();
    lab.account().await;
    let claims = LegacyClaims { secret: "old".to_owned(), ..LegacyClaims::default() };
    let token = super::issue::legacy(&lab.tokens, &claims).unwrap();
    let body = json!({"data": {"token": STANDARD.encode(token.expose())}});
    lab.put("core/secrets", "old", body, Some([1; 32])).await;
    rotate::wish(&lab.tokens, 0).await.unwrap();
    lab.at(NOW + 100_000);
    rotate::advance(&lab.tokens).await.unwrap();
    assert_eq!((lab.phases(), lab.published()), (vec!["Active", "Retired"], 2));
    let key = Key::new("core/secrets", "ns", "old").unwrap();
    let gone = Txn { checks: Vec::new(), changes: vec![(Change::Delete { key }, Expect::Any)] };
    lab.tokens.store.commit(gone).await.unwrap();
    rotate::advance(&lab.tokens).await.unwrap();
    assert_eq!((lab.phases(), lab.published()), (vec!["Active"], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_journaled_once_an_hour_and_always_far_enough() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::start(dir.path(), NOW).await.unwrap();
    lab.account().await;
    let before = lab.tokens.store.revision();
    for seconds in 0..3600 {
        lab.at(NOW + seconds);
        if seconds % 400 == 0 {
            lab.issue(600).await;
        }
    }
    assert_eq!(lab.tokens.store.revision(), before + 1, "one entry for nine tokens");
    lab.issue(1 << 32).await;
    let entries = journal::read(&*lab.tokens.store).unwrap();
    assert!(entries[0].key.covered_until.unwrap() >= NOW + (1 << 32));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_from_before_the_journal_is_kept_for_a_year() {
    let dir = tempfile::tempdir().unwrap();
    let pem = crate::signer::local::new_key_pem().unwrap();
    crate::pki::write(&dir.path().join("sa.key"), pem.as_bytes()).unwrap();
    let lab = Lab::start(dir.path(), NOW).await.unwrap();
    let entries = journal::read(&*lab.tokens.store).unwrap();
    assert_eq!(entries[0].key.covered_until, Some(NOW + 365 * 24 * 3600));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_as_journaled_are_named() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lab::start(dir.path(), NOW).await.unwrap());
    let path = dir.path().join("sa.key");
    fs::rename(&path, dir.path().join("saved")).unwrap();
    let missing = Lab::start(dir.path(), NOW).await.err().unwrap().to_string();
    assert!(missing.contains("sa.key is missing"), "{missing}");
    let other = crate::signer::local::new_key_pem().unwrap();
    crate::pki::write(&path, other.as_bytes()).unwrap();
    let other = Lab::start(dir.path(), NOW).await.err().unwrap().to_string();
    assert!(other.contains("holds another key"), "{other}");
    fs::rename(dir.path().join("saved"), &path).unwrap();
    assert!(Lab::start(dir.path(), NOW).await.is_ok());
}
