//! A stream of what happens to objects.
//!
//! Invariants: nothing that happened after the revision a client names is left out, or the client is told that it is
//! too old; a bookmark's revision is never ahead of what was sent; a stream ends within [`CHECK_MILLIS`] of the death of
//! the token it was opened with. A slow client holds no memory: it falls behind the store's ring and is told so.
//!
//! Kubernetes 1.36 (apiserver/pkg/endpoints/handlers/watch.go, KEP-3157 for `sendInitialEvents`).

use super::negotiate::View;
use super::reply::Reply;
use super::resource::Request;
use super::router::App;
use crate::answer::MAX_WAITING_PARTS;
use crate::flow::review::review;
use crate::objects::registry::{decode_bytes, prefix};
use crate::objects::selector::Selector;
use crate::objects::{Kind, table};
use crate::request_info::Query;
use crate::status::{About, ApiError, Cause};
use crate::store::{Event, EventKind, Key, TooOld, Watcher};
use bytes::Bytes;
use jeton_core::secret::TokenText;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Streams at once.
pub(super) const MAX_WATCHES: usize = 16_384;
/// Seconds a stream lives at least when its client sets no limit; at most twice as long. Kubernetes 1.36: 1800.
const MIN_SECONDS: u64 = 1800;
/// Seconds between bookmarks. Kubernetes 1.36: about 60.
const BOOKMARK_SECONDS: u64 = 60;
/// Milliseconds between looks at whether the token of a stream still holds.
const CHECK_MILLIS: u64 = 500;
/// The annotation of the bookmark that ends the initial events.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    /// Revision to go on from; `None`: begin with what there is.
    from: Option<u64>,
    bookmarks: bool,
    /// Whether a bookmark tells the end of the initial events.
    marks_initial: bool,
    seconds: u64,
}

impl Options {
    fn read(query: &Query) -> Result<Self, ApiError> {
        let number = |name: &str| -> Result<Option<u64>, ApiError> {
            let Some(text) = query.get(name) else { return Ok(None) };
            let why = || format!("{name}: Invalid value: {text:?}: must be a number, 0 or more");
            text.parse().map(Some).map_err(|_| ApiError::BadRequest(why()))
        };
        let initial = query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents"));
        let fits = query.get("resourceVersionMatch");
        let refused = match (initial, fits) {
            (Some(_), Some("NotOlderThan")) | (None, None) => None,
            (Some(_), _) => Some((
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )),
            (None, Some(_)) => Some((
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )),
        };
        if let Some((field, why)) = refused {
            let about = About::new("meta.k8s.io", "ListOptions", "");
            return Err(ApiError::Invalid(about, vec![Cause::forbidden(field, why)]));
        }
        let bookmarks = query.flag("allowWatchBookmarks");
        let from = number("resourceVersion")?.filter(|revision| *revision > 0);
        let chosen = number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
        // The lowest bits of a version 4 uuid are random.
        let drawn = || MIN_SECONDS + Uuid::new_v4().as_u64_pair().1 % MIN_SECONDS;
        Ok(Self {
            from: from.filter(|_| initial != Some(true)),
            bookmarks,
            marks_initial: initial == Some(true) && bookmarks,
            seconds: chosen.unwrap_or_else(drawn),
        })
    }
}

/// Opens a stream.
///
/// # Errors
/// BadRequest, Invalid for parameters; Timeout for a revision that is still to come; TooManyRequests.
pub(super) fn open(request: &Request<'_>, view: View) -> Result<Reply, ApiError> {
    let options = Options::read(request.query)?;
    let selector = request.selector()?;
    let app = request.app;
    let place = app.watches.clone().try_acquire_owned().map_err(|_| ApiError::TooManyRequests(1))?;
    let store = app.registry.store();
    let now = store.revision();
    if let Some(wanted) = options.from.filter(|wanted| *wanted > now) {
        let text = format!("Too large resource version: {wanted}, current: {now}");
        return Err(ApiError::Timeout(text));
    }
    let watcher = store.watch(&prefix(request.kind, request.namespace()), options.from.unwrap_or(now));
    let (lines, reader) = mpsc::channel(MAX_WAITING_PARTS);
    let mut feed = Feed {
        app: app.clone(),
        kind: request.kind,
        namespace: request.namespace().to_owned(),
        selector,
        view,
        headings_sent: false,
        bookmarks: options.bookmarks,
        lines: lines.clone(),
    };
    let token = request.token.map(|token| TokenText::new(token.to_owned()));
    let ending = app.ending.subscribe();
    let app = app.clone();
    tokio::spawn(async move {
        let _place = place;
        tokio::select! {
            () = ended(&app, token, ending, &lines, options.seconds) => {}
            () = feed.run(watcher, &options) => {}
        }
    });
    Ok(Reply::lines(reader))
}

/// Ready when a stream must end: its time is over, its client or its token is gone, or the server ends.
async fn ended(
    app: &App,
    token: Option<TokenText>,
    mut ending: tokio::sync::watch::Receiver<bool>,
    lines: &mpsc::Sender<Bytes>,
    seconds: u64,
) {
    let dead = async {
        let Some(token) = token else { return std::future::pending().await };
        loop {
            tokio::time::sleep(Duration::from_millis(CHECK_MILLIS)).await;
            if review(&app.tokens, token.expose(), &[]).is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
        () = dead => {}
        () = lines.closed() => {}
        // The sender lives as long as the server, so an error means that it ends too.
        _ = ending.wait_for(|ends| *ends) => {}
    }
}

/// One stream.
struct Feed {
    app: Arc<App>,
    kind: &'static Kind,
    namespace: String,
    selector: Selector,
    view: View,
    headings_sent: bool,
    bookmarks: bool,
    lines: mpsc::Sender<Bytes>,
}

/// Why a stream ends.
enum End {
    Gone,
    Failed(ApiError),
}

impl From<ApiError> for End {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<TooOld> for End {
    fn from(gap: TooOld) -> Self {
        Self::Failed(ApiError::Expired(format!("too old resource version: {} ({})", gap.from, gap.compacted)))
    }
}

impl Feed {
    async fn run(&mut self, watcher: Result<Watcher, TooOld>, options: &Options) {
        if let Err(End::Failed(error)) = self.follow(watcher, options).await {
            let last = json!({"type": "ERROR", "object": error.status()});
            // A client that is gone needs no reason.
            let _ = self.send(&last).await;
        }
    }

    async fn follow(&mut self, watcher: Result<Watcher, TooOld>, options: &Options) -> Result<(), End> {
        let mut watcher = watcher?;
        if options.from.is_none() {
            let shown = self.initial(&mut watcher).await?;
            if options.marks_initial {
                self.bookmark(shown.max(watcher.position()), true).await?;
            }
        }
        let period = Duration::from_secs(BOOKMARK_SECONDS);
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        loop {
            tokio::select! {
                event = watcher.next() => self.event(&event?).await?,
                _ = ticks.tick(), if self.bookmarks => self.bookmark(watcher.position(), false).await?,
            }
        }
    }

    /// Tells what there is. Pages are read at different moments, so what happened meanwhile follows, but for what a page
    /// already showed. Gives back the revision of the last page.
    async fn initial(&mut self, watcher: &mut Watcher) -> Result<u64, End> {
        let mut pages: Vec<(Option<Key>, u64)> = Vec::new();
        let mut after = None;
        loop {
            let page = tokio::task::block_in_place(|| {
                self.app.registry.page(self.kind, &self.namespace, &self.selector, after.as_ref())
            })?;
            for (key, stored) in page.items {
                let object = decode_bytes(self.kind, &stored.body, stored.revision)?;
                if self.wants(&object)? {
                    self.tell("ADDED", object).await?;
                }
                after = Some(key);
            }
            pages.push((after.clone().filter(|_| page.more), page.revision));
            if !page.more {
                break;
            }
        }
        let newest = pages.last().map_or(0, |(_, revision)| *revision);
        while watcher.position() < newest
            && let Some(event) = watcher.try_next()?
        {
            let page = pages.iter().find(|(end, _)| end.as_ref().is_none_or(|end| event.key <= *end));
            if page.is_none_or(|(_, shown)| event.revision > *shown) {
                self.event(&event).await?;
            }
        }
        Ok(newest)
    }

    fn wants(&self, object: &Value) -> Result<bool, ApiError> {
        self.selector.matches(self.kind, object).map_err(ApiError::BadRequest)
    }

    /// An object that begins or ceases to match counts as added or deleted.
    async fn event(&mut self, event: &Event) -> Result<(), End> {
        let object = decode_bytes(self.kind, &event.body, event.revision)?;
        let is = self.wants(&object)?;
        let before = match &event.prev_body {
            Some(body) if event.kind == EventKind::Modified && !self.selector.is_empty() => {
                Some(decode_bytes(self.kind, body, event.revision)?)
            }
            _ => None,
        };
        let was = before.as_ref().map_or(Ok(is), |before| self.wants(before))?;
        let (kind, object) = match (event.kind, was, is) {
            (EventKind::Added, _, true) | (EventKind::Modified, false, true) => ("ADDED", object),
            (EventKind::Modified, true, true) => ("MODIFIED", object),
            (EventKind::Deleted, _, true) => ("DELETED", object),
            (EventKind::Modified, true, false) => ("DELETED", before.unwrap_or(object)),
            (_, _, false) => return Ok(()),
        };
        self.tell(kind, object).await
    }

    async fn tell(&mut self, kind: &str, object: Value) -> Result<(), End> {
        let object = match self.view {
            View::Object => object,
            View::Metadata => table::metadata_only(object),
            View::Table(version, include) => {
                let now = self.app.registry.clock().now();
                let revision = object["metadata"]["resourceVersion"].clone();
                let rows = vec![table::row(self.kind, object, include, now)];
                let headings = !std::mem::replace(&mut self.headings_sent, true);
                table::table(self.kind, version, json!({"resourceVersion": revision}), rows, headings)
            }
        };
        self.send(&json!({"type": kind, "object": object})).await
    }

    async fn bookmark(&mut self, revision: u64, ends_initial: bool) -> Result<(), End> {
        let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if ends_initial {
            metadata["annotations"] = json!({INITIAL_END: "true"});
        }
        let (kind, version) = match self.view {
            View::Object => (self.kind.kind, self.kind.api_version()),
            View::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
            View::Table(version, _) => ("Table", format!("meta.k8s.io/{version}")),
        };
        let object = json!({"kind": kind, "apiVersion": version, "metadata": metadata});
        self.send(&json!({"type": "BOOKMARK", "object": object})).await
    }

    async fn send(&self, line: &Value) -> Result<(), End> {
        let mut bytes = line.to_string().into_bytes();
        bytes.push(b'\n');
        self.lines.send(bytes.into()).await.map_err(|_| End::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let read = |query: &str| Options::read(&Query::parse(Some(query)));
        let options = read("watch=1&resourceVersion=7&timeoutSeconds=5").unwrap();
        assert_eq!(options, Options { from: Some(7), bookmarks: false, marks_initial: false, seconds: 5 });
        let options = read(
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=7",
        )
        .unwrap();
        assert!(options.from.is_none() && options.marks_initial);
        assert!((MIN_SECONDS..2 * MIN_SECONDS).contains(&options.seconds));
        assert_eq!(read("resourceVersion=0").unwrap().from, None);
        for bad in
            ["sendInitialEvents=true", "resourceVersionMatch=Exact", "resourceVersion=x", "timeoutSeconds=-1"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
