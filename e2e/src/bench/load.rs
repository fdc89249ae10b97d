//! A closed-loop load generator that costs little: two threads with a fixed number of connections each. A thread sends
//! one request on every connection of its, then reads one answer from each.
//!
//! Invariant: an answer that is not the expected one is counted as wrong, and a wrong answer fails the measurement.
//! Left out on purpose: HTTP/2, pipelining and think time: the same load meets the server and what it is compared with.

use crate::client::{Access, Stream};
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Threads that make load: one for each core of the machine the targets are about.
const THREADS: usize = 2;
/// Connections of each thread.
const CONNECTIONS: usize = 16;
/// Bytes that are read at once, at least.
const READ_BYTES: usize = 16 * 1024;

/// The n-th request as bytes; `None` ends the load.
pub type Requests<'a> = dyn Fn(usize) -> Option<Cow<'a, [u8]>> + Sync + 'a;

/// What every answer must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// HTTP status code, three digits.
    pub code: &'a str,
    /// What stands somewhere in the body.
    pub contains: &'a str,
}

/// Connections that wait for load.
#[derive(Debug)]
pub struct Generator {
    connections: Vec<Vec<Client>>,
}

struct Client {
    stream: Stream,
    /// Room for answers, kept: clearing it for each costs more than reading one.
    buffer: Vec<u8>,
    /// Bytes of the answer so far.
    filled: usize,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// A request as bytes on the wire.
pub fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

impl Client {
    /// Reads one whole answer and holds it against what is expected. Gives back the length of its head.
    fn answer(&mut self, expected: Expected<'_>) -> io::Result<usize> {
        self.filled = 0;
        let (head, length) = loop {
            self.more()?;
            if let Some(found) = head(self.whole()) {
                break found;
            }
        };
        while self.filled < head + length {
            self.more()?;
        }
        let right = std::str::from_utf8(self.whole()).is_ok_and(|text| {
            text.get(9..12) == Some(expected.code) && text[head..].contains(expected.contains)
        });
        if right {
            return Ok(head);
        }
        let text = String::from_utf8_lossy(self.whole());
        Err(io::Error::other(format!("unexpected answer: {}", text.chars().take(400).collect::<String>())))
    }

    /// What has come of the answer.
    fn whole(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    fn more(&mut self) -> io::Result<()> {
        if self.buffer.len() < self.filled + READ_BYTES {
            self.buffer.resize(self.filled + READ_BYTES, 0);
        }
        let read = self.stream.read(&mut self.buffer[self.filled..])?;
        self.filled += read;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// Length of the head with its empty line, and of the body that follows.
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })?;
    Some((end + 4, length))
}

impl Generator {
    /// Opens the connections, as the administrator.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub fn connect(access: &Access) -> io::Result<Self> {
        let client =
            || Ok(Client { stream: access.connect(true)?.into_stream(), buffer: Vec::new(), filled: 0 });
        let thread = || (0..CONNECTIONS).map(|_| client()).collect::<io::Result<Vec<_>>>();
        Ok(Self { connections: (0..THREADS).map(|_| thread()).collect::<io::Result<_>>()? })
    }

    /// The body that answers one request.
    ///
    /// # Errors
    /// When the answer is not the expected one.
    pub fn body(&mut self, request: &[u8], expected: Expected<'_>) -> io::Result<Vec<u8>> {
        let client = &mut self.connections[0][0];
        client.stream.write_all(request)?;
        let head = client.answer(expected)?;
        Ok(client.whole()[head..].to_vec())
    }

    /// Sends requests until there are none or the time is over. Gives back answers per second.
    ///
    /// # Errors
    /// When an answer is not the expected one, or a connection breaks.
    pub fn run(
        &mut self,
        requests: &Requests<'_>,
        expected: Expected<'_>,
        most: Duration,
    ) -> io::Result<f64> {
        self.look(requests, expected, most, &|_| ())
    }

    /// As [`Generator::run`], and shows the body of every answer.
    ///
    /// # Errors
    /// When an answer is not the expected one, or a connection breaks.
    pub fn look(
        &mut self,
        requests: &Requests<'_>,
        expected: Expected<'_>,
        most: Duration,
        show: &(dyn Fn(&[u8]) + Sync),
    ) -> io::Result<f64> {
        let (next, begun) = (AtomicUsize::new(0), Instant::now());
        let more =
            || (begun.elapsed() < most).then(|| requests(next.fetch_add(1, Ordering::Relaxed))).flatten();
        let answered = std::thread::scope(|scope| {
            let running: Vec<_> = self
                .connections
                .iter_mut()
                .map(|clients| scope.spawn(|| waves(clients, &more, expected, show)))
                .collect();
            let died = || Err(io::Error::other("a thread died"));
            running.into_iter().map(|t| t.join().unwrap_or_else(|_| died())).sum::<io::Result<usize>>()
        })?;
        Ok(answered as f64 / begun.elapsed().as_secs_f64())
    }
}

/// Sends on all connections, reads from all, again and again. Gives back how many answers there were.
fn waves<'a>(
    clients: &mut [Client],
    more: &(dyn Fn() -> Option<Cow<'a, [u8]>> + Sync),
    expected: Expected<'_>,
    show: &(dyn Fn(&[u8]) + Sync),
) -> io::Result<usize> {
    let mut answered = 0;
    loop {
        let mut sent = 0;
        for client in clients.iter_mut() {
            let Some(bytes) = more() else { break };
            client.stream.write_all(&bytes)?;
            sent += 1;
        }
        if sent == 0 {
            return Ok(answered);
        }
        for client in &mut clients[..sent] {
            let head = client.answer(expected)?;
            show(&client.whole()[head..]);
        }
        answered += sent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_when_they_are_whole() {
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), None);
        assert_eq!(head(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe"), Some((38, 5)));
    }
}
