//! The port of a WireGuard that is not ours, the kernel's or wireguard-go's, over raw sockets beside it: a filter in the kernel lets
//! through what comes to that port and is not WireGuard's, and what is sent has that port as its source. WireGuard
//! itself drops those datagrams in silence, and its own never come here.
//!
//! The checksum of what comes over IPv4 is not looked at: between hosts of one machine it is not filled in yet, which a raw socket
//! is not told. All that comes is of strangers in any case.

mod filter;
mod packet;
mod socket;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use self::socket::{Raw, Room};
use super::{Counters, Gate, Handler, Port, is_ours};
use crate::error::{Error, Result};
use crate::os::wake::{Interest, Wake, wait};

/// Datagrams taken from one socket before it is the other one's turn.
const AT_ONCE: usize = 64;

/// Raw sockets and the thread that listens on them; closed when it is dropped.
pub struct RawPort {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    ipv4: Raw,
    /// `None` on hosts without IPv6.
    ipv6: Option<Raw>,
    gate: Gate,
    wake: Wake,
    stopping: AtomicBool,
    /// Held while something is sent: sending over IPv4 takes several calls.
    bound: Mutex<Bound>,
}

/// What WireGuard has.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Bound {
    /// 0 for none.
    port: u16,
    fwmark: u32,
}

impl RawPort {
    /// Opens the sockets for the device `name`; nothing is heard or sent before [`Self::follow`] names a port. `EPERM` without
    /// CAP_NET_RAW.
    pub fn open(name: &str, handler: Handler) -> Result<Self> {
        let failed = |error: io::Error| match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                Error::new("EPERM", "open the raw sockets for", name, "needs CAP_NET_RAW")
            }
            _ => Error::from_io(&error, "open the raw sockets for", name),
        };
        let ipv6 = match Raw::open(false) {
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => None,
            result => Some(result.map_err(failed)?),
        };
        let inner = Arc::new(Inner {
            ipv4: Raw::open(true).map_err(failed)?,
            ipv6,
            gate: Gate::default(),
            wake: Wake::new().map_err(failed)?,
            stopping: AtomicBool::new(false),
            bound: Mutex::new(Bound { port: 0, fwmark: 0 }),
        });
        inner.gate.set_handler(Some(handler));
        let body = Arc::clone(&inner);
        let thread = thread::Builder::new()
            .name("wg-beside".to_owned())
            .spawn(move || body.receive())
            .map_err(failed)?;
        Ok(Self { inner, thread: Some(thread) })
    }

    pub fn set_handler(&self, handler: Handler) {
        self.inner.gate.set_handler(Some(handler));
    }

    /// From now on this is WireGuard's port and mark. Costs nothing when they are what they were.
    pub fn follow(&self, port: u16, fwmark: u32) -> Result<()> {
        let mut bound = self.inner.bound();
        let next = Bound { port, fwmark };
        if *bound == next {
            return Ok(());
        }
        for raw in [Some(&self.inner.ipv4), self.inner.ipv6.as_ref()].into_iter().flatten() {
            raw.follow(port, fwmark).map_err(|error| {
                Error::from_io(&error, "listen beside WireGuard on UDP port", port.to_string())
            })?;
        }
        *bound = next;
        Ok(())
    }

    /// From now on this is WireGuard's port; its mark stays.
    pub fn follow_port(&self, port: u16) -> Result<()> {
        let fwmark = self.inner.bound().fwmark;
        self.follow(port, fwmark)
    }

    pub fn port(&self) -> Arc<dyn Port> {
        Arc::new(Way(Arc::downgrade(&self.inner)))
    }
}

impl Drop for RawPort {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.gate.set_handler(None);
        self.inner.wake.wake();
        if let Some(thread) = self.thread.take() {
            // It panics only if a handler does, and the panic hook has told that.
            let _told = thread.join();
        }
    }
}

impl Inner {
    fn receive(&self) {
        let mut room = Room::new();
        while !self.stopping() {
            let port = self.bound().port;
            let mut more = self.take(&self.ipv4, port, &mut room);
            if let Some(ipv6) = &self.ipv6 {
                more |= self.take(ipv6, port, &mut room);
            }
            let interests = [Some(readable(&self.ipv4)), self.ipv6.as_ref().map(readable)];
            // An error of poll(2) here is a lack of memory, which passes.
            if !more && wait(&self.wake, interests, None).is_err() {
                thread::sleep(std::time::Duration::from_millis(100));
            }
        }
    }

    /// Hands on what waits. True when there may be more.
    fn take(&self, raw: &Raw, port: u16, room: &mut Room) -> bool {
        for _ in 0..AT_ONCE {
            match raw.receive(port, room) {
                Ok(Some((from, payload))) => self.gate.hear(payload, from),
                Ok(None) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn bound(&self) -> MutexGuard<'_, Bound> {
        // Two numbers, never half changed.
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_send(&self, data: &[u8], to: SocketAddr) -> bool {
        let to = SocketAddr::new(IpAddr::to_canonical(&to.ip()), to.port());
        let bound = self.bound();
        let raw = if to.is_ipv4() { Some(&self.ipv4) } else { self.ipv6.as_ref() };
        is_ours(data)
            && bound.port != 0
            && !self.stopping()
            && raw.is_some_and(|raw| raw.send(bound.port, data, to).is_ok())
    }
}

fn readable(raw: &Raw) -> (BorrowedFd<'_>, Interest) {
    (raw.receiver().as_fd(), Interest::Readable)
}

/// Does not keep the sockets of a device open that was closed.
struct Way(Weak<Inner>);

impl Port for Way {
    fn send(&self, data: &[u8], to: SocketAddr) -> bool {
        self.0.upgrade().is_some_and(|inner| inner.gate.count_sent(inner.try_send(data, to)))
    }

    fn counters(&self) -> Counters {
        self.0.upgrade().map(|inner| inner.gate.counters()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
