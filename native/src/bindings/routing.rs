//! Policy rules, tables of routes, and the packet filter.

use std::net::IpAddr;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;

use super::guarded;
use super::later::{Later, later};
use crate::error::{Error, Result};
use crate::link::name::LinkName;
use crate::link::network::Network;
use crate::link::{links, rules};
use crate::netfilter::masquerade::{self, Wish};
use crate::netfilter::ruleset;
use crate::os::socket;

#[napi(object, use_nullable = true)]
pub struct PolicyRule {
    pub family: u32,
    pub priority: u32,
    pub table: u32,
    pub suppress_prefix_length: Option<u32>,
    pub fwmark: Option<u32>,
    pub source: Option<String>,
    pub udp_source_port: Option<u32>,
}

impl From<rules::Rule> for PolicyRule {
    fn from(rule: rules::Rule) -> Self {
        Self {
            family: if rule.ipv6 { 6 } else { 4 },
            priority: rule.priority,
            table: rule.table,
            suppress_prefix_length: rule.suppress_prefix_length,
            fwmark: rule.fwmark,
            source: rule.source.map(|source| source.to_string()),
            udp_source_port: rule.udp_source_port.map(u32::from),
        }
    }
}

fn native(rule: &PolicyRule) -> Result<rules::Rule> {
    let refused = |reason: &str| Error::new("EINVAL", "use rule", rule.priority.to_string(), reason);
    let ipv6 = is_ipv6(rule.family)?;
    let source = rule.source.as_deref().map(Network::parse).transpose()?;
    if source.is_some_and(|source| source.address.is_ipv6() != ipv6) {
        return Err(refused("its source is of the other family"));
    }
    let port = rule.udp_source_port.map(u16::try_from).transpose();
    Ok(rules::Rule {
        ipv6,
        priority: rule.priority,
        table: rule.table,
        suppress_prefix_length: rule.suppress_prefix_length,
        fwmark: rule.fwmark,
        source,
        udp_source_port: port.map_err(|_| refused("its port is not in 0..65535"))?,
    })
}

fn is_ipv6(family: u32) -> Result<bool> {
    match family {
        4 => Ok(false),
        6 => Ok(true),
        _ => Err(Error::new("EINVAL", "use family", family.to_string(), "it is neither 4 nor 6")),
    }
}

#[napi]
pub fn rule_list() -> napi::Result<Vec<PolicyRule>> {
    guarded(|| Ok(rules::list()?.into_iter().map(PolicyRule::from).collect()))
}

#[napi]
pub fn rule_add(rule: PolicyRule) -> napi::Result<()> {
    guarded(|| rules::add(&native(&rule)?))
}

#[napi]
pub fn rule_delete(rule: PolicyRule) -> napi::Result<()> {
    guarded(|| rules::delete(&native(&rule)?))
}

#[napi(object, use_nullable = true)]
pub struct DefaultRoute {
    pub family: u32,
    pub source: Option<String>,
}

#[napi]
pub fn default_route_add(
    link_name: String,
    table: u32,
    family: u32,
    source: Option<String>,
) -> napi::Result<()> {
    guarded(|| {
        let ipv6 = is_ipv6(family)?;
        let source = source.map(|text| match text.parse::<IpAddr>() {
            Ok(address) if address.is_ipv6() == ipv6 => Ok(address),
            _ => Err(Error::new("EINVAL", "use source", text, "it is no address of the family")),
        });
        let link = links::require(&LinkName::parse(&link_name)?, "add default route via")?;
        rules::add_default(link.index, &link_name, table, ipv6, source.transpose()?)
    })
}

#[napi]
pub fn default_route_list(link_name: String, table: u32) -> napi::Result<Vec<DefaultRoute>> {
    guarded(|| {
        let Some(link) = links::get(&LinkName::parse(&link_name)?)? else { return Ok(Vec::new()) };
        let found = rules::defaults(link.index, table)?.into_iter().map(|route| DefaultRoute {
            family: if route.ipv6 { 6 } else { 4 },
            source: route.source.map(|address| address.to_string()),
        });
        Ok(found.collect())
    })
}

#[napi]
pub fn mark_own_sockets(fwmark: u32, port: Option<u32>) -> napi::Result<u32> {
    guarded(|| {
        let port = port.map(u16::try_from).transpose().map_err(|_| {
            Error::new("EINVAL", "mark", "the sockets of this process", "the port is not in 0..65535")
        })?;
        port.map_or_else(|| socket::mark_own(fwmark), |port| socket::mark_port(fwmark, port))
            .map_err(|error| Error::from_io(&error, "mark", "the sockets of this process"))
    })
}

// The kernel loads the modules of its packet filter when somebody asks for the first time, and has whoever asks wait.

#[napi]
pub fn masquerade_set(
    interface_name: String,
    sources: Vec<String>,
    except: Vec<String>,
) -> AsyncTask<Later<()>> {
    later("masqueradeSet", move || {
        LinkName::parse(&interface_name)?;
        let parse =
            |texts: &[String]| texts.iter().map(|text| Network::parse(text)).collect::<Result<Vec<_>>>();
        let (sources, except) = (parse(&sources)?, parse(&except)?);
        masquerade::set(&Wish { interface: &interface_name, sources: &sources, except: &except })
    })
}

#[napi]
pub fn masquerade_remove(interface_name: String) -> AsyncTask<Later<()>> {
    later("masqueradeRemove", move || {
        LinkName::parse(&interface_name)?;
        masquerade::remove(&interface_name)
    })
}

#[napi]
pub fn masquerade_families(interface_name: String) -> AsyncTask<Later<Vec<u32>>> {
    later("masqueradeFamilies", move || {
        LinkName::parse(&interface_name)?;
        let (v4, v6) = masquerade::exists(&interface_name)?;
        Ok([(v4, 4), (v6, 6)].into_iter().filter_map(|(has, family)| has.then_some(family)).collect())
    })
}

#[napi]
pub fn packet_filter() -> AsyncTask<Later<String>> {
    later("packetFilter", ruleset::read)
}
