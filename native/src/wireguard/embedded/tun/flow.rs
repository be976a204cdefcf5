//! What makes packets part of one frame: consecutive packets of a TCP stream, datagrams of one UDP flow.

use std::ops::Range;

use super::checksum::{fold, pseudo_header, sum};
use super::virtio::{self, HEADER_LEN, Header};

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
/// "Do not fragment", of the IPv4 flags.
const DF: u8 = 0x40;
const MAX_FRAME: usize = 65535;
/// Below IOV_MAX (1024), with room for the headers.
const MAX_TCP_PACKETS: usize = 1000;
/// The kernel's UDP_MAX_SEGMENTS before 6.9 (128 since): it refuses frames of more.
const MAX_UDP_PACKETS: usize = 64;
/// An IPv6 header and the longest TCP header.
const MAX_HEADERS: usize = 40 + 60;

/// Room for the headers of a frame.
pub(super) type HeaderSpace = [u8; HEADER_LEN + MAX_HEADERS];

pub(super) const fn header_space() -> HeaderSpace {
    [0; HEADER_LEN + MAX_HEADERS]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

/// What a packet that may be joined looks like.
#[derive(Clone, Copy)]
pub(super) struct Flow {
    ipv6: bool,
    pub protocol: Protocol,
    /// Length of the IP header.
    transport: usize,
    /// Length of all headers.
    pub headers: usize,
    /// Bytes of data.
    payload: usize,
}

/// Packets at the head of a list that make one frame.
pub(super) struct Run {
    pub flow: Flow,
    pub count: usize,
    /// Bytes of the frame's packet.
    length: usize,
    /// The last packet had PSH set.
    push: bool,
}

impl Flow {
    /// A packet with data, no options in the IP header and no fragment, as long as it says. Of TCP: no flag but ACK and PSH.
    /// Of UDP: with a checksum, since a joined frame gets one.
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        let (ipv6, transport, number, claimed) = match *packet.first()? {
            0x45 if packet.len() > 28 => {
                let whole = packet[6] & !DF == 0 && packet[7] == 0;
                let claimed = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
                (false, 20, if whole { packet[9] } else { 0 }, claimed)
            }
            first if first >> 4 == 6 && packet.len() > 48 => {
                (true, 40, packet[6], 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]])))
            }
            _ => return None,
        };
        let protocol = Protocol::of(number)?;
        let header = &packet[transport..];
        let headers = transport
            + match protocol {
                Protocol::Tcp => {
                    let length = usize::from(header.get(12)? >> 4) * 4;
                    let plain = header.get(13)? & !PSH == ACK;
                    if !plain || length < 20 {
                        return None;
                    }
                    length
                }
                Protocol::Udp => {
                    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
                    if header[6..8] == [0, 0] || length != header.len() {
                        return None;
                    }
                    8
                }
            };
        (claimed == packet.len() && headers < packet.len()).then(|| Self {
            ipv6,
            protocol,
            transport,
            headers,
            payload: packet.len() - headers,
        })
    }

    /// How many of the packets, of which this is the first, go into one frame.
    pub(super) fn run(self, buffer: &[u8], packets: &[Range<usize>]) -> Run {
        let first = &buffer[packets[0].clone()];
        let mut run = Run { count: 1, length: first.len(), push: self.pushes(first), flow: self };
        for next in &packets[1..] {
            let next = &buffer[next.clone()];
            let data = next.len().saturating_sub(self.headers);
            let full = run.count == self.protocol.max_packets() || run.length + data > MAX_FRAME;
            if run.push || full || !self.continues(first, next, run.length) {
                break;
            }
            run.count += 1;
            run.length += data;
            run.push = self.pushes(next);
            if data < self.payload {
                break;
            }
        }
        run
    }

    fn pushes(&self, packet: &[u8]) -> bool {
        self.protocol == Protocol::Tcp && packet[self.transport + 13] & PSH != 0
    }

    /// Whether `next` follows directly: the same headers but for lengths, checksums, identification and PSH; of TCP, a sequence
    /// number that continues after `length` bytes of frame.
    fn continues(&self, first: &[u8], next: &[u8], length: usize) -> bool {
        let Some(other) = Self::of(next) else {
            return false;
        };
        let alike =
            other.ipv6 == self.ipv6 && other.protocol == self.protocol && other.headers == self.headers;
        if !alike || other.payload > self.payload {
            return false;
        }
        let same = |range: Range<usize>| first[range.clone()] == next[range];
        let same_ip = if self.ipv6 {
            // Version, class, flow label; hop limit; addresses.
            same(0..4) && same(7..40)
        } else {
            // Type of service; flags; time to live and protocol; addresses.
            same(1..2) && same(6..10) && same(12..20)
        };
        let at = self.transport;
        let same_transport = match self.protocol {
            Protocol::Udp => same(at..at + 4),
            Protocol::Tcp => {
                let sequence = |p: &[u8]| u32::from_be_bytes([p[at + 4], p[at + 5], p[at + 6], p[at + 7]]);
                let expected = sequence(first).wrapping_add((length - self.headers) as u32);
                same(at..at + 4)
                    && same(at + 8..at + 13)
                    && same(at + 14..at + 16)
                    && same(at + 18..self.headers)
                    && sequence(next) == expected
            }
        };
        same_ip && same_transport
    }
}

impl Protocol {
    fn of(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }

    fn max_packets(self) -> usize {
        match self {
            Self::Tcp => MAX_TCP_PACKETS,
            Self::Udp => MAX_UDP_PACKETS,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// Where the checksum is, from the start of the transport header.
    fn checksum_offset(self) -> usize {
        match self {
            Self::Tcp => 16,
            Self::Udp => 6,
        }
    }
}

impl Run {
    /// The virtio header and the packet headers of the frame.
    pub(super) fn headers<'a>(&self, space: &'a mut HeaderSpace, first: &[u8]) -> &'a [u8] {
        let flow = &self.flow;
        let header = Header {
            flags: virtio::NEEDS_CHECKSUM,
            gso_type: match (flow.protocol, flow.ipv6) {
                (Protocol::Tcp, false) => virtio::GSO_TCPV4,
                (Protocol::Tcp, true) => virtio::GSO_TCPV6,
                (Protocol::Udp, _) => virtio::GSO_UDP,
            },
            header_len: flow.headers as u16,
            gso_size: flow.payload as u16,
            checksum_start: flow.transport as u16,
            checksum_offset: flow.protocol.checksum_offset() as u16,
        };
        let written = &mut space[..HEADER_LEN + flow.headers];
        let (virtio, headers) = written.split_at_mut(HEADER_LEN);
        virtio.copy_from_slice(&header.to_bytes());
        headers.copy_from_slice(&first[..flow.headers]);
        self.rewrite(headers);
        written
    }

    fn rewrite(&self, headers: &mut [u8]) {
        let Flow { ipv6, protocol, transport, .. } = self.flow;
        let addresses = if ipv6 { 8..40 } else { 12..20 };
        let length = self.length - transport;
        // The kernel completes it: what is left here is the pseudo header's part.
        let partial = fold(pseudo_header(&headers[addresses], protocol.number(), length));
        put(headers, transport + protocol.checksum_offset(), partial);
        match protocol {
            Protocol::Udp => put(headers, transport + 4, length as u16),
            Protocol::Tcp if self.push => headers[transport + 13] |= PSH,
            Protocol::Tcp => {}
        }
        if ipv6 {
            put(headers, 4, (self.length - 40) as u16);
            return;
        }
        put(headers, 2, self.length as u16);
        put(headers, 10, 0);
        let checksum = !fold(sum(&headers[..20]));
        put(headers, 10, checksum);
    }
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}
