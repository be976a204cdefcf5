use super::super::segment;
use super::super::{Pool, virtio};
use super::*;
use crate::wireguard::embedded::test_random::Random;

/// A TCP packet with good checksums.
fn tcp(ipv6: bool, flow: u8, sequence: u32, flags: u8, data: &[u8]) -> Packet {
    let mut bytes = if ipv6 { vec![0u8; 40] } else { vec![0u8; 20] };
    if ipv6 {
        bytes[0] = 0x60;
        bytes[6] = 6;
        bytes[7] = 64;
        bytes[8] = 0xfd;
        bytes[24] = 0xfd;
        bytes[39] = flow;
    } else {
        bytes[0] = 0x45;
        bytes[6] = DF;
        bytes[8] = 64;
        bytes[9] = 6;
        bytes[12..16].copy_from_slice(&[10, 0, 0, 1]);
        bytes[16..20].copy_from_slice(&[10, 0, 0, flow]);
    }
    let transport = bytes.len();
    // Ports, sequence, acknowledgement, length with 12 bytes of options, flags, window, checksum, urgent.
    bytes.extend_from_slice(&[0x13, 0x88, 0x00, flow]);
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 1, 0x80, flags, 1, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    bytes.extend_from_slice(data);
    let length = bytes.len();
    if ipv6 {
        bytes[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
    } else {
        bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        let checksum = !fold(sum(&bytes[..20]));
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    let addresses = if ipv6 { 8..40 } else { 12..20 };
    let checksum =
        !fold(pseudo_header(&bytes[addresses], TCP, length - transport) + sum(&bytes[transport..]));
    bytes[transport + 16..transport + 18].copy_from_slice(&checksum.to_be_bytes());
    Packet::copy_from(&bytes[..])
}

/// The frames that would be written.
fn joined(packets: &[Packet]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    Coalescer::new().join(packets, |parts| {
        let bytes = parts.iter().flat_map(|part| {
            // SAFETY: the parts are live for the time of the call.
            unsafe { std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len) }.to_vec()
        });
        frames.push(bytes.collect());
    });
    frames
}

/// What the kernel of the other side would make of the frames, with the other half of this module.
fn split(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let pool = Pool::new(0);
    for frame in frames {
        let mut frame = frame.clone();
        let (header, packet) = Header::split(&mut frame).expect("a header");
        segment::split(&header, packet, &pool, &mut packets);
    }
    // The identification counts up from the first packet's; the ones that were joined may have had any.
    packets.iter().map(|packet| without_identification(packet)).collect()
}

fn without_identification(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet.len() >= 20 && packet[0] >> 4 == 4 {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    packet
}

#[test]
fn a_burst_becomes_one_frame() {
    for ipv6 in [false, true] {
        let data = vec![7u8; 1000];
        let mut packets: Vec<_> = (0..40).map(|i| tcp(ipv6, 9, i * 1000, ACK, &data)).collect();
        packets.push(tcp(ipv6, 9, 40_000, ACK | PSH, &data[..123]));
        let frames = joined(&packets);
        assert_eq!(frames.len(), 1);
        let mut frame = frames[0].clone();
        let (header, packet) = Header::split(&mut frame).expect("a header");
        let gso_type = if ipv6 { virtio::GSO_TCPV6 } else { virtio::GSO_TCPV4 };
        assert_eq!(
            (header.flags, header.gso_type, header.gso_size),
            (virtio::NEEDS_CHECKSUM, gso_type, 1000)
        );
        assert_eq!(packet.len(), usize::from(header.header_len) + 40_123);
        let originals: Vec<_> = packets.iter().map(|packet| without_identification(packet)).collect();
        assert_eq!(split(&frames), originals);
    }
}

#[test]
fn what_differs_is_not_joined() {
    let data = [1u8; 100];
    let first = || tcp(false, 1, 0, ACK, &data);
    let changed = |at: usize, to: u8| {
        let mut packet = tcp(false, 1, 100, ACK, &data);
        packet.buf_mut()[at] = to;
        packet
    };
    let others = [
        ("another flow", tcp(false, 2, 100, ACK, &data)),
        ("another family", tcp(true, 1, 100, ACK, &data)),
        ("a gap", tcp(false, 1, 101, ACK, &data)),
        ("a repetition", tcp(false, 1, 0, ACK, &data)),
        ("more data", tcp(false, 1, 100, ACK, &[1; 101])),
        ("no data", tcp(false, 1, 100, ACK, &[])),
        ("FIN", tcp(false, 1, 100, ACK | 1, &data)),
        ("SYN", tcp(false, 1, 100, ACK | 2, &data)),
        ("URG", tcp(false, 1, 100, ACK | 0x20, &data)),
        ("congestion mark", changed(1, 3)),
        ("another time to live", changed(8, 63)),
        ("a fragment", changed(7, 1)),
        ("another acknowledgement", changed(31, 2)),
        ("another window", changed(34, 9)),
        ("other options", changed(51, 9)),
        ("UDP", changed(9, 17)),
    ];
    for (name, other) in others {
        assert_eq!(joined(&[first(), other]).len(), 2, "{name}");
    }
    assert_eq!(joined(&[first(), tcp(false, 1, 100, ACK, &data)]).len(), 1);
    // Nothing follows the end of the data, or a packet shorter than the first.
    assert_eq!(joined(&[tcp(false, 1, 0, ACK | PSH, &data), tcp(false, 1, 100, ACK, &data)]).len(), 2);
    let short = tcp(false, 1, 100, ACK, &data[..50]);
    assert_eq!(joined(&[first(), short, tcp(false, 1, 150, ACK, &data[..50])]).len(), 2);
}

#[test]
fn a_frame_never_exceeds_the_largest_packet() {
    let data = [3u8; 1400];
    let packets: Vec<_> = (0..100).map(|i| tcp(false, 1, i * 1400, ACK, &data)).collect();
    let frames = joined(&packets);
    assert!(frames.iter().all(|frame| frame.len() <= HEADER_LEN + MAX_FRAME));
    assert_eq!(split(&frames).len(), 100);
    let tiny: Vec<_> = (0..3000).map(|i| tcp(false, 1, i, ACK, &[1])).collect();
    let frames = joined(&tiny);
    assert_eq!(frames.len(), 3);
    assert_eq!(split(&frames).len(), 3000);
}

/// Any mixture of streams, and bytes that are no packets, comes through whole and in order.
#[test]
fn joining_loses_and_reorders_nothing() {
    let mut random = Random::new(5);
    for _ in 0..300 {
        let mut sequences = [0u32; 6];
        let mut flow = 0;
        let packets: Vec<Packet> = (0..60)
            .map(|_| {
                if random.below(4) == 0 {
                    flow = random.below(6);
                }
                if random.below(15) == 0 {
                    let junk: Vec<u8> = (0..1 + random.below(90)).map(|_| random.next() as u8).collect();
                    return Packet::copy_from(&junk[..]);
                }
                let length = [0, 1, 50, 50, 50, 200][random.below(6)];
                let data: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
                let flags = [ACK, ACK, ACK, ACK | PSH, ACK | 1, 2][random.below(6)];
                let sequence = sequences[flow];
                sequences[flow] = sequence.wrapping_add(length as u32);
                tcp(flow % 2 == 0, flow as u8, sequence, flags, &data)
            })
            .collect();
        let originals: Vec<_> = packets.iter().map(|packet| without_identification(packet)).collect();
        assert_eq!(split(&joined(&packets)), originals);
    }
}

/// The kernel's headers are trusted, but a nonsensical one must not panic.
#[test]
fn no_frame_panics() {
    let mut random = Random::new(9);
    let pool = Pool::new(0);
    for _ in 0..50_000 {
        let mut frame: Vec<u8> = (0..random.below(120)).map(|_| random.next() as u8).collect();
        if frame.len() > 11 {
            frame[0] = random.below(2) as u8;
            frame[1] = [0, 1, 4, 5, 0x81][random.below(5)];
            frame[6..8].copy_from_slice(&(random.below(60) as u16).to_ne_bytes());
            frame[8..10].copy_from_slice(&(random.below(20) as u16).to_ne_bytes());
            frame[10] = [0x45, 0x60, 0x4f, 0x00][random.below(4)];
        }
        let mut packets = Vec::new();
        if let Some((header, packet)) = Header::split(&mut frame) {
            segment::split(&header, packet, &pool, &mut packets);
            joined(&packets);
        }
    }
}
