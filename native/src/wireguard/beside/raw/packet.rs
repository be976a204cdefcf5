//! UDP datagrams as a raw socket has them (RFC 768, RFC 791).

use std::net::Ipv4Addr;

/// Bytes of a UDP header.
pub const HEADER: usize = 8;

/// The UDP part of what a raw IPv4 socket received; `None` when it is cut or no IPv4.
pub fn skip_ipv4(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || header < 20 {
        return None;
    }
    packet.get(header..)
}

/// A datagram: source port, destination port, payload; `None` when it is cut.
pub fn read(datagram: &[u8]) -> Option<(u16, u16, &[u8])> {
    let at = |index: usize| Some(u16::from_be_bytes([*datagram.get(index)?, *datagram.get(index + 1)?]));
    let (source, destination, length) = (at(0)?, at(2)?, at(4)?);
    Some((source, destination, datagram.get(HEADER..usize::from(length))?))
}

/// Header and payload, without a checksum: the kernel fills in that of IPv6 (RFC 3542 section 3.1). The payload is at most
/// [`super::super::MAX_BYTES`] long.
pub fn write(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = (HEADER + payload.len()) as u16;
    let mut datagram = Vec::with_capacity(length.into());
    for field in [source, destination, length, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    datagram
}

/// Puts the checksum of IPv4 in (RFC 768): over addresses, protocol and length too. One that comes out as zero is sent as all
/// ones, since zero means that there is none.
pub fn set_ipv4_checksum(datagram: &mut [u8], from: Ipv4Addr, to: Ipv4Addr) {
    datagram[6..HEADER].fill(0);
    let [length_high, length_low] = (datagram.len() as u16).to_be_bytes();
    let pseudo = [0, libc::IPPROTO_UDP as u8, length_high, length_low];
    let sum = [&from.octets()[..], &to.octets(), &pseudo, datagram].into_iter().fold(0, add);
    let checksum = match !fold(sum) {
        0 => u16::MAX,
        sum => sum,
    };
    datagram[6..HEADER].copy_from_slice(&checksum.to_be_bytes());
}

/// The sum of big-endian words; an odd byte at the end counts as the high one.
fn add(sum: u32, bytes: &[u8]) -> u32 {
    bytes.chunks(2).fold(sum, |sum, word| {
        sum + u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]))
    })
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_reads_as_it_was_written() {
        let datagram = write(51820, 3478, b"hello");
        assert_eq!(read(&datagram), Some((51820, 3478, &b"hello"[..])));
        // What lies behind its length is not part of it; what its length lacks makes it none.
        let padded = [&datagram[..], &[0; 9]].concat();
        assert_eq!(read(&padded), Some((51820, 3478, &b"hello"[..])));
        for length in 0..datagram.len() {
            assert_eq!(read(&datagram[..length]), None, "{length}");
        }
        let mut short = datagram;
        short[5] = 7;
        assert_eq!(read(&short), None);
    }

    #[test]
    fn the_ipv4_header_is_as_long_as_it_says() {
        for words in 0..16u8 {
            let mut packet = vec![0x40 | words];
            packet.resize(usize::from(words) * 4, 0);
            packet.extend(write(1, 2, b"x"));
            let expected = (words >= 5).then(|| write(1, 2, b"x"));
            assert_eq!(skip_ipv4(&packet), expected.as_deref(), "{words}");
        }
        assert_eq!((skip_ipv4(&[]), skip_ipv4(&[0x45; 19]), skip_ipv4(&[0x65; 60])), (None, None, None));
    }

    #[test]
    fn the_checksum_is_that_of_a_known_packet() {
        let mut datagram = write(1, 2, &[0xff]);
        let (from, to) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        set_ipv4_checksum(&mut datagram, from, to);
        // Addresses, protocol and length, then the datagram, word by word.
        let sum: u32 = 0xc000 + 0x0201 + 0xc000 + 0x0202 + 0x11 + 9 + 1 + 2 + 9 + 0xff00;
        let expected = !((sum & 0xffff) + (sum >> 16)) as u16;
        assert_eq!(datagram[6..8], expected.to_be_bytes());
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_all_ones() {
        let (from, to) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        // What is left to all ones: protocol 17, length 10 twice.
        let mut datagram = write(0, 0, &(0xffff_u16 - 17 - 10 - 10).to_be_bytes());
        set_ipv4_checksum(&mut datagram, from, to);
        assert_eq!(datagram[6..8], [0xff, 0xff]);
    }
}
