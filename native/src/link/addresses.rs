//! Addresses of links.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage, AddressScope,
};

use super::network::Network;
pub use super::objects::Address;
use super::{attributes, command, dump};
use crate::error::Result;

/// linux/rtnetlink.h
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

/// All addresses of both families.
pub fn list() -> Result<Vec<Address>> {
    let question = AddressMessage::default();
    dump(RTM_GETADDR, &question, "list addresses", parse)
}

pub fn list_of(link_index: u32) -> Result<Vec<Address>> {
    let mut all = list()?;
    all.retain(|address| address.link_index == link_index);
    Ok(all)
}

/// Adds an address with its connected route, IPv6 without duplicate address detection: mesh addresses follow from keys,
/// and a tentative address could not be used for its first second. No error when it is there already; EEXIST when an
/// IPv6 address is there with another prefix length.
pub fn add(link_index: u32, name: &str, network: Network) -> Result<()> {
    let message = message(link_index, network);
    match command(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &message) {
        Err(error) if error.errno == libc::EEXIST && has(link_index, network)? => Ok(()),
        result => result.map_err(|error| error.because("add address to", on(name, network))),
    }
}

/// Removes an address; no error when it, or its link, is gone already.
pub fn delete(link_index: u32, name: &str, network: Network) -> Result<()> {
    match command(RTM_DELADDR, 0, &message(link_index, network)) {
        Err(error) if matches!(error.errno, libc::EADDRNOTAVAIL | libc::ENODEV) => Ok(()),
        result => result.map_err(|error| error.because("delete address of", on(name, network))),
    }
}

/// Removes every address of the link.
pub fn flush(link_index: u32, name: &str) -> Result<()> {
    for address in list_of(link_index)? {
        delete(link_index, name, address.network)?;
    }
    Ok(())
}

fn has(link_index: u32, network: Network) -> Result<bool> {
    let present = list_of(link_index)?;
    Ok(present.iter().any(|address| address.network == network))
}

fn on(name: &str, network: Network) -> String {
    format!("{name} ({network})")
}

fn message(link_index: u32, network: Network) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = link_index;
    message.header.prefix_len = network.prefix;
    message.attributes.push(AddressAttribute::Local(network.address));
    message.attributes.push(AddressAttribute::Address(network.address));
    match network.address {
        IpAddr::V4(_) => message.header.family = AddressFamily::Inet,
        IpAddr::V6(_) => {
            message.header.family = AddressFamily::Inet6;
            message.header.flags = AddressHeaderFlags::Nodad;
        }
    }
    message
}

pub(super) fn parse(payload: &[u8]) -> Option<Address> {
    let header = AddressHeader::parse(payload).ok()?;
    let mut local = None;
    let mut address = None;
    let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
    for attribute in attributes(payload.get(8..)?, |nla| AddressAttribute::parse(nla).ok()) {
        match attribute {
            // On a point-to-point link IFA_ADDRESS is the other end's.
            AddressAttribute::Local(ip) => local = Some(ip),
            AddressAttribute::Address(ip) => address = Some(ip),
            AddressAttribute::Flags(all) => flags = all,
            _ => {}
        }
    }
    Some(Address {
        link_index: header.index,
        network: Network::new(local.or(address)?, header.prefix_len)?,
        scope: match header.scope {
            AddressScope::Universe => "global".to_owned(),
            other => other.to_string(),
        },
        tentative: flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::emit;

    #[test]
    fn reads_what_it_writes() {
        for text in ["10.5.6.7/16", "fd00::7/64"] {
            let network = Network::parse(text).unwrap();
            let address = parse(&emit(&message(9, network))).unwrap();
            assert_eq!(address.network, network);
            assert_eq!(address.link_index, 9);
            assert_eq!(address.scope, "global");
            assert!(!address.tentative);
        }
    }

    #[test]
    fn the_own_end_of_a_point_to_point_link_counts() {
        let mut wire = message(3, Network::parse("10.0.0.1/32").unwrap());
        let other_end = AddressAttribute::Address("10.0.0.2".parse().unwrap());
        wire.attributes[1] = other_end;
        assert_eq!(parse(&emit(&wire)).unwrap().network.to_string(), "10.0.0.1/32");
    }

    #[test]
    fn the_wide_flags_attribute_counts() {
        let mut wire = message(3, Network::parse("fd00::1/64").unwrap());
        wire.attributes.push(AddressAttribute::Flags(AddressFlags::Dadfailed));
        assert!(parse(&emit(&wire)).unwrap().tentative);
    }
}
