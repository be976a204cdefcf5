//! Nodes as the Go peer keeps them in a file (PROTOCOL.md section 8): records of 38 bytes.

use std::net::{Ipv4Addr, SocketAddrV4};

/// Node id 20, IPv6 address 16 (IPv4 as `::ffff:a.b.c.d`), port 2, big endian.
pub const RECORD_BYTES: usize = 38;
/// As many nodes as are worth keeping.
pub const MAX_RECORDS: usize = 200;

/// Appends one record.
pub fn write(id: &[u8; 20], address: SocketAddrV4, to: &mut Vec<u8>) {
    to.extend_from_slice(id);
    to.extend_from_slice(&address.ip().to_ipv6_mapped().octets());
    to.extend_from_slice(&address.port().to_be_bytes());
}

/// True for what a node can have: nobody listens on port 0, and no host is broadcast or multicast.
pub fn is_usable(address: SocketAddrV4) -> bool {
    let ip: &Ipv4Addr = address.ip();
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hex;
    use crate::testing::section;

    #[test]
    fn as_the_go_peer_writes_them() {
        let files = section("files");
        let vector = files.iter().find(|entry| entry.has("hex")).expect("a nodes file");
        let mut bytes = Vec::new();
        write(&[0xab; 20], "203.0.113.5:6881".parse().expect("an address"), &mut bytes);
        assert_eq!(bytes.len(), RECORD_BYTES);
        assert!(vector.text("hex").starts_with(&hex::encode(&bytes)), "{}", hex::encode(&bytes));
    }

    #[test]
    fn what_no_node_can_have() {
        let usable = |text: &str| is_usable(text.parse().expect("an address"));
        assert!(usable("203.0.113.5:6881"));
        for text in ["203.0.113.5:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1"] {
            assert!(!usable(text), "{text}");
        }
    }
}
