//! The loop that controllers share: hear of changes, remember what to look at, look at it until it is as it should be.

use crate::objects::Registry;
use crate::status::ApiError;
use crate::store::{Event, Prefix, Watcher};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds until what failed, or waits for something, is looked at again.
const RETRY_MILLIS: u64 = 500;
/// Events taken at once; more of them come with the next turn.
const BATCH_EVENTS: usize = 256;

/// How it stands with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// As it should be.
    Done,
    /// It waits for something that no event tells of.
    Again,
}

/// One controller: what concerns it, and what it does about one item.
pub(crate) trait Controller: Send + Sync + 'static {
    /// What it works on: names, small.
    type Item: Ord + Clone + Send + Sync;

    /// For the log.
    const NAME: &'static str;

    /// Where the objects stand that concern it.
    fn prefixes(&self) -> (Prefix, Option<Prefix>);

    /// Everything there is to look at: after a start, and when events were lost.
    fn all(&self) -> Vec<Self::Item>;

    /// What a change concerns.
    fn touched(&self, event: &Event) -> Vec<Self::Item>;

    /// Looks at one item and puts it right.
    fn work(&self, item: &Self::Item) -> impl Future<Output = Result<Next, ApiError>> + Send;
}

/// What a follower hears.
pub(super) enum News {
    /// Events were lost, or it is the first time.
    Everything,
    Events(Vec<Event>),
}

/// Follows a prefix; starts over when it fell too far behind.
pub(crate) struct Follow<'a> {
    registry: &'a Registry,
    prefix: Prefix,
    watcher: Option<Watcher>,
}

impl<'a> Follow<'a> {
    pub(crate) fn new(registry: &'a Registry, prefix: Prefix) -> Self {
        Self { registry, prefix, watcher: None }
    }

    /// Waits until something under the prefix changed since the last call; at once the first time, or after a gap.
    pub(crate) async fn changed(&mut self) {
        self.news().await;
    }

    /// Waits for news. May be dropped while it waits without losing any.
    pub(super) async fn news(&mut self) -> News {
        if let Some(watcher) = &mut self.watcher
            && let Ok(first) = watcher.next().await
        {
            let mut events = vec![first];
            while events.len() < BATCH_EVENTS
                && let Ok(Some(event)) = watcher.try_next()
            {
                events.push(event);
            }
            return News::Events(events);
        }
        let store = self.registry.store();
        self.watcher = store.watch(&self.prefix, store.revision()).ok();
        News::Everything
    }
}

async fn news_of(follow: &mut Option<Follow<'_>>) -> News {
    match follow {
        Some(follow) => follow.news().await,
        None => std::future::pending().await,
    }
}

/// Runs a controller for ever.
pub(crate) async fn drive<C: Controller>(registry: Arc<Registry>, controller: C) {
    let follow = |prefix| Follow::new(&registry, prefix);
    let (first, second) = controller.prefixes();
    let (mut first, mut second) = (follow(first), second.map(follow));
    let mut pending = BTreeSet::new();
    loop {
        let pause = Duration::from_millis(RETRY_MILLIS);
        let news = tokio::select! {
            news = first.news() => Some(news),
            news = news_of(&mut second) => Some(news),
            () = tokio::time::sleep(pause), if !pending.is_empty() => None,
        };
        match news {
            Some(News::Everything) => pending.extend(controller.all()),
            Some(News::Events(events)) => {
                pending.extend(events.iter().flat_map(|event| controller.touched(event)));
            }
            None => {}
        }
        pending = turn(&controller, pending).await;
    }
}

/// Looks at every item once; gives back those to be looked at again.
pub(super) async fn turn<C: Controller>(controller: &C, items: BTreeSet<C::Item>) -> BTreeSet<C::Item> {
    let mut again = BTreeSet::new();
    for item in items {
        match controller.work(&item).await {
            Ok(Next::Done) => {}
            Ok(Next::Again) => drop(again.insert(item)),
            // Somebody else was faster: what they did is an event of its own.
            Err(ApiError::NotFound(_) | ApiError::Conflict(..) | ApiError::AlreadyExists(_)) => {}
            Err(ApiError::NamespaceTerminating(..)) => {}
            // It cannot be put right until somebody changes it.
            Err(error @ (ApiError::Invalid(..) | ApiError::BadRequest(_) | ApiError::Forbidden(..))) => {
                tracing::warn!(controller = C::NAME, error = error.message(), "left as it is");
            }
            Err(error) => {
                tracing::error!(controller = C::NAME, error = error.message(), "tried again");
                again.insert(item);
            }
        }
    }
    again
}
