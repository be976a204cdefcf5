//! A relay: one UDP port and the thread that forwards.

mod sessions;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use self::sessions::{Limits, SessionState};
use self::sessions::{Refusal, Sessions, Verdict};
use super::frame::{self, CONTROL, Cookie, Token};
use crate::error::{Error, Result};
use crate::os::underlay::Underlay;
use crate::os::wake::{Interest, Wake, wait};
use crate::wireguard::embedded::batch::Run;
use crate::wireguard::embedded::endpoint::Endpoint;
use crate::wireguard::embedded::udp::{Message, Outlet, Piece, Received, Receiver, Sender, Socket, Sockets};
use crate::wireguard::events::Events;

/// Between two looks for sessions that are over.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);
/// Datagrams that go out in one message at most (UDP_SEGMENT before Linux 6.9), and their bytes.
const MAX_SEGMENTS: usize = 64;
const MAX_MESSAGE: usize = 65_000;

#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// 0 is any.
    pub port: u16,
    pub underlay: Underlay,
    /// Of all sessions together.
    pub limits: Limits,
    pub max_sessions: usize,
    /// A session without frames for so long ends.
    pub idle: Duration,
}

/// Counts since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerCounters {
    pub forwarded_packets: u64,
    pub forwarded_bytes: u64,
    /// Beyond a limit, or for an end that was not there.
    pub dropped_packets: u64,
    /// Without a token that is known.
    pub stranger_packets: u64,
}

/// Forwards frames between the two ends of each session until it is dropped.
pub struct RelayServer {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    sockets: Sockets,
    sessions: Mutex<Sessions>,
    wake: Wake,
    stopping: AtomicBool,
    limits: Limits,
    /// What the sockets have to say has no listener: offloads that were given up.
    events: Events,
}

impl RelayServer {
    /// `EADDRINUSE`.
    pub fn open(options: ServerOptions) -> Result<Self> {
        let failed = |error: io::Error| Error::from_io(&error, "open", "a relay");
        let sessions = Sessions::new(options.limits, options.max_sessions, options.idle, Instant::now());
        let inner = Arc::new(Inner {
            sockets: Sockets::bind(options.port, options.underlay)?,
            sessions: Mutex::new(sessions),
            wake: Wake::new().map_err(failed)?,
            stopping: AtomicBool::new(false),
            limits: options.limits,
            events: Events::default(),
        });
        let body = Arc::clone(&inner);
        let thread =
            thread::Builder::new().name("wg-relay".to_owned()).spawn(move || body.run()).map_err(failed)?;
        Ok(Self { inner, thread: Some(thread) })
    }

    pub fn port(&self) -> u16 {
        self.inner.sockets.port()
    }

    /// Two tokens, one for each end. `None` limits it by the whole only. `EEXIST` when a token is in use, `ENOSPC` when there are too many sessions.
    pub fn add(&self, tokens: [Token; 2], limits: Option<Limits>) -> Result<u32> {
        let refused = |code, reason: &str| Error::new(code, "add", "a relay session", reason);
        let added = self.inner.sessions().add(tokens, limits.unwrap_or(self.inner.limits), Instant::now());
        added.map_err(|refusal| match refusal {
            Refusal::TokenInUse => refused("EEXIST", "a token is in use, or the two are the same"),
            Refusal::Full => refused("ENOSPC", "there are as many sessions as it may have"),
        })
    }

    /// Bytes a second from now on, at least 1 each: of all together, and of each session there is.
    pub fn set_limits(&self, bytes_per_second: u64, session_bytes_per_second: u64) {
        self.inner.sessions().set_byte_rates(bytes_per_second, session_bytes_per_second, Instant::now());
    }

    /// Whether there was one of that number.
    pub fn remove(&self, id: u32) -> bool {
        self.inner.sessions().remove(id)
    }

    pub fn states(&self) -> Vec<SessionState> {
        self.inner.sessions().states(Instant::now())
    }

    pub fn counters(&self) -> ServerCounters {
        let sessions = self.inner.sessions();
        ServerCounters {
            forwarded_packets: sessions.forwarded_packets,
            forwarded_bytes: sessions.forwarded_bytes,
            dropped_packets: sessions.dropped_packets,
            stranger_packets: sessions.strangers,
        }
    }
}

impl Drop for RelayServer {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.wake.wake();
        if let Some(thread) = self.thread.take() {
            // A panic would have been told by its hook.
            let _told = thread.join();
        }
    }
}

/// What is to be sent after a message was looked at: ranges of its buffer.
struct Outgoing {
    to: Endpoint,
    start: usize,
    length: usize,
    size: usize,
    count: usize,
}

impl Inner {
    fn run(&self) {
        let mut receiver = Receiver::new();
        let mut received = Received::new();
        let mut sender = Sender::new();
        let mut expired_at = Instant::now();
        let pair = [self.sockets.ipv4(), self.sockets.ipv6()];
        while !self.stopping.load(Ordering::Acquire) {
            let mut busy = false;
            for socket in pair.into_iter().flatten() {
                // An error is a message that was not there.
                let more = receiver.receive(socket, &mut received, &self.events).unwrap_or(false);
                busy |= more || !received.messages.is_empty();
                self.forward(&mut received, &mut sender);
            }
            let now = Instant::now();
            if now.duration_since(expired_at) >= EXPIRE_INTERVAL {
                expired_at = now;
                self.sessions().expire(now);
            }
            if !busy
                && wait(&self.wake, pair.map(|socket| socket.map(readable)), Some(EXPIRE_INTERVAL)).is_err()
            {
                // poll(2) lacks memory, which passes.
                thread::sleep(Duration::from_millis(100));
            }
        }
    }

    fn forward(&self, received: &mut Received, sender: &mut Sender) {
        let Received { buffer, messages } = received;
        let mut outgoing = Vec::new();
        let mut replies = Vec::new();
        {
            let mut sessions = self.sessions();
            let now = Instant::now();
            for message in messages.iter() {
                decide(&mut sessions, message, buffer, now, &mut outgoing, &mut replies);
            }
        }
        messages.clear();
        let forwarded = outgoing.iter().map(|piece: &Outgoing| {
            let bytes = &buffer[piece.start..piece.start + piece.length];
            (piece.to, Run { bytes, size: piece.size, count: piece.count })
        });
        let answered = replies.iter().map(|(to, bytes)| (*to, Run::single(bytes)));
        let pieces: Vec<Piece<'_>> = forwarded.chain(answered).collect();
        // A source that is gone: what is sent to that end leaves by the routes until it says hello again.
        let outlet = Outlet { events: &self.events, link: "the relay", forget: &|_| {} };
        sender.send(&self.sockets, outlet, &pieces);
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // A thread that panicked in it is a bug; the others go on.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn readable(socket: &Socket) -> (BorrowedFd<'_>, Interest) {
    (socket.as_fd(), Interest::Readable)
}

/// Looks at each datagram of a message. Those that go the same way one behind the other become one piece.
fn decide(
    sessions: &mut Sessions,
    message: &Message,
    buffer: &mut [u8],
    now: Instant,
    outgoing: &mut Vec<Outgoing>,
    replies: &mut Vec<(Endpoint, [u8; CONTROL])>,
) {
    let size = message.datagram_size;
    let datagrams = &mut buffer[message.start..message.start + message.length];
    let first = outgoing.len();
    for (index, datagram) in datagrams.chunks_mut(size).enumerate() {
        let Some(frame) = frame::read(datagram) else {
            sessions.strangers += 1;
            continue;
        };
        let (to, token) = match sessions.accept(&frame, message.from, now, random) {
            Verdict::Drop => continue,
            Verdict::Reply(reply) => {
                replies.push((message.from, reply));
                continue;
            }
            Verdict::Forward { to, token } => (to, token),
            Verdict::ForwardAndReply { to, token, reply } => {
                replies.push((message.from, reply));
                (to, token)
            }
        };
        frame::readdress(datagram, token);
        let (start, length) = (message.start + index * size, datagram.len());
        match outgoing[first..].last_mut() {
            Some(last)
                if last.to == to
                    && last.start + last.length == start
                    && last.count < MAX_SEGMENTS
                    && last.length + length <= MAX_MESSAGE =>
            {
                last.length += length;
                last.count += 1;
            }
            _ => outgoing.push(Outgoing { to, start, length, size, count: 1 }),
        }
    }
}

fn random() -> Cookie {
    let mut cookie = Cookie::default();
    // Nothing less will do: a cookie that can be guessed proves nothing. The thread ends, and the relay with it.
    getrandom::fill(&mut cookie).expect("the system's random source");
    cookie
}

#[cfg(test)]
mod tests;
