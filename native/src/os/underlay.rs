//! What the sockets that speak to other hosts have in common: the addresses they use, and the mark of what they send.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::{Error, Result};

/// As an operator wishes it for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Underlay {
    /// `SO_MARK`, 0 for none; another needs CAP_NET_ADMIN.
    pub fwmark: u32,
    /// The address of sockets for IPv4, unspecified for all of the host. `None`: there are no such sockets.
    pub ipv4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub ipv6: Option<Ipv6Addr>,
}

impl Underlay {
    /// Every address, no mark.
    pub const ANY: Self =
        Self { fwmark: 0, ipv4: Some(Ipv4Addr::UNSPECIFIED), ipv6: Some(Ipv6Addr::UNSPECIFIED) };

    /// At most one address of each family; none at all stands for every one there is. `EINVAL`.
    pub fn parse(fwmark: u32, addresses: &[String]) -> Result<Self> {
        if addresses.is_empty() {
            return Ok(Self { fwmark, ..Self::ANY });
        }
        let mut underlay = Self { fwmark, ipv4: None, ipv6: None };
        for text in addresses {
            let refused = |reason: &str| Error::new("EINVAL", "use address", format!("{text:?}"), reason);
            let second = match text.parse() {
                Ok(IpAddr::V4(address)) => underlay.ipv4.replace(address).is_some(),
                Ok(IpAddr::V6(address)) => underlay.ipv6.replace(address).is_some(),
                Err(_) => return Err(refused("it is no IP address")),
            };
            if second {
                return Err(refused("there is another one of its family"));
            }
        }
        Ok(underlay)
    }

    /// Where a socket on any port that reaches `remote` is bound. `EAFNOSUPPORT` when there is none for the family.
    pub fn towards(&self, remote: &SocketAddr) -> io::Result<SocketAddr> {
        let address = match remote {
            SocketAddr::V4(_) => self.ipv4.map(IpAddr::V4),
            SocketAddr::V6(_) => self.ipv6.map(IpAddr::V6),
        };
        let missing = || io::Error::from_raw_os_error(libc::EAFNOSUPPORT);
        Ok(SocketAddr::new(address.ok_or_else(missing)?, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(addresses: &[&str]) -> Result<Underlay> {
        Underlay::parse(7, &addresses.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn no_address_is_every_one() {
        assert_eq!(parsed(&[]).unwrap(), Underlay { fwmark: 7, ..Underlay::ANY });
    }

    #[test]
    fn a_family_without_an_address_has_no_sockets() {
        let one = parsed(&["192.0.2.1"]).unwrap();
        assert_eq!((one.ipv4, one.ipv6), (Some(Ipv4Addr::new(192, 0, 2, 1)), None));
        assert_eq!(
            one.towards(&"203.0.113.1:5".parse().unwrap()).unwrap(),
            "192.0.2.1:0".parse::<SocketAddr>().unwrap()
        );
        let error = one.towards(&"[2001:db8::1]:5".parse().unwrap()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAFNOSUPPORT));
        let both = parsed(&["2001:db8::9", "192.0.2.1"]).unwrap();
        assert!(both.ipv4.is_some() && both.ipv6.is_some());
    }

    #[test]
    fn what_is_no_address_or_one_too_many_is_refused() {
        for addresses in [&["host"][..], &["192.0.2.1/24"], &["192.0.2.1", "192.0.2.2"], &["::1", "::2"]] {
            assert_eq!(parsed(addresses).unwrap_err().code, "EINVAL", "{addresses:?}");
        }
    }
}
