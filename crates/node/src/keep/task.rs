//! The task that keeps one pod's volumes: asks, writes, waits.

use super::Progress;
use super::source::{Known, of_object};
use super::token::TokenState;
use super::volume::VolumeState;
use crate::api::{AccountSeen, Context, ObjectSeen, Slot};
use crate::clock;
use crate::happening::Happening;
use crate::volume::{Dir, givable};
use crate::wanted::{ObjectKind, Source, TokenKey, Wanted, WantedVolume};
use futures_util::future::{join_all, select_all};
use jeton_core::deliver::{Draw, File};
use jeton_core::time::UnixTime;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// Seconds after which disk and clock are looked at even though nothing happened: somebody may have removed a file, or
/// the machine may have slept.
const LOOK_AGAIN_SECONDS: i64 = 60;

/// Something that is looked at, and what this task has seen of it.
struct Looked<V> {
    seen: watch::Receiver<V>,
    _slot: Arc<Slot<V>>,
}

impl<V> Looked<V> {
    fn new(slot: Arc<Slot<V>>) -> Self {
        Self { seen: slot.seen.clone(), _slot: slot }
    }

    async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            // Nobody looks any more; that is no news.
            std::future::pending::<()>().await;
        }
    }
}

pub(super) struct Task {
    context: Arc<Context>,
    wanted: watch::Receiver<Arc<Wanted>>,
    progress: watch::Sender<Progress>,
    tokens: Vec<TokenState>,
    volumes: Vec<VolumeState>,
    objects: BTreeMap<(ObjectKind, String), Looked<ObjectSeen>>,
    account: Option<Looked<AccountSeen>>,
    look_again: UnixTime,
    /// Why files belong to somebody else than is wanted.
    not_given: Option<String>,
}

/// Ready when nobody wants the volumes any more.
async fn unwanted(mut wanted: watch::Receiver<Arc<Wanted>>) {
    while wanted.changed().await.is_ok() {}
}

impl Task {
    pub(super) fn new(
        context: Arc<Context>,
        wanted: watch::Receiver<Arc<Wanted>>,
        dirs: Vec<Dir>,
        progress: watch::Sender<Progress>,
    ) -> Self {
        let now = context.clock.now();
        let all = wanted.borrow().clone();
        let (owner, _) = givable(all.owner);
        let volumes = all.volumes.iter().zip(dirs).map(|(v, dir)| VolumeState::new(v, dir, owner, now));
        let sources = || all.volumes.iter().flat_map(|v| &v.sources);
        let keys: BTreeSet<&TokenKey> = sources()
            .filter_map(|s| if let Source::Token { key, .. } = s { Some(key) } else { None })
            .collect();
        let tokens: Vec<TokenState> = keys.into_iter().map(|k| TokenState::new(k.clone(), now)).collect();
        let mut objects = BTreeMap::new();
        for source in sources() {
            if let Source::Object { kind, name, .. } = source {
                objects
                    .entry((*kind, name.clone()))
                    .or_insert_with(|| Looked::new(context.object(*kind, &all.pod.namespace, name)));
            }
        }
        let account = (!tokens.is_empty() && !all.account.is_empty())
            .then(|| Looked::new(context.account(&all.pod.namespace, &all.account)));
        let volumes = volumes.collect();
        let look_again = now.plus_seconds(LOOK_AGAIN_SECONDS);
        let not_given = None;
        Self { context, wanted, progress, tokens, volumes, objects, account, look_again, not_given }
    }

    /// Keeps the volumes until nobody wants them any more.
    pub(super) async fn run(mut self) {
        loop {
            let all = self.wanted.borrow_and_update().clone();
            // In boxes: while it waits, which is nearly always, the task should not hold room for what it does.
            if !Box::pin(self.refresh(&all)).await {
                return;
            }
            Box::pin(self.write(&all)).await;
            drop(all);
            self.tell_progress();
            if !self.wait().await {
                return;
            }
        }
    }

    fn tell(&self, all: &Wanted, news: impl IntoIterator<Item = Happening>) {
        news.into_iter().for_each(|what| self.context.tell(&all.pod, &what));
    }

    /// Asks for the tokens that are due; false when nobody wants them any more.
    async fn refresh(&mut self, all: &Wanted) -> bool {
        let now = self.context.clock.now();
        if let Some(uid) = self.account.as_ref().and_then(|a| a.seen.borrow().uid.clone()) {
            let replaced =
                self.tokens.iter_mut().filter_map(|t| t.account_is(&uid, now).then_some(())).count();
            if replaced > 0 {
                self.tell(all, [Happening::AccountReplaced]);
            }
        }
        let due: Vec<usize> = (0..self.tokens.len()).filter(|at| self.tokens[*at].is_due(now)).collect();
        let context = self.context.clone();
        let asked = due.iter().map(|at| context.token(&all.pod, &all.account, &self.tokens[*at].key));
        let answers = tokio::select! {
            answers = join_all(asked) => answers,
            () = unwanted(self.wanted.clone()) => return false,
        };
        let now = self.context.clock.now();
        for (at, answer) in due.into_iter().zip(answers) {
            let (token, draw) = (&mut self.tokens[at], Draw(fastrand::u32(..)));
            let news = match answer {
                Ok(granted) => {
                    self.volumes.iter_mut().for_each(|v| v.touch(now));
                    token.granted(granted, now, draw)
                }
                Err(failure) => {
                    token.failed(now, draw, &failure.why);
                    let audience = token.key.audience.clone();
                    Happening::TokenFailed { audience, code: failure.code, why: failure.why }
                }
            };
            self.context.tell(&all.pod, &news);
        }
        let news: Vec<Happening> = self.tokens.iter_mut().filter_map(|t| t.news(now)).collect();
        self.tell(all, news);
        true
    }

    async fn write(&mut self, all: &Wanted) {
        let now = self.context.clock.now();
        if now >= self.look_again {
            self.look_again = now.plus_seconds(LOOK_AGAIN_SECONDS);
            self.volumes.iter_mut().for_each(|v| v.touch(now));
        }
        let (owner, not_given) = givable(all.owner);
        if not_given != self.not_given {
            self.tell(all, not_given.clone().map(|why| Happening::NotGiven { why }));
            self.not_given = not_given;
        }
        let mut volumes = std::mem::take(&mut self.volumes);
        for (state, wanted) in volumes.iter_mut().zip(&all.volumes) {
            state.own(owner);
            let known = self.known(wanted);
            self.tell(all, state.take(wanted, known));
            let news = state.write(&self.context, now).await;
            self.tell(all, news);
            state.sweep(now).await;
        }
        self.volumes = volumes;
    }

    fn known(&self, wanted: &WantedVolume) -> Vec<Known> {
        let known = |source: &Source| match source {
            Source::Fields(part) => Known::Files(part.clone()),
            Source::Refused { why, .. } => Known::Broken(why.clone()),
            Source::Object { kind, name, optional, items, mode } => {
                let seen = self.objects.get(&(*kind, name.clone())).map(|o| o.seen.borrow().clone());
                of_object(*kind, name, *optional, (items.as_deref(), *mode), &seen.unwrap_or_default())
            }
            Source::Token { key, path, mode } => match self.tokens.iter().find(|t| t.key == *key) {
                Some(token) => match token.bytes() {
                    Some(bytes) => {
                        Known::Files(vec![(path.clone(), File { bytes: bytes.clone(), mode: *mode })])
                    }
                    None => match token.missing() {
                        Some(why) => Known::Broken(format!("no token yet: {why}")),
                        None => Known::Pending,
                    },
                },
                None => Known::Broken("a token that was not in the pod before".to_owned()),
            },
        };
        wanted.sources.iter().map(known).collect()
    }

    fn tell_progress(&self) {
        let faults = self.volumes.iter().flat_map(VolumeState::faults);
        let faults: Vec<String> = faults.chain(self.not_given.clone()).collect();
        let written = self.volumes.iter().all(|v| v.written);
        let progress = Progress { written, faults };
        self.progress.send_if_modified(|old| std::mem::replace(old, progress.clone()) != progress);
    }

    /// Waits until there is something to do; false when nobody wants the volumes any more.
    async fn wait(&mut self) -> bool {
        let now = self.context.clock.now();
        let wakes = self.tokens.iter().map(TokenState::wakes);
        let wakes = wakes.chain(self.volumes.iter().filter_map(VolumeState::wakes));
        let at = wakes.min().map_or(self.look_again, |at| at.min(self.look_again));
        let objects = self.objects.values_mut().map(|o| Box::pin(o.changed()));
        let (any_object, objects) = (objects.len() > 0, objects.collect::<Vec<_>>());
        let object = async {
            if any_object {
                select_all(objects).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let account = async {
            match &mut self.account {
                Some(account) => account.changed().await,
                None => std::future::pending().await,
            }
        };
        let changed = tokio::select! {
            changed = self.wanted.changed() => match changed {
                Ok(()) => true,
                Err(_) => return false,
            },
            () = object => true,
            () = account => false,
            () = tokio::time::sleep(clock::until(at, now)) => false,
        };
        if changed {
            let now = self.context.clock.now();
            self.volumes.iter_mut().for_each(|v| v.touch(now));
        }
        true
    }
}
