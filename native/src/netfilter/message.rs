//! Bytes of nf_tables messages (linux/netfilter/nf_tables.h): numbers are in network order.

use netlink_packet_core::NlasIterator;

use crate::link::socket::{NetlinkError, NetlinkSocket};

const SUBSYSTEM: u16 = 10;

pub const NEW_TABLE: u16 = SUBSYSTEM << 8;
pub const GET_TABLE: u16 = NEW_TABLE + 1;
pub const DELETE_TABLE: u16 = NEW_TABLE + 2;
pub const NEW_CHAIN: u16 = NEW_TABLE + 3;
pub const GET_CHAIN: u16 = NEW_TABLE + 4;
pub const NEW_RULE: u16 = NEW_TABLE + 6;
pub const GET_RULE: u16 = NEW_TABLE + 7;

pub const FAMILY_ANY: u8 = 0;
pub const FAMILY_INET: u8 = 1;
pub const FAMILY_IPV4: u8 = 2;
pub const FAMILY_IPV6: u8 = 10;

/// NFTA_… of each kind of object.
pub mod attribute {
    pub const TABLE_NAME: u16 = 1;
    pub const CHAIN_TABLE: u16 = 1;
    pub const CHAIN_NAME: u16 = 3;
    pub const CHAIN_HOOK: u16 = 4;
    pub const CHAIN_POLICY: u16 = 5;
    pub const CHAIN_TYPE: u16 = 7;
    pub const HOOK_NUMBER: u16 = 1;
    pub const HOOK_PRIORITY: u16 = 2;
    pub const RULE_TABLE: u16 = 1;
    pub const RULE_CHAIN: u16 = 2;
    pub const RULE_EXPRESSIONS: u16 = 4;
    pub const LIST_ELEMENT: u16 = 1;
    pub const EXPRESSION_NAME: u16 = 1;
    pub const EXPRESSION_DATA: u16 = 2;
    pub const DATA_VALUE: u16 = 1;
    pub const DATA_VERDICT: u16 = 2;
    pub const VERDICT_CODE: u16 = 1;
    pub const VERDICT_CHAIN: u16 = 2;
    /// Of meta, ct and payload, which all load into a register.
    pub const LOAD_REGISTER: u16 = 1;
    pub const META_KEY: u16 = 2;
    pub const CT_KEY: u16 = 2;
    pub const PAYLOAD_BASE: u16 = 2;
    pub const PAYLOAD_OFFSET: u16 = 3;
    pub const PAYLOAD_LENGTH: u16 = 4;
    pub const BITWISE_SOURCE: u16 = 1;
    pub const BITWISE_REGISTER: u16 = 2;
    pub const BITWISE_LENGTH: u16 = 3;
    pub const BITWISE_MASK: u16 = 4;
    pub const BITWISE_XOR: u16 = 5;
    pub const CMP_REGISTER: u16 = 1;
    pub const CMP_OPERATION: u16 = 2;
    pub const CMP_DATA: u16 = 3;
    pub const IMMEDIATE_REGISTER: u16 = 1;
    pub const IMMEDIATE_DATA: u16 = 2;
    pub const LOOKUP_REGISTER: u16 = 3;
    /// Of extensions of iptables.
    pub const TARGET_NAME: u16 = 1;
}

pub const REGISTER: u32 = 1;
pub const REGISTER_VERDICT: u32 = 0;
pub const META_IIF: u32 = 4;
pub const META_OIF: u32 = 5;
pub const META_IIFNAME: u32 = 6;
pub const META_OIFNAME: u32 = 7;
pub const META_NFPROTO: u32 = 15;
pub const CT_STATE: u32 = 0;
pub const EQUAL: u32 = 0;
pub const NOT_EQUAL: u32 = 1;

pub fn open() -> Result<NetlinkSocket, NetlinkError> {
    NetlinkSocket::open(netlink_sys::protocols::NETLINK_NETFILTER)
}

/// A message's attributes, in order.
#[derive(Default)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = 4 + value.len() as u16;
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    pub fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    pub fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub fn nested(self, kind: u16, inner: Self) -> Self {
        const NESTED: u16 = 0x8000;
        self.bytes(kind | NESTED, &inner.0)
    }

    /// With the header of nfnetlink before them.
    pub fn body(self, family: u8) -> Vec<u8> {
        [&header(family, 0), self.0.as_slice()].concat()
    }
}

/// nfgenmsg
pub fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

/// The begin (true) or end of a batch for nf_tables.
pub fn edge(begin: bool) -> crate::link::socket::Message {
    const BEGIN: u16 = 0x10;
    let kind = if begin { BEGIN } else { BEGIN + 1 };
    crate::link::socket::Message { kind, flags: 0, body: header(FAMILY_ANY, SUBSYSTEM).to_vec() }
}

/// The attributes of a message, or of what is nested in one.
pub fn each(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).map(|nla| {
        let (kind, length) = (nla.kind(), nla.value_length());
        let whole = nla.into_inner();
        (kind, whole.get(4..4 + length).unwrap_or_default())
    })
}

pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    each(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

pub fn find_number(bytes: &[u8], kind: u16) -> Option<u32> {
    let value = find(bytes, kind)?;
    Some(u32::from_be_bytes(value.first_chunk().copied()?))
}

pub fn find_text(bytes: &[u8], kind: u16) -> Option<String> {
    let value = find(bytes, kind)?;
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    Some(String::from_utf8_lossy(&value[..end]).into_owned())
}
