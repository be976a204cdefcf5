//! The few fields of an inner IP packet that the engine looks at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// Where a packet from the TUN device goes; `None` when it is no IP packet.
pub(super) fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 if packet.len() >= IPV4_HEADER => ipv4(&packet[16..20]),
        6 if packet.len() >= IPV6_HEADER => ipv6(&packet[24..40]),
        _ => None,
    }
}

/// The source of a decrypted packet, and its length without the padding that followed it; `None` when the header is not
/// one of an IP packet or claims more than is there.
pub(super) fn source_and_length(packet: &[u8]) -> Option<(IpAddr, usize)> {
    let (source, length) = match packet.first()? >> 4 {
        4 if packet.len() >= IPV4_HEADER => {
            (ipv4(&packet[12..16])?, usize::from(u16::from_be_bytes([packet[2], packet[3]])))
        }
        6 if packet.len() >= IPV6_HEADER => {
            let payload = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            (ipv6(&packet[8..24])?, payload + IPV6_HEADER)
        }
        _ => return None,
    };
    (IPV4_HEADER..=packet.len()).contains(&length).then_some((source, length))
}

fn ipv4(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).ok().map(|b| Ipv4Addr::from(b).into())
}

fn ipv6(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 16]>::try_from(bytes).ok().map(|b| Ipv6Addr::from(b).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_told_from_the_packet() {
        let mut packet = [0u8; 32];
        packet[0] = 0x45;
        packet[3] = 21;
        packet[12..16].copy_from_slice(&[10, 0, 0, 1]);
        packet[16..20].copy_from_slice(&[10, 0, 0, 2]);
        assert_eq!(source_and_length(&packet), Some((Ipv4Addr::new(10, 0, 0, 1).into(), 21)));
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(10, 0, 0, 2).into()));
    }

    #[test]
    fn a_length_beyond_the_packet_or_below_the_header_is_refused() {
        let mut packet = [0u8; 40];
        packet[0] = 0x45;
        for claimed in [0u8, 19, 41] {
            packet[3] = claimed;
            assert_eq!(source_and_length(&packet), None, "claimed {claimed}");
        }
        packet[0] = 0x60;
        packet[5] = 1;
        assert_eq!(source_and_length(&packet), None);
    }

    #[test]
    fn what_is_not_ip_has_no_addresses() {
        for packet in [&[][..], &[0x45; 19], &[0x60; 39], &[0x00; 64], &[0xf0; 64]] {
            assert_eq!(destination(packet), None);
            assert_eq!(source_and_length(packet), None);
        }
    }
}
