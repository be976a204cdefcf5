//! Which peer a network belongs to: longest-prefix match, one owner a network, the last one given it wins.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::wireguard::device::AllowedIp;

/// Networks and their owners.
///
/// One hash map for each prefix length in use, longest first: a mesh has a handful of lengths, so a look-up is a handful of
/// hashes whatever the number of networks.
pub(super) struct AllowedIps<T> {
    ipv4: Family<T>,
    ipv6: Family<T>,
}

impl<T> Default for AllowedIps<T> {
    fn default() -> Self {
        Self { ipv4: Family::new(32), ipv6: Family::new(128) }
    }
}

impl<T> AllowedIps<T> {
    /// Gives the network to `owner`, taking it from the one that is returned.
    pub(super) fn insert(&mut self, network: AllowedIp, owner: T) -> Option<T> {
        let (family, bits) = self.family_mut(network.address);
        family.insert(bits, network.prefix, owner)
    }

    /// Takes the network from its owner, who is returned.
    pub(super) fn remove(&mut self, network: AllowedIp) -> Option<T> {
        let (family, bits) = self.family_mut(network.address);
        family.remove(bits, network.prefix)
    }

    /// The owner of the most specific network with this address.
    pub(super) fn find(&self, address: IpAddr) -> Option<&T> {
        match address {
            IpAddr::V4(a) => self.ipv4.find(u128::from(a.to_bits())),
            IpAddr::V6(a) => self.ipv6.find(a.to_bits()),
        }
    }

    fn family_mut(&mut self, address: IpAddr) -> (&mut Family<T>, u128) {
        match address {
            IpAddr::V4(a) => (&mut self.ipv4, u128::from(a.to_bits())),
            IpAddr::V6(a) => (&mut self.ipv6, a.to_bits()),
        }
    }
}

struct Family<T> {
    /// Length of an address, in bits.
    width: u8,
    /// Keyed by the number of *host* bits, so that iteration starts with the longest prefix.
    by_host_bits: BTreeMap<u8, HashMap<u128, T>>,
}

impl<T> Family<T> {
    fn new(width: u8) -> Self {
        Self { width, by_host_bits: BTreeMap::new() }
    }

    fn insert(&mut self, bits: u128, prefix: u8, owner: T) -> Option<T> {
        let host_bits = self.width.saturating_sub(prefix);
        self.by_host_bits.entry(host_bits).or_default().insert(clear_host_bits(bits, host_bits), owner)
    }

    fn remove(&mut self, bits: u128, prefix: u8) -> Option<T> {
        let host_bits = self.width.saturating_sub(prefix);
        let networks = self.by_host_bits.get_mut(&host_bits)?;
        let owner = networks.remove(&clear_host_bits(bits, host_bits));
        if networks.is_empty() {
            self.by_host_bits.remove(&host_bits);
        }
        owner
    }

    fn find(&self, bits: u128) -> Option<&T> {
        self.by_host_bits
            .iter()
            .find_map(|(host_bits, networks)| networks.get(&clear_host_bits(bits, *host_bits)))
    }
}

fn clear_host_bits(bits: u128, host_bits: u8) -> u128 {
    match host_bits {
        128 => 0,
        n => bits >> n << n,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::wireguard::embedded::test_random::Random;

    fn network(text: &str) -> AllowedIp {
        let (address, prefix) = text.split_once('/').expect("address/prefix");
        AllowedIp { address: address.parse().expect("address"), prefix: prefix.parse().expect("prefix") }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn the_longest_prefix_wins() {
        let mut table = AllowedIps::default();
        for (text, owner) in
            [("0.0.0.0/0", 'd'), ("10.0.0.0/8", 'a'), ("10.1.0.0/16", 'b'), ("10.1.2.3/32", 'c')]
        {
            table.insert(network(text), owner);
        }
        for (text, owner) in [("10.1.2.3", 'c'), ("10.1.2.4", 'b'), ("10.2.0.1", 'a'), ("192.0.2.1", 'd')] {
            assert_eq!(table.find(address(text)), Some(&owner), "{text}");
        }
        assert_eq!(table.find(address("2001:db8::1")), None);
    }

    #[test]
    fn a_network_moves_to_the_last_owner() {
        let mut table = AllowedIps::default();
        assert_eq!(table.insert(network("fd00::/64"), 1), None);
        assert_eq!(table.insert(network("fd00::99/64"), 2), Some(1));
        assert_eq!(table.find(address("fd00::5")), Some(&2));
        assert_eq!(table.remove(network("fd00::/64")), Some(2));
        assert_eq!(table.find(address("fd00::5")), None);
    }

    /// Everything, against a list that is searched in full.
    #[test]
    fn behaves_like_a_naive_list() {
        let mut random = Random::new(7);
        for _ in 0..200 {
            let mut table = AllowedIps::default();
            let mut model: Vec<(AllowedIp, u8)> = Vec::new();
            for _ in 0..120 {
                let candidate = random_network(&mut random);
                let owner = random.below(4) as u8;
                let before =
                    model.iter().position(|(n, _)| same(n, &candidate)).map(|i| model.swap_remove(i).1);
                if random.below(4) == 0 {
                    assert_eq!(table.remove(candidate), before);
                } else {
                    assert_eq!(table.insert(candidate, owner), before);
                    model.push((candidate, owner));
                }
                let probe = random_network(&mut random).address;
                let expected = model
                    .iter()
                    .filter(|(n, _)| contains(n, probe))
                    .max_by_key(|(n, _)| n.prefix)
                    .map(|(_, o)| o);
                assert_eq!(table.find(probe), expected);
            }
        }
    }

    /// From a small space, so that networks often nest and meet.
    fn random_network(random: &mut Random) -> AllowedIp {
        if random.below(2) == 0 {
            let bits = 0x0a00_0000 | random.below(16) as u32 | (random.below(4) as u32) << 16;
            let prefix = [0, 8, 14, 16, 30, 31, 32][random.below(7)];
            AllowedIp { address: Ipv4Addr::from_bits(bits).into(), prefix }
        } else {
            let bits = 0xfd << 120 | random.below(16) as u128 | (random.below(4) as u128) << 64;
            let prefix = [0, 8, 62, 64, 126, 127, 128][random.below(7)];
            AllowedIp { address: Ipv6Addr::from_bits(bits).into(), prefix }
        }
    }

    fn contains(network: &AllowedIp, address: IpAddr) -> bool {
        let leading = |a: u128, b: u128, width: u32| (a ^ b).leading_zeros() - (128 - width);
        match (network.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                leading(a.to_bits().into(), b.to_bits().into(), 32) >= u32::from(network.prefix)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                leading(a.to_bits(), b.to_bits(), 128) >= u32::from(network.prefix)
            }
            _ => false,
        }
    }

    fn same(a: &AllowedIp, b: &AllowedIp) -> bool {
        a.prefix == b.prefix && contains(a, b.address)
    }
}
