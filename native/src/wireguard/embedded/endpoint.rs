//! Where a peer is, and which of our addresses it knows us by.

use std::net::{IpAddr, SocketAddr};

/// One of our own addresses, as IP_PKTINFO and IPV6_PKTINFO tell it on receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub address: IpAddr,
    /// Interface index, 0 for any.
    pub interface: u32,
}

/// The other end of a tunnel outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub address: SocketAddr,
    /// What answers go out from ("sticky source"); `None` leaves the choice to the kernel's routes.
    pub source: Option<Source>,
}

impl Endpoint {
    /// An address that somebody told us: nothing came from it yet.
    pub(crate) fn told(address: SocketAddr) -> Self {
        Self { address, source: None }
    }
}
