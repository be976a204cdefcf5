//! Which way a packet to an address takes: the most specific entry of the routing table.

use std::net::IpAddr;

use super::{addresses, links, routes, table};
use crate::error::Result;
use crate::link::network::Network;
pub use crate::link::objects::Lookup;

/// Looks up the route to an address; nothing is sent. `None` when there is none: unreachable or a blackhole.
pub fn get(address: IpAddr, _fwmark: Option<u32>) -> Result<Option<Lookup>> {
    let entries = routes::entries()?;
    let Some(entry) = table::most_specific(&entries, address).filter(|entry| entry.kind == "unicast") else {
        return Ok(None);
    };
    let Some(link) = links::list()?.into_iter().find(|link| link.index == entry.link_index) else {
        return Ok(None);
    };
    let own = addresses::list_of(link.index)?;
    let same_family = |network: &Network| network.address.is_ipv4() == address.is_ipv4();
    let own_networks: Vec<Network> = own.iter().map(|own| own.network).filter(same_family).collect();
    let is_own = own_networks.iter().any(|network| network.address == address);
    Ok(Some(Lookup {
        destination: entry.destination,
        gateway: entry.gateway,
        link_index: link.index,
        link_name: link.name,
        source: own_networks.first().map(|network| network.address),
        mtu: link.mtu,
        table: routes::TABLE,
        kind: if is_own { "local" } else { entry.kind }.to_owned(),
    }))
}
