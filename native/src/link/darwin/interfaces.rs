//! getifaddrs(3) as a list.

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

use crate::error::{Error, Result};

/// One entry: a link itself, or an address of it.
pub(super) struct Entry {
    pub name: String,
    /// IFF_*
    pub flags: i32,
    pub what: What,
}

pub(super) enum What {
    Link { index: u32, mtu: u32 },
    Address { address: IpAddr, prefix: u8 },
}

struct List(*mut libc::ifaddrs);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: what getifaddrs gave, once.
        unsafe { libc::freeifaddrs(self.0) };
    }
}

pub(super) fn list() -> Result<Vec<Entry>> {
    let mut first = ptr::null_mut();
    // SAFETY: writes one pointer.
    if unsafe { libc::getifaddrs(&mut first) } != 0 {
        let error = io::Error::last_os_error();
        return Err(Error::from_io(&error, "list links", "of this machine"));
    }
    let list = List(first);
    let mut found = Vec::new();
    let mut next = list.0;
    // SAFETY: a list that lives as long as `list`, and ends with null.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: the entry's own pointers.
        found.extend(unsafe { read(entry) });
    }
    Ok(found)
}

/// # Safety
/// An entry of getifaddrs.
unsafe fn read(entry: &libc::ifaddrs) -> Option<Entry> {
    // SAFETY: a name that ends with NUL; the structs are those of the families.
    unsafe {
        let name = CStr::from_ptr(entry.ifa_name).to_str().ok()?.to_owned();
        let family = i32::from(entry.ifa_addr.as_ref()?.sa_family);
        let what = match family {
            libc::AF_LINK => What::Link {
                index: (*entry.ifa_addr.cast::<libc::sockaddr_dl>()).sdl_index.into(),
                mtu: entry.ifa_data.cast::<libc::if_data>().as_ref().map_or(0, |data| data.ifi_mtu),
            },
            libc::AF_INET => {
                let address = ipv4(entry.ifa_addr);
                What::Address {
                    address: address.into(),
                    prefix: ipv4(entry.ifa_netmask).to_bits().leading_ones() as u8,
                }
            }
            libc::AF_INET6 => {
                let mut octets = ipv6(entry.ifa_addr).octets();
                // The kernel keeps the link of a link-local address within it.
                if octets[0] == 0xfe && octets[1] & 0xc0 == 0x80 {
                    octets[2..4].fill(0);
                }
                let prefix = ipv6(entry.ifa_netmask).to_bits().leading_ones() as u8;
                What::Address { address: Ipv6Addr::from(octets).into(), prefix }
            }
            _ => return None,
        };
        Some(Entry { name, flags: entry.ifa_flags as i32, what })
    }
}

/// # Safety
/// Null or a sockaddr_in.
unsafe fn ipv4(address: *const libc::sockaddr) -> Ipv4Addr {
    // SAFETY: as promised.
    let address = unsafe { address.cast::<libc::sockaddr_in>().as_ref() };
    address.map_or(Ipv4Addr::BROADCAST, |a| Ipv4Addr::from_bits(u32::from_be(a.sin_addr.s_addr)))
}

/// # Safety
/// Null or a sockaddr_in6.
unsafe fn ipv6(address: *const libc::sockaddr) -> Ipv6Addr {
    // SAFETY: as promised.
    let address = unsafe { address.cast::<libc::sockaddr_in6>().as_ref() };
    address.map_or(Ipv6Addr::from_bits(u128::MAX), |a| Ipv6Addr::from(a.sin6_addr.s6_addr))
}
