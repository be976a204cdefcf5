//! The header in front of each frame of a TUN device with IFF_VNET_HDR: `struct virtio_net_hdr` of linux/virtio_net.h, in
//! the machine's byte order.

pub(super) const HEADER_LEN: usize = 10;

pub(super) const NEEDS_CHECKSUM: u8 = 1;
pub(super) const GSO_NONE: u8 = 0;
pub(super) const GSO_TCPV4: u8 = 1;
pub(super) const GSO_TCPV6: u8 = 4;
pub(super) const GSO_UDP: u8 = 5;
/// A flag beside the type: the stream uses explicit congestion notification.
pub(super) const GSO_ECN: u8 = 0x80;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub flags: u8,
    pub gso_type: u8,
    pub header_len: u16,
    pub gso_size: u16,
    /// Where the checksum begins, from the start of the packet: the length of the IP header.
    pub checksum_start: u16,
    /// Where it is stored, from `checksum_start`.
    pub checksum_offset: u16,
}

impl Header {
    /// Header and packet of a frame; `None` when it is too short.
    pub(super) fn split(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (head, packet) = frame.split_at_checked(HEADER_LEN)?;
        let field = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
        let header = Self {
            flags: head[0],
            gso_type: head[1],
            header_len: field(2),
            gso_size: field(4),
            checksum_start: field(6),
            checksum_offset: field(8),
        };
        Some((header, packet))
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = self.flags;
        bytes[1] = self.gso_type;
        for (at, field) in
            [(2, self.header_len), (4, self.gso_size), (6, self.checksum_start), (8, self.checksum_offset)]
        {
            bytes[at..at + 2].copy_from_slice(&field.to_ne_bytes());
        }
        bytes
    }
}
