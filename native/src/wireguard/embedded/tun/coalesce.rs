//! Joining consecutive packets of a TCP stream into one frame for the kernel, without copying their data.

use gotatun::packet::Packet;

use super::checksum::{fold, pseudo_header, sum};
use super::virtio::{self, HEADER_LEN, Header};

const TCP: u8 = 6;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
/// "Do not fragment", of the IPv4 flags.
const DF: u8 = 0x40;
const MAX_FRAME: usize = 65535;
/// Below IOV_MAX (1024), with room for the headers.
const MAX_PACKETS: usize = 1000;
/// An IPv6 header and the longest TCP header.
const MAX_HEADERS: usize = 40 + 60;

/// Joins packets and hands out the parts of each frame.
///
/// Only neighbours are joined: a sender's kernel makes bursts of one stream, so they are neighbours here too, and no packet
/// overtakes another. As in the kernel's WireGuard, inner checksums are not checked before joining: the packet is as its
/// sender sealed it, and for single packets the kernel looks anyway.
pub(super) struct Coalescer {
    parts: Vec<libc::iovec>,
}

// SAFETY: the pointers are only used inside `join`, and the list is empty between calls.
unsafe impl Send for Coalescer {}

impl Coalescer {
    pub(super) fn new() -> Self {
        Self { parts: Vec::with_capacity(128) }
    }

    /// Calls `write` for each frame in order: a virtio header and the packet or packets behind it.
    pub(super) fn join(&mut self, packets: &[Packet], mut write: impl FnMut(&[libc::iovec])) {
        let mut rest = packets;
        while let Some(first) = rest.first() {
            let run = Stream::of(first).map(|stream| stream.run(rest));
            self.parts.clear();
            match run {
                Some(run) if run.count > 1 => {
                    let mut headers = [0; HEADER_LEN + MAX_HEADERS];
                    let headers = run.headers(&mut headers, first);
                    self.parts.push(part(headers));
                    self.parts
                        .extend(rest[..run.count].iter().map(|packet| part(&packet[run.stream.headers..])));
                    write(&self.parts);
                    rest = &rest[run.count..];
                }
                _ => {
                    let header = Header::default().to_bytes();
                    self.parts.extend([part(&header), part(first)]);
                    write(&self.parts);
                    rest = &rest[1..];
                }
            }
        }
        self.parts.clear();
    }
}

fn part(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

/// What a packet that may be joined looks like.
struct Stream {
    ipv6: bool,
    transport: usize,
    headers: usize,
    payload: usize,
}

/// Packets at the head of a list that make one frame.
struct Run {
    stream: Stream,
    count: usize,
    /// Bytes of the frame's packet.
    length: usize,
    /// The last packet had PSH set.
    push: bool,
}

impl Stream {
    /// A TCP packet with data, no options in the IP header, no fragment, and no flag but ACK and PSH.
    fn of(packet: &[u8]) -> Option<Self> {
        let (ipv6, transport, protocol, claimed) = match *packet.first()? {
            0x45 if packet.len() >= 40 => {
                let fragment = packet[6] & !DF != 0 || packet[7] != 0;
                let claimed = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
                (false, 20, if fragment { 0 } else { packet[9] }, claimed)
            }
            first if first >> 4 == 6 && packet.len() >= 60 => {
                (true, 40, packet[6], 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]])))
            }
            _ => return None,
        };
        let headers = transport + usize::from(packet.get(transport + 12)? >> 4) * 4;
        let plain = packet[transport + 13] & !PSH == ACK;
        (protocol == TCP
            && plain
            && claimed == packet.len()
            && headers >= transport + 20
            && headers < packet.len())
        .then(|| Self { ipv6, transport, headers, payload: packet.len() - headers })
    }

    /// How many of the packets, of which this is the first, go into one frame.
    fn run(self, packets: &[Packet]) -> Run {
        let first: &[u8] = &packets[0];
        let mut run = Run { count: 1, length: first.len(), push: self.pushes(first), stream: self };
        for next in &packets[1..] {
            let data = next.len().saturating_sub(run.stream.headers);
            let full = run.count == MAX_PACKETS || run.length + data > MAX_FRAME;
            if run.push || full || !run.stream.continues(first, next, run.length) {
                break;
            }
            run.count += 1;
            run.length += data;
            run.push = run.stream.pushes(next);
            if data < run.stream.payload {
                break;
            }
        }
        run
    }

    fn pushes(&self, packet: &[u8]) -> bool {
        packet[self.transport + 13] & PSH != 0
    }

    /// Whether `next` follows directly: the same headers but for lengths, checksums, identification, PSH, and a sequence number
    /// that continues after `length` bytes of frame.
    fn continues(&self, first: &[u8], next: &[u8], length: usize) -> bool {
        let Some(other) = Self::of(next) else {
            return false;
        };
        if other.ipv6 != self.ipv6 || other.headers != self.headers || other.payload > self.payload {
            return false;
        }
        let same = |range: std::ops::Range<usize>| first[range.clone()] == next[range];
        let same_ip = if self.ipv6 {
            // Version, class, flow label; hop limit; addresses.
            same(0..4) && same(7..40)
        } else {
            // Type of service; flags; time to live and protocol; addresses.
            same(1..2) && same(6..10) && same(12..20)
        };
        let tcp = self.transport;
        let same_tcp = same(tcp..tcp + 4)
            && same(tcp + 8..tcp + 13)
            && same(tcp + 14..tcp + 16)
            && same(tcp + 18..self.headers);
        let sequence = |p: &[u8]| u32::from_be_bytes([p[tcp + 4], p[tcp + 5], p[tcp + 6], p[tcp + 7]]);
        let expected = sequence(first).wrapping_add((length - self.headers) as u32);
        same_ip && same_tcp && sequence(next) == expected
    }
}

impl Run {
    /// The virtio header and the packet headers of the frame.
    fn headers<'a>(&self, space: &'a mut [u8; HEADER_LEN + MAX_HEADERS], first: &[u8]) -> &'a [u8] {
        let stream = &self.stream;
        let header = Header {
            flags: virtio::NEEDS_CHECKSUM,
            gso_type: if stream.ipv6 { virtio::GSO_TCPV6 } else { virtio::GSO_TCPV4 },
            header_len: stream.headers as u16,
            gso_size: stream.payload as u16,
            checksum_start: stream.transport as u16,
            checksum_offset: 16,
        };
        let written = &mut space[..HEADER_LEN + stream.headers];
        let (virtio, headers) = written.split_at_mut(HEADER_LEN);
        virtio.copy_from_slice(&header.to_bytes());
        headers.copy_from_slice(&first[..stream.headers]);
        self.rewrite(headers);
        written
    }

    fn rewrite(&self, headers: &mut [u8]) {
        let Stream { ipv6, transport, .. } = self.stream;
        let addresses = if ipv6 { 8..40 } else { 12..20 };
        let partial = fold(pseudo_header(&headers[addresses], TCP, self.length - transport));
        headers[transport + 16..transport + 18].copy_from_slice(&partial.to_be_bytes());
        if self.push {
            headers[transport + 13] |= PSH;
        }
        if ipv6 {
            headers[4..6].copy_from_slice(&((self.length - 40) as u16).to_be_bytes());
            return;
        }
        headers[2..4].copy_from_slice(&(self.length as u16).to_be_bytes());
        headers[10..12].fill(0);
        let checksum = !fold(sum(&headers[..20]));
        headers[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
