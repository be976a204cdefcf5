//! The state of a device out of the kernel's listing.
//!
//! A listing is many messages. Each begins with the device's properties (later ones may leave them out), and a peer whose
//! allowed IPs do not fit is cut: it goes on in the next message with nothing but its key and the rest of the list.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use netlink_packet_core::{NLA_TYPE_MASK, NlasIterator};

use super::uapi::{allowed_ip, device, peer};
use crate::identity::keys::PublicKey;
use crate::wireguard::device::{AllowedIp, DeviceState, PeerState};

/// What a peer without endpoint and networks takes in a listing, and an IPv4 network: so many there are at most.
const LEAST_PEER_BYTES: usize = 140;
const LEAST_ALLOWED_IP_BYTES: usize = 28;

/// What one message says.
#[derive(Default)]
pub struct Fragment {
    public_key: Option<PublicKey>,
    pub listen_port: Option<u16>,
    fwmark: Option<u32>,
    peers: Vec<PeerState>,
}

/// Puts the messages of one listing together.
pub fn merge(fragments: Vec<Fragment>) -> DeviceState {
    let count = fragments.iter().map(|fragment| fragment.peers.len()).sum();
    let mut state =
        DeviceState { public_key: None, listen_port: 0, fwmark: 0, peers: Vec::with_capacity(count) };
    let mut places: HashMap<PublicKey, usize> = HashMap::with_capacity(count);
    for fragment in fragments {
        state.public_key = state.public_key.or(fragment.public_key);
        state.listen_port = fragment.listen_port.unwrap_or(state.listen_port);
        state.fwmark = fragment.fwmark.unwrap_or(state.fwmark);
        for peer in fragment.peers {
            match places.entry(peer.public_key) {
                // The rest of a peer that was cut has no properties of its own.
                Entry::Occupied(place) => state.peers[*place.get()].allowed_ips.extend(peer.allowed_ips),
                Entry::Vacant(place) => {
                    place.insert(state.peers.len());
                    state.peers.push(peer);
                }
            }
        }
    }
    state
}

/// Reads the attributes of one message. What cannot be read is left out, as if the kernel had not said it.
pub fn fragment(attributes: &[u8]) -> Fragment {
    let mut fragment = Fragment::default();
    for (kind, value) in values(attributes) {
        match kind {
            device::PUBLIC_KEY => fragment.public_key = value.try_into().ok().map(PublicKey),
            device::LISTEN_PORT => fragment.listen_port = value.try_into().ok().map(u16::from_ne_bytes),
            device::FWMARK => fragment.fwmark = value.try_into().ok().map(u32::from_ne_bytes),
            device::PEERS => {
                fragment.peers.reserve(value.len() / LEAST_PEER_BYTES);
                let peers = values(value).filter_map(|(_, value)| read_peer(value));
                fragment.peers.extend(peers);
            }
            _ => {}
        }
    }
    fragment
}

fn values(attributes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(attributes)
        .map_while(|nla| nla.ok())
        .map(|nla| (nla.kind() & NLA_TYPE_MASK, nla.into_inner()))
        .map(|(kind, whole)| (kind, value_of(whole)))
}

/// The value of an attribute that starts `whole`; its length was checked by the iterator.
fn value_of(whole: &[u8]) -> &[u8] {
    let length = u16::from_ne_bytes([whole[0], whole[1]]);
    &whole[4..usize::from(length)]
}

fn read_peer(attributes: &[u8]) -> Option<PeerState> {
    let mut key = None;
    let mut state = PeerState::new(PublicKey([0; 32]));
    for (kind, value) in values(attributes) {
        match kind {
            peer::PUBLIC_KEY => key = value.try_into().ok().map(PublicKey),
            peer::PRESHARED_KEY if value.len() == 32 => state.preshared_key.0.copy_from_slice(value),
            peer::ENDPOINT => state.endpoint = socket_address(value),
            peer::KEEPALIVE => state.keepalive_seconds = number(value).map_or(0, u16::from_ne_bytes),
            peer::LAST_HANDSHAKE => state.last_handshake_ms = milliseconds(value).unwrap_or(0),
            peer::RX_BYTES => state.rx_bytes = number(value).map_or(0, u64::from_ne_bytes),
            peer::TX_BYTES => state.tx_bytes = number(value).map_or(0, u64::from_ne_bytes),
            peer::ALLOWED_IPS => {
                state.allowed_ips.reserve(value.len() / LEAST_ALLOWED_IP_BYTES);
                let ips = values(value).filter_map(|(_, value)| read_allowed_ip(value));
                state.allowed_ips.extend(ips);
            }
            _ => {}
        }
    }
    state.public_key = key?;
    Some(state)
}

fn read_allowed_ip(attributes: &[u8]) -> Option<AllowedIp> {
    let mut address = None;
    let mut prefix = None;
    for (kind, value) in values(attributes) {
        match kind {
            allowed_ip::ADDRESS => address = ip(value),
            allowed_ip::PREFIX => prefix = value.first().copied(),
            _ => {}
        }
    }
    // A prefix too long for its family would be no network.
    AllowedIp::clear_host_bits(address?, prefix?)
}

fn number<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    let v4 = number::<4>(value).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    v4.or_else(|| number::<16>(value).map(|octets| IpAddr::V6(Ipv6Addr::from(octets))))
}

/// `struct __kernel_timespec`: seconds and nanoseconds, 64 bits each; zero for never.
fn milliseconds(value: &[u8]) -> Option<u64> {
    let (seconds, nanoseconds) = value.split_first_chunk::<8>()?;
    let seconds = u64::try_from(i64::from_ne_bytes(*seconds)).ok()?;
    let nanoseconds = u64::try_from(i64::from_ne_bytes(number(nanoseconds)?)).ok()?;
    Some(seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000))
}

/// `struct sockaddr_in` or `struct sockaddr_in6`.
fn socket_address(value: &[u8]) -> Option<SocketAddr> {
    let at = |from: usize, to: usize| value.get(from..to);
    let family = u16::from_ne_bytes(number(at(0, 2)?)?);
    let port = u16::from_be_bytes(number(at(2, 4)?)?);
    match i32::from(family) {
        libc::AF_INET => {
            let octets: [u8; 4] = number(at(4, 8)?)?;
            Some(SocketAddrV4::new(octets.into(), port).into())
        }
        libc::AF_INET6 => {
            let flow = u32::from_be_bytes(number(at(4, 8)?)?);
            let octets: [u8; 16] = number(at(8, 24)?)?;
            let scope = u32::from_ne_bytes(number(at(24, 28)?)?);
            Some(SocketAddrV6::new(octets.into(), port, flow, scope).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wireguard::kernel::encode::{Attributes, PeerRequest};

    fn networks(count: u16) -> Vec<AllowedIp> {
        let network = |n: u16| AllowedIp { address: IpAddr::from([0xfd00, n, 0, 0, 0, 0, 0, 0]), prefix: 32 };
        (0..count).map(network).collect()
    }

    fn message(listen_port: Option<u16>, peers: &[(u8, PeerRequest<'_>)]) -> Fragment {
        let mut attributes = Attributes::with_room(60_000);
        if let Some(port) = listen_port {
            attributes.put(device::LISTEN_PORT, &port.to_ne_bytes());
            attributes.put(device::PUBLIC_KEY, &[9; 32]);
            attributes.put(device::FWMARK, &5u32.to_ne_bytes());
        }
        attributes.nest(device::PEERS, |list| {
            for (key, request) in peers {
                request.encode(&PublicKey([*key; 32]), list);
            }
        });
        fragment(attributes.bytes())
    }

    #[test]
    fn a_peer_that_was_cut_is_one_peer_with_all_its_properties() {
        let all = networks(700);
        let (first, rest) = all.split_at(500);
        let endpoint: SocketAddr = "[2001:db8::1]:51820".parse().unwrap();
        let head = PeerRequest {
            endpoint: Some(endpoint),
            keepalive_seconds: Some(25),
            allowed_ips: first,
            ..PeerRequest::default()
        };
        let tail = PeerRequest { allowed_ips: rest, ..PeerRequest::default() };
        let fragments = vec![
            message(Some(51820), &[(1, PeerRequest::default()), (2, head)]),
            message(None, &[(2, tail), (3, PeerRequest::default())]),
        ];
        let state = merge(fragments);
        assert_eq!(state.public_key, Some(PublicKey([9; 32])));
        assert_eq!((state.listen_port, state.fwmark), (51820, 5));
        let keys: Vec<_> = state.peers.iter().map(|peer| peer.public_key.0[0]).collect();
        assert_eq!(keys, [1, 2, 3]);
        let cut = &state.peers[1];
        assert_eq!(cut.allowed_ips, all);
        assert_eq!(cut.endpoint, Some(endpoint));
        assert_eq!(cut.keepalive_seconds, 25);
    }

    #[test]
    fn reads_handshake_times_and_counters() {
        let mut attributes = Attributes::with_room(200);
        attributes.nest(device::PEERS, |list| {
            list.nest(0, |peer_attributes| {
                let time = [1_700_000_000i64.to_ne_bytes(), 250_000_000i64.to_ne_bytes()].concat();
                peer_attributes.put(peer::PUBLIC_KEY, &[1; 32]);
                peer_attributes.put(peer::PRESHARED_KEY, &[0; 32]);
                peer_attributes.put(peer::LAST_HANDSHAKE, &time);
                peer_attributes.put(peer::RX_BYTES, &11u64.to_ne_bytes());
                peer_attributes.put(peer::TX_BYTES, &12u64.to_ne_bytes());
            });
        });
        let state = merge(vec![fragment(attributes.bytes())]);
        let peer = &state.peers[0];
        assert_eq!(peer.last_handshake_ms, 1_700_000_000_250);
        assert_eq!((peer.rx_bytes, peer.tx_bytes), (11, 12));
        assert!(!peer.has_preshared_key(), "all zero is the kernel's word for none");
    }

    #[test]
    fn bytes_that_make_no_sense_are_left_out() {
        for garbage in [&[][..], &[3, 0, 1, 0], &[255, 255, 8, 0x80], &[8, 0, 4, 0, 1, 2, 3, 4]] {
            let state = merge(vec![fragment(garbage)]);
            assert!(state.peers.is_empty() && state.public_key.is_none());
        }
    }
}
