//! The bytes of messages (section 5.4).

/// Type, reserved bytes, receiver index, counter.
pub const DATA_HEADER: usize = 16;
/// Poly1305's, at the end of every sealed field.
pub const TAG: usize = 16;

pub const INITIATION_LENGTH: usize = 148;
pub const RESPONSE_LENGTH: usize = 92;
pub const COOKIE_REPLY_LENGTH: usize = 64;
/// Both MACs of a handshake message, at its end.
pub const MACS: usize = 32;

/// The first byte; the three after it are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Initiation = 1,
    Response = 2,
    CookieReply = 3,
    Data = 4,
}

impl Kind {
    /// The first four bytes.
    pub const fn header(self) -> [u8; 4] {
        [self as u8, 0, 0, 0]
    }

    /// What a datagram is by its first bytes and its length; `None` when it can be no message.
    #[inline]
    pub fn of(datagram: &[u8]) -> Option<Self> {
        match (datagram.first_chunk()?, datagram.len()) {
            ([4, 0, 0, 0], length) if length >= DATA_HEADER + TAG => Some(Self::Data),
            ([1, 0, 0, 0], INITIATION_LENGTH) => Some(Self::Initiation),
            ([2, 0, 0, 0], RESPONSE_LENGTH) => Some(Self::Response),
            ([3, 0, 0, 0], COOKIE_REPLY_LENGTH) => Some(Self::CookieReply),
            _ => None,
        }
    }
}

/// The four bytes at `at`, little endian, of a message that is known to be long enough.
#[inline]
pub fn index_at(message: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]])
}

/// The `N` bytes at `at` of a message that is known to be long enough.
pub fn bytes_at<const N: usize>(message: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| message[at + i])
}

/// The length of a packet with its padding: a multiple of 16 bytes, but a packet never gets longer than the MTU by it.
#[inline]
pub fn padded(length: usize, mtu: usize) -> usize {
    // What is longer than the MTU is looked at as the kernel does: as several of them.
    let last = if mtu > 0 && length > mtu { length % mtu } else { length };
    let aligned = last.next_multiple_of(16);
    length + if mtu > 0 { aligned.min(mtu) } else { aligned } - last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_to_16_bytes_and_not_beyond_the_mtu() {
        let cases =
            [(0, 0), (1, 16), (16, 16), (1408, 1408), (1409, 1420), (1420, 1420), (1421, 1436), (2840, 2840)];
        for (length, expected) in cases {
            assert_eq!(padded(length, 1420), expected, "{length}");
        }
        assert_eq!(padded(1409, 0), 1424);
    }

    #[test]
    fn a_message_is_told_by_its_header_and_length() {
        for (kind, length) in [
            (Kind::Initiation, INITIATION_LENGTH),
            (Kind::Response, RESPONSE_LENGTH),
            (Kind::CookieReply, COOKIE_REPLY_LENGTH),
            (Kind::Data, DATA_HEADER + TAG),
        ] {
            let mut message = vec![0; length];
            message[..4].copy_from_slice(&kind.header());
            assert_eq!(Kind::of(&message), Some(kind));
            assert_eq!(Kind::of(&message[..length - 1]), None);
            message[3] = 1;
            assert_eq!(Kind::of(&message), None, "reserved bytes are zero");
        }
        assert_eq!(Kind::of(&[]), None);
        assert_eq!(Kind::of(&[0; 148]), None);
    }
}
