//! Fuzz target: frames of the TUN device, split and joined.

use std::io;
use std::ops::Range;

use super::super::batch::Outbound;
use super::super::outgoing::Batch;
use super::coalesce::Coalescer;
use super::flow::Protocol;
use super::segment;
use super::test_packets::{ACK, PSH, TCP, UDP, assert_whole, kernel_frame, tcp, udp};
use super::virtio::{self, HEADER_LEN, Header};
use crate::fuzzing::input::Input;

const MTU: u16 = 1420;
/// Bytes that are set in a good frame at most.
const MAX_CHANGES: usize = 8;
/// Packets that are joined at most.
const MAX_PACKETS: usize = 80;
/// What the kernel takes of one UDP flow in a frame (UDP_MAX_SEGMENTS of linux/udp.h, before it became 128), and in one writev.
const UDP_MAX_SEGMENTS: usize = 64;
const IOV_MAX: usize = 1024;

/// Any frame is split or dropped, a good one into whole packets that have all of its data. Packets that were joined, whatever the
/// kernel refused on the way, are the same packets in the same order when they are split again.
pub fn frames(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 3 {
        0 => drop(split(input.rest())),
        1 => built(&mut input),
        _ => joined(&mut input),
    }
}

// ---- splitting -----------------------------------------------------------------------------------------------------------

/// The packets of a frame. Of arbitrary bytes there are no more than there are bytes, and those have nothing lost or added where a
/// frame stands for itself.
fn split(frame: &[u8]) -> Vec<Vec<u8>> {
    let Some((header, packet)) = Header::split(frame) else {
        return Vec::new();
    };
    let mut outbound = Outbound::default();
    segment::split(&header, packet, &mut outbound, MTU);
    let packets: Vec<_> = outbound.packets().map(<[u8]>::to_vec).collect();
    assert!(packets.len() <= packet.len().max(1), "{} packets of {} bytes", packets.len(), packet.len());
    if header.gso_type != virtio::GSO_NONE {
        assert!(packets.iter().all(|segment| segment.len() <= packet.len()));
    } else if header.flags & virtio::NEEDS_CHECKSUM == 0 {
        assert_eq!(packets, [packet]);
    } else if let [out] = &packets[..] {
        let at = usize::from(header.checksum_start) + usize::from(header.checksum_offset);
        assert_eq!((&out[..at], &out[at + 2..]), (&packet[..at], &packet[at + 2..]));
    }
    packets
}

/// A frame as the kernel makes it, with a few bytes changed.
fn built(input: &mut Input<'_>) {
    let (shape, size, length) = (input.byte(), input.u16(), usize::from(input.u16()) % 20_000);
    let (ipv6, protocol) = (shape & 1 == 1, if shape & 2 == 2 { UDP } else { TCP });
    let flags = if shape & 4 == 4 { ACK | PSH } else { input.byte() };
    let payload: Vec<u8> = (0..length).map(|i| (i / 7) as u8 ^ shape).collect();
    let mut frame = kernel_frame(ipv6, protocol, &payload, size.max(1).into(), flags);
    if input.is_empty() {
        let packets = split(&frame);
        packets.iter().for_each(|packet| assert_whole(packet));
        let headers = packets[0].len() - usize::from(size.max(1)).min(length);
        let data: Vec<u8> = packets.iter().flat_map(|packet| &packet[headers..]).copied().collect();
        assert!(data == payload, "data was lost or added");
        return;
    }
    for _ in 0..MAX_CHANGES {
        let at = usize::from(input.u16()) % (HEADER_LEN + 80);
        if let Some(byte) = frame.get_mut(at) {
            *byte = input.byte();
        }
    }
    split(&frame);
}

// ---- joining -------------------------------------------------------------------------------------------------------------

fn joined(input: &mut Input<'_>) {
    let (taken, refused_frame) = (input.byte(), usize::from(input.byte()) % 16);
    let (buffer, ranges) = laid_out(&some_packets(input));
    let mut frames: Vec<(Vec<u8>, bool)> = Vec::new();
    let mut attempts = 0;
    let write = |parts: &[libc::iovec], protocol: Option<Protocol>| {
        assert!(parts.len() <= IOV_MAX);
        if let Some(protocol) = protocol {
            assert!(protocol == Protocol::Tcp || parts.len() - 1 <= UDP_MAX_SEGMENTS, "too many datagrams");
            attempts += 1;
            if attempts == refused_frame {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
        }
        frames.push((bytes_of(parts), protocol.is_some()));
        Ok(())
    };
    let joins = |protocol| taken & if protocol == Protocol::Tcp { 1 } else { 2 } == 0;
    Coalescer::new().join(&buffer, &ranges, joins, write, |_, _| {});

    let mut expected = ranges.iter().map(|range| &buffer[range.clone()]);
    for (frame, joined) in &frames {
        assert!(frame.len() - HEADER_LEN <= super::MAX_PACKET);
        for packet in split(frame) {
            check_same(expected.next().expect("no more packets than there were"), &packet, *joined);
        }
    }
    assert_eq!(expected.next(), None, "a packet is missing");
}

/// Packets of a few flows that often continue each other, some of them changed.
fn some_packets(input: &mut Input<'_>) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut sequence = 0u32;
    while !input.is_empty() && packets.len() < MAX_PACKETS {
        let (shape, length) = (input.byte(), usize::from(input.byte()) * 8);
        let (ipv6, flow) = (shape & 1 == 1, shape >> 2 & 1);
        // The same packet many times over makes a run out of few bytes.
        let count = 1 + if shape & 0x80 == 0 { 0 } else { usize::from(input.byte()) % MAX_PACKETS };
        for _ in 0..count.min(MAX_PACKETS - packets.len()) {
            let data = vec![shape; length];
            if shape & 2 == 2 {
                packets.push(udp(ipv6, flow, &data));
            } else {
                let flags = if shape & 8 == 8 { input.byte() } else { ACK };
                packets.push(tcp(ipv6, flow, sequence, flags, &data));
                sequence = sequence.wrapping_add(length as u32);
            }
        }
        if shape & 0x10 == 0x10 {
            change(packets.last_mut(), input);
        }
        if shape & 0x20 == 0x20 {
            packets.push(input.piece().to_vec());
        }
    }
    packets
}

fn change(packet: Option<&mut Vec<u8>>, input: &mut Input<'_>) {
    let Some(packet) = packet else { return };
    let at = usize::from(input.byte()) % packet.len();
    packet[at] = input.byte();
}

/// Packets as they lie in a receive buffer, with gaps between them.
fn laid_out(packets: &[Vec<u8>]) -> (Vec<u8>, Vec<Range<usize>>) {
    let mut buffer = Vec::new();
    let place = |packet: &Vec<u8>| {
        buffer.extend_from_slice(&[0xee; 16]);
        let start = buffer.len();
        buffer.extend_from_slice(packet);
        start..buffer.len()
    };
    let ranges = packets.iter().map(place).collect();
    (buffer, ranges)
}

fn bytes_of(parts: &[libc::iovec]) -> Vec<u8> {
    let part = |part: &libc::iovec| {
        // SAFETY: the parts are live for the time of the call.
        unsafe { std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len) }.to_vec()
    };
    parts.iter().flat_map(part).collect()
}

/// A packet that went alone is untouched. One that was joined is the same but for its IPv4 identification and its checksums, which
/// are right now.
fn check_same(before: &[u8], after: &[u8], joined: bool) {
    if !joined {
        return assert_eq!(before, after);
    }
    assert_whole(after);
    let plain = |packet: &[u8]| {
        let mut packet = packet.to_vec();
        let (transport, protocol) = if packet[0] >> 4 == 6 { (40, packet[6]) } else { (20, packet[9]) };
        if transport == 20 {
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        }
        let at = transport + if protocol == TCP { 16 } else { 6 };
        packet[at..at + 2].fill(0);
        packet
    };
    assert_eq!(plain(before), plain(after));
}
