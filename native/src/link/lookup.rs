//! Which way a packet to an address takes: the kernel's own answer, policy rules and learned path MTUs included.

use std::net::IpAddr;

use netlink_packet_core::ParseableParametrized;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteLwEnCapType, RouteMessage, RouteMetric,
};

use super::network::Network;
pub use super::objects::Lookup;
use super::routes::{RTM_GETROUTE, gateway, ip, kind_text};
use super::socket::{NetlinkError, NetlinkSocket};
use super::{UNDERLAY_MARK, attributes, emit, links, open};
use crate::error::Result;

/// One answer of the kernel.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    destination: Option<IpAddr>,
    prefix: u8,
    gateway: Option<IpAddr>,
    link_index: Option<u32>,
    source: Option<IpAddr>,
    /// 0 when the route has none of its own.
    mtu: u32,
    table: u32,
    kind: String,
}

/// Looks up the route to an address; nothing is sent. `None` when there is none: unreachable, prohibited, a blackhole, or a
/// family the host is without.
/// `fwmark` is that of the packets; `None` stands for [`UNDERLAY_MARK`].
pub fn get(address: IpAddr, fwmark: Option<u32>) -> Result<Option<Lookup>> {
    let mark = fwmark.unwrap_or(UNDERLAY_MARK);
    let answers = open().and_then(|mut socket| {
        // The first names next hop and MTU as packets will find them, the second the entry they come from.
        let resolved = ask(&mut socket, address, mark, RouteFlags::LookupTable)?;
        let entry = ask(&mut socket, address, mark, RouteFlags::LookupTable | RouteFlags::FibMatch)?;
        Ok(resolved.zip(entry))
    });
    let answers = match answers {
        Err(error) if is_absence(&error) => return Ok(None),
        result => result.map_err(|error| error.because("look up the route to", address.to_string()))?,
    };
    let Some((resolved, entry)) = answers else { return Ok(None) };
    // A link that went away meanwhile takes its routes with it.
    let link = resolved.link_index.map(links::get_by_index).transpose()?.flatten();
    let Some(link) = link else { return Ok(None) };
    let any = match address {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    let Some(destination) = Network::new(entry.destination.unwrap_or(any), entry.prefix) else {
        return Ok(None);
    };
    let own_mtu = Some(resolved.mtu).filter(|mtu| *mtu != 0);
    Ok(Some(Lookup {
        destination,
        gateway: resolved.gateway,
        link_index: link.index,
        link_name: link.name,
        source: resolved.source,
        mtu: own_mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu)),
        table: resolved.table,
        kind: resolved.kind,
    }))
}

/// Unreachable, prohibited (EACCES), a blackhole (EINVAL), or no such family.
fn is_absence(error: &NetlinkError) -> bool {
    matches!(
        error.errno,
        libc::ENETUNREACH
            | libc::EHOSTUNREACH
            | libc::EACCES
            | libc::EINVAL
            | libc::EAFNOSUPPORT
            | libc::EOPNOTSUPP
    )
}

fn ask(
    socket: &mut NetlinkSocket,
    address: IpAddr,
    mark: u32,
    flags: RouteFlags,
) -> std::result::Result<Option<Answer>, NetlinkError> {
    let mut message = question(address, flags);
    message.attributes.push(RouteAttribute::Mark(mark));
    socket.get(RTM_GETROUTE, &emit(&message), |_, payload| parse(payload))
}

/// Tells by which link packets leave, as often as it is asked.
pub struct Egress {
    socket: NetlinkSocket,
}

impl Egress {
    pub fn open() -> Result<Self> {
        let socket = open().map_err(|error| error.because("open", "a netlink socket"))?;
        Ok(Self { socket })
    }

    /// The link by which a packet with this source address and firewall mark leaves. `None` when there is no way, or the source is
    /// not an address of this host. Takes some 10 µs.
    pub fn link_index(&mut self, to: IpAddr, source: IpAddr, mark: u32) -> Result<Option<u32>> {
        let mut message = question(to, RouteFlags::LookupTable);
        message.header.source_prefix_length = message.header.destination_prefix_length;
        message.attributes.push(RouteAttribute::Source(RouteAddress::from(source)));
        message.attributes.push(RouteAttribute::Mark(mark));
        match self.socket.get(RTM_GETROUTE, &emit(&message), |_, payload| parse(payload)) {
            Err(error) if is_absence(&error) => Ok(None),
            result => {
                let answer = result.map_err(|error| error.because("look up the route to", to.to_string()))?;
                Ok(answer.and_then(|answer| answer.link_index))
            }
        }
    }
}

fn question(address: IpAddr, flags: RouteFlags) -> RouteMessage {
    let mut message = RouteMessage::default();
    let (family, prefix) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    message.header.address_family = family;
    message.header.destination_prefix_length = prefix;
    message.header.flags = flags;
    message.attributes = vec![RouteAttribute::Destination(RouteAddress::from(address))];
    message
}

fn parse(payload: &[u8]) -> Option<Answer> {
    let header = RouteHeader::parse(payload).ok()?;
    let parameter = (header.address_family, header.kind, RouteLwEnCapType::None);
    let known = attributes(payload.get(12..)?, |nla| RouteAttribute::parse_with_param(nla, parameter).ok());
    let mut answer = Answer {
        prefix: header.destination_prefix_length,
        table: header.table.into(),
        kind: kind_text(header.kind),
        ..Answer::default()
    };
    for attribute in known {
        match attribute {
            RouteAttribute::Destination(address) => answer.destination = ip(&address),
            RouteAttribute::Oif(index) => answer.link_index = Some(index),
            RouteAttribute::Table(table) => answer.table = table,
            RouteAttribute::PrefSource(address) => answer.source = ip(&address),
            RouteAttribute::Metrics(metrics) => answer.mtu = mtu_of(&metrics),
            other => answer.gateway = gateway(&other).or(answer.gateway),
        }
    }
    Some(answer)
}

fn mtu_of(metrics: &[RouteMetric]) -> u32 {
    let found = metrics.iter().find_map(|metric| match metric {
        RouteMetric::Mtu(mtu) => Some(*mtu),
        _ => None,
    });
    found.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_host_is_local_and_has_the_mtu_of_its_link() {
        let loopback = links::list().unwrap().into_iter().find(|link| link.loopback).unwrap();
        let found = get("127.0.0.1".parse().unwrap(), None).unwrap().unwrap();
        assert_eq!(found.kind, "local");
        assert_eq!((found.link_index, found.mtu), (loopback.index, loopback.mtu));
        assert_eq!(found.gateway, None);
    }

    #[test]
    fn packets_leave_by_a_link_if_their_source_is_an_address_of_this_host() {
        let loopback = links::list().unwrap().into_iter().find(|link| link.loopback).unwrap();
        let mut egress = Egress::open().unwrap();
        let own = "127.0.0.1".parse().unwrap();
        assert_eq!(egress.link_index(own, own, 0).unwrap(), Some(loopback.index));
        assert_eq!(egress.link_index(own, "192.0.2.1".parse().unwrap(), 0).unwrap(), None);
    }

    #[test]
    fn reads_next_hop_source_and_mtu() {
        let mut message = question("10.9.0.0".parse().unwrap(), RouteFlags::default());
        message.header.destination_prefix_length = 16;
        message.attributes.extend([
            RouteAttribute::Gateway(RouteAddress::Inet([192, 0, 2, 1].into())),
            RouteAttribute::Oif(4),
            RouteAttribute::PrefSource(RouteAddress::Inet([192, 0, 2, 7].into())),
            RouteAttribute::Metrics(vec![RouteMetric::Advmss(1240), RouteMetric::Mtu(1400)]),
            RouteAttribute::Table(1000),
        ]);
        let answer = parse(&emit(&message)).unwrap();
        assert_eq!((answer.destination, answer.prefix), (Some("10.9.0.0".parse().unwrap()), 16));
        assert_eq!(answer.gateway, Some("192.0.2.1".parse().unwrap()));
        assert_eq!(answer.source, Some("192.0.2.7".parse().unwrap()));
        assert_eq!((answer.link_index, answer.mtu, answer.table), (Some(4), 1400, 1000));
    }

    #[test]
    fn refusals_of_the_routing_table_are_no_errors_but_a_lack_of_memory_is() {
        let with = |errno| NetlinkError { errno, words: None };
        for errno in [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EACCES, libc::EINVAL] {
            assert!(is_absence(&with(errno)), "{errno}");
        }
        assert!(!is_absence(&with(libc::ENOMEM)));
    }
}
