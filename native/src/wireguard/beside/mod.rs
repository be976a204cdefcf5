//! Datagrams on WireGuard's own UDP port that are not WireGuard's: the NAT mapping of that port can be learned, and opened, from
//! that port only (PROTOCOL.md weak point 22).
//!
//! The embedded device has them from its own sockets; for the kernel's WireGuard, and for wireguard-go, whose sockets are theirs,
//! there are raw ones ([`raw`]).

mod foreign;
mod gate;
#[cfg(target_os = "linux")]
pub mod raw;

use std::net::SocketAddr;
use std::sync::Arc;

pub use foreign::ForeignPort;
pub use gate::{Counters, Gate};

/// The largest payload that is sent or handed on: what fits into an Ethernet frame over IPv4.
pub const MAX_BYTES: usize = 1472;
/// The smallest: less has no room for what tells it from WireGuard's messages.
pub const MIN_BYTES: usize = 4;

/// A datagram and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    pub data: Vec<u8>,
    pub from: SocketAddr,
}

/// Takes a datagram over; false when it has no room for it.
pub type Handler = Arc<dyn Fn(Datagram) -> bool + Send + Sync>;

/// The way out, and what was counted. It may be used from any thread, and after its device was closed: then it sends nothing.
pub trait Port: Send + Sync {
    /// Whether the datagram was handed to the kernel.
    fn send(&self, data: &[u8], to: SocketAddr) -> bool;
    fn counters(&self) -> Counters;
}

/// Whether a payload is, or pretends to be, a message of WireGuard: type 1 to 4 and three zero bytes.
#[inline]
pub fn looks_like_wireguard(payload: &[u8]) -> bool {
    matches!(payload.first_chunk(), Some([1..=4, 0, 0, 0]))
}

/// Whether a payload may be sent or handed on here.
pub fn is_ours(payload: &[u8]) -> bool {
    (MIN_BYTES..=MAX_BYTES).contains(&payload.len()) && !looks_like_wireguard(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_as_a_message_of_wireguard_is_not_ours() {
        for kind in 1..=4 {
            assert!(!is_ours(&[kind, 0, 0, 0]), "{kind}");
            assert!(is_ours(&[kind, 0, 0, 1]) && is_ours(&[kind, 1, 0, 0, 0]), "{kind}");
        }
        assert!(is_ours(&[0; 20]) && is_ours(&[5, 0, 0, 0]) && is_ours(&[9; MAX_BYTES]));
        assert!(!is_ours(&[]) && !is_ours(&[9; 3]) && !is_ours(&[9; MAX_BYTES + 1]));
    }
}
