//! Routes of the main table.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, ParseableParametrized};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteLwEnCapType, RouteMessage, RouteNextHop,
    RouteProtocol, RouteScope, RouteType, RouteVia,
};

pub use super::ROUTE_PROTOCOL as PROTOCOL;
use super::network::Network;
pub use super::objects::{Route, Unicast};
use super::{attributes, command, emit, open};
use crate::error::{Error, Result};

/// linux/rtnetlink.h
pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
pub(super) const RTM_GETROUTE: u16 = 26;

/// What IPv6 makes of metric 0 (linux/ipv6_route.h, IP6_RT_PRIO_USER).
const IPV6_DEFAULT_METRIC: u32 = 1024;

/// Routes of the main table, of both families; one with several next hops is listed once for each.
pub fn list() -> Result<Vec<Route>> {
    let mut found = list_family(AddressFamily::Inet)?;
    found.extend(list_family(AddressFamily::Inet6)?);
    Ok(found)
}

fn list_family(family: AddressFamily) -> Result<Vec<Route>> {
    let mut question = RouteMessage::default();
    question.header.address_family = family;
    question.header.table = RouteHeader::RT_TABLE_MAIN;
    let answer = open().and_then(|mut socket| {
        // The kernel then leaves out the other tables, which may be large.
        socket.set_strict()?;
        socket.dump(RTM_GETROUTE, &emit(&question), |_, payload| parse(payload))
    });
    let listed = match answer {
        // A family the kernel was started without.
        Err(error) if matches!(error.errno, libc::EAFNOSUPPORT | libc::EOPNOTSUPP) => Vec::new(),
        result => result.map_err(|error| error.because("list routes", "of the main table"))?,
    };
    let routes = listed.into_iter().flatten();
    let main = u32::from(RouteHeader::RT_TABLE_MAIN);
    Ok(routes.filter(|route| route.table == main).collect())
}

/// Adds the route. No error when the very same one stands there, and one that differs in its source alone gets this one, without
/// a moment in which there is none; EEXIST, naming its owner, when another one with this destination and metric stands there.
pub fn add(wanted: &Unicast, name: &str) -> Result<()> {
    let result = command(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &message(wanted));
    let Err(error) = result else { return Ok(()) };
    let object = on(wanted.destination, name);
    if error.errno != libc::EEXIST {
        return Err(error.because("add route", object));
    }
    let metric = effective_metric(wanted.destination, wanted.metric);
    let mut rivals = list()?;
    rivals.retain(|route| {
        route.destination == wanted.destination
            && effective_metric(wanted.destination, route.metric) == metric
    });
    if rivals.iter().any(|route| is_same(route, wanted) && route.source == wanted.source) {
        return Ok(());
    }
    // The kernel replaces the first one of that destination and metric, so it must be the only one.
    if let [only] = rivals.as_slice()
        && is_same(only, wanted)
    {
        return command(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &message(wanted))
            .map_err(|error| error.because("change route", object));
    }
    let reason = match rivals.last() {
        Some(rival) => format!("a route of protocol {} stands there", rival.protocol),
        None => "another route stands there".to_owned(),
    };
    Err(Error::new("EEXIST", "add route", object, reason))
}

/// Removes the route out of the link, whatever its source; one of another protocol or link stays, and so does one through another gateway when one
/// is named. No error when it is gone already.
pub fn delete(unwanted: &Unicast, name: &str) -> Result<()> {
    let mut message = message(&Unicast { source: None, ..*unwanted });
    // Matches any scope; the protocol in the header must match.
    message.header.scope = RouteScope::NoWhere;
    match command(RTM_DELROUTE, 0, &message) {
        Err(error) if matches!(error.errno, libc::ESRCH | libc::ENODEV) => Ok(()),
        result => result.map_err(|error| error.because("delete route", on(unwanted.destination, name))),
    }
}

fn on(destination: Network, name: &str) -> String {
    format!("{destination} via {name}")
}

/// But for the source.
fn is_same(route: &Route, wanted: &Unicast) -> bool {
    route.protocol == wanted.protocol
        && route.link_index == Some(wanted.link_index)
        && route.gateway == wanted.gateway
        && route.kind == "unicast"
}

fn effective_metric(destination: Network, metric: u32) -> u32 {
    match destination.address {
        IpAddr::V6(_) if metric == 0 => IPV6_DEFAULT_METRIC,
        _ => metric,
    }
}

fn message(route: &Unicast) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: match route.destination.address {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        },
        destination_prefix_length: route.destination.prefix,
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::from(route.protocol),
        // Without a gateway the destination is on the link; IPv6 has no scopes and ignores it.
        scope: if route.gateway.is_none() { RouteScope::Link } else { RouteScope::Universe },
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::from(route.destination.address)),
        RouteAttribute::Oif(route.link_index),
        RouteAttribute::Priority(route.metric),
    ];
    if let Some(source) = route.source {
        message.attributes.push(RouteAttribute::PrefSource(RouteAddress::from(source)));
    }
    if let Some(gateway) = route.gateway {
        message.attributes.push(RouteAttribute::Gateway(RouteAddress::from(gateway)));
    }
    message
}

/// One entry a next hop; `None` for what is not a route of the table (cached, multicast).
pub(super) fn parse(payload: &[u8]) -> Option<Vec<Route>> {
    let header = RouteHeader::parse(payload).ok()?;
    let family = header.address_family;
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let any = match family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let mut route = Route {
        destination: Network::new(any, header.destination_prefix_length)?,
        gateway: None,
        link_index: None,
        table: header.table.into(),
        protocol: header.protocol.into(),
        metric: 0,
        source: None,
        kind: kind_text(header.kind),
    };
    let parameter = (family, header.kind, RouteLwEnCapType::None);
    let known = attributes(payload.get(12..)?, |nla| RouteAttribute::parse_with_param(nla, parameter).ok());
    let mut hops = Vec::new();
    for attribute in known {
        match attribute {
            RouteAttribute::Destination(address) => route.destination.address = ip(&address)?,
            RouteAttribute::Oif(index) => route.link_index = Some(index),
            RouteAttribute::Priority(metric) => route.metric = metric,
            RouteAttribute::Table(table) => route.table = table,
            RouteAttribute::PrefSource(address) => route.source = ip(&address),
            RouteAttribute::MultiPath(list) => hops = list,
            other => route.gateway = gateway(&other).or(route.gateway),
        }
    }
    if hops.is_empty() {
        return Some(vec![route]);
    }
    let through = |hop: &RouteNextHop| Route {
        link_index: Some(hop.interface_index),
        gateway: hop.attributes.iter().find_map(gateway),
        ..route.clone()
    };
    Some(hops.iter().map(through).collect())
}

pub(super) fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(address) => ip(address),
        // An IPv4 route through an IPv6 neighbour.
        RouteAttribute::Via(RouteVia::Inet(v4)) => Some(IpAddr::V4(*v4)),
        RouteAttribute::Via(RouteVia::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

pub(super) fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

pub(super) fn kind_text(kind: RouteType) -> String {
    let name = match kind {
        RouteType::Unicast => "unicast",
        RouteType::Local => "local",
        RouteType::Broadcast => "broadcast",
        RouteType::Anycast => "anycast",
        RouteType::Multicast => "multicast",
        RouteType::BlackHole => "blackhole",
        RouteType::Unreachable => "unreachable",
        RouteType::Prohibit => "prohibit",
        RouteType::Throw => "throw",
        other => return u8::from(other).to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap()
    }

    #[test]
    fn reads_what_it_writes() {
        for text in ["192.168.7.0/24", "fd00:7::/48", "0.0.0.0/0", "::/0"] {
            let wanted = unicast(text);
            let routes = parse(&emit(&message(&wanted))).unwrap();
            let [route] = routes.as_slice() else { panic!("{routes:?}") };
            assert_eq!(route.destination, network(text));
            assert_eq!((route.metric, route.table), (50, 254));
            assert_eq!((route.source, is_same(route, &wanted)), (None, true));
            let gateway = Some("10.0.0.1".parse().unwrap());
            for other in [
                Unicast { link_index: 5, ..wanted },
                Unicast { protocol: 4, ..wanted },
                Unicast { gateway, ..wanted },
            ] {
                assert!(!is_same(route, &other), "{other:?}");
            }
        }
        let through = Unicast { gateway: Some("fd00::1".parse().unwrap()), ..unicast("::/0") };
        let routes = parse(&emit(&message(&through))).unwrap();
        assert_eq!(routes[0].gateway, through.gateway);
        for (text, source) in [("192.168.7.0/24", "10.5.6.7"), ("fd00:7::/48", "fd00::7")] {
            let wanted = Unicast { source: Some(source.parse().unwrap()), ..unicast(text) };
            let routes = parse(&emit(&message(&wanted))).unwrap();
            assert_eq!(routes[0].source, wanted.source);
        }
    }

    fn unicast(destination: &str) -> Unicast {
        let destination = network(destination);
        Unicast { destination, link_index: 4, gateway: None, metric: 50, source: None, protocol: PROTOCOL }
    }

    #[test]
    fn lists_every_next_hop() {
        let mut wire = message(&Unicast { metric: 0, ..unicast("10.9.0.0/16") });
        let hop = |index, gateway: &str| {
            let gateway: IpAddr = gateway.parse().unwrap();
            let mut hop = RouteNextHop::default();
            hop.interface_index = index;
            hop.attributes = vec![RouteAttribute::Gateway(gateway.into())];
            hop
        };
        wire.attributes.retain(|a| !matches!(a, RouteAttribute::Oif(_)));
        let hops = vec![hop(2, "10.0.0.1"), hop(3, "10.0.0.2")];
        wire.attributes.push(RouteAttribute::MultiPath(hops));
        let routes = parse(&emit(&wire)).unwrap();
        let seen: Vec<_> = routes.iter().map(|r| (r.link_index, r.gateway)).collect();
        let expected =
            [(Some(2), Some("10.0.0.1".parse().unwrap())), (Some(3), Some("10.0.0.2".parse().unwrap()))];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_default_metric_equals_what_the_kernel_makes_of_it() {
        assert_eq!(effective_metric(network("fd00::/64"), 0), 1024);
        assert_eq!(effective_metric(network("10.0.0.0/8"), 0), 0);
    }
}
