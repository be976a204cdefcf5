//! IP networks as text and back.

use std::net::IpAddr;

use super::ip_text;
use crate::error::{Error, Result};

/// An address with a prefix length. `parse` keeps host bits (interface addresses have them), [`Network::masked`] clears them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    pub address: IpAddr,
    /// 0..=32 or 0..=128
    pub prefix: u8,
}

impl Network {
    /// `address/prefix`, both strict: no zone, no leading zeros, no missing prefix.
    pub fn parse(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(address, prefix)| {
            let address = ip_text::parse(address)?;
            let canonical = prefix == "0" || !prefix.starts_with(['0', '+']);
            let prefix: u8 = prefix.parse().ok().filter(|_| canonical)?;
            Self::new(address, prefix)
        });
        parts.ok_or_else(|| Error::new("EINVAL", "read network", text, "not address/prefix"))
    }

    /// `None` when the prefix is too long for the family.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= Self::bits(address)).then_some(Self { address, prefix })
    }

    fn bits(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    /// The network itself: host bits cleared.
    pub fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix));
                IpAddr::V4((v4.to_bits() & mask.unwrap_or(0)).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix));
                IpAddr::V6((v6.to_bits() & mask.unwrap_or(0)).into())
            }
        };
        Self { address, ..self }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_strictly() {
        for text in ["10.1.2.3/16", "fd00::1/64", "0.0.0.0/0", "::/0", "1.2.3.4/32"] {
            assert_eq!(Network::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "fe80::1%eth0/64",
            "::/129",
            "010.0.0.0/8",
            "10.0.0.0/",
            "/8",
            "10.0.0.0/8 ",
        ] {
            let error = Network::parse(text).unwrap_err();
            assert_eq!(error.code, "EINVAL", "{text:?}");
        }
    }

    #[test]
    fn a_prefix_too_long_for_its_family_makes_no_network() {
        let new = |address: &str, prefix| Network::new(address.parse().unwrap(), prefix);
        assert!(new("10.0.0.0", 32).is_some() && new("10.0.0.0", 33).is_none());
        assert!(new("fd00::", 128).is_some() && new("fd00::", 129).is_none());
    }

    #[test]
    fn clears_host_bits() {
        let masked = |text| Network::parse(text).unwrap().masked().to_string();
        assert_eq!(masked("10.1.2.3/16"), "10.1.0.0/16");
        assert_eq!(masked("10.1.2.3/0"), "0.0.0.0/0");
        assert_eq!(masked("10.1.2.3/32"), "10.1.2.3/32");
        assert_eq!(masked("fd00:1:2:3:4::5/64"), "fd00:1:2:3::/64");
        assert_eq!(masked("ffff::1/0"), "::/0");
    }
}
