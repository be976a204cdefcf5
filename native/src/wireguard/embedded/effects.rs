//! What the engine wants done: it does no I/O itself.

use std::sync::Arc;

use super::endpoint::Endpoint;
use super::peer::Peer;
use crate::wireguard::device::DeviceEvent;

/// Collected by one call into the engine, carried out by the thread that made it, after all locks were given back.
#[derive(Default)]
pub(super) struct Effects {
    /// To send, in order: handshakes and keepalives.
    pub datagrams: Vec<Datagram>,
    /// Peers whose packets waited for the session that is there now: to be given to `Engine::flush`.
    pub flush: Vec<Arc<Peer>>,
    pub events: Vec<DeviceEvent>,
    /// There is a deadline now before the one that the timer thread sleeps until.
    pub wake_timers: bool,
}

pub(super) struct Datagram {
    pub to: Endpoint,
    pub bytes: Vec<u8>,
}
