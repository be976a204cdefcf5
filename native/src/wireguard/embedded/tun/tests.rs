//! Splitting and joining, against each other and against plain computations.

use std::cell::Cell;
use std::io;
use std::ops::Range;

use super::super::batch::Outbound;
use super::super::outgoing::Batch;
use super::super::test_random::Random;
use super::coalesce::Coalescer;
use super::flow::Protocol;
use super::test_packets::{ACK, PSH, TCP, UDP, assert_whole, kernel_frame, tcp, udp};
use super::virtio::{self, HEADER_LEN, Header};
use super::{MAX_PACKET, segment};

const MTU: u16 = 1420;

/// Packets as they lie in a receive buffer, with gaps between them.
fn laid_out(packets: &[Vec<u8>]) -> (Vec<u8>, Vec<Range<usize>>) {
    let mut buffer = Vec::new();
    let mut ranges = Vec::new();
    for packet in packets {
        buffer.extend_from_slice(&[0xee; 16]);
        ranges.push(buffer.len()..buffer.len() + packet.len());
        buffer.extend_from_slice(packet);
    }
    (buffer, ranges)
}

fn bytes_of(parts: &[libc::iovec]) -> Vec<u8> {
    let part = |part: &libc::iovec| {
        // SAFETY: the parts are live for the time of the call.
        unsafe { std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len) }.to_vec()
    };
    parts.iter().flat_map(part).collect()
}

/// The frames that would be written.
fn joined(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (buffer, ranges) = laid_out(packets);
    let mut frames = Vec::new();
    let write = |parts: &[libc::iovec], _: Option<Protocol>| {
        frames.push(bytes_of(parts));
        Ok(())
    };
    Coalescer::new().join(&buffer, &ranges, |_| true, write, |_, _| panic!("nothing was refused"));
    frames
}

/// What the kernel of the other side would make of the frames, with the other half of this module.
fn split(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut outbound = Outbound::default();
    for frame in frames {
        let (header, packet) = Header::split(frame).expect("a header");
        segment::split(&header, packet, &mut outbound, MTU);
    }
    outbound.packets().map(<[u8]>::to_vec).collect()
}

/// The identification counts up from the first packet's; the ones that were joined may have had any.
fn without_identification(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let one = |packet: &Vec<u8>| {
        let mut packet = packet.clone();
        if packet.len() >= 20 && packet[0] >> 4 == 4 {
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        }
        packet
    };
    packets.iter().map(one).collect()
}

#[test]
fn a_burst_becomes_one_frame() {
    for ipv6 in [false, true] {
        let data = vec![7u8; 1000];
        let mut packets: Vec<_> = (0..40).map(|i| tcp(ipv6, 9, i * 1000, ACK, &data)).collect();
        packets.push(tcp(ipv6, 9, 40_000, ACK | PSH, &data[..123]));
        let frames = joined(&packets);
        assert_eq!(frames.len(), 1);
        let (header, packet) = Header::split(&frames[0]).expect("a header");
        let gso_type = if ipv6 { virtio::GSO_TCPV6 } else { virtio::GSO_TCPV4 };
        let expected = (virtio::NEEDS_CHECKSUM, gso_type, 1000, 16);
        assert_eq!((header.flags, header.gso_type, header.gso_size, header.checksum_offset), expected);
        assert_eq!(packet.len(), usize::from(header.header_len) + 40_123);
        assert_eq!(without_identification(&split(&frames)), without_identification(&packets));
    }
}

#[test]
fn datagrams_of_a_flow_become_one_frame() {
    for ipv6 in [false, true] {
        let mut packets: Vec<_> = (0..30u8).map(|i| udp(ipv6, 9, &vec![i; 1201])).collect();
        packets.push(udp(ipv6, 9, &[30; 7]));
        packets.push(udp(ipv6, 9, &[31; 7]));
        let frames = joined(&packets);
        // Nothing follows a shorter one.
        assert_eq!(frames.len(), 2);
        let (header, packet) = Header::split(&frames[0]).expect("a header");
        let expected = (virtio::NEEDS_CHECKSUM, virtio::GSO_UDP, 1201, 6);
        assert_eq!((header.flags, header.gso_type, header.gso_size, header.checksum_offset), expected);
        assert_eq!(packet.len(), usize::from(header.header_len) + 30 * 1201 + 7);
        assert_eq!(without_identification(&split(&frames)), without_identification(&packets));
    }
}

#[test]
fn what_differs_is_not_joined() {
    let data = [1u8; 100];
    let first = || tcp(false, 1, 0, ACK, &data);
    let changed = |at: usize, to: u8| {
        let mut packet = tcp(false, 1, 100, ACK, &data);
        packet[at] = to;
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
        ("ICMP", changed(9, 1)),
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
fn datagrams_that_differ_are_not_joined() {
    let data = [1u8; 100];
    let first = || udp(false, 1, &data);
    let changed = |at: usize, to: u8| {
        let mut packet = first();
        packet[at] = to;
        packet
    };
    let mut without_checksum = first();
    without_checksum[26..28].fill(0);
    let others = [
        ("another flow", udp(false, 2, &data)),
        ("another family", udp(true, 1, &data)),
        ("another port", changed(21, 9)),
        ("more data", udp(false, 1, &[1; 101])),
        ("no data", udp(false, 1, &[])),
        ("another length inside", changed(25, 9)),
        ("a fragment", changed(7, 1)),
        ("congestion mark", changed(1, 3)),
        ("no checksum", without_checksum.clone()),
        ("TCP", changed(9, 6)),
    ];
    for (name, other) in others {
        assert_eq!(joined(&[first(), other]).len(), 2, "{name}");
    }
    assert_eq!(joined(&[first(), first()]).len(), 1);
    assert_eq!(joined(&[without_checksum.clone(), without_checksum]).len(), 2);
}

#[test]
fn a_frame_never_exceeds_the_largest_packet() {
    let data = [3u8; 1400];
    let packets: Vec<_> = (0..100).map(|i| tcp(false, 1, i * 1400, ACK, &data)).collect();
    let frames = joined(&packets);
    assert!(frames.iter().all(|frame| frame.len() <= HEADER_LEN + MAX_PACKET));
    assert_eq!(split(&frames).len(), 100);
    let tiny: Vec<_> = (0..3000).map(|i| tcp(false, 1, i, ACK, &[1])).collect();
    let frames = joined(&tiny);
    assert_eq!(frames.len(), 3);
    assert_eq!(split(&frames).len(), 3000);
    let datagrams: Vec<_> = (0..200).map(|_| udp(true, 1, &data)).collect();
    let frames = joined(&datagrams);
    assert!(frames.len() > 1 && frames.iter().all(|frame| frame.len() <= HEADER_LEN + MAX_PACKET));
    assert_eq!(split(&frames).len(), 200);
    // Nor does it have more datagrams than kernels take.
    assert_eq!(joined(&vec![udp(false, 1, &[1; 64]); 128]).len(), 2);
}

/// Any mixture of streams and flows, and bytes that are no packets, comes through whole and in order.
#[test]
fn joining_loses_and_reorders_nothing() {
    let mut random = Random::new(5);
    for _ in 0..300 {
        let mut sequences = [0u32; 6];
        let mut flow = 0;
        let packets: Vec<Vec<u8>> = (0..60)
            .map(|_| {
                if random.below(4) == 0 {
                    flow = random.below(6);
                }
                if random.below(15) == 0 {
                    return (0..1 + random.below(90)).map(|_| random.next() as u8).collect();
                }
                let length = [0, 1, 50, 50, 50, 201][random.below(6)];
                let data: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
                if flow >= 4 {
                    return udp(flow % 2 == 0, flow as u8, &data);
                }
                let flags = [ACK, ACK, ACK, ACK | PSH, ACK | 1, 2][random.below(6)];
                let sequence = sequences[flow];
                sequences[flow] = sequence.wrapping_add(length as u32);
                tcp(flow % 2 == 0, flow as u8, sequence, flags, &data)
            })
            .collect();
        assert_eq!(without_identification(&split(&joined(&packets))), without_identification(&packets));
    }
}

#[test]
fn what_is_split_is_whole_for_all_sizes() {
    let mut random = Random::new(21);
    for round in 0..400 {
        let (ipv6, protocol) = (round % 2 == 0, if round % 4 < 2 { TCP } else { UDP });
        let size = 1 + random.below(1400);
        let payload: Vec<u8> = (0..1 + random.below(20_000)).map(|_| random.next() as u8).collect();
        let frame = kernel_frame(ipv6, protocol, &payload, size, ACK | PSH | 1);
        let packets = split(&[frame]);
        assert_eq!(packets.len(), payload.len().div_ceil(size));
        let headers = if ipv6 { 40 } else { 20 } + if protocol == TCP { 32 } else { 8 };
        let mut together = Vec::new();
        for (i, packet) in packets.iter().enumerate() {
            assert_whole(packet);
            together.extend_from_slice(&packet[headers..]);
            if protocol == TCP {
                let flags = packet[headers - 32 + 13];
                let last = i + 1 == packets.len();
                assert_eq!(flags, if last { ACK | PSH | 1 } else { ACK }, "PSH and FIN belong to the end");
                let sequence =
                    u32::from_be_bytes(packet[headers - 28..headers - 24].try_into().expect("four"));
                assert_eq!(sequence as usize, 77 + i * size);
            }
        }
        assert_eq!(together, payload);
    }
}

/// RFC 768: a UDP checksum that comes out as zero is sent as 0xffff, since zero means "none".
#[test]
fn a_udp_checksum_is_never_zero() {
    for filler in 0..=u16::MAX {
        let payload = [&filler.to_be_bytes()[..], &[0; 2]].concat();
        let packets = split(&[kernel_frame(false, UDP, &payload, 100, 0)]);
        if packets[0][26..28] == [0xff, 0xff] {
            return;
        }
        assert_ne!(packets[0][26..28], [0, 0]);
    }
    panic!("one filler makes the sum zero");
}

#[test]
fn refused_frames_are_written_again_packet_by_packet() {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let packets: Vec<_> = (0..50u8)
            .map(|i| match protocol {
                Protocol::Tcp => tcp(false, 1, u32::from(i) * 100, ACK, &[i; 100]),
                Protocol::Udp => udp(false, 1, &[i; 100]),
            })
            .collect();
        let (buffer, ranges) = laid_out(&packets);
        let mut frames = Vec::new();
        let allowed = Cell::new(true);
        let refusals = Cell::new(0);
        let write = |parts: &[libc::iovec], joined: Option<Protocol>| match joined {
            Some(_) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
            None => {
                frames.push(bytes_of(parts)[HEADER_LEN..].to_vec());
                Ok(())
            }
        };
        let refused = |which, _: &io::Error| {
            assert_eq!(which, protocol);
            refusals.set(refusals.get() + 1);
            allowed.set(false);
        };
        Coalescer::new().join(&buffer, &ranges, |_| allowed.get(), write, refused);
        assert_eq!(refusals.get(), 1);
        assert_eq!(frames, packets, "nothing is lost or reordered");
    }
}

/// The kernel's headers are trusted, but a nonsensical one must not panic.
#[test]
fn no_frame_panics() {
    let mut random = Random::new(9);
    for _ in 0..50_000 {
        let mut frame: Vec<u8> = (0..random.below(120)).map(|_| random.next() as u8).collect();
        if frame.len() > 11 {
            frame[0] = random.below(2) as u8;
            frame[1] = [0, 1, 4, 5, 0x81][random.below(5)];
            frame[6..8].copy_from_slice(&(random.below(60) as u16).to_ne_bytes());
            frame[8..10].copy_from_slice(&(random.below(20) as u16).to_ne_bytes());
            frame[10] = [0x45, 0x60, 0x4f, 0x00][random.below(4)];
        }
        let mut outbound = Outbound::default();
        if let Some((header, packet)) = Header::split(&frame) {
            segment::split(&header, packet, &mut outbound, MTU);
            let packets: Vec<_> = outbound.packets().map(<[u8]>::to_vec).collect();
            joined(&packets);
        }
    }
}
