//! Addresses of links.

use super::interfaces::{self, What};
use super::{args, exec, links};
use crate::error::Result;
use crate::link::network::Network;
pub use crate::link::objects::Address;

pub fn list() -> Result<Vec<Address>> {
    let links = links::list()?;
    let addresses = interfaces::list()?.into_iter().filter_map(|entry| {
        let What::Address { address, prefix } = entry.what else { return None };
        let link = links.iter().find(|link| link.name == entry.name)?;
        let is_link_local = match address {
            std::net::IpAddr::V4(v4) => v4.is_link_local(),
            std::net::IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        Some(Address {
            link_index: link.index,
            network: Network { address, prefix },
            scope: if is_link_local { "link" } else { "global" }.to_owned(),
            tentative: false,
        })
    });
    Ok(addresses.collect())
}

pub fn list_of(link_index: u32) -> Result<Vec<Address>> {
    let mut all = list()?;
    all.retain(|address| address.link_index == link_index);
    Ok(all)
}

/// Adds an address, and the route to its network, which a point-to-point link does not get from the kernel.
pub fn add(link_index: u32, name: &str, network: Network) -> Result<()> {
    let object = format!("{name} ({network})");
    let present = list_of(link_index)?.iter().any(|address| address.network == network);
    if !present {
        exec::run(&args::add_address(name, network), "add address to", &object)?;
    }
    match exec::run(&args::add_route(network.masked(), name), "add address to", &object) {
        // IPv6 gets its route from the kernel.
        Err(error) if error.code == "EEXIST" => Ok(()),
        result => result,
    }
}

/// Removes an address and the route to its network; no error when they, or the link, are gone already.
pub fn delete(_link_index: u32, name: &str, network: Network) -> Result<()> {
    let object = format!("{name} ({network})");
    for call in [args::delete_route(network.masked(), name), args::delete_address(name, network)] {
        match exec::run(&call, "delete address of", &object) {
            Err(error) if !["ESRCH", "ENODEV", "EADDRNOTAVAIL"].contains(&error.code.as_str()) => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes every address of the link but IPv6's link-local ones, which are the kernel's.
pub fn flush(link_index: u32, name: &str) -> Result<()> {
    for address in list_of(link_index)? {
        if address.network.address.is_ipv4() || address.scope != "link" {
            delete(link_index, name, address.network)?;
        }
    }
    Ok(())
}
