//! Control messages beside a datagram: the size of joined datagrams, and the local address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::endpoint::Source;

/// Room for all control messages there can be at once: 24 bytes for a size, 40 for an address, with their headers and padding.
pub(crate) const CAPACITY: usize = 128;

/// Aligned as control messages want it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control([u8; CAPACITY]);

impl Control {
    pub(crate) const fn new() -> Self {
        Self([0; CAPACITY])
    }
}

/// What came beside a message.
#[derive(Default)]
pub(crate) struct Beside {
    /// Size of each datagram of a joined message (UDP_GRO).
    pub size: Option<u16>,
    /// The local address it came to (IP_PKTINFO).
    pub source: Option<Source>,
}

/// Reads the control messages of a received message.
pub(crate) fn read(header: &libc::msghdr) -> Beside {
    let mut beside = Beside::default();
    // SAFETY: the kernel filled the control buffer and its length; the macros stay inside it, and each kind of message has the
    // content that is read.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = message.as_ref() {
            let data = libc::CMSG_DATA(control);
            match (control.cmsg_level, control.cmsg_type) {
                (libc::IPPROTO_UDP, libc::UDP_GRO) => {
                    beside.size = u16::try_from(data.cast::<libc::c_int>().read_unaligned()).ok();
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    let address = IpAddr::V4(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)));
                    beside.source = Some(Source { address, interface: info.ipi_ifindex as u32 });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    let address = IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                    beside.source = Some(Source { address, interface: info.ipi6_ifindex as u32 });
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, control);
        }
    }
    beside
}

/// Puts control messages for sending beside a message: a segment size, a source.
///
/// Of the source only the address is asked for. With the interface too, the routes would have no say any more, and a host that
/// moved to another network would go on sending into the old one.
pub(crate) fn write(
    header: &mut libc::msghdr,
    space: &mut Control,
    size: Option<u16>,
    source: Option<Source>,
) {
    header.msg_control = (&raw mut *space).cast();
    header.msg_controllen = CAPACITY as _;
    let mut used = 0;
    let mut add = |level, kind, bytes: &[u8]| {
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
        let (space_len, length) =
            unsafe { (libc::CMSG_SPACE(bytes.len() as u32), libc::CMSG_LEN(bytes.len() as u32)) };
        // SAFETY: `used + space_len` is within the buffer, which is aligned, as is `used`: at most one size and one source.
        unsafe {
            let message = (&raw mut *space).cast::<u8>().add(used).cast::<libc::cmsghdr>();
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = length as _;
            libc::CMSG_DATA(message).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        used += space_len as usize;
    };
    if let Some(size) = size {
        add(libc::IPPROTO_UDP, libc::UDP_SEGMENT, &size.to_ne_bytes());
    }
    match source.map(|source| source.address) {
        // struct in_pktinfo: interface, source, destination.
        Some(IpAddr::V4(address)) => {
            let mut info = [0u8; 12];
            info[4..8].copy_from_slice(&address.octets());
            add(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        }
        // struct in6_pktinfo: source, interface. An address of one link alone needs its interface.
        Some(IpAddr::V6(address)) => {
            let mut info = [0u8; 20];
            info[..16].copy_from_slice(&address.octets());
            if address.is_unicast_link_local() {
                let interface = source.map_or(0, |source| source.interface);
                info[16..].copy_from_slice(&interface.to_ne_bytes());
            }
            add(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
        }
        None => {}
    }
    if used == 0 {
        header.msg_control = std::ptr::null_mut();
    }
    header.msg_controllen = used as _;
}
