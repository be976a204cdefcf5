//! The birthday method, from the side whose NAT gives each socket a port of its own: many sockets, so that one of the ports the other
//! side tries is likely to be one of theirs (in the network laboratory 256 sockets and 1,024 tries failed in none of 24 runs).

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Bridge, BridgeOptions, failed, outer_socket};
use crate::error::{Error, Result};
use crate::os::underlay::Underlay;
use crate::os::wake::Wake;
use crate::rate::Bucket;
use crate::wireguard::beside::{Datagram, is_ours};
use crate::wireguard::embedded::udp::{Received, Receiver, Socket};
use crate::wireguard::events::Events;

pub const MAX_SOCKETS: usize = 256;
/// Datagrams a second that are handed on.
const RATE: u64 = 500;
const BURST: u64 = 64;

pub struct Options {
    pub remote: SocketAddr,
    /// What each socket sends: 4 to 1,472 bytes that are not WireGuard's.
    pub data: Vec<u8>,
    /// 1..=256
    pub sockets: usize,
    /// At least 1.
    pub packets_per_second: u32,
    pub underlay: Underlay,
}

/// Takes over what came to a socket; false when it has no room for it.
pub type Handler = Arc<dyn Fn(usize, Datagram) -> bool + Send + Sync>;

/// Sockets that try to meet the other side; they close when it is dropped, but one that became a bridge.
pub struct Birthday {
    inner: Arc<Inner>,
    remote: SocketAddr,
    underlay: Underlay,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    sockets: Vec<Arc<Socket>>,
    pause: Duration,
    remote: SocketAddr,
    round: Mutex<Round>,
    handler: Handler,
    wake: Wake,
    stopping: AtomicBool,
}

/// What is being sent.
struct Round {
    data: Vec<u8>,
    /// The socket whose turn it is; as many as there are when all have sent.
    next: usize,
}

impl Birthday {
    /// `EAFNOSUPPORT`, `EMFILE` (too many descriptors for so many sockets), `EINVAL`.
    pub fn open(options: Options, handler: Handler) -> Result<Self> {
        let Options { remote, data, sockets, packets_per_second, underlay } = options;
        let failed = |error: io::Error| failed(&error, &remote);
        let invalid = |reason: &str| Error::new("EINVAL", "open sockets towards", remote.to_string(), reason);
        if !(1..=MAX_SOCKETS).contains(&sockets) {
            return Err(invalid("it takes 1 to 256 sockets"));
        }
        if !is_ours(&data) {
            return Err(invalid("the datagram has not 4 to 1472 bytes, or looks like WireGuard's"));
        }
        let open = |_| outer_socket(&remote, &underlay).map(Arc::new);
        let inner = Arc::new(Inner {
            sockets: (0..sockets).map(open).collect::<io::Result<_>>().map_err(failed)?,
            pause: Duration::from_secs(1) / packets_per_second.max(1),
            remote,
            round: Mutex::new(Round { data, next: 0 }),
            handler,
            wake: Wake::new().map_err(failed)?,
            stopping: AtomicBool::new(false),
        });
        let body = Arc::clone(&inner);
        let thread = thread::Builder::new()
            .name("wg-birthday".to_owned())
            .spawn(move || body.run())
            .map_err(failed)?;
        Ok(Self { inner, remote, underlay, thread: Some(thread) })
    }

    /// Once more from each socket, from the first one on; false when it is nothing that may be sent.
    pub fn send(&self, data: &[u8]) -> bool {
        let ours = is_ours(data);
        if ours {
            *self.inner.round() = Round { data: data.to_vec(), next: 0 };
            self.inner.wake.wake();
        }
        ours
    }

    /// From one socket, at once.
    pub fn reply(&self, socket: usize, data: &[u8], to: SocketAddr) -> bool {
        let socket = self.inner.sockets.get(socket);
        is_ours(data)
            && to.is_ipv4() == self.remote.is_ipv4()
            && socket.is_some_and(|socket| socket.send_one(data, &to).is_ok())
    }

    /// That socket carries WireGuard's packets to `remote` from now on; the others close.
    pub fn become_bridge(self, socket: usize, wireguard_port: u16, remote: SocketAddr) -> Result<Bridge> {
        let invalid = |reason: &str| Error::new("EINVAL", "open a bridge to", remote.to_string(), reason);
        if remote.is_ipv4() != self.remote.is_ipv4() {
            return Err(invalid("its sockets are of the other family"));
        }
        let chosen =
            self.inner.sockets.get(socket).cloned().ok_or_else(|| invalid("there is no such socket"))?;
        let underlay = self.underlay;
        // Ends the thread: from here on nobody else reads from the socket.
        drop(self);
        Bridge::over(chosen, BridgeOptions { wireguard_port, remote, token: None, underlay })
    }
}

impl Drop for Birthday {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.wake.wake();
        if let Some(thread) = self.thread.take() {
            // A panic would have been told by its hook.
            let _told = thread.join();
        }
    }
}

impl Inner {
    fn run(&self) {
        let mut receiver = Receiver::new();
        let mut received = Received::new();
        let events = Events::default();
        let mut bucket = Bucket::new(RATE, BURST, Instant::now());
        let mut due = Instant::now();
        let entry = |fd: i32| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut entries: Vec<libc::pollfd> = vec![entry(self.wake.as_raw_fd())];
        entries.extend(self.sockets.iter().map(|socket| entry(socket.as_fd().as_raw_fd())));
        while !self.stopping.load(Ordering::Acquire) {
            let timeout = self.probe(&mut due);
            // SAFETY: the entries are live, and their number is given.
            unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, timeout) };
            if entries[0].revents != 0 {
                self.wake.drain();
            }
            for (number, socket) in self.sockets.iter().enumerate() {
                // An error of an earlier datagram (ICMP) is taken away by reading, too.
                if entries[number + 1].revents == 0
                    || receiver.receive(socket, &mut received, &events).is_err()
                {
                    continue;
                }
                for message in received.messages.drain(..) {
                    let data = &received.buffer[message.start..message.start + message.length];
                    for data in data.chunks(message.datagram_size).filter(|data| is_ours(data)) {
                        if bucket.take(1, Instant::now()) {
                            let data = data.to_vec();
                            // What it does not take is lost; the other side goes on trying.
                            let _taken =
                                (self.handler)(number, Datagram { data, from: message.from.address });
                        }
                    }
                }
            }
        }
    }

    /// Sends from the next socket when its time has come. How long to wait for the one after it, in poll(2)'s milliseconds.
    fn probe(&self, due: &mut Instant) -> libc::c_int {
        let mut round = self.round();
        let now = Instant::now();
        // No catching up: what was late stays late.
        if round.next < self.sockets.len() && now >= *due {
            let _lost = self.sockets[round.next].send_one(&round.data, &self.remote);
            round.next += 1;
            *due = now + self.pause;
        }
        if round.next >= self.sockets.len() {
            return -1;
        }
        due.saturating_duration_since(now).as_micros().div_ceil(1000) as libc::c_int
    }

    fn round(&self) -> std::sync::MutexGuard<'_, Round> {
        // Never half changed.
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
