//! Every parameter of a mesh, from its secret alone (PROTOCOL.md section 2).

use std::net::Ipv4Addr;

use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::hex;
use super::keys::PresharedKey;
use super::seal::Sealer;
use super::secret::Secret;
use crate::error::{Error, Result};
use crate::memory::scrub_stack;

/// First control port, and how many may follow from a secret: 51821..=52820.
const GOSSIP_PORT_BASE: u16 = 51821;
const GOSSIP_PORT_RANGE: u16 = 1000;
/// The TCP probe port stands this far above the control port.
const PROBE_PORT_OFFSET: u16 = 2000;

/// A 32-byte key that is zeroised when dropped.
pub type DerivedKey = Zeroizing<[u8; 32]>;

/// A secret with what follows from it. What every datagram needs is derived once, the rest on demand.
pub struct Derived {
    secret: Secret,
    /// Boxed, so that a move copies an address and not the key.
    sealer: Box<Sealer>,
    subnet: [u8; 2],
    ipv6_prefix: [u8; 8],
}

impl Derived {
    pub fn new(secret: Secret) -> Self {
        let sealer = Box::new(Sealer::new(&gossip_key(&secret)));
        scrub_stack();
        let [p1, p2, p3, p4, p5, p6, p7] = *expand(&secret, "wgmesh-ipv6-prefix-v1");
        Self {
            sealer,
            subnet: *expand(&secret, "wgmesh-subnet-v1"),
            ipv6_prefix: [0xfd, p1, p2, p3, p4, p5, p6, p7],
            secret,
        }
    }

    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Seals and opens datagrams under the gossip key.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    pub fn network_id(&self) -> [u8; 20] {
        first(sha256(&[self.secret.as_bytes()]))
    }

    /// The label of managed DNS names: the first 6 bytes of the network id in hex.
    pub fn mesh_id(&self) -> String {
        hex::encode(&self.network_id()[..6])
    }

    /// DHT key of one hour; `hour` is floor(unix seconds / 3600).
    pub fn infohash(&self, hour: i64) -> [u8; 20] {
        first(sha256(&[self.secret.as_bytes(), b"||", hour.to_string().as_bytes()]))
    }

    pub fn gossip_key(&self) -> DerivedKey {
        gossip_key(&self.secret)
    }

    /// Byte 0 is the second octet of every mesh IPv4, byte 1 is mixed into the third.
    pub fn subnet(&self) -> [u8; 2] {
        self.subnet
    }

    /// The /64 of the mesh's IPv6 addresses.
    pub fn ipv6_prefix(&self) -> [u8; 8] {
        self.ipv6_prefix
    }

    pub fn multicast_id(&self) -> [u8; 4] {
        *expand(&self.secret, "wgmesh-mcast-v1")
    }

    /// The LAN group: the first 2 bytes of the multicast id in 239.192.0.0/16.
    pub fn multicast_group(&self) -> Ipv4Addr {
        let [a, b, ..] = self.multicast_id();
        Ipv4Addr::new(239, 192, a, b)
    }

    /// The preshared key of every pair of peers.
    pub fn preshared_key(&self) -> PresharedKey {
        PresharedKey(*expand(&self.secret, "wgmesh-wg-psk-v1"))
    }

    /// A preshared key of the caller's own: HKDF-SHA256 of the secret, the label as info. `EINVAL` for an empty label, one over
    /// 255 bytes, and one that begins with `wgmesh-`: whoever administers an interface can read its preshared keys, so none may
    /// be a key that the mesh uses for something else.
    pub fn preshared_key_for(&self, label: &str) -> Result<PresharedKey> {
        let reason = match label {
            "" => "it is empty",
            _ if label.len() > 255 => "it is longer than 255 bytes",
            _ if label.starts_with("wgmesh-") => "labels that begin with wgmesh- are the mesh's own",
            _ => return Ok(PresharedKey(*expand(&self.secret, label))),
        };
        Err(Error::new("EINVAL", "derive a preshared key for", format!("{label:?}"), reason))
    }

    /// UDP control port.
    pub fn gossip_port(&self) -> u16 {
        let number = u16::from_be_bytes(*expand(&self.secret, "wgmesh-gossip-port-v1"));
        GOSSIP_PORT_BASE + number % GOSSIP_PORT_RANGE
    }

    /// TCP port of the health probe, on the mesh addresses.
    pub fn probe_port(&self) -> u16 {
        self.gossip_port() + PROBE_PORT_OFFSET
    }

    pub fn rendezvous_id(&self) -> [u8; 8] {
        first(sha256(&[self.secret.as_bytes(), b"rv"]))
    }

    /// Signs membership tokens and rotations.
    pub fn membership_key(&self) -> DerivedKey {
        expand(&self.secret, "wgmesh-membership-v1")
    }

    /// Chooses the Dandelion++ relay of an epoch.
    pub fn epoch_seed(&self) -> DerivedKey {
        expand(&self.secret, "wgmesh-epoch-v1")
    }
}

fn gossip_key(secret: &Secret) -> DerivedKey {
    expand(secret, "wgmesh-gossip-v1")
}

/// HKDF-SHA256 without salt. The secret is not stretched, so that any node derives the same in no time; this is why
/// weak secrets are refused (see `strength`).
fn expand<const N: usize>(secret: &Secret, info: &str) -> Zeroizing<[u8; N]> {
    let mut output = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::new(None, secret.as_bytes())
        .expand(info.as_bytes(), output.as_mut())
        .expect("at most 8160 bytes are asked for");
    output
}

/// SHA-256 of the parts one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The first N bytes of a hash.
pub(super) fn first<const N: usize>(hash: [u8; 32]) -> [u8; N] {
    std::array::from_fn(|index| hash[index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::section;

    fn derived(secret: &str) -> Derived {
        Derived::new(Secret::parse(secret.as_bytes()).unwrap())
    }

    #[test]
    fn vectors_secrets() {
        for entry in section("secrets") {
            let it = derived(entry.text("input"));
            let same = |name: &str, bytes: &[u8]| {
                let name = format!("derived.{name}");
                assert_eq!(hex::encode(bytes), entry.text(&name), "{name} of {}", entry.text("what"));
            };
            same("network_id_hex", &it.network_id());
            same("gossip_key_hex", it.gossip_key().as_slice());
            same("membership_key_hex", it.membership_key().as_slice());
            same("epoch_seed_hex", it.epoch_seed().as_slice());
            same("wg_psk_hex", &it.preshared_key().0);
            same("mesh_subnet_hex", &it.subnet());
            same("mesh_prefix_v6_hex", &it.ipv6_prefix());
            same("multicast_id_hex", &it.multicast_id());
            same("rendezvous_id_hex", &it.rendezvous_id());
            assert_eq!(it.mesh_id(), entry.text("derived.mesh_id"));
            assert_eq!(it.multicast_group().to_string(), entry.text("derived.multicast_group"));
            assert_eq!(i64::from(it.gossip_port()), entry.number("derived.gossip_port"));
            assert_eq!(i64::from(it.probe_port()), entry.number("derived.probe_tcp_port"));
        }
    }

    /// The expected key is what hkdfSync of node:crypto says.
    #[test]
    fn a_label_gives_a_key_of_its_own_and_none_of_the_meshs() {
        let it = derived("0123456789abcdef");
        let key = it.preshared_key_for("gateway to office").unwrap();
        assert_eq!(hex::encode(&key.0), "c813a922b454eaf79c4dc273475a6ca591d64aa097e0c6333b7dae65ec3b3fa0");
        let too_long = "x".repeat(256);
        for label in ["", "wgmesh-gossip-v1", "wgmesh-", too_long.as_str()] {
            assert_eq!(it.preshared_key_for(label).unwrap_err().code, "EINVAL", "{label}");
        }
    }

    #[test]
    fn vectors_network_id_time() {
        for entry in section("network_id_time") {
            let it = derived(entry.text("secret"));
            let hour = entry.number("hour");
            assert_eq!(hour, entry.number("unix").div_euclid(3600));
            assert_eq!(hex::encode(&it.infohash(hour)), entry.text("infohash_hex"));
            if entry.has("previous_infohash_hex") {
                assert_eq!(hex::encode(&it.infohash(hour - 1)), entry.text("previous_infohash_hex"));
            }
        }
    }
}
