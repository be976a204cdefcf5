//! What the engine wants done: it does no I/O itself.

use std::net::SocketAddr;

use gotatun::packet::Packet;

use crate::wireguard::device::DeviceEvent;

/// Collected by one call into the engine, carried out by the thread that made it, after all locks were given back.
#[derive(Default)]
pub(super) struct Effects {
    /// To send, in order.
    pub datagrams: Vec<(SocketAddr, Packet)>,
    /// Decrypted, source checked, without padding: to hand to the TUN device, in order.
    pub packets: Vec<Packet>,
    pub events: Vec<DeviceEvent>,
    /// A handshake began or ended, so the timer thread has something to look after.
    pub wake_timers: bool,
}
