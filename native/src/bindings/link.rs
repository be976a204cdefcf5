//! Links, addresses, routes and their changes.

use std::net::IpAddr;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
#[cfg(target_os = "linux")]
use netlink_packet_route::link::InfoKind;

use super::guarded;
use crate::error::{Error, Result};
use crate::link::monitor::Monitor;
#[cfg(target_os = "linux")]
use crate::link::name::InterfaceName;
use crate::link::name::LinkName;
use crate::link::network::Network;
use crate::link::{addresses, links, lookup, routes};

/// The kernel's smallest MTU for IPv4 hosts is 68; RFC 791 has every host take 576.
const MTU_RANGE: std::ops::RangeInclusive<u32> = 576..=65535;

#[napi(object)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub kind: String,
    pub mtu: u32,
    pub up: bool,
    pub running: bool,
    pub loopback: bool,
    pub multicast: bool,
    pub point_to_point: bool,
}

impl From<links::Link> for Link {
    fn from(link: links::Link) -> Self {
        Self {
            index: link.index,
            name: link.name,
            kind: link.kind,
            mtu: link.mtu,
            up: link.up,
            running: link.running,
            loopback: link.loopback,
            multicast: link.multicast,
            point_to_point: link.point_to_point,
        }
    }
}

#[napi(object)]
pub struct Address {
    pub link_index: u32,
    pub link_name: String,
    pub address: String,
    pub prefix_length: u32,
    pub scope: String,
    pub tentative: bool,
}

#[napi(object, use_nullable = true)]
pub struct Route {
    pub destination: String,
    pub gateway: Option<String>,
    pub link_name: Option<String>,
    pub table: u32,
    pub protocol: u32,
    pub metric: u32,
    pub source: Option<String>,
    #[napi(js_name = "type")]
    pub kind: String,
}

#[napi(object, use_nullable = true)]
pub struct RouteLookup {
    pub destination: String,
    pub gateway: Option<String>,
    pub link_index: u32,
    pub link_name: String,
    pub source: Option<String>,
    pub mtu: u32,
    pub table: u32,
    #[napi(js_name = "type")]
    pub kind: String,
}

impl From<lookup::Lookup> for RouteLookup {
    fn from(found: lookup::Lookup) -> Self {
        Self {
            destination: found.destination.to_string(),
            gateway: found.gateway.map(|address| address.to_string()),
            link_index: found.link_index,
            link_name: found.link_name,
            source: found.source.map(|address| address.to_string()),
            mtu: found.mtu,
            table: found.table,
            kind: found.kind,
        }
    }
}

#[napi]
pub fn link_get(name: String) -> napi::Result<Option<Link>> {
    guarded(|| Ok(links::get(&LinkName::parse(&name)?)?.map(Link::from)))
}

#[napi]
pub fn link_list() -> napi::Result<Vec<Link>> {
    guarded(|| Ok(links::list()?.into_iter().map(Link::from).collect()))
}

/// The face tells what `peer` is for.
#[cfg(target_os = "linux")]
#[napi]
pub fn link_create(name: String, kind: String, mtu: Option<u32>, peer: Option<String>) -> napi::Result<()> {
    guarded(|| {
        let refused = |reason: String| Error::new("EINVAL", "create", &name, reason);
        let own = InterfaceName::parse(&name)?;
        let mtu = mtu.map_or(Ok(0), |mtu| checked_mtu(mtu, "create", &name))?;
        match (kind.as_str(), peer) {
            ("veth", Some(peer)) => links::create_pair(&own, &InterfaceName::parse(&peer)?, mtu),
            ("veth", None) => Err(refused("a veth link needs a peer, the name of its other end".to_owned())),
            (_, Some(_)) => Err(refused(format!("only a veth link has a peer, not kind {kind:?}"))),
            ("wireguard", None) => links::create(&own, InfoKind::Wireguard, mtu),
            ("dummy", None) => links::create(&own, InfoKind::Dummy, mtu),
            ("bridge", None) => links::create(&own, InfoKind::Bridge, mtu),
            _ => Err(refused(format!("kind {kind:?} is not one of wireguard, veth, dummy, bridge"))),
        }
    })
}

#[napi]
pub fn link_set_up(name: String) -> napi::Result<()> {
    guarded(|| links::set_up(index_of(&name, "set up")?, &name))
}

#[napi]
pub fn link_set_down(name: String) -> napi::Result<()> {
    guarded(|| links::set_down(index_of(&name, "set down")?, &name))
}

#[napi]
pub fn link_set_mtu(name: String, mtu: u32) -> napi::Result<()> {
    guarded(|| {
        let index = index_of(&name, "set the MTU of")?;
        links::set_mtu(index, &name, checked_mtu(mtu, "set the MTU of", &name)?)
    })
}

fn checked_mtu(mtu: u32, operation: &'static str, name: &str) -> Result<u16> {
    let in_range = u16::try_from(mtu).ok().filter(|_| MTU_RANGE.contains(&mtu));
    in_range.ok_or_else(|| Error::new("EINVAL", operation, name, format!("{mtu} is not in 576..65535")))
}

#[napi]
pub fn link_delete(name: String) -> napi::Result<()> {
    guarded(|| links::delete(index_of(&name, "delete")?, &name))
}

#[napi]
pub fn address_list(link_name: Option<String>) -> napi::Result<Vec<Address>> {
    guarded(|| {
        let links = links_by_name(link_name.as_deref(), "list the addresses of")?;
        let found = addresses::list()?.into_iter();
        let named = found.filter_map(|address| {
            let link = links.iter().find(|link| link.index == address.link_index)?;
            Some(Address {
                link_index: address.link_index,
                link_name: link.name.clone(),
                address: address.network.address.to_string(),
                prefix_length: address.network.prefix.into(),
                scope: address.scope,
                tentative: address.tentative,
            })
        });
        Ok(named.collect())
    })
}

#[napi]
pub fn address_add(link_name: String, cidr: String) -> napi::Result<()> {
    guarded(|| {
        let network = Network::parse(&cidr)?;
        addresses::add(index_of(&link_name, "add address to")?, &link_name, network)
    })
}

#[napi]
pub fn address_delete(link_name: String, cidr: String) -> napi::Result<()> {
    guarded(|| {
        let network = Network::parse(&cidr)?;
        match links::get(&LinkName::parse(&link_name)?)? {
            Some(link) => addresses::delete(link.index, &link_name, network),
            None => Ok(()),
        }
    })
}

#[napi]
pub fn route_list(link_name: Option<String>) -> napi::Result<Vec<Route>> {
    guarded(|| {
        let links = links_by_name(link_name.as_deref(), "list the routes of")?;
        let name_of =
            |index: u32| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
        let found = routes::list()?.into_iter().map(|route| Route {
            destination: route.destination.to_string(),
            gateway: route.gateway.map(|address| address.to_string()),
            link_name: route.link_index.and_then(name_of),
            table: route.table,
            protocol: route.protocol.into(),
            metric: route.metric,
            source: route.source.map(|address| address.to_string()),
            kind: route.kind,
        });
        // Asked for one link, only its name is known, and so the routes of others have none.
        Ok(found.filter(|route| link_name.is_none() || route.link_name.is_some()).collect())
    })
}

/// What a route is known by besides its destination and link. The face fills in what the caller leaves out.
#[napi(object)]
pub struct RouteProperties {
    pub metric: u32,
    pub gateway: Option<String>,
    pub protocol: u32,
    pub source: Option<String>,
}

#[napi]
pub fn route_get(destination: String, fwmark: Option<u32>) -> napi::Result<Option<RouteLookup>> {
    guarded(|| {
        let address = destination
            .parse()
            .map_err(|_| Error::new("EINVAL", "look up the route to", &destination, "not an IP address"))?;
        Ok(lookup::get(address, fwmark)?.map(RouteLookup::from))
    })
}

#[napi]
pub fn route_add(destination: String, link_name: String, properties: RouteProperties) -> napi::Result<()> {
    guarded(|| {
        let mut route = unicast(&destination, &properties)?;
        route.link_index = index_of(&link_name, "add route to")?;
        routes::add(&route, &link_name)
    })
}

#[napi]
pub fn route_delete(destination: String, link_name: String, properties: RouteProperties) -> napi::Result<()> {
    guarded(|| {
        let mut route = unicast(&destination, &properties)?;
        let Some(link) = links::get(&LinkName::parse(&link_name)?)? else { return Ok(()) };
        route.link_index = link.index;
        routes::delete(&route, &link_name)
    })
}

/// The route, its link still to be filled in.
fn unicast(destination: &str, properties: &RouteProperties) -> Result<routes::Unicast> {
    let refused = |reason: String| Error::new("EINVAL", "use route", destination, reason);
    let destination = Network::parse(destination)?.masked();
    let protocol = u8::try_from(properties.protocol).ok().filter(|number| *number != 0);
    let protocol =
        protocol.ok_or_else(|| refused(format!("protocol {} is not in 1..255", properties.protocol)))?;
    let of_family = |what: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match text.parse::<IpAddr>() {
            Ok(address) if address.is_ipv4() == destination.address.is_ipv4() => Ok(Some(address)),
            _ => Err(refused(format!("{what} {text:?} is no address of its family"))),
        },
    };
    let gateway = of_family("gateway", &properties.gateway)?;
    let source = of_family("source", &properties.source)?;
    Ok(routes::Unicast { destination, link_index: 0, gateway, metric: properties.metric, source, protocol })
}

/// The index of a link; ENODEV when there is none of that name.
fn index_of(name: &str, operation: &'static str) -> Result<u32> {
    Ok(links::require(&LinkName::parse(name)?, operation)?.index)
}

/// The link of that name (ENODEV when there is none), or all.
fn links_by_name(name: Option<&str>, operation: &'static str) -> Result<Vec<links::Link>> {
    match name {
        Some(name) => Ok(vec![links::require(&LinkName::parse(name)?, operation)?]),
        None => links::list(),
    }
}

#[napi]
pub struct NetworkMonitor(Option<Monitor>);

#[napi]
impl NetworkMonitor {
    #[napi(constructor)]
    pub fn new(callback: Function<'_, Vec<String>, ()>) -> napi::Result<Self> {
        // Weak: a monitor alone does not keep the process alive.
        let callback = callback.build_threadsafe_function().weak::<true>().build()?;
        guarded(|| {
            let monitor = Monitor::start(move |changes| {
                let names = changes.names().into_iter().map(str::to_owned).collect();
                // Refused only when the process is ending.
                callback.call(names, ThreadsafeFunctionCallMode::NonBlocking);
            })?;
            Ok(Self(Some(monitor)))
        })
    }

    #[napi]
    pub fn close(&mut self) -> napi::Result<()> {
        guarded(|| {
            self.0 = None;
            Ok(())
        })
    }
}
