//! Splitting a frame of the kernel into the packets it stands for, with whole checksums.

use super::super::batch::Outbound;
use super::checksum::{copy_and_sum, fold, pseudo_header, sum};
use super::virtio::{self, Header};

const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// Appends the packets of a frame. A frame whose header does not fit its packet appends nothing.
///
/// The data is copied once, to where it will be sealed and sent from.
pub(super) fn split(header: &Header, packet: &[u8], outbound: &mut Outbound, mtu: u16) {
    if header.gso_type != virtio::GSO_NONE {
        if let Some(layout) = Layout::of(header, packet) {
            layout.split(packet, outbound, mtu);
        }
        return;
    }
    let copy = outbound.reserve(packet.len(), mtu);
    copy.copy_from_slice(packet);
    if header.flags & virtio::NEEDS_CHECKSUM != 0 && finish_checksum(header, copy).is_none() {
        outbound.unreserve();
    }
}

/// Completes a checksum of which the kernel left the pseudo header's part.
fn finish_checksum(header: &Header, packet: &mut [u8]) -> Option<()> {
    let start = usize::from(header.checksum_start);
    let at = start + usize::from(header.checksum_offset);
    let partial = packet.get(at..at + 2).map(sum)?;
    packet[at..at + 2].fill(0);
    let checksum = match !fold(sum(&packet[start..]) + partial) {
        // RFC 768: in UDP, whose checksum is at 6, zero means "none".
        0 if header.checksum_offset == 6 => 0xffff,
        checksum => checksum,
    };
    put(packet, at, checksum);
    Some(())
}

/// Where things are in a packet that stands for many.
struct Layout {
    ipv6: bool,
    protocol: u8,
    /// Length of the IP header, with IPv6 extension headers.
    transport: usize,
    /// Length of all headers.
    headers: usize,
    /// Payload of each packet but the last.
    payload: usize,
}

impl Layout {
    fn of(header: &Header, packet: &[u8]) -> Option<Self> {
        let ipv6 = match packet.first()? >> 4 {
            4 => false,
            6 => true,
            _ => return None,
        };
        let protocol = match header.gso_type & !virtio::GSO_ECN {
            virtio::GSO_TCPV4 | virtio::GSO_TCPV6 => TCP,
            virtio::GSO_UDP => UDP,
            _ => return None,
        };
        let transport = usize::from(header.checksum_start);
        // The header length the kernel gives may be that of the whole first packet (forwarded frames), so it is read here.
        let headers = match protocol {
            TCP => transport + usize::from(packet.get(transport + 12)? >> 4) * 4,
            _ => transport + 8,
        };
        let minimum = transport + if protocol == TCP { 20 } else { 8 };
        let ip_minimum = if ipv6 { 40 } else { 20 };
        let payload = usize::from(header.gso_size);
        (transport >= ip_minimum && headers >= minimum && headers < packet.len() && payload > 0)
            .then_some(Self { ipv6, protocol, transport, headers, payload })
    }

    fn split(&self, packet: &[u8], outbound: &mut Outbound, mtu: u16) {
        let (headers, data) = packet.split_at(self.headers);
        let addresses = if self.ipv6 { &packet[8..40] } else { &packet[12..20] };
        let last = data.len().div_ceil(self.payload) - 1;
        for (i, chunk) in data.chunks(self.payload).enumerate() {
            let segment = outbound.reserve(headers.len() + chunk.len(), mtu);
            let (copied, payload) = segment.split_at_mut(headers.len());
            copied.copy_from_slice(headers);
            let data_sum = copy_and_sum(chunk, payload);
            self.fix_ip(segment, i);
            self.fix_transport(segment, i, i == last);
            let partial = pseudo_header(addresses, self.protocol, segment.len() - self.transport);
            let header_sum = sum(&segment[self.transport..self.headers]);
            let checksum = match !fold(partial + header_sum + data_sum) {
                // RFC 768: in UDP zero means "none".
                0 if self.protocol == UDP => 0xffff,
                checksum => checksum,
            };
            put(segment, self.checksum_at(), checksum);
        }
    }

    fn checksum_at(&self) -> usize {
        self.transport + if self.protocol == TCP { 16 } else { 6 }
    }

    fn fix_ip(&self, segment: &mut [u8], i: usize) {
        let length = segment.len() as u16;
        if self.ipv6 {
            put(segment, 4, length - 40);
            return;
        }
        let identification = u16::from_be_bytes([segment[4], segment[5]]).wrapping_add(i as u16);
        put(segment, 2, length);
        put(segment, 4, identification);
        put(segment, 10, 0);
        let checksum = !fold(sum(&segment[..self.transport]));
        put(segment, 10, checksum);
    }

    fn fix_transport(&self, segment: &mut [u8], i: usize, last: bool) {
        let length = (segment.len() - self.transport) as u16;
        put(segment, self.checksum_at(), 0);
        let header = &mut segment[self.transport..];
        if self.protocol == UDP {
            put(header, 4, length);
            return;
        }
        let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let sequence = sequence.wrapping_add((i * self.payload) as u32);
        header[4..8].copy_from_slice(&sequence.to_be_bytes());
        // The end of the data belongs to the last packet, the answer to a congestion mark to the first (RFC 3168 6.1.2).
        if !last {
            header[13] &= !(FIN | PSH);
        }
        if i > 0 {
            header[13] &= !CWR;
        }
    }
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}
