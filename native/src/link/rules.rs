//! Policy rules with our protocol number, and default routes in tables other than main (ip-rule(8), Linux 4.17).

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Parseable as _};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleHeader, RuleMessage, RulePortRange};
use netlink_packet_route::{AddressFamily, IpProtocol};

use super::network::Network;
use super::{ROUTE_PROTOCOL, attributes, command, emit, open, routes};
use crate::error::Result;

/// linux/rtnetlink.h
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;

const HEADER_BYTES: usize = 12;
/// What the kernel says of a rule that suppresses nothing.
const NO_SUPPRESSION: u32 = u32::MAX;

/// In place of a table: what the rule matches is unreachable.
const NO_TABLE: u32 = 0;

/// Sends what it matches to a table, or nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub ipv6: bool,
    /// Lower is asked first.
    pub priority: u32,
    /// 0 for none: who sends is told that there is no way.
    pub table: u32,
    /// Routes of the table with a prefix of this length or shorter do not count.
    pub suppress_prefix_length: Option<u32>,
    /// Of the packet's socket, all bits.
    pub fwmark: Option<u32>,
    pub source: Option<Network>,
    pub udp_source_port: Option<u16>,
}

/// Rules with our protocol number, of both families.
pub fn list() -> Result<Vec<Rule>> {
    let question = RuleMessage::default();
    let answer =
        open().and_then(|mut socket| socket.dump(RTM_GETRULE, &emit(&question), |_, payload| parse(payload)));
    answer.map_err(|error| error.because("list rules", "of this network namespace"))
}

/// No error when it is there already.
pub fn add(rule: &Rule) -> Result<()> {
    match command(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &message(rule)) {
        Err(error) if error.errno != libc::EEXIST => Err(error.because("add rule", text(rule))),
        _ => Ok(()),
    }
}

/// Only ours; no error when it is gone already.
pub fn delete(rule: &Rule) -> Result<()> {
    match command(RTM_DELRULE, 0, &message(rule)) {
        Err(error) if !matches!(error.errno, libc::ENOENT | libc::EAFNOSUPPORT) => {
            Err(error.because("delete rule", text(rule)))
        }
        _ => Ok(()),
    }
}

/// Adds a default route out of the link to a table of ours, in place of one with another source; no error when it is there already.
pub fn add_default(
    link_index: u32,
    name: &str,
    table: u32,
    ipv6: bool,
    source: Option<IpAddr>,
) -> Result<()> {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(ipv6),
        protocol: RouteProtocol::from(ROUTE_PROTOCOL),
        scope: RouteScope::Link,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    message.attributes = vec![RouteAttribute::Oif(link_index), RouteAttribute::Table(table)];
    if let Some(source) = source {
        message.attributes.push(RouteAttribute::PrefSource(RouteAddress::from(source)));
    }
    // Without a moment in which there is none: what came then would leave outside the tunnel.
    command(routes::RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &message)
        .map_err(|error| error.because("add default route", format!("via {name} to table {table}")))
}

/// A default route of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Default {
    pub ipv6: bool,
    /// The address packets go out from, where the route names one.
    pub source: Option<IpAddr>,
}

/// The default routes of ours out of the link in the table.
pub fn defaults(link_index: u32, table: u32) -> Result<Vec<Default>> {
    let of_family = |ipv6| -> Result<Vec<Default>> {
        let mut question = RouteMessage::default();
        question.header.address_family = family(ipv6);
        question.attributes = vec![RouteAttribute::Table(table)];
        let answer = open().and_then(|mut socket| {
            socket.set_strict()?;
            socket.dump(routes::RTM_GETROUTE, &emit(&question), |_, payload| routes::parse(payload))
        });
        let found = match answer {
            // A table without routes is none; or a family the kernel was started without.
            Err(error) if matches!(error.errno, libc::ENOENT | libc::EAFNOSUPPORT | libc::EOPNOTSUPP) => {
                Vec::new()
            }
            result => result.map_err(|error| error.because("list routes", format!("of table {table}")))?,
        };
        let ours = found.into_iter().flatten().filter(|route| {
            route.table == table
                && route.destination.prefix == 0
                && route.link_index == Some(link_index)
                && route.protocol == ROUTE_PROTOCOL
        });
        Ok(ours.map(|route| Default { ipv6, source: route.source }).collect())
    };
    let mut all = of_family(false)?;
    all.extend(of_family(true)?);
    Ok(all)
}

fn family(ipv6: bool) -> AddressFamily {
    if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet }
}

fn text(rule: &Rule) -> String {
    let family = if rule.ipv6 { 6 } else { 4 };
    format!("{} of IPv{family} to table {}", rule.priority, rule.table)
}

fn message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header = RuleHeader {
        family: family(rule.ipv6),
        src_len: rule.source.map_or(0, |source| source.prefix),
        action: if rule.table == NO_TABLE { RuleAction::Unreachable } else { RuleAction::ToTable },
        ..RuleHeader::default()
    };
    let attributes = &mut message.attributes;
    attributes.extend([
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Protocol(RouteProtocol::from(ROUTE_PROTOCOL)),
    ]);
    if let Some(length) = rule.suppress_prefix_length {
        attributes.push(RuleAttribute::SuppressPrefixLen(length));
    }
    if let Some(mark) = rule.fwmark {
        attributes.extend([RuleAttribute::FwMark(mark), RuleAttribute::FwMask(u32::MAX)]);
    }
    if let Some(source) = rule.source {
        attributes.push(RuleAttribute::Source(source.address));
    }
    if let Some(port) = rule.udp_source_port {
        let range = RulePortRange { start: port, end: port };
        attributes
            .extend([RuleAttribute::IpProtocol(IpProtocol::Udp), RuleAttribute::SourcePortRange(range)]);
    }
    message
}

/// `None` for what is not ours, or of no family that is known here.
fn parse(payload: &[u8]) -> Option<Rule> {
    let header = RuleHeader::parse(payload).ok()?;
    let ipv6 = match header.family {
        AddressFamily::Inet => false,
        AddressFamily::Inet6 => true,
        _ => return None,
    };
    let mut rule = Rule {
        ipv6,
        priority: 0,
        table: header.table.into(),
        suppress_prefix_length: None,
        fwmark: None,
        source: None,
        udp_source_port: None,
    };
    let mut protocol = 0;
    let known = attributes(payload.get(HEADER_BYTES..)?, |nla| RuleAttribute::parse(nla).ok());
    for attribute in known {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = priority,
            RuleAttribute::Table(table) => rule.table = table,
            RuleAttribute::Protocol(by) => protocol = u8::from(by),
            RuleAttribute::SuppressPrefixLen(length) => {
                rule.suppress_prefix_length = Some(length).filter(|length| *length != NO_SUPPRESSION);
            }
            RuleAttribute::FwMark(mark) => rule.fwmark = Some(mark).filter(|mark| *mark != 0),
            RuleAttribute::Source(address) => rule.source = source(address, header.src_len),
            RuleAttribute::SourcePortRange(range) => rule.udp_source_port = Some(range.start),
            _ => {}
        }
    }
    (protocol == ROUTE_PROTOCOL).then_some(rule)
}

fn source(address: IpAddr, prefix: u8) -> Option<Network> {
    Network::new(address, prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{addresses, links};
    use crate::testing::in_own_network;

    fn plain(ipv6: bool) -> Rule {
        Rule {
            ipv6,
            priority: 20_100,
            table: 1_000_111,
            suppress_prefix_length: None,
            fwmark: None,
            source: None,
            udp_source_port: None,
        }
    }

    fn all_kinds() -> Vec<Rule> {
        [false, true]
            .into_iter()
            .flat_map(|ipv6| {
                let source = if ipv6 { "fd00::7/128" } else { "192.0.2.7/32" };
                [
                    Rule { fwmark: Some(0x3111), table: 254, ..plain(ipv6) },
                    Rule { udp_source_port: Some(51_820), table: 254, ..plain(ipv6) },
                    Rule { source: Some(Network::parse(source).unwrap()), table: 254, ..plain(ipv6) },
                    Rule { suppress_prefix_length: Some(0), priority: 20_101, table: 254, ..plain(ipv6) },
                    Rule { priority: 20_102, ..plain(ipv6) },
                    Rule { priority: 20_103, table: NO_TABLE, ..plain(ipv6) },
                ]
            })
            .collect()
    }

    #[test]
    fn reads_what_it_writes() {
        for rule in all_kinds() {
            assert_eq!(parse(&emit(&message(&rule))), Some(rule));
        }
    }

    #[test]
    fn rules_of_others_are_not_seen() {
        let mut foreign = message(&plain(false));
        foreign.attributes.retain(|attribute| !matches!(attribute, RuleAttribute::Protocol(_)));
        assert_eq!(parse(&emit(&foreign)), None);
        foreign.attributes.push(RuleAttribute::Protocol(RouteProtocol::Static));
        assert_eq!(parse(&emit(&foreign)), None);
    }

    #[test]
    fn the_kernel_takes_and_lists_them_and_they_go_one_by_one() {
        in_own_network("link::rules::tests::the_kernel_takes_and_lists_them_and_they_go_one_by_one", || {
            assert_eq!(list().unwrap(), []);
            let rules = all_kinds();
            for rule in rules.iter().chain(&rules) {
                add(rule).unwrap();
            }
            let mut rest = list().unwrap();
            assert_eq!(rest.len(), rules.len());
            for rule in &rules {
                assert!(rest.contains(rule), "{rule:?}");
                delete(rule).unwrap();
                delete(rule).unwrap();
                rest.retain(|other| other != rule);
                assert_eq!(list().unwrap().len(), rest.len());
            }
        });
    }

    #[test]
    fn a_default_route_stands_in_its_table_and_no_other() {
        in_own_network("link::rules::tests::a_default_route_stands_in_its_table_and_no_other", || {
            let lo = links::list().unwrap().into_iter().find(|link| link.loopback).unwrap();
            links::set_up(lo.index, &lo.name).unwrap();
            assert_eq!(defaults(lo.index, 1_000_111).unwrap(), []);
            for ipv6 in [false, true, true] {
                add_default(lo.index, &lo.name, 1_000_111, ipv6, None).unwrap();
            }
            let both = |sources: [Option<IpAddr>; 2]| {
                [Default { ipv6: false, source: sources[0] }, Default { ipv6: true, source: sources[1] }]
            };
            assert_eq!(defaults(lo.index, 1_000_111).unwrap(), both([None; 2]));
            for host in [["10.1.0.1", "fd01::1"], ["10.2.0.1", "fd02::1"]] {
                let sources = host.map(|text| text.parse::<IpAddr>().unwrap());
                for source in sources {
                    let network = Network::new(source, if source.is_ipv6() { 64 } else { 16 }).unwrap();
                    addresses::add(lo.index, &lo.name, network).unwrap();
                    add_default(lo.index, &lo.name, 1_000_111, source.is_ipv6(), Some(source)).unwrap();
                }
                assert_eq!(defaults(lo.index, 1_000_111).unwrap(), both(sources.map(Some)));
            }
            assert_eq!(defaults(lo.index, 1_000_112).unwrap(), []);
            assert!(routes::list().unwrap().iter().all(|route| route.destination.prefix != 0));
        });
    }
}
