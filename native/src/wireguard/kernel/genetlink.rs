//! Generic netlink: a family is found by name, then spoken to by number.

use netlink_packet_core::{NLA_TYPE_MASK, NlasIterator};
use netlink_sys::protocols::NETLINK_GENERIC;

use super::encode::Attributes;
use super::uapi;
use crate::link::socket::{NetlinkError, NetlinkSocket};
use zeroize::Zeroizing;

/// linux/genetlink.h
const GENL_ID_CTRL: u16 = 16;
const CTRL_VERSION: u8 = 2;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const HEADER_BYTES: usize = 4;

/// The WireGuard family of the running kernel.
#[derive(Clone, Copy)]
pub struct Family(u16);

impl Family {
    /// ENOENT when the kernel has none (it tries to load the module first).
    pub fn find() -> Result<Self, NetlinkError> {
        let mut name = Attributes::with_room(32);
        let text = [uapi::FAMILY.as_bytes(), &[0]].concat();
        name.put(CTRL_ATTR_FAMILY_NAME, &text);
        let question = request(CTRL_CMD_GETFAMILY, CTRL_VERSION, &name);
        let number = open()?.get(GENL_ID_CTRL, &question, |_, payload| {
            let attributes = payload.get(HEADER_BYTES..)?;
            let found = NlasIterator::new(attributes)
                .map_while(|nla| nla.ok())
                .find(|nla| nla.kind() & NLA_TYPE_MASK == CTRL_ATTR_FAMILY_ID)?;
            found.value().try_into().ok().map(u16::from_ne_bytes)
        })?;
        let missing = NetlinkError { errno: libc::ENOENT, words: None };
        number.map(Self).ok_or(missing)
    }

    /// Sends commands one after another over one socket.
    pub fn commands(self) -> Result<Commands, NetlinkError> {
        let socket = open()?;
        Ok(Commands { family: self, socket })
    }

    /// A listing; `parse` gets the attributes of each message.
    pub fn dump<T>(
        self,
        command: u8,
        attributes: &Attributes,
        parse: impl Fn(&[u8]) -> T,
    ) -> Result<Vec<T>, NetlinkError> {
        let question = request(command, uapi::VERSION, attributes);
        open()?.dump(self.0, &question, |_, payload| payload.get(HEADER_BYTES..).map(&parse))
    }

    /// The first message of a listing.
    pub fn dump_first<T>(
        self,
        command: u8,
        attributes: &Attributes,
        parse: impl Fn(&[u8]) -> T,
    ) -> Result<Option<T>, NetlinkError> {
        let question = request(command, uapi::VERSION, attributes);
        open()?.dump_first(self.0, &question, |_, payload| payload.get(HEADER_BYTES..).map(&parse))
    }
}

pub struct Commands {
    family: Family,
    socket: NetlinkSocket,
}

impl Commands {
    pub fn send(&mut self, command: u8, attributes: &Attributes) -> Result<(), NetlinkError> {
        self.send_with(command, attributes, &[])
    }

    /// More attributes, or the value of the last one, follow in `rest`.
    pub fn send_with(
        &mut self,
        command: u8,
        attributes: &Attributes,
        rest: &[u8],
    ) -> Result<(), NetlinkError> {
        let body = request(command, uapi::VERSION, attributes);
        self.socket.command_of(self.family.0, 0, &body, rest)
    }
}

fn open() -> Result<NetlinkSocket, NetlinkError> {
    NetlinkSocket::open(NETLINK_GENERIC)
}

fn request(command: u8, version: u8, attributes: &Attributes) -> Zeroizing<Vec<u8>> {
    let header = [command, version, 0, 0];
    Zeroizing::new([&header[..], attributes.bytes()].concat())
}
