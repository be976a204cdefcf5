//! What links, addresses and routes are to the rest of the addon, the same on every system.

use std::net::IpAddr;

use super::network::Network;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// `wireguard`, `tun`, `veth`, … or empty for hardware. On macOS `tun` for a utun, `bridge`, or empty for anything else.
    pub kind: String,
    pub mtu: u32,
    pub up: bool,
    /// Carrier present.
    pub running: bool,
    pub loopback: bool,
    pub multicast: bool,
    pub point_to_point: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub link_index: u32,
    /// With its host bits.
    pub network: Network,
    /// `global`, `link`, `host`, `site`, or the number of another. On macOS one of the first two.
    pub scope: String,
    /// Duplicate address detection still runs, or failed. Not told by macOS: always false there.
    pub tentative: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub destination: Network,
    pub gateway: Option<IpAddr>,
    /// `None` for a blackhole and the like.
    pub link_index: Option<u32>,
    pub table: u32,
    pub protocol: u8,
    pub metric: u32,
    /// The address packets go out from, where the route names one.
    pub source: Option<IpAddr>,
    /// `unicast`, `blackhole`, … or the number of another.
    pub kind: String,
}

/// A unicast route of the main table to add or to delete.
#[derive(Debug, Clone, Copy)]
pub struct Unicast {
    pub destination: Network,
    pub link_index: u32,
    /// Of the destination's family; `None` for what is on the link itself. macOS takes none.
    pub gateway: Option<IpAddr>,
    /// Not used on macOS, which has none.
    pub metric: u32,
    /// Of the destination's family, an address of this host; `None` leaves the choice to the kernel. Not used on macOS.
    pub source: Option<IpAddr>,
    pub protocol: u8,
}

/// What decides over packets to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The entry of the routing table.
    pub destination: Network,
    /// `None` when the address is on the link.
    pub gateway: Option<IpAddr>,
    pub link_index: u32,
    pub link_name: String,
    /// The address packets go out from, unless their socket has one. On macOS the link's first one of the family, which
    /// usually is that.
    pub source: Option<IpAddr>,
    /// Bytes: the route's, or one learned of the path, where that is below the link's. On macOS the link's.
    pub mtu: u32,
    pub table: u32,
    /// `unicast`, `local`, `broadcast`, … or the number of another.
    pub kind: String,
}
