//! Packets with checksums computed the plain way, to compare with.

use super::virtio::{self, Header};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ACK: u8 = 0x10;
pub(super) const PSH: u8 = 0x08;

/// RFC 1071 as it is written: 16-bit words, one by one.
fn plain_sum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut sum: u32 = 0;
    for word in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What the sum over pseudo header and transport packet is: 0xffff when the checksum in it is right.
fn transport_sum(packet: &[u8]) -> u16 {
    let ipv6 = packet[0] >> 4 == 6;
    let (transport, protocol) = if ipv6 { (40, packet[6]) } else { (20, packet[9]) };
    let length = ((packet.len() - transport) as u32).to_be_bytes();
    let addresses = if ipv6 { &packet[8..40] } else { &packet[12..20] };
    plain_sum(&[addresses, &length, &[0, 0, 0, protocol], &packet[transport..]])
}

pub(super) fn assert_whole(packet: &[u8]) {
    if packet[0] >> 4 == 4 {
        assert_eq!(plain_sum(&[&packet[..20]]), 0xffff, "the IP checksum");
        assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
    } else {
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])) + 40, packet.len());
    }
    assert_eq!(transport_sum(packet), 0xffff, "the transport checksum");
}

/// IP header of a packet whose transport part follows.
fn ip_header(ipv6: bool, flow: u8, protocol: u8) -> Vec<u8> {
    if ipv6 {
        let mut header = vec![0u8; 40];
        header[0] = 0x60;
        header[6..9].copy_from_slice(&[protocol, 64, 0xfd]);
        header[24] = 0xfd;
        header[39] = flow;
        return header;
    }
    let mut header = vec![0u8; 20];
    header[0] = 0x45;
    header[6] = 0x40;
    header[8..10].copy_from_slice(&[64, protocol]);
    header[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, flow]);
    header
}

/// Fills in lengths and checksums.
fn finished(mut packet: Vec<u8>) -> Vec<u8> {
    let ipv6 = packet[0] >> 4 == 6;
    let (transport, protocol) = if ipv6 { (40, packet[6]) } else { (20, packet[9]) };
    let length = packet.len();
    if ipv6 {
        packet[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
    } else {
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet[10..12].fill(0);
        let checksum = !plain_sum(&[&packet[..20]]);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    let at = transport + if protocol == TCP { 16 } else { 6 };
    if protocol == UDP {
        packet[transport + 4..transport + 6].copy_from_slice(&((length - transport) as u16).to_be_bytes());
    }
    packet[at..at + 2].fill(0);
    let checksum = match !transport_sum(&packet) {
        0 if protocol == UDP => 0xffff,
        checksum => checksum,
    };
    packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// A TCP packet with 12 bytes of options and good checksums.
pub(super) fn tcp(ipv6: bool, flow: u8, sequence: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = ip_header(ipv6, flow, TCP);
    packet.extend_from_slice(&[0x13, 0x88, 0x00, flow]);
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 1, 0x80, flags, 1, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet.extend_from_slice(data);
    finished(packet)
}

pub(super) fn udp(ipv6: bool, flow: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = ip_header(ipv6, flow, UDP);
    packet.extend_from_slice(&[0x13, 0x88, 0x00, flow, 0, 0, 0, 0]);
    packet.extend_from_slice(data);
    finished(packet)
}

/// A frame as the kernel hands it over: headers once, the checksum begun with the pseudo header.
pub(super) fn kernel_frame(ipv6: bool, protocol: u8, payload: &[u8], size: usize, flags: u8) -> Vec<u8> {
    let whole = if protocol == TCP { tcp(ipv6, 3, 77, flags, payload) } else { udp(ipv6, 3, payload) };
    let mut packet = whole;
    let transport = if ipv6 { 40 } else { 20 };
    let (offset, gso_type) = match (protocol, ipv6) {
        (TCP, false) => (16, virtio::GSO_TCPV4),
        (TCP, true) => (16, virtio::GSO_TCPV6),
        _ => (6, virtio::GSO_UDP),
    };
    let addresses = if ipv6 { packet[8..40].to_vec() } else { packet[12..20].to_vec() };
    let length = (packet.len() - transport) as u32;
    let partial = plain_sum(&[&addresses, &length.to_be_bytes(), &[0, 0, 0, protocol]]);
    packet[transport + offset..transport + offset + 2].copy_from_slice(&partial.to_be_bytes());
    let header = Header {
        flags: virtio::NEEDS_CHECKSUM,
        gso_type: if payload.len() > size { gso_type } else { virtio::GSO_NONE },
        // The kernel gives more than the headers for forwarded frames; it must not matter.
        header_len: 300,
        gso_size: if payload.len() > size { size as u16 } else { 0 },
        checksum_start: transport as u16,
        checksum_offset: offset as u16,
    };
    [&header.to_bytes()[..], &packet].concat()
}
