//! A device's state as JSON, written straight into its text: neither a tree of values on the way, nor a search for characters to
//! escape, which there are none of. Both took longer than reading a device with many peers from the kernel.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::address::Text;
use crate::identity::keys::PublicKey;
use crate::wireguard::device::{DeviceState, PeerState};
use crate::wireguard::set_keys::SetKeys;

/// Bytes of JSON that a peer with two allowed IPs takes, roughly; more only costs another allocation.
const PEER_BYTES: usize = 140;

pub fn state(device: &DeviceState, keys: &SetKeys) -> String {
    let mut json = Json(String::with_capacity(128 + PEER_BYTES * device.peers.len()));
    json.text("{\"publicKey\":");
    json.or_null(device.public_key.as_ref(), Json::key);
    json.number(",\"listenPort\":", device.listen_port.into());
    json.number(",\"fwmark\":", device.fwmark.into());
    json.text(",\"peers\":");
    json.list(&device.peers, |json, peer| json.peer(peer, keys));
    json.text("}");
    json.0
}

/// JSON that is being written. Every text in it is of keys, addresses and numbers.
struct Json(String);

impl Json {
    fn text(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn number(&mut self, name: &str, number: u64) {
        self.text(name);
        // Most are: counters and times of peers that never spoke.
        match number {
            0 => self.text("0"),
            _ => write!(self.0, "{number}").expect("writing to memory does not fail"),
        }
    }

    fn or_null<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => put(self, value),
            None => self.text("null"),
        }
    }

    fn list<'a, T>(&mut self, entries: &'a [T], mut put: impl FnMut(&mut Self, &'a T)) {
        self.text("[");
        for (index, entry) in entries.iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            put(self, entry);
        }
        self.text("]");
    }

    fn key(&mut self, key: &PublicKey) {
        self.text("\"");
        STANDARD.encode_string(key.0, &mut self.0);
        self.text("\"");
    }

    fn quoted(&mut self, text: &Text) {
        self.text("\"");
        self.text(text.as_str());
        self.text("\"");
    }

    /// A row, whose members native/lib/device.js gives their names: with names in each the text is twice as long, and reading
    /// it in JavaScript takes longer than all of this.
    fn peer(&mut self, peer: &PeerState, keys: &SetKeys) {
        self.text("[");
        self.key(&peer.public_key);
        // No preshared key, one, or another than it was given.
        self.text(match (peer.has_preshared_key(), keys.is_changed(peer)) {
            (false, _) => ",0,",
            (true, false) => ",1,",
            (true, true) => ",2,",
        });
        self.or_null(peer.endpoint, |json, endpoint| json.quoted(&Text::of_endpoint(endpoint)));
        self.text(",");
        self.list(&peer.allowed_ips, |json, ip| json.quoted(&Text::of_network(ip.address, ip.prefix)));
        self.number(",", peer.keepalive_seconds.into());
        self.number(",", peer.last_handshake_ms);
        self.number(",", peer.rx_bytes);
        self.number(",", peer.tx_bytes);
        self.text("]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::keys::PresharedKey;
    use crate::wireguard::device::{AllowedIp, PeerChange, PeerSettings};
    use serde_json::{Value, json};

    fn network(text: &str) -> AllowedIp {
        let (address, prefix) = text.split_once('/').unwrap();
        AllowedIp { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }

    /// All peers here have the same key.
    fn given(key: u8) -> SetKeys {
        let mut keys = SetKeys::default();
        let change = PeerSettings { preshared_key: Some(PresharedKey([key; 32])), ..settings() };
        keys.note(&[PeerChange::Set(change)]);
        keys
    }

    fn settings() -> PeerSettings {
        PeerSettings::new(PublicKey([1; 32]))
    }

    #[test]
    fn a_preshared_key_is_told_of_by_one_of_three_numbers() {
        let number = |peer: PeerState, keys: &SetKeys| {
            let state = DeviceState { public_key: None, listen_port: 0, fwmark: 0, peers: vec![peer] };
            serde_json::from_str::<Value>(&super::state(&state, keys)).unwrap()["peers"][0][1].clone()
        };
        assert_eq!(number(PeerState::new(PublicKey([1; 32])), &given(9)), 0);
        assert_eq!(number(peer(None, &[]), &given(9)), 1);
        assert_eq!(number(peer(None, &[]), &given(8)), 2);
        assert_eq!(number(peer(None, &[]), &SetKeys::default()), 1);
    }

    fn peer(endpoint: Option<&str>, allowed_ips: &[&str]) -> PeerState {
        PeerState {
            public_key: PublicKey([1; 32]),
            preshared_key: PresharedKey([9; 32]),
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
            let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
            json!([key, 1, endpoint, allowed_ips, 25, 1_700_000_000_250u64, u64::MAX, 0])
        };
        assert_eq!(
            serde_json::from_str::<Value>(&super::state(&state, &given(9))).unwrap(),
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
        assert_eq!(
            super::state(&state, &given(9)),
            r#"{"publicKey":null,"listenPort":0,"fwmark":0,"peers":[]}"#
        );
    }
}
