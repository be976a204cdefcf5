//! The end of a relayed path: WireGuard, ours or the kernel's, sends to a port of 127.0.0.1, and what it sends goes out of another
//! socket, in frames to a relay, or as it is to a peer whose NAT was passed with that socket.

mod birthday;
mod counters;
mod keepalive;
mod packer;
mod work;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

pub use self::birthday::{Birthday, Handler as BirthdayHandler, Options as BirthdayOptions};
pub use self::counters::BridgeCounters;
use self::counters::Counting;
use super::frame::{Kind, Token, header};
use crate::error::{Error, Result};
use crate::os::underlay::Underlay;
use crate::os::wake::Wake;
use crate::wireguard::beside::{Gate, Handler, is_ours};
use crate::wireguard::embedded::udp::Socket;
use crate::wireguard::events::Events;

#[derive(Debug, Clone, Copy)]
pub struct BridgeOptions {
    /// WireGuard's port on 127.0.0.1.
    pub wireguard_port: u16,
    /// The relay, or the peer itself when there is no token.
    pub remote: SocketAddr,
    pub token: Option<Token>,
    pub underlay: Underlay,
}

/// Carries datagrams between WireGuard and a remote until it is dropped.
pub struct Bridge {
    inner: Arc<Inner>,
    endpoint: SocketAddr,
    underlay: Underlay,
    thread: Option<JoinHandle<()>>,
}

/// Where what WireGuard sends goes.
struct Outside {
    socket: Arc<Socket>,
    remote: SocketAddr,
    token: Option<Token>,
}

struct Inner {
    inside: Socket,
    wireguard_port: AtomicU16,
    outside: RwLock<Arc<Outside>>,
    /// What comes in goes to WireGuard.
    delivery: AtomicBool,
    /// For payloads that are not WireGuard's.
    gate: Gate,
    counting: Counting,
    wake: Wake,
    stopping: AtomicBool,
    events: Events,
}

impl Bridge {
    /// `EAFNOSUPPORT` when the host does not have the remote's family.
    pub fn open(options: BridgeOptions) -> Result<Self> {
        let BridgeOptions { remote, underlay, .. } = options;
        let socket = outer_socket(&remote, &underlay).map_err(|error| failed(&error, &remote))?;
        Self::over(Arc::new(socket), options)
    }

    /// Over a socket that is there already.
    fn over(socket: Arc<Socket>, options: BridgeOptions) -> Result<Self> {
        let BridgeOptions { wireguard_port, remote, token, underlay } = options;
        let failed = |error: io::Error| failed(&error, &remote);
        let inside = Socket::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(failed)?;
        let endpoint = SocketAddr::from((Ipv4Addr::LOCALHOST, inside.local_port().map_err(failed)?));
        let inner = Arc::new(Inner {
            inside,
            wireguard_port: AtomicU16::new(wireguard_port),
            outside: RwLock::new(Arc::new(Outside { socket, remote, token })),
            delivery: AtomicBool::new(true),
            gate: Gate::default(),
            counting: Counting::new(),
            wake: Wake::new().map_err(failed)?,
            stopping: AtomicBool::new(false),
            events: Events::default(),
        });
        let body = Arc::clone(&inner);
        let thread =
            thread::Builder::new().name("wg-bridge".to_owned()).spawn(move || body.run()).map_err(failed)?;
        Ok(Self { inner, endpoint, underlay, thread: Some(thread) })
    }

    /// What the endpoint of the WireGuard peer is to be: on 127.0.0.1, the same as long as the bridge lives.
    pub fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    /// Sends a payload that is not WireGuard's to the other end; whether the kernel took it.
    pub fn send(&self, data: &[u8]) -> bool {
        let outside = self.inner.outside();
        let sent = is_ours(data)
            && match outside.token {
                None => outside.socket.send_one(data, &outside.remote).is_ok(),
                Some(token) => {
                    let frame = [&header(Kind::Data, token)[..], data].concat();
                    outside.socket.send_one(&frame, &outside.remote).is_ok()
                }
            };
        self.inner.gate.count_sent(sent)
    }

    /// For payloads that are not WireGuard's; one at a time.
    pub fn set_handler(&self, handler: Handler) {
        self.inner.gate.set_handler(Some(handler));
    }

    /// Whether what comes in goes to WireGuard.
    pub fn set_delivery(&self, on: bool) {
        self.inner.delivery.store(on, Ordering::Release);
    }

    pub fn set_wireguard_port(&self, port: u16) {
        self.inner.wireguard_port.store(port, Ordering::Release);
    }

    /// Another remote. The socket stays when it can, and with it the mapping of a NAT.
    pub fn repoint(&self, remote: SocketAddr, token: Option<Token>) -> Result<()> {
        let before = self.inner.outside();
        let socket = if before.remote.is_ipv4() == remote.is_ipv4() {
            Arc::clone(&before.socket)
        } else {
            Arc::new(outer_socket(&remote, &self.underlay).map_err(|error| failed(&error, &remote))?)
        };
        let outside = Arc::new(Outside { socket, remote, token });
        *self.inner.outside.write().unwrap_or_else(PoisonError::into_inner) = outside;
        self.inner.counting.forget_remote();
        // It waits on the socket of before, and says hello to the new one.
        self.inner.wake.wake();
        Ok(())
    }

    pub fn counters(&self) -> BridgeCounters {
        self.inner.counting.read(self.inner.gate.counters().dropped)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.gate.set_handler(None);
        self.inner.wake.wake();
        if let Some(thread) = self.thread.take() {
            // A panic would have been told by its hook.
            let _told = thread.join();
        }
    }
}

impl Inner {
    fn outside(&self) -> Arc<Outside> {
        Arc::clone(&self.outside.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn failed(error: &io::Error, remote: &SocketAddr) -> Error {
    Error::from_io(error, "open a bridge to", remote.to_string())
}

/// A socket on any port that reaches such an address.
fn outer_socket(remote: &SocketAddr, underlay: &Underlay) -> io::Result<Socket> {
    let socket = Socket::bind(underlay.towards(remote)?)?;
    socket.set_fwmark(underlay.fwmark)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
