//! Between requests and the file: a bounded queue and one thread that writes.

use super::file::{Rotating, Settings};
use crate::metrics::Metrics;
use jeton_core::clock::Clock;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of lines that may wait for the disk.
pub const QUEUE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Milliseconds a request waits for room in the queue before its line is lost.
pub const WAIT_MILLIS: u64 = 100;
/// Bytes that are written at once (one line may overshoot).
const BATCH_MAX_BYTES: usize = 256 * 1024;
/// Seconds that the end of the process waits for the disk.
const FINISH_SECONDS: u64 = 5;

/// A line, and the room it takes.
type Job = (Vec<u8>, OwnedSemaphorePermit);

/// Where lines end up.
pub(super) trait Output: Send + 'static {
    /// Appends whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<()>;
}

impl Output for Rotating {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        Rotating::write(self, lines)
    }
}

/// The audit log of a server.
#[derive(Debug)]
pub struct AuditLog {
    queue: Mutex<Option<Sender<Job>>>,
    finished: Mutex<Receiver<()>>,
    room: Arc<Semaphore>,
    /// Whether somebody waited in vain since the disk last took something.
    stuck: Arc<AtomicBool>,
    wait: Duration,
    metrics: Arc<Metrics>,
}

impl AuditLog {
    /// Opens the file and starts the thread that writes.
    ///
    /// # Errors
    /// When the file cannot be opened, or the thread not be started.
    pub fn open(settings: Settings, clock: Clock, metrics: Arc<Metrics>) -> io::Result<Self> {
        let file = Rotating::open(settings, clock)?;
        Self::start(file, QUEUE_MAX_BYTES, Duration::from_millis(WAIT_MILLIS), metrics)
    }

    fn start(output: impl Output, bytes: usize, wait: Duration, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let (finish, finished) = mpsc::channel();
        let counts = metrics.clone();
        let stuck = Arc::new(AtomicBool::new(false));
        let freed = stuck.clone();
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            run(output, &jobs, &counts, &freed);
            // Nobody may be waiting.
            let _ = finish.send(());
        })?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            finished: Mutex::new(finished),
            room: Arc::new(Semaphore::new(bytes)),
            stuck,
            wait,
            metrics,
        })
    }

    /// Queues a line; waits a moment for room, but only once while the disk takes nothing.
    pub async fn put(&self, line: Vec<u8>) {
        let wanted = weight(&line);
        if let Ok(room) = self.room.clone().try_acquire_many_owned(wanted) {
            return self.send(line, Some(room));
        }
        if self.stuck.load(Ordering::Relaxed) {
            return self.send(line, None);
        }
        // Whoever waits may be dropped; the line counts all the same.
        let mut pending = Pending { log: self, line: Some(line) };
        let waiting = self.room.clone().acquire_many_owned(wanted);
        let room = tokio::time::timeout(self.wait, waiting).await.ok().and_then(Result::ok);
        if room.is_none() {
            self.stuck.store(true, Ordering::Relaxed);
        }
        if let Some(line) = pending.line.take() {
            self.send(line, room);
        }
    }

    /// Queues a line where nobody can wait.
    pub fn put_now(&self, line: Vec<u8>) {
        let room = self.room.clone().try_acquire_many_owned(weight(&line)).ok();
        self.send(line, room);
    }

    fn send(&self, line: Vec<u8>, room: Option<OwnedSemaphorePermit>) {
        self.metrics.audited();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match (room, queue.as_ref()) {
            (Some(room), Some(queue)) => queue.send((line, room)).is_ok(),
            _ => false,
        };
        if !sent {
            self.metrics.audit_lost(1);
        }
    }

    /// Takes no more lines, and waits for those in the queue, but not for ever.
    pub fn finish(&self) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if queue.is_none() {
            return;
        }
        drop(queue);
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        if finished.recv_timeout(Duration::from_secs(FINISH_SECONDS)).is_err() {
            tracing::error!(
                "the audit log could not be written out within {FINISH_SECONDS} s; its last lines are lost"
            );
        }
    }
}

/// A line that waits for room.
struct Pending<'a> {
    log: &'a AuditLog,
    line: Option<Vec<u8>>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            self.log.put_now(line);
        }
    }
}

fn weight(line: &[u8]) -> u32 {
    u32::try_from(line.len()).unwrap_or(u32::MAX)
}

/// Writes until every sender is gone.
fn run(mut output: impl Output, jobs: &Receiver<Job>, metrics: &Metrics, stuck: &AtomicBool) {
    let mut failing = false;
    while let Ok((mut lines, mut room)) = jobs.recv() {
        let mut count = 1;
        while lines.len() < BATCH_MAX_BYTES {
            let Ok((line, more)) = jobs.try_recv() else { break };
            lines.extend_from_slice(&line);
            room.merge(more);
            count += 1;
        }
        let written = output.write(&lines);
        stuck.store(false, Ordering::Relaxed);
        match written {
            Ok(()) => failing = false,
            Err(error) => {
                metrics.audit_lost(count);
                // Said once for each time it begins to fail.
                if !failing {
                    tracing::error!(%error, "the audit log cannot be written; lines are lost until it can");
                }
                failing = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Figures;

    /// A disk that writes when it is told to, and as it is told to.
    struct Gated {
        go: Receiver<bool>,
        written: Sender<String>,
    }

    impl Output for Gated {
        fn write(&mut self, lines: &[u8]) -> io::Result<()> {
            if self.go.recv().unwrap_or(false) {
                let _ = self.written.send(String::from_utf8(lines.to_vec()).unwrap());
                Ok(())
            } else {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn lab(bytes: usize) -> (AuditLog, Sender<bool>, Receiver<String>, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new(&Figures::new().unwrap()).unwrap());
        let (go, gate) = mpsc::channel();
        let (written, seen) = mpsc::channel();
        let disk = Gated { go: gate, written };
        let log = AuditLog::start(disk, bytes, Duration::ZERO, metrics.clone()).unwrap();
        (log, go, seen, metrics)
    }

    fn lost(metrics: &Metrics) -> String {
        let text = metrics.text().unwrap();
        let of = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap().to_owned();
        format!("{} {}", of("apiserver_audit_event_total"), of("apiserver_audit_error_total"))
    }

    #[tokio::test]
    async fn a_stuck_disk_loses_counted_lines_and_holds_nobody_up() {
        let (log, go, seen, metrics) = lab(10);
        log.put(b"1234\n".to_vec()).await;
        log.put(b"5678\n".to_vec()).await;
        // No room: lost at once, because nothing may be waited for here.
        log.put(b"9\n".to_vec()).await;
        assert!(log.stuck.load(Ordering::Relaxed), "the next one does not wait at all");
        log.put_now(b"0\n".to_vec());
        assert_eq!(
            lost(&metrics),
            "apiserver_audit_event_total 4 apiserver_audit_error_total{plugin=\"log\"} 2"
        );
        go.send(true).unwrap();
        go.send(true).unwrap();
        log.finish();
        assert_eq!(seen.try_iter().collect::<String>(), "1234\n5678\n");
    }

    #[tokio::test]
    async fn a_full_disk_loses_counted_lines_and_is_tried_again() {
        let (log, go, seen, metrics) = lab(1000);
        log.put(b"a\n".to_vec()).await;
        go.send(false).unwrap();
        go.send(true).unwrap();
        // The first batch has failed once its room is free again.
        drop(log.room.acquire_many(1000).await.unwrap());
        log.put(b"b\n".to_vec()).await;
        log.finish();
        assert_eq!(seen.try_iter().collect::<String>(), "b\n");
        assert!(lost(&metrics).ends_with("{plugin=\"log\"} 1"), "{}", lost(&metrics));
        log.put(b"c\n".to_vec()).await;
        assert!(lost(&metrics).ends_with("{plugin=\"log\"} 2"), "nothing is taken after the end");
    }
}
