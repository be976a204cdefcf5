//! The kernel's routing messages, from bytes. Pure: offsets and sizes are those of net/route.h and sys/socket.h of macOS, which
//! are part of its binary interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::link::network::Network;

/// `struct rt_msghdr`
pub const HEADER_BYTES: usize = 92;
const AT_TYPE: usize = 3;
const AT_INDEX: usize = 4;
const AT_FLAGS: usize = 8;
const AT_ADDRESSES: usize = 12;

const AF_INET: u8 = 2;
const AF_LINK: u8 = 18;
const AF_INET6: u8 = 30;

const RTF_GATEWAY: u32 = 0x2;
const RTF_HOST: u32 = 0x4;
const RTF_REJECT: u32 = 0x8;
const RTF_LLINFO: u32 = 0x400;
const RTF_STATIC: u32 = 0x800;
const RTF_BLACKHOLE: u32 = 0x1000;
const RTF_WASCLONED: u32 = 0x0002_0000;

/// RTAX_DST, RTAX_GATEWAY, RTAX_NETMASK
const DESTINATION: usize = 0;
const GATEWAY: usize = 1;
const NETMASK: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub destination: Network,
    pub gateway: Option<IpAddr>,
    pub link_index: u32,
    /// Made by a program, and not by the kernel.
    pub is_static: bool,
    /// Straight out of a link, without a gateway.
    pub by_link: bool,
    pub kind: &'static str,
}

/// The types of the messages, for who only wants to know that something changed.
pub fn types(bytes: &[u8]) -> impl Iterator<Item = u8> {
    messages(bytes).filter_map(|message| message.get(AT_TYPE).copied())
}

/// The routes of a dump (`NET_RT_DUMP`), those left out that the kernel makes for single neighbours.
pub fn routes(dump: &[u8]) -> Vec<Entry> {
    messages(dump).filter_map(entry).collect()
}

/// The entry that decides over packets to the address.
pub fn most_specific(entries: &[Entry], address: IpAddr) -> Option<&Entry> {
    let covers = |entry: &&Entry| {
        let Network { address: network, prefix } = entry.destination;
        network.is_ipv4() == address.is_ipv4() && Network { address, prefix }.masked().address == network
    };
    // The first of several: those of other links follow it in the table.
    entries.iter().filter(covers).rev().max_by_key(|entry| entry.destination.prefix)
}

fn messages(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        // Shorter than its own length and type: nothing after it can be found.
        let message = rest.get(..length).filter(|message| message.len() > AT_TYPE)?;
        rest = &rest[length..];
        Some(message)
    })
}

fn number(message: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?))
}

fn entry(message: &[u8]) -> Option<Entry> {
    let flags = number(message, AT_FLAGS)?;
    if flags & (RTF_LLINFO | RTF_WASCLONED) != 0 {
        return None;
    }
    let link_index = u16::from_ne_bytes(message.get(AT_INDEX..AT_INDEX + 2)?.try_into().ok()?);
    let addresses = sockaddrs(message.get(HEADER_BYTES..)?, number(message, AT_ADDRESSES)?);
    let address = ip(addresses[DESTINATION]?)?;
    let full = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match addresses[NETMASK] {
        _ if flags & RTF_HOST != 0 => full,
        Some(mask) => prefix(mask, address.is_ipv4())?,
        // The default route has a mask of length zero, which may be left out.
        None if address.is_unspecified() => 0,
        None => full,
    };
    let gateway = addresses[GATEWAY];
    Some(Entry {
        destination: Network { address, prefix }.masked(),
        gateway: gateway.filter(|_| flags & RTF_GATEWAY != 0).and_then(ip),
        link_index: link_index.into(),
        is_static: flags & RTF_STATIC != 0,
        by_link: gateway.is_some_and(|sockaddr| sockaddr.get(1) == Some(&AF_LINK)),
        kind: match flags {
            _ if flags & RTF_BLACKHOLE != 0 => "blackhole",
            _ if flags & RTF_REJECT != 0 => "unreachable",
            _ => "unicast",
        },
    })
}

/// The first three addresses of a message, those present.
fn sockaddrs(mut rest: &[u8], present: u32) -> [Option<&[u8]>; 3] {
    let mut found = [None; 3];
    for (bit, place) in found.iter_mut().enumerate() {
        if present & 1 << bit == 0 {
            continue;
        }
        let length = rest.first().copied().map_or(0, usize::from);
        *place = rest.get(..length);
        // Each is padded to four bytes; one of length zero takes four, too.
        rest = rest.get(length.max(1).next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn ip(sockaddr: &[u8]) -> Option<IpAddr> {
    match *sockaddr.get(1)? {
        AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(sockaddr.get(4..8)?).ok()?).into()),
        AF_INET6 => {
            let mut bytes = <[u8; 16]>::try_from(sockaddr.get(8..24)?).ok()?;
            // The kernel keeps the link of a link-local address within it.
            if bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80 {
                bytes[2..4].fill(0);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

/// A mask's sockaddr ends with its last byte that is not zero, and its family may be missing.
fn prefix(mask: &[u8], is_ipv4: bool) -> Option<u8> {
    let (at, width) = if is_ipv4 { (4, 4) } else { (8, 16) };
    let bytes = mask.get(at..).unwrap_or_default();
    let bytes = &bytes[..bytes.len().min(width)];
    let ones = bytes.iter().map(|byte| byte.leading_ones()).sum::<u32>();
    // Only ones and then only zeros is a prefix.
    let set = bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let contiguous = bytes.iter().skip_while(|byte| **byte == 0xff).skip(1).all(|byte| *byte == 0);
    (ones == set && contiguous).then_some(ones as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as the kernel writes it.
    fn message(index: u16, flags: u32, addresses: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        let present = addresses.iter().fold(0u32, |bits, (bit, _)| bits | 1 << bit);
        bytes[AT_INDEX..AT_INDEX + 2].copy_from_slice(&index.to_ne_bytes());
        bytes[AT_FLAGS..AT_FLAGS + 4].copy_from_slice(&flags.to_ne_bytes());
        bytes[AT_ADDRESSES..AT_ADDRESSES + 4].copy_from_slice(&present.to_ne_bytes());
        for (_, sockaddr) in addresses {
            bytes.extend(*sockaddr);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            if sockaddr.first() == Some(&0) {
                bytes.resize(bytes.len().max(HEADER_BYTES + 4), 0);
            }
        }
        let length = bytes.len() as u16;
        bytes[..2].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    const NET_10_5: [u8; 16] = [16, 2, 0, 0, 10, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const MASK_16: [u8; 6] = [6, 0, 0, 0, 255, 255];
    const LINK: [u8; 20] = [20, 18, 4, 0, 131, 5, 0, 0, b'u', b't', b'u', b'n', b'4', 0, 0, 0, 0, 0, 0, 0];
    const UP: u32 = 1;

    #[test]
    fn a_route_out_of_a_link() {
        let dump = message(4, UP | RTF_STATIC, &[(0, &NET_10_5), (1, &LINK), (2, &MASK_16)]);
        let expected = Entry {
            destination: Network::parse("10.5.0.0/16").unwrap(),
            gateway: None,
            link_index: 4,
            is_static: true,
            by_link: true,
            kind: "unicast",
        };
        assert_eq!(routes(&dump), [expected]);
    }

    #[test]
    fn default_routes_and_hosts() {
        let any = [16, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let gateway = [16, 2, 0, 0, 192, 168, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut dump = message(5, UP | RTF_GATEWAY | RTF_STATIC, &[(0, &any), (1, &gateway), (2, &[0])]);
        dump.extend(message(5, UP | RTF_HOST, &[(0, &gateway), (1, &LINK)]));
        let mut v6 = [0u8; 28];
        v6[..2].copy_from_slice(&[28, 30]);
        v6[8..12].copy_from_slice(&[0xfe, 0x80, 0, 4]);
        let mut mask = [0u8; 16];
        mask[0] = 16;
        mask[8..].fill(0xff);
        dump.extend(message(4, UP, &[(0, &v6), (1, &LINK), (2, &mask)]));
        let seen: Vec<String> = routes(&dump).iter().map(|route| route.destination.to_string()).collect();
        assert_eq!(seen, ["0.0.0.0/0", "192.168.1.1/32", "fe80::/64"]);
        assert_eq!(routes(&dump)[0].gateway, Some("192.168.1.1".parse().unwrap()));
        assert!(!routes(&dump)[0].by_link && routes(&dump)[1].by_link);
    }

    #[test]
    fn neighbours_are_left_out_and_refusals_named() {
        let neighbour = message(4, UP | RTF_HOST | RTF_LLINFO, &[(0, &NET_10_5), (1, &LINK)]);
        let cloned = message(4, UP | RTF_HOST | RTF_WASCLONED, &[(0, &NET_10_5), (1, &LINK)]);
        assert_eq!(routes(&[neighbour, cloned].concat()), []);
        let hole = message(1, UP | RTF_BLACKHOLE, &[(0, &NET_10_5), (2, &MASK_16)]);
        assert_eq!(routes(&hole)[0].kind, "blackhole");
        let refusal = message(1, UP | RTF_REJECT, &[(0, &NET_10_5), (2, &MASK_16)]);
        assert_eq!(routes(&refusal)[0].kind, "unreachable");
    }

    #[test]
    fn the_most_specific_entry_decides() {
        let entry = |text: &str, link_index| Entry {
            destination: Network::parse(text).unwrap(),
            gateway: None,
            link_index,
            is_static: false,
            by_link: true,
            kind: "unicast",
        };
        let entries = [
            entry("0.0.0.0/0", 1),
            entry("::/0", 1),
            entry("10.5.0.0/16", 4),
            entry("10.5.0.0/16", 5),
            entry("10.5.6.7/32", 6),
        ];
        let link = |text: &str| most_specific(&entries, text.parse().unwrap()).map(|entry| entry.link_index);
        for (address, index) in [("192.0.2.1", 1), ("10.5.9.9", 4), ("10.5.6.7", 6), ("2001:db8::1", 1)] {
            assert_eq!(link(address), Some(index), "{address}");
        }
        assert_eq!(most_specific(&entries[2..], "192.0.2.1".parse().unwrap()), None);
    }

    #[test]
    fn a_mask_with_holes_is_no_network() {
        assert_eq!(prefix(&[8, 0, 0, 0, 255, 0, 255, 0], true), None);
        assert_eq!(prefix(&[8, 0, 0, 0, 255, 160, 0, 0], true), None);
        assert_eq!(prefix(&[8, 0, 0, 0, 255, 240, 0, 0], true), Some(12));
        assert_eq!(prefix(&[0], true), Some(0));
    }

    #[test]
    fn types_are_told_and_no_bytes_panic() {
        let mut one = message(4, UP, &[]);
        one[AT_TYPE] = 12;
        assert_eq!(types(&[one.clone(), one].concat()).collect::<Vec<_>>(), [12, 12]);
        for seed in 0..20_000 {
            let mut bytes = crate::testing::pseudo_random_bytes(seed, 256);
            if let Some(length) = bytes.get_mut(..2) {
                length.copy_from_slice(&((seed % 200) as u16).to_ne_bytes());
            }
            let _any_answer = (routes(&bytes), types(&bytes).count());
        }
    }
}
