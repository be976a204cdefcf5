//! Fuzz target: the lists of peer changes that cross from JavaScript.

use super::device::{AllowedIp, PeerChange};
use super::json;
use crate::identity::keys::PresharedKey;

/// The keys that come beside the text, told apart by their bytes.
const KEYS: [PresharedKey; 2] = [PresharedKey([7; 32]), PresharedKey([8; 32])];

/// Any text is refused or read. What was read can be carried out: endpoints can be sent to, networks have no host bits, keys are
/// those that came with it, or none.
pub fn changes(data: &[u8]) {
    let Ok((changes, refused)) = json::changes(data, &KEYS) else {
        return;
    };
    let _any_text = json::refused(&refused);
    for change in changes {
        let PeerChange::Set(set) = change else { continue };
        assert!(!(set.reset && set.update_only));
        if let Some(endpoint) = set.endpoint {
            assert!(endpoint.port() != 0 && !endpoint.ip().is_unspecified());
        }
        if let Some(key) = set.preshared_key {
            assert!(KEYS.iter().any(|known| known.0 == key.0) || key.0 == [0; 32]);
        }
        for network in set.allowed_ips.iter().flatten().chain(&set.add_allowed_ips) {
            let cleared = AllowedIp::clear_host_bits(network.address, network.prefix);
            assert_eq!(cleared, Some(*network));
        }
    }
}
