//! Text of addresses, as the standard library shows them (RFC 5952 for IPv6), on the stack and several times as fast: showing
//! them took longer than all the rest of reading a device with many peers.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest text, an IPv6 endpoint with a zone, has 1 + 39 + 11 + 1 + 6 bytes.
const ROOM: usize = 64;

/// A short ASCII text.
pub struct Text {
    bytes: [u8; ROOM],
    length: usize,
}

impl Text {
    /// `address/prefix`
    pub fn of_network(address: IpAddr, prefix: u8) -> Self {
        let mut text = Self::empty();
        match address {
            IpAddr::V4(v4) => text.ipv4(v4),
            IpAddr::V6(v6) => text.ipv6(v6),
        }
        text.byte(b'/');
        text.decimal(prefix.into());
        text
    }

    /// `ip:port` or `[v6]:port`
    pub fn of_endpoint(endpoint: SocketAddr) -> Self {
        let mut text = Self::empty();
        match endpoint {
            SocketAddr::V4(v4) => text.ipv4(*v4.ip()),
            SocketAddr::V6(v6) => {
                text.byte(b'[');
                text.ipv6(*v6.ip());
                if v6.scope_id() != 0 {
                    text.byte(b'%');
                    text.decimal(v6.scope_id());
                }
                text.byte(b']');
            }
        }
        text.byte(b':');
        text.decimal(endpoint.port().into());
        text
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("ASCII was written")
    }

    fn empty() -> Self {
        Self { bytes: [0; ROOM], length: 0 }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn decimal(&mut self, number: u32) {
        let mut power = 1;
        while number / power >= 10 {
            power *= 10;
        }
        while power > 0 {
            self.byte(b'0' + (number / power % 10) as u8);
            power /= 10;
        }
    }

    fn ipv4(&mut self, address: Ipv4Addr) {
        for (index, octet) in address.octets().into_iter().enumerate() {
            if index > 0 {
                self.byte(b'.');
            }
            self.decimal(octet.into());
        }
    }

    fn ipv6(&mut self, address: Ipv6Addr) {
        if address.to_ipv4_mapped().is_some() {
            // Rare here, and the one form that mixes both.
            return write!(self, "{address}").expect("it fits");
        }
        let segments = address.segments();
        let zeros = longest_zeros(&segments);
        self.segments(&segments[..zeros.start]);
        if !zeros.is_empty() {
            self.byte(b':');
            self.byte(b':');
            self.segments(&segments[zeros.end..]);
        }
    }

    fn segments(&mut self, segments: &[u16]) {
        for (index, segment) in segments.iter().enumerate() {
            if index > 0 {
                self.byte(b':');
            }
            self.hexadecimal(*segment);
        }
    }

    fn hexadecimal(&mut self, segment: u16) {
        let digits = (16 - segment.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            self.byte(b"0123456789abcdef"[usize::from(segment >> (4 * digit) & 0xf)]);
        }
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        text.bytes().for_each(|byte| self.byte(byte));
        Ok(())
    }
}

/// The first of the longest runs of zeros of at least two; an empty range behind the end when there is none.
fn longest_zeros(segments: &[u16; 8]) -> std::ops::Range<usize> {
    let mut longest = 8..8;
    let mut start = 0;
    for (index, segment) in segments.iter().enumerate() {
        if *segment != 0 {
            start = index + 1;
        } else if index + 1 - start > longest.len().max(1) {
            longest = start..index + 1;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddrV4, SocketAddrV6};

    use super::*;
    use crate::testing::random_bytes;

    fn assert_as_the_standard_library(ip: IpAddr, number: u32) {
        let prefix = (number % 129) as u8;
        assert_eq!(Text::of_network(ip, prefix).as_str(), format!("{ip}/{prefix}"));
        let port = number as u16;
        let endpoint: SocketAddr = match ip {
            IpAddr::V4(v4) => SocketAddrV4::new(v4, port).into(),
            IpAddr::V6(v6) => {
                SocketAddrV6::new(v6, port, 0, if number.is_multiple_of(3) { number } else { 0 }).into()
            }
        };
        assert_eq!(Text::of_endpoint(endpoint).as_str(), endpoint.to_string());
    }

    #[test]
    fn every_pattern_of_zeros_is_as_the_standard_library_shows_it() {
        for pattern in 0u32..256 {
            for value in [1u16, 0xa, 0x10, 0x0fff, 0xffff] {
                let segment = |bit: u32| if pattern >> bit & 1 == 1 { value } else { 0 };
                let segments: [u16; 8] = std::array::from_fn(|index| segment(index as u32));
                assert_as_the_standard_library(IpAddr::from(segments), pattern * 257);
            }
        }
    }

    #[test]
    fn any_address_is_as_the_standard_library_shows_it() {
        for seed in 0..2_000u64 {
            let bytes: [u8; 20] = random_bytes(seed, 20).try_into().unwrap();
            let (v4, v6) = bytes.split_first_chunk::<4>().unwrap();
            let number = u32::from_ne_bytes(*v4);
            assert_as_the_standard_library(IpAddr::from(*v4), number);
            assert_as_the_standard_library(IpAddr::from(<[u8; 16]>::try_from(v6).unwrap()), number);
            let mapped = Ipv4Addr::from(*v4).to_ipv6_mapped();
            assert_as_the_standard_library(mapped.into(), number);
        }
    }

    #[test]
    fn the_longest_texts_fit() {
        let longest = "[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535";
        assert_eq!(Text::of_endpoint(longest.parse().unwrap()).as_str(), longest);
        let network = Text::of_network(IpAddr::from([255, 255, 255, 255]), 32);
        assert_eq!(network.as_str(), "255.255.255.255/32");
    }
}
