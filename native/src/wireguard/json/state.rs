//! `DeviceState` as JSON, written straight into its text: a tree of values on the way took most of the time of reading
//! a device with many peers.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};

use super::address::Text;
use crate::identity::keys::PublicKey;
use crate::wireguard::device::{AllowedIp, DeviceState, PeerState};

/// Bytes of JSON that a peer with two allowed IPs takes, roughly; more only costs another allocation.
const PEER_BYTES: usize = 280;

pub fn state(device: &DeviceState) -> String {
    let mut bytes = Vec::with_capacity(128 + PEER_BYTES * device.peers.len());
    serde_json::to_writer(&mut bytes, &Device(device)).expect("writing to memory does not fail");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

struct Device<'a>(&'a DeviceState);

impl Serialize for Device<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(state) = self;
        let mut object = serializer.serialize_struct("DeviceState", 4)?;
        object.serialize_field("publicKey", &state.public_key.as_ref().map(Key))?;
        object.serialize_field("listenPort", &state.listen_port)?;
        object.serialize_field("fwmark", &state.fwmark)?;
        object.serialize_field("peers", &Each(&state.peers, Peer))?;
        object.end()
    }
}

struct Peer<'a>(&'a PeerState);

impl Serialize for Peer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(peer) = self;
        let mut object = serializer.serialize_struct("PeerState", 8)?;
        object.serialize_field("publicKey", &Key(&peer.public_key))?;
        object.serialize_field("hasPresharedKey", &peer.has_preshared_key)?;
        object.serialize_field("endpoint", &peer.endpoint.map(Endpoint))?;
        object.serialize_field("allowedIps", &Each(&peer.allowed_ips, Network))?;
        object.serialize_field("keepaliveSeconds", &peer.keepalive_seconds)?;
        object.serialize_field("lastHandshakeMs", &peer.last_handshake_ms)?;
        object.serialize_field("rxBytes", &peer.rx_bytes)?;
        object.serialize_field("txBytes", &peer.tx_bytes)?;
        object.end()
    }
}

/// A list whose entries are each shown by `wrap`.
struct Each<'a, T, F>(&'a [T], F);

impl<'a, T, W: Serialize, F: Fn(&'a T) -> W> Serialize for Each<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(entries, wrap) = self;
        let mut list = serializer.serialize_seq(Some(entries.len()))?;
        for entry in *entries {
            list.serialize_element(&wrap(entry))?;
        }
        list.end()
    }
}

struct Key<'a>(&'a PublicKey);

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 44];
        STANDARD.encode_slice(self.0.0, &mut text).expect("32 bytes are 44 characters");
        serializer.serialize_str(std::str::from_utf8(&text).expect("base64 is ASCII"))
    }
}

/// `ip:port` or `[v6]:port`
struct Endpoint(SocketAddr);

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Text::of_endpoint(self.0).as_str())
    }
}

/// `address/prefix`
struct Network<'a>(&'a AllowedIp);

impl Serialize for Network<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AllowedIp { address, prefix } = *self.0;
        serializer.serialize_str(Text::of_network(address, prefix).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn network(text: &str) -> AllowedIp {
        let (address, prefix) = text.split_once('/').unwrap();
        AllowedIp { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }

    fn peer(endpoint: Option<&str>, allowed_ips: &[&str]) -> PeerState {
        PeerState {
            public_key: PublicKey([1; 32]),
            has_preshared_key: true,
            endpoint: endpoint.map(|text| text.parse().unwrap()),
            allowed_ips: allowed_ips.iter().map(|text| network(text)).collect(),
            keepalive_seconds: 25,
            last_handshake_ms: 1_700_000_000_250,
            rx_bytes: u64::MAX,
            tx_bytes: 0,
        }
    }

    #[test]
    fn every_member_has_the_name_and_form_of_the_types() {
        let longest = "[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535";
        let state = DeviceState {
            public_key: Some(PublicKey([2; 32])),
            listen_port: 51820,
            fwmark: 7,
            peers: vec![
                peer(Some(longest), &["10.0.0.1/32", "fd00::/64"]),
                peer(Some("192.0.2.1:5"), &[]),
                peer(None, &[]),
            ],
        };
        let expected = |endpoint: Value, allowed_ips: Value| {
            json!({
                "publicKey": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
                "hasPresharedKey": true,
                "endpoint": endpoint,
                "allowedIps": allowed_ips,
                "keepaliveSeconds": 25,
                "lastHandshakeMs": 1_700_000_000_250u64,
                "rxBytes": u64::MAX,
                "txBytes": 0,
            })
        };
        assert_eq!(
            serde_json::from_str::<Value>(&super::state(&state)).unwrap(),
            json!({
                "publicKey": "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
                "listenPort": 51820,
                "fwmark": 7,
                "peers": [
                    expected(longest.into(), json!(["10.0.0.1/32", "fd00::/64"])),
                    expected("192.0.2.1:5".into(), json!([])),
                    expected(Value::Null, json!([])),
                ],
            })
        );
    }

    #[test]
    fn a_device_without_key_and_peers() {
        let state = DeviceState { public_key: None, listen_port: 0, fwmark: 0, peers: Vec::new() };
        assert_eq!(super::state(&state), r#"{"publicKey":null,"listenPort":0,"fwmark":0,"peers":[]}"#);
    }
}
