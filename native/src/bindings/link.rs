//! Links, addresses, routes and their changes.

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use super::guarded;
use crate::error::{Error, Result};
use crate::link::monitor::Monitor;
use crate::link::name::{InterfaceName, LinkName};
use crate::link::network::Network;
use crate::link::{addresses, links, routes};

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
    #[napi(js_name = "type")]
    pub kind: String,
}

#[napi]
pub fn link_get(name: String) -> napi::Result<Option<Link>> {
    guarded(|| Ok(links::get(&LinkName::parse(&name)?)?.map(Link::from)))
}

#[napi]
pub fn link_list() -> napi::Result<Vec<Link>> {
    guarded(|| Ok(links::list()?.into_iter().map(Link::from).collect()))
}

#[napi]
pub fn link_set_up(name: String) -> napi::Result<()> {
    guarded(|| links::set_up(own_link(&name, "set up")?, &name))
}

#[napi]
pub fn link_set_mtu(name: String, mtu: u32) -> napi::Result<()> {
    guarded(|| {
        let index = own_link(&name, "set the MTU of")?;
        let in_range = u16::try_from(mtu).ok().filter(|_| MTU_RANGE.contains(&mtu));
        let mtu = in_range.ok_or_else(|| {
            Error::new("EINVAL", "set the MTU of", &name, format!("{mtu} is not in 576..65535"))
        })?;
        links::set_mtu(index, &name, mtu)
    })
}

#[napi]
pub fn link_delete(name: String) -> napi::Result<()> {
    guarded(|| links::delete(own_link(&name, "delete")?, &name))
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
        addresses::add(own_link(&link_name, "add address to")?, &link_name, network)
    })
}

#[napi]
pub fn address_delete(link_name: String, cidr: String) -> napi::Result<()> {
    guarded(|| {
        let network = Network::parse(&cidr)?;
        match links::get(&LinkName::from(&InterfaceName::parse(&link_name)?))? {
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
            kind: route.kind,
        });
        // Asked for one link, only its name is known, and so the routes of others have none.
        Ok(found.filter(|route| link_name.is_none() || route.link_name.is_some()).collect())
    })
}

#[napi]
pub fn route_add(destination: String, link_name: String, metric: u32) -> napi::Result<()> {
    guarded(|| {
        let network = Network::parse(&destination)?.masked();
        routes::add(network, own_link(&link_name, "add route to")?, &link_name, metric)
    })
}

#[napi]
pub fn route_delete(destination: String, link_name: String, metric: u32) -> napi::Result<()> {
    guarded(|| {
        let network = Network::parse(&destination)?.masked();
        match links::get(&LinkName::from(&InterfaceName::parse(&link_name)?))? {
            Some(link) => routes::delete(network, link.index, &link_name, metric),
            None => Ok(()),
        }
    })
}

/// The index of a link that wgmesh may change: one with a name it would give (ENODEV when there is none).
fn own_link(name: &str, operation: &'static str) -> Result<u32> {
    let name = InterfaceName::parse(name)?;
    Ok(links::require(&LinkName::from(&name), operation)?.index)
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
