//! Requests to the kernel's WireGuard, as bytes that are zeroised.

use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::NLA_F_NESTED;

use super::uapi::{allowed_ip, device, peer};
use crate::identity::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::memory;
use crate::wireguard::device::AllowedIp;

/// Attribute bytes. The room is reserved at the start: growing would leave copies of keys behind in freed memory.
pub struct Attributes(Vec<u8>);

impl Drop for Attributes {
    fn drop(&mut self) {
        memory::wipe(&mut self.0);
    }
}

impl Attributes {
    pub fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes that are encoded already.
    pub fn append(&mut self, bytes: &[u8]) {
        assert!(self.0.len() + bytes.len() <= self.0.capacity(), "room is reserved");
        self.0.extend_from_slice(bytes);
    }

    /// A value of at most 64 KiB less the header, which no caller comes near (see `chunk::MESSAGE_BYTES`).
    pub fn put(&mut self, kind: u16, value: &[u8]) {
        self.append(&header(kind, value.len()));
        self.append(value);
        self.append(&[0; 3][..value.len().next_multiple_of(4) - value.len()]);
    }

    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.put(kind | NLA_F_NESTED, &[]);
        fill(self);
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }
}

/// Of an attribute with a value of so many bytes (`struct nlattr`).
fn header(kind: u16, value: usize) -> [u8; 4] {
    let [a, b] = ((4 + value) as u16).to_ne_bytes();
    let [c, d] = kind.to_ne_bytes();
    [a, b, c, d]
}

/// Everything about one peer that one request may set.
#[derive(Default, Clone, Copy)]
pub struct PeerRequest<'a> {
    /// `peer::F_*`
    pub flags: u32,
    pub preshared_key: Option<&'a PresharedKey>,
    pub endpoint: Option<SocketAddr>,
    pub keepalive_seconds: Option<u16>,
    pub allowed_ips: &'a [AllowedIp],
}

impl PeerRequest<'_> {
    /// The encoded size, for those who encode few.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn room(&self) -> usize {
        let optional = |is_there: bool, bytes: usize| if is_there { bytes } else { 0 };
        let endpoint = self.endpoint.map_or(0, |address| if address.is_ipv4() { 20 } else { 32 });
        let ips = self.allowed_ips.iter().map(|ip| if ip.address.is_ipv4() { 28 } else { 40 });
        40 + optional(self.flags != 0, 8)
            + optional(self.preshared_key.is_some(), 36)
            + endpoint
            + optional(self.keepalive_seconds.is_some(), 8)
            + optional(!self.allowed_ips.is_empty(), 4 + ips.sum::<usize>())
    }

    pub fn encode(&self, key: &PublicKey, into: &mut Attributes) {
        into.nest(0, |attributes| {
            attributes.put(peer::PUBLIC_KEY, &key.0);
            if self.flags != 0 {
                attributes.put(peer::FLAGS, &self.flags.to_ne_bytes());
            }
            if let Some(key) = self.preshared_key {
                attributes.put(peer::PRESHARED_KEY, &key.0);
            }
            if let Some(endpoint) = self.endpoint {
                attributes.put(peer::ENDPOINT, &socket_address(endpoint));
            }
            if let Some(seconds) = self.keepalive_seconds {
                attributes.put(peer::KEEPALIVE, &seconds.to_ne_bytes());
            }
            if !self.allowed_ips.is_empty() {
                attributes.nest(peer::ALLOWED_IPS, |list| {
                    self.allowed_ips.iter().for_each(|ip| put_allowed_ip(list, ip));
                });
            }
        });
    }
}

fn put_allowed_ip(list: &mut Attributes, ip: &AllowedIp) {
    list.nest(0, |attributes| {
        let family = match ip.address {
            IpAddr::V4(_) => libc::AF_INET,
            IpAddr::V6(_) => libc::AF_INET6,
        };
        attributes.put(allowed_ip::FAMILY, &(family as u16).to_ne_bytes());
        match ip.address {
            IpAddr::V4(v4) => attributes.put(allowed_ip::ADDRESS, &v4.octets()),
            IpAddr::V6(v6) => attributes.put(allowed_ip::ADDRESS, &v6.octets()),
        }
        attributes.put(allowed_ip::PREFIX, &[ip.prefix]);
    });
}

/// `struct sockaddr_in` or `struct sockaddr_in6`.
fn socket_address(address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    match address {
        SocketAddr::V4(v4) => {
            let family = (libc::AF_INET as u16).to_ne_bytes();
            [&family[..], &port, &v4.ip().octets(), &[0; 8]].concat()
        }
        SocketAddr::V6(v6) => {
            let family = (libc::AF_INET6 as u16).to_ne_bytes();
            let flow = v6.flowinfo().to_be_bytes();
            let scope = v6.scope_id().to_ne_bytes();
            [&family[..], &port, &flow, &v6.ip().octets(), &scope].concat()
        }
    }
}

/// The question for a device's state.
pub fn get_device(index: u32) -> Attributes {
    let mut attributes = Attributes::with_room(8);
    attributes.put(device::IFINDEX, &index.to_ne_bytes());
    attributes
}

/// Key, port and mark. The kernel takes the mark first, then the port, and stops when that is in use; the caller has looked
/// whether it is.
pub fn set_device(index: u32, key: &PrivateKey, port: u16, fwmark: u32) -> Attributes {
    let mut attributes = Attributes::with_room(72);
    attributes.put(device::IFINDEX, &index.to_ne_bytes());
    attributes.put(device::FWMARK, &fwmark.to_ne_bytes());
    attributes.put(device::LISTEN_PORT, &port.to_ne_bytes());
    attributes.put(device::PRIVATE_KEY, &key.0);
    attributes
}

/// Removes all peers.
pub fn flush_peers(index: u32) -> Attributes {
    let mut attributes = Attributes::with_room(16);
    attributes.put(device::IFINDEX, &index.to_ne_bytes());
    attributes.put(device::FLAGS, &device::F_REPLACE_PEERS.to_ne_bytes());
    attributes
}

/// What stands before changes of peers that are encoded already, `bytes` of them.
pub fn before_peers(index: u32, bytes: usize) -> Attributes {
    let mut attributes = Attributes::with_room(16);
    attributes.put(device::IFINDEX, &index.to_ne_bytes());
    attributes.append(&header(device::PEERS | NLA_F_NESTED, bytes));
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_padded_but_its_length_is_not() {
        let mut attributes = Attributes::with_room(32);
        attributes.nest(8, |inner| inner.put(3, &[7]));
        let expected = if cfg!(target_endian = "little") {
            [12, 0, 8, 0x80, 5, 0, 3, 0, 7, 0, 0, 0]
        } else {
            [0, 12, 0x80, 8, 0, 5, 0, 3, 7, 0, 0, 0]
        };
        assert_eq!(attributes.bytes(), expected);
    }

    #[test]
    fn the_room_of_a_peer_is_enough_for_all_of_it() {
        let v6 = |n: u16| AllowedIp { address: IpAddr::from([n, 0, 0, 0, 0, 0, 0, 1]), prefix: 128 };
        let v4 = |n: u8| AllowedIp { address: IpAddr::from([10, 0, 0, n]), prefix: 32 };
        let ips: Vec<_> = (0..300).map(v6).chain((0..100).map(v4)).collect();
        let key = PresharedKey([1; 32]);
        let whole = || PeerRequest {
            flags: peer::F_UPDATE_ONLY,
            preshared_key: Some(&key),
            endpoint: Some("[fe80::1%3]:51820".parse().unwrap()),
            keepalive_seconds: Some(25),
            allowed_ips: &ips,
        };
        let requests = [
            whole(),
            PeerRequest { endpoint: Some("192.0.2.1:5".parse().unwrap()), ..whole() },
            PeerRequest { endpoint: None, ..whole() },
            PeerRequest { flags: 0, preshared_key: None, ..whole() },
            PeerRequest { keepalive_seconds: None, allowed_ips: &[], ..whole() },
            PeerRequest::default(),
        ];
        for request in requests {
            let mut attributes = Attributes::with_room(request.room());
            request.encode(&PublicKey([2; 32]), &mut attributes);
            assert_eq!(attributes.bytes().len(), request.room());
        }
    }
}
