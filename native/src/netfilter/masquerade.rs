//! A table of our own that has what goes from the mesh to the Internet leave with this host's address.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};

use super::message::{self, Attributes, FAMILY_IPV4, FAMILY_IPV6, REGISTER, attribute as at};
use crate::error::Result;
use crate::link::network::Network;
use crate::link::socket::Message;

const CHAIN: &str = "postrouting";
const POSTROUTING: u32 = 4;
/// Where source addresses are translated (NF_IP_PRI_NAT_SRC).
const PRIORITY: u32 = 100;
const NETWORK_HEADER: u32 = 1;
const ACCEPT: u32 = 1;
const NAME_BYTES: usize = 16;

/// What the table does.
pub struct Wish<'a> {
    pub interface: &'a str,
    /// Packets from here are translated, unless they leave by the interface.
    pub sources: &'a [Network],
    /// Packets to here are not.
    pub except: &'a [Network],
}

/// `wgmesh_wg0`. Bytes that nft would want quotes for are written as `.` and two digits, so different interfaces have different names.
fn table_of(interface: &str) -> String {
    let escaped = interface.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        _ => format!(".{byte:02x}"),
    });
    format!("wgmesh_{}", escaped.collect::<String>())
}

/// Makes the tables of both families, or makes them anew; all or nothing.
pub fn set(wish: &Wish<'_>) -> Result<()> {
    let mut messages = removal(wish.interface);
    for (family, ipv6) in [(FAMILY_IPV4, false), (FAMILY_IPV6, true)] {
        let of = |networks: &[Network]| -> Vec<Network> {
            networks.iter().copied().filter(|network| network.address.is_ipv6() == ipv6).collect()
        };
        let (sources, except) = (of(wish.sources), of(wish.except));
        if !sources.is_empty() {
            messages.extend(table(wish.interface, family, &sources, &except));
        }
    }
    send(&messages, "set the masquerading of", wish.interface)
}

/// No error when there is none.
pub fn remove(interface: &str) -> Result<()> {
    send(&removal(interface), "end the masquerading of", interface)
}

/// Whether a table of the interface is there for IPv4, and for IPv6.
pub fn exists(interface: &str) -> Result<(bool, bool)> {
    let has = |family| {
        let question = Attributes::new().text(at::TABLE_NAME, &table_of(interface)).body(family);
        let answer = message::open().and_then(|mut socket| {
            socket.get(message::GET_TABLE, &question, |kind, _| (kind == message::NEW_TABLE).then_some(()))
        });
        match answer {
            Err(error) if error.errno == libc::ENOENT => Ok(false),
            result => result
                .map(|found| found.is_some())
                .map_err(|error| error.because("look for the masquerading of", interface)),
        }
    };
    Ok((has(FAMILY_IPV4)?, has(FAMILY_IPV6)?))
}

fn send(messages: &[Message], operation: &'static str, interface: &str) -> Result<()> {
    message::open()
        .and_then(|mut socket| socket.batch(&message::edge(true), messages, &message::edge(false)))
        .map_err(|error| error.because(operation, interface))
}

/// Made first, so that there is something to remove.
fn removal(interface: &str) -> Vec<Message> {
    [FAMILY_IPV4, FAMILY_IPV6]
        .into_iter()
        .flat_map(|family| {
            [new_table(interface, family), table_message(message::DELETE_TABLE, 0, interface, family)]
        })
        .collect()
}

fn new_table(interface: &str, family: u8) -> Message {
    table_message(message::NEW_TABLE, NLM_F_CREATE, interface, family)
}

fn table_message(kind: u16, flags: u16, interface: &str, family: u8) -> Message {
    Message { kind, flags, body: Attributes::new().text(at::TABLE_NAME, &table_of(interface)).body(family) }
}

fn table(interface: &str, family: u8, sources: &[Network], except: &[Network]) -> Vec<Message> {
    let name = table_of(interface);
    let hook = Attributes::new().number(at::HOOK_NUMBER, POSTROUTING).number(at::HOOK_PRIORITY, PRIORITY);
    let chain = Attributes::new()
        .text(at::CHAIN_TABLE, &name)
        .text(at::CHAIN_NAME, CHAIN)
        .nested(at::CHAIN_HOOK, hook)
        .text(at::CHAIN_TYPE, "nat");
    let mut messages = vec![
        new_table(interface, family),
        Message { kind: message::NEW_CHAIN, flags: NLM_F_CREATE, body: chain.body(family) },
    ];
    let mut rule = |expressions: Attributes| {
        let rule = Attributes::new()
            .text(at::RULE_TABLE, &name)
            .text(at::RULE_CHAIN, CHAIN)
            .nested(at::RULE_EXPRESSIONS, expressions);
        let flags = NLM_F_CREATE | NLM_F_APPEND;
        messages.push(Message { kind: message::NEW_RULE, flags, body: rule.body(family) });
    };
    for network in except {
        rule(accept(address_in(Attributes::new(), *network, false)));
    }
    for network in sources {
        let from = address_in(Attributes::new(), *network, true);
        rule(expression(leaves_elsewhere(from, interface), "masq", Attributes::new()));
    }
    messages
}

fn expression(list: Attributes, name: &str, data: Attributes) -> Attributes {
    let whole = Attributes::new().text(at::EXPRESSION_NAME, name).nested(at::EXPRESSION_DATA, data);
    list.nested(at::LIST_ELEMENT, whole)
}

fn value(bytes: &[u8]) -> Attributes {
    Attributes::new().bytes(at::DATA_VALUE, bytes)
}

fn compare(list: Attributes, operation: u32, bytes: &[u8]) -> Attributes {
    let data = Attributes::new()
        .number(at::CMP_REGISTER, REGISTER)
        .number(at::CMP_OPERATION, operation)
        .nested(at::CMP_DATA, value(bytes));
    expression(list, "cmp", data)
}

/// The source, or the destination, lies in the network.
fn address_in(list: Attributes, network: Network, source: bool) -> Attributes {
    let (address, mask, offset) = match network.masked().address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(network.prefix)).unwrap_or(0);
            (address.octets().to_vec(), mask.to_be_bytes().to_vec(), 12)
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(network.prefix)).unwrap_or(0);
            (address.octets().to_vec(), mask.to_be_bytes().to_vec(), 8)
        }
    };
    let length = address.len() as u32;
    let load = Attributes::new()
        .number(at::LOAD_REGISTER, REGISTER)
        .number(at::PAYLOAD_BASE, NETWORK_HEADER)
        .number(at::PAYLOAD_OFFSET, if source { offset } else { offset + length })
        .number(at::PAYLOAD_LENGTH, length);
    let masked = Attributes::new()
        .number(at::BITWISE_SOURCE, REGISTER)
        .number(at::BITWISE_REGISTER, REGISTER)
        .number(at::BITWISE_LENGTH, length)
        .nested(at::BITWISE_MASK, value(&mask))
        .nested(at::BITWISE_XOR, value(&vec![0; address.len()]));
    let list = expression(expression(list, "payload", load), "bitwise", masked);
    compare(list, message::EQUAL, &address)
}

fn leaves_elsewhere(list: Attributes, interface: &str) -> Attributes {
    let load =
        Attributes::new().number(at::LOAD_REGISTER, REGISTER).number(at::META_KEY, message::META_OIFNAME);
    let mut name = interface.as_bytes().to_vec();
    name.resize(NAME_BYTES, 0);
    compare(expression(list, "meta", load), message::NOT_EQUAL, &name)
}

fn accept(list: Attributes) -> Attributes {
    let verdict = Attributes::new().number(at::VERDICT_CODE, ACCEPT);
    let data = Attributes::new()
        .number(at::IMMEDIATE_REGISTER, message::REGISTER_VERDICT)
        .nested(at::IMMEDIATE_DATA, Attributes::new().nested(at::DATA_VERDICT, verdict));
    expression(list, "immediate", data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::in_own_network;

    #[test]
    fn names_of_tables_need_no_quotes_and_differ() {
        assert_eq!(table_of("wg0"), "wgmesh_wg0");
        assert_eq!(table_of("a-b.c"), "wgmesh_a.2db.2ec");
    }

    #[test]
    fn the_kernel_takes_the_tables_and_they_go() {
        in_own_network("netfilter::masquerade::tests::the_kernel_takes_the_tables_and_they_go", || {
            remove("wg0").unwrap();
            assert_eq!(exists("wg0").unwrap(), (false, false));
            let networks = |texts: &[&str]| -> Vec<Network> {
                texts.iter().map(|text| Network::parse(text).unwrap()).collect()
            };
            let (v4, both) = (networks(&["10.7.0.0/16"]), networks(&["10.7.0.0/16", "fd00:7::/64"]));
            let except = networks(&["192.168.1.0/24", "fd00:1::/48", "0.0.0.0/0"]);
            set(&Wish { interface: "wg0", sources: &both, except: &except }).unwrap();
            assert_eq!(exists("wg0").unwrap(), (true, true));
            assert_eq!(exists("wg1").unwrap(), (false, false));
            set(&Wish { interface: "wg0", sources: &v4, except: &[] }).unwrap();
            assert_eq!(exists("wg0").unwrap(), (true, false));
            remove("wg0").unwrap();
            assert_eq!(exists("wg0").unwrap(), (false, false));
        });
    }
}
