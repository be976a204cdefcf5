//! The chains and rules of the packet filter, in the JSON that `nft --json list ruleset` would print, as far as somebody asks for it: what
//! a rule looks at besides links, families and connection states is told as something that may match or not.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::message::{self, FAMILY_ANY, FAMILY_INET, FAMILY_IPV4, FAMILY_IPV6, attribute as at};
use crate::error::Result;
use crate::link::links;

/// Behind nfgenmsg.
const HEADER_BYTES: usize = 4;

/// Names of links by index.
type Names = HashMap<u32, String>;

/// About 1 ms for each 500 rules.
pub fn read() -> Result<String> {
    let names: Names = links::list()?.into_iter().map(|link| (link.index, link.name)).collect();
    let mut found = list(message::GET_CHAIN, chain)?;
    found.extend(list(message::GET_RULE, |family, attributes| rule(family, attributes, &names))?);
    Ok(json!({ "nftables": found }).to_string())
}

fn list(kind: u16, parse: impl Fn(&'static str, &[u8]) -> Option<Value>) -> Result<Vec<Value>> {
    let question = message::header(FAMILY_ANY, 0);
    let answer = message::open().and_then(|mut socket| {
        socket.dump(kind, &question, |_, payload| {
            let family = family_text(*payload.first()?)?;
            parse(family, payload.get(HEADER_BYTES..)?)
        })
    });
    match answer {
        // A kernel without nf_tables filters nothing with it.
        Err(error) if matches!(error.errno, libc::EINVAL | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT) => {
            Ok(Vec::new())
        }
        result => result.map_err(|error| error.because("read", "the packet filter")),
    }
}

/// Families that IP packets pass.
fn family_text(family: u8) -> Option<&'static str> {
    match family {
        FAMILY_INET => Some("inet"),
        FAMILY_IPV4 => Some("ip"),
        FAMILY_IPV6 => Some("ip6"),
        _ => None,
    }
}

fn chain(family: &str, attributes: &[u8]) -> Option<Value> {
    let table = message::find_text(attributes, at::CHAIN_TABLE)?;
    let name = message::find_text(attributes, at::CHAIN_NAME)?;
    let mut chain = json!({ "family": family, "table": table, "name": name });
    if let Some(hook) = message::find(attributes, at::CHAIN_HOOK) {
        let hook_name = match message::find_number(hook, at::HOOK_NUMBER)? {
            0 => "prerouting",
            1 => "input",
            2 => "forward",
            3 => "output",
            4 => "postrouting",
            _ => "ingress",
        };
        let priority = message::find_number(hook, at::HOOK_PRIORITY).unwrap_or(0).cast_signed();
        let policy = message::find_number(attributes, at::CHAIN_POLICY);
        chain["type"] = json!(message::find_text(attributes, at::CHAIN_TYPE));
        chain["hook"] = json!(hook_name);
        chain["prio"] = json!(priority);
        chain["policy"] = json!(if policy == Some(0) { "drop" } else { "accept" });
    }
    Some(json!({ "chain": chain }))
}

fn rule(family: &str, attributes: &[u8], names: &Names) -> Option<Value> {
    let table = message::find_text(attributes, at::RULE_TABLE)?;
    let chain = message::find_text(attributes, at::RULE_CHAIN)?;
    let list = message::find(attributes, at::RULE_EXPRESSIONS).unwrap_or_default();
    let mut reader = Expressions { registers: HashMap::new(), names };
    let expressions: Vec<Value> = message::each(list)
        .filter(|(kind, _)| *kind == at::LIST_ELEMENT)
        .filter_map(|(_, element)| reader.read(element))
        .collect();
    Some(json!({ "rule": { "family": family, "table": table, "chain": chain, "expr": expressions } }))
}

/// What was loaded into a register.
#[derive(Clone, Copy)]
enum Loaded {
    Meta(u32),
    /// With the bits that count.
    ConnectionState(u32),
    Other,
}

struct Expressions<'a> {
    registers: HashMap<u32, Loaded>,
    names: &'a Names,
}

impl Expressions<'_> {
    /// `None` for what neither matches nor decides.
    fn read(&mut self, element: &[u8]) -> Option<Value> {
        let name = message::find_text(element, at::EXPRESSION_NAME)?;
        let data = message::find(element, at::EXPRESSION_DATA).unwrap_or_default();
        let number = |kind| message::find_number(data, kind);
        match name.as_str() {
            "meta" => self.load(data, Loaded::Meta(number(at::META_KEY)?)),
            "ct" if number(at::CT_KEY) == Some(message::CT_STATE) => {
                self.load(data, Loaded::ConnectionState(u32::MAX))
            }
            "bitwise" => {
                let before = self.registers.get(&number(at::BITWISE_SOURCE)?).copied();
                let mask = message::find(data, at::BITWISE_MASK)
                    .and_then(|mask| message::find(mask, at::DATA_VALUE))
                    .and_then(|mask| mask.first_chunk().copied());
                let after = match (before, mask) {
                    (Some(Loaded::ConnectionState(_)), Some(mask)) => {
                        Loaded::ConnectionState(u32::from_ne_bytes(mask))
                    }
                    _ => Loaded::Other,
                };
                self.registers.insert(number(at::BITWISE_REGISTER)?, after);
                None
            }
            "ct" | "payload" | "exthdr" | "fib" | "hash" | "numgen" | "rt" | "socket" | "osf" | "tunnel"
            | "xfrm" | "byteorder" => self.load(data, Loaded::Other),
            "cmp" => Some(self.comparison(data).unwrap_or_else(perhaps)),
            "immediate" => verdict(data),
            "lookup" => Some(match number(at::LOOKUP_REGISTER) {
                Some(message::REGISTER_VERDICT) => json!({ "vmap": {} }),
                _ => perhaps(),
            }),
            "reject" => Some(json!({ "reject": null })),
            "queue" => Some(json!({ "queue": null })),
            "target" => {
                let target = message::find_text(data, at::TARGET_NAME);
                Some(json!({ "xt": { "type": "target", "name": target } }))
            }
            "match" | "range" | "limit" | "quota" | "connlimit" | "last" | "dynset" => Some(perhaps()),
            _ => None,
        }
    }

    fn load(&mut self, data: &[u8], loaded: Loaded) -> Option<Value> {
        // Without a register to load into it sets something.
        let register = message::find_number(data, at::LOAD_REGISTER)?;
        self.registers.insert(register, loaded);
        None
    }

    /// `None` for one that is not understood.
    fn comparison(&self, data: &[u8]) -> Option<Value> {
        let loaded = *self.registers.get(&message::find_number(data, at::CMP_REGISTER)?)?;
        let bytes = message::find(message::find(data, at::CMP_DATA)?, at::DATA_VALUE)?;
        let operation = match message::find_number(data, at::CMP_OPERATION)? {
            message::EQUAL => "==",
            message::NOT_EQUAL => "!=",
            _ => return None,
        };
        let host_number = || Some(u32::from_ne_bytes(bytes.first_chunk().copied()?));
        let (key, right) = match loaded {
            Loaded::Meta(message::META_IIFNAME) => ("iifname", link_name(bytes)),
            Loaded::Meta(message::META_OIFNAME) => ("oifname", link_name(bytes)),
            Loaded::Meta(message::META_IIF) => ("iif", self.names.get(&host_number()?)?.clone()),
            Loaded::Meta(message::META_OIF) => ("oif", self.names.get(&host_number()?)?.clone()),
            Loaded::Meta(message::META_NFPROTO) => match *bytes.first()? {
                FAMILY_IPV4 => ("nfproto", "ipv4".to_owned()),
                FAMILY_IPV6 => ("nfproto", "ipv6".to_owned()),
                _ => return None,
            },
            // "Any of these bits" is "not equal to none".
            Loaded::ConnectionState(mask) if host_number()? == 0 => {
                let operation = if operation == "!=" { "==" } else { "!=" };
                let left = json!({ "ct": { "key": "state" } });
                return Some(matches(operation, left, json!(state_names(mask))));
            }
            _ => return None,
        };
        Some(matches(operation, json!({ "meta": { "key": key } }), json!(right)))
    }
}

fn matches(operation: &str, left: Value, right: Value) -> Value {
    json!({ "match": { "op": operation, "left": left, "right": right } })
}

/// A match whose outcome is not known.
fn perhaps() -> Value {
    json!({ "xt": { "type": "match" } })
}

/// A name that does not end is the beginning of names.
fn link_name(bytes: &[u8]) -> String {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => String::from_utf8_lossy(&bytes[..end]).into_owned(),
        None => format!("{}*", String::from_utf8_lossy(bytes)),
    }
}

/// linux/netfilter/nf_conntrack_common.h
fn state_names(mask: u32) -> Vec<&'static str> {
    [(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")]
        .into_iter()
        .filter_map(|(bit, name)| (mask & bit != 0).then_some(name))
        .collect()
}

fn verdict(data: &[u8]) -> Option<Value> {
    let decision = message::find(message::find(data, at::IMMEDIATE_DATA)?, at::DATA_VERDICT)?;
    let target = || message::find_text(decision, at::VERDICT_CHAIN);
    match message::find_number(decision, at::VERDICT_CODE)?.cast_signed() {
        0 => Some(json!({ "drop": null })),
        1 => Some(json!({ "accept": null })),
        -3 => Some(json!({ "jump": { "target": target()? } })),
        -4 => Some(json!({ "goto": { "target": target()? } })),
        -5 => Some(json!({ "return": null })),
        -1 | -2 => None,
        _ => Some(json!({ "queue": null })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::network::Network;
    use crate::netfilter::masquerade::{self, Wish};
    use crate::testing::in_own_network;

    #[test]
    fn tells_what_stands_there() {
        in_own_network("netfilter::ruleset::tests::tells_what_stands_there", || {
            assert_eq!(read().unwrap(), r#"{"nftables":[]}"#);
            let (source, except) =
                (Network::parse("10.7.0.0/16").unwrap(), Network::parse("192.168.1.0/24").unwrap());
            masquerade::set(&Wish { interface: "wg0", sources: &[source], except: &[except] }).unwrap();
            let told: Value = serde_json::from_str(&read().unwrap()).unwrap();
            let place = json!({ "family": "ip", "table": "wgmesh_wg0" });
            assert_eq!(told["nftables"][0]["chain"]["hook"], "postrouting");
            assert_eq!(told["nftables"][0]["chain"]["prio"], 100);
            assert_eq!(told["nftables"][0]["chain"]["policy"], "accept");
            assert_eq!(told["nftables"][1]["rule"]["table"], place["table"]);
            assert_eq!(told["nftables"][1]["rule"]["expr"], json!([perhaps(), { "accept": null }]));
            let leaves = matches("!=", json!({ "meta": { "key": "oifname" } }), json!("wg0"));
            assert_eq!(told["nftables"][2]["rule"]["expr"], json!([perhaps(), leaves]));
        });
    }

    #[test]
    fn names_of_states_and_links() {
        assert_eq!(state_names(2 | 4), ["established", "related"]);
        assert_eq!(link_name(b"docker0\0\0"), "docker0");
        assert_eq!(link_name(b"veth"), "veth*");
    }
}
