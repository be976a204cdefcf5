//! Network interfaces.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NlasIterator, ParseableParametrized};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkInfo, LinkMessage,
};

use super::name::{InterfaceName, LinkName};
pub use super::objects::Link;
use super::{attributes, command, dump, emit, open};
use crate::error::{Error, Result};

/// linux/rtnetlink.h and linux/if_link.h.
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;

/// All links. About 1 ms per 100.
pub fn list() -> Result<Vec<Link>> {
    dump(RTM_GETLINK, &question(), "list links", parse)
}

/// The link of that name, or `None`.
pub fn get(name: &LinkName) -> Result<Option<Link>> {
    let mut message = question();
    let attribute = LinkAttribute::IfName(name.as_str().to_owned());
    message.attributes.push(attribute);
    ask(&message, name.as_str())
}

/// The link with that index, or `None`.
pub fn get_by_index(index: u32) -> Result<Option<Link>> {
    let mut message = question();
    message.header.index = index;
    ask(&message, &format!("link {index}"))
}

/// The link of that name, or ENODEV.
pub fn require(name: &LinkName, operation: &'static str) -> Result<Link> {
    let gone = || Error::from_errno(libc::ENODEV, operation, name.as_str());
    get(name)?.ok_or_else(gone)
}

/// Makes a link of a kind that needs no parameters. `mtu` 0 leaves the kind's default. EEXIST when the name is taken,
/// EOPNOTSUPP when the kernel does not know the kind (it tries to load its module first).
pub fn create(name: &InterfaceName, kind: InfoKind, mtu: u16) -> Result<()> {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.as_str().to_owned()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]),
    ];
    if mtu != 0 {
        message.attributes.push(LinkAttribute::Mtu(mtu.into()));
    }
    let result = command(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &message);
    result.map_err(|error| error.because("create", name.as_str()))
}

/// Makes both ends of a virtual cable, in this network namespace; `mtu` 0 leaves 1500. Errors as of [`create`].
pub fn create_pair(name: &InterfaceName, peer: &InterfaceName, mtu: u16) -> Result<()> {
    let end = |name: &InterfaceName| {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
        if mtu != 0 {
            message.attributes.push(LinkAttribute::Mtu(mtu.into()));
        }
        message
    };
    let mut message = end(name);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end(peer)))),
    ]));
    let result = command(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &message);
    result.map_err(|error| error.because("create", format!("{name} and {peer}")))
}

/// `name` is for the error only; the link is found by its index, which nobody else can take over.
pub fn set_up(index: u32, name: &str) -> Result<()> {
    let result = command(RTM_SETLINK, 0, &with_up(index, LinkFlags::Up));
    result.map_err(|error| error.because("set up", name))
}

pub fn set_down(index: u32, name: &str) -> Result<()> {
    let result = command(RTM_SETLINK, 0, &with_up(index, LinkFlags::empty()));
    result.map_err(|error| error.because("set down", name))
}

fn with_up(index: u32, flags: LinkFlags) -> LinkMessage {
    let mut message = by_index(index);
    message.header.flags = flags;
    message.header.change_mask = LinkFlags::Up;
    message
}

pub fn set_mtu(index: u32, name: &str, mtu: u16) -> Result<()> {
    let mut message = by_index(index);
    message.attributes.push(LinkAttribute::Mtu(mtu.into()));
    let result = command(RTM_SETLINK, 0, &message);
    result.map_err(|error| error.because("set the MTU of", name))
}

/// Removes the link; no error when it is gone already.
pub fn delete(index: u32, name: &str) -> Result<()> {
    match command(RTM_DELLINK, 0, &by_index(index)) {
        Err(error) if error.errno == libc::ENODEV => Ok(()),
        result => result.map_err(|error| error.because("delete", name)),
    }
}

fn by_index(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

/// A question without the counters, which take most of an answer's room.
fn question() -> LinkMessage {
    let mut message = LinkMessage::default();
    let mask = vec![LinkExtentMask::SkipStats];
    message.attributes = vec![LinkAttribute::ExtMask(mask)];
    message
}

fn ask(message: &LinkMessage, object: &str) -> Result<Option<Link>> {
    let answer =
        open().and_then(|mut socket| socket.get(RTM_GETLINK, &emit(message), |_, payload| parse(payload)));
    match answer {
        Err(error) if error.errno == libc::ENODEV => Ok(None),
        result => result.map_err(|error| error.because("look up", object)),
    }
}

pub(super) fn parse(payload: &[u8]) -> Option<Link> {
    let header = LinkHeader::parse(payload).ok()?;
    let body = payload.get(16..)?;
    let mut link = Link {
        index: header.index,
        name: String::new(),
        kind: String::new(),
        mtu: 0,
        up: header.flags.contains(LinkFlags::Up),
        running: header.flags.contains(LinkFlags::LowerUp),
        loopback: header.flags.contains(LinkFlags::Loopback),
        multicast: header.flags.contains(LinkFlags::Multicast),
        point_to_point: header.flags.contains(LinkFlags::Pointopoint),
    };
    let known = attributes(body, |nla| {
        // The kind is read by hand: the crate reads it together with the kind's parameters, and fails with them.
        if nla.kind() == IFLA_LINKINFO {
            link.kind = kind_of(nla.value()).unwrap_or_default();
            return None;
        }
        LinkAttribute::parse_with_param(nla, AddressFamily::Unspec).ok()
    });
    let mut name = None;
    let mut mtu = None;
    for attribute in known {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text),
            LinkAttribute::Mtu(bytes) => mtu = Some(bytes),
            _ => {}
        }
    }
    link.name = name?;
    link.mtu = mtu.unwrap_or_default();
    Some(link)
}

fn kind_of(link_info: &[u8]) -> Option<String> {
    let kind =
        NlasIterator::new(link_info).map_while(|nla| nla.ok()).find(|nla| nla.kind() == IFLA_INFO_KIND)?;
    let text = String::from_utf8_lossy(kind.value());
    Some(text.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_link_is_there() {
        let link = get(&LinkName::parse("lo").unwrap()).unwrap().unwrap();
        assert!(link.loopback && !link.multicast && link.mtu >= 1280);
        assert_eq!(link.kind, "");
        assert_eq!(get_by_index(link.index).unwrap(), Some(link.clone()));
        assert!(list().unwrap().contains(&link));
    }

    #[test]
    fn a_link_that_is_not_there() {
        let name = LinkName::parse("nonesuch").unwrap();
        assert_eq!(get(&name).unwrap(), None);
        let error = require(&name, "use").unwrap_err();
        assert_eq!(error.code, "ENODEV");
        assert_eq!(error.object, "nonesuch");
    }

    #[test]
    fn an_attribute_that_cannot_be_read_hides_only_itself() {
        let mut message = by_index(7);
        message.attributes = vec![
            LinkAttribute::IfName("wg7".into()),
            LinkAttribute::Mtu(1420),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Wireguard)]),
        ];
        let mut bytes = emit(&message);
        bytes.extend([5, 0, 16, 0, 1, 0, 0, 0]); // IFLA_OPERSTATE of an unknown value
        bytes.extend([5, 0, 4, 0, 1, 0, 0, 0]); // a second IFLA_MTU, of one byte
        let link = parse(&bytes).unwrap();
        assert_eq!((link.name.as_str(), link.kind.as_str()), ("wg7", "wireguard"));
        assert_eq!((link.index, link.mtu), (7, 1420));
    }
}
