//! The part of the netlink fuzz target that reads a WireGuard device.

use std::collections::HashSet;

use super::decode::{fragment, merge};
use super::encode::{Attributes, PeerRequest};
use super::uapi::device;
use crate::wireguard::device::{AllowedIp, DeviceState, PeerState};
use crate::wireguard::json;
use crate::wireguard::set_keys::SetKeys;

/// Allowed IPs in one message, so few that a peer is cut often.
const ALLOWED_IPS_A_MESSAGE: usize = 3;

/// Reads the attributes of a listing's messages. What was read is a device: each peer once, each network one. Written as the
/// messages of another listing it is read as the same.
pub fn device(messages: &[&[u8]]) {
    let state = merge(messages.iter().map(|message| fragment(message)).collect());
    let keys: HashSet<_> = state.peers.iter().map(|peer| peer.public_key).collect();
    assert_eq!(keys.len(), state.peers.len(), "a peer is listed twice");
    for ip in state.peers.iter().flat_map(|peer| &peer.allowed_ips) {
        assert!(AllowedIp::clear_host_bits(ip.address, ip.prefix).is_some(), "{ip:?} is no network");
    }
    let _any_text = json::state(&state, &SetKeys::default());

    let messages = messages_of(&state);
    let again = merge(messages.iter().map(|message| fragment(message.bytes())).collect());
    assert_eq!(again.peers.len(), state.peers.len());
    state.peers.iter().zip(&again.peers).for_each(|(before, after)| check_same(before, after));
}

/// A listing of the peers, those with many networks cut.
fn messages_of(state: &DeviceState) -> Vec<Attributes> {
    state.peers.iter().flat_map(messages_of_peer).collect()
}

fn messages_of_peer(peer: &PeerState) -> Vec<Attributes> {
    let head = PeerRequest {
        endpoint: peer.endpoint,
        keepalive_seconds: Some(peer.keepalive_seconds),
        ..PeerRequest::default()
    };
    let tails = peer
        .allowed_ips
        .chunks(ALLOWED_IPS_A_MESSAGE)
        .map(|allowed_ips| PeerRequest { allowed_ips, ..PeerRequest::default() });
    let message = |request: PeerRequest<'_>| {
        let mut attributes = Attributes::with_room(request.room() + 8);
        attributes.nest(device::PEERS, |list| request.encode(&peer.public_key, list));
        attributes
    };
    std::iter::once(head).chain(tails).map(message).collect()
}

fn check_same(before: &PeerState, after: &PeerState) {
    assert_eq!(before.public_key, after.public_key);
    assert_eq!(before.endpoint, after.endpoint);
    assert_eq!(before.keepalive_seconds, after.keepalive_seconds);
    assert_eq!(before.allowed_ips, after.allowed_ips);
}
