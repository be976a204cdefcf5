//! Mesh addresses of a key (PROTOCOL.md 2.1 to 2.4).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::derive::{Derived, first, sha256};
use super::keys::PublicKey;
use crate::error::{Error, Result};

/// An IPv4 network the operator chose for the mesh, host bits cleared, prefix 0..=30.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorSubnet {
    network: u32,
    prefix: u8,
}

impl OperatorSubnet {
    /// Reads `a.b.c.d/prefix`. `EINVAL` for anything else, and for a prefix over 30, which leaves no room for two nodes.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new(
                "EINVAL",
                "use mesh subnet",
                format!("{text:?}"),
                "not an IPv4 network with prefix 0..30",
            )
        };
        let (address, prefix) = text.split_once('/').ok_or_else(refuse)?;
        let address: Ipv4Addr = address.parse().map_err(|_| refuse())?;
        let plain = prefix == "0" || (!prefix.starts_with(['0', '+']) && !prefix.is_empty());
        let prefix: u8 = prefix.parse().ok().filter(|prefix| plain && *prefix <= 30).ok_or_else(refuse)?;
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Ok(Self { network: u32::from(address) & mask, prefix })
    }

    /// How many addresses nodes can have: all but the network's and the broadcast one.
    fn hosts(self) -> u64 {
        (1u64 << (32 - self.prefix)) - 2
    }
}

/// The mesh IPv4 of a key in the default subnet. Nonce 0 is the normal address, others are for collisions.
pub fn mesh_ipv4(mesh: &Derived, key: &PublicKey, nonce: u32) -> Ipv4Addr {
    let [second, mixed_in] = mesh.subnet();
    if nonce == 0 {
        let [third, fourth] = first(key_hash(mesh, key));
        // The third octet may be 0 or 255: only the last is kept away from the network and broadcast addresses.
        return Ipv4Addr::new(10, second, third ^ mixed_in, fourth.clamp(1, 254));
    }
    let host = u16::from_be_bytes(first(nonce_hash(mesh, key, nonce))).clamp(1, 65534);
    let [third, fourth] = host.to_be_bytes();
    Ipv4Addr::new(10, second, third, fourth)
}

/// The same inside an operator's subnet.
pub fn mesh_ipv4_in(mesh: &Derived, key: &PublicKey, subnet: OperatorSubnet, nonce: u32) -> Ipv4Addr {
    let hash = if nonce == 0 { key_hash(mesh, key) } else { nonce_hash(mesh, key, nonce) };
    let host = u64::from_be_bytes(first(hash)) % subnet.hosts() + 1;
    Ipv4Addr::from(subnet.network + host as u32)
}

/// The mesh IPv6 of a key.
pub fn mesh_ipv6(mesh: &Derived, key: &PublicKey) -> Ipv6Addr {
    let hash = sha256(&[key.text().as_bytes(), b"|", mesh.secret().as_bytes(), b"|ipv6"]);
    let mut interface_id: [u8; 8] = first(hash);
    // Locally administered and unicast, as in a modified EUI-64.
    interface_id[0] = (interface_id[0] | 0x02) & 0xfe;
    let prefix = mesh.ipv6_prefix();
    Ipv6Addr::from(std::array::from_fn(
        |index| if index < 8 { prefix[index] } else { interface_id[index - 8] },
    ))
}

fn key_hash(mesh: &Derived, key: &PublicKey) -> [u8; 32] {
    sha256(&[key.text().as_bytes(), mesh.secret().as_bytes()])
}

fn nonce_hash(mesh: &Derived, key: &PublicKey, nonce: u32) -> [u8; 32] {
    let key = key.text();
    let secret = mesh.secret().as_bytes();
    let (key_part, secret_part) = (format!("{}:{key}|", key.len()), format!("{}:", secret.len()));
    sha256(&[key_part.as_bytes(), secret_part.as_bytes(), secret, format!("|nonce={nonce}").as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hex;
    use crate::identity::secret::Secret;
    use crate::testing::{Entry, pseudo_random_bytes, section};

    fn mesh(entry: &Entry) -> Derived {
        Derived::new(Secret::parse(entry.text("secret").as_bytes()).unwrap())
    }

    fn key(entry: &Entry, name: &str) -> PublicKey {
        PublicKey::parse(entry.text(name)).unwrap()
    }

    #[test]
    fn vectors_mesh_ip() {
        for entry in section("mesh_ip") {
            let (mesh, key) = (mesh(&entry), key(&entry, "pubkey"));
            assert_eq!(mesh_ipv4(&mesh, &key, 0).to_string(), entry.text("ipv4"));
            for nonce in 1..=3 {
                let expected = entry.text(&format!("ipv4_nonce_1_to_3.{}", nonce - 1));
                assert_eq!(mesh_ipv4(&mesh, &key, nonce).to_string(), expected);
            }
            assert_eq!(mesh_ipv6(&mesh, &key).to_string(), entry.text("ipv6"));
            assert_eq!(hex::encode(&mesh_ipv6(&mesh, &key).octets()), entry.text("ipv6_hex"));
        }
    }

    #[test]
    fn vectors_mesh_ip_custom_subnet() {
        for entry in section("mesh_ip_custom_subnet") {
            let subnet = OperatorSubnet::parse(entry.text("cidr"));
            assert_eq!(subnet.is_ok(), entry.flag("config_accepts"), "{}", entry.text("cidr"));
            let Ok(subnet) = subnet else { continue };
            let (mesh, key) = (mesh(&entry), key(&entry, "pubkey"));
            assert_eq!(mesh_ipv4_in(&mesh, &key, subnet, 0).to_string(), entry.text("ipv4"));
            assert_eq!(mesh_ipv4_in(&mesh, &key, subnet, 1).to_string(), entry.text("ipv4_nonce_1"));
            let network = format!("{}/{}", Ipv4Addr::from(subnet.network), subnet.prefix);
            assert_eq!(network, entry.text("network"));
        }
    }

    #[test]
    fn vectors_mesh_ip_collision() {
        for entry in section("mesh_ip_collision") {
            let mesh = mesh(&entry);
            for name in ["pubkey_a", "pubkey_b"] {
                assert_eq!(mesh_ipv4(&mesh, &key(&entry, name), 0).to_string(), entry.text("shared_ipv4"));
            }
            let moved = mesh_ipv4(&mesh, &key(&entry, "loser"), 1).to_string();
            assert_eq!(moved, entry.text("loser_new_ipv4"));
        }
    }

    #[test]
    fn subnets_that_are_none_are_refused() {
        let bad =
            ["", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/31", "10.0.0.0/256"];
        for text in
            bad.into_iter().chain(["10.0.0/8", "010.0.0.0/8", "fd00::/8", "10.0.0.0/8 ", "10.0.0.0/8/8"])
        {
            assert_eq!(OperatorSubnet::parse(text).unwrap_err().code, "EINVAL", "{text}");
        }
    }

    #[test]
    fn any_text_parses_or_fails() {
        for seed in 0..20_000 {
            let bytes = pseudo_random_bytes(seed, 24);
            // Half of the inputs are drawn from what networks are made of, to come past the first checks.
            let digits: Vec<u8> = bytes.iter().map(|byte| b"0123456789./"[usize::from(*byte) % 12]).collect();
            for input in [bytes, digits] {
                let text = String::from_utf8_lossy(&input);
                let _ = OperatorSubnet::parse(&text);
                let _ = PublicKey::parse(&text);
            }
        }
    }
}
