//! The Internet checksum (RFC 1071).

/// Adds the bytes to an unfolded sum, as big-endian 16-bit words; an odd last byte is padded with zero.
///
/// Adds native 32-bit words and swaps once at the end (RFC 1071 section 2 (B)): the compiler makes vector code of the loop.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let chunks = bytes.chunks_exact(4);
    let tail = chunks.remainder();
    let mut native: u64 = chunks.map(|c| u64::from(u32::from_ne_bytes([c[0], c[1], c[2], c[3]]))).sum();
    if !tail.is_empty() {
        let mut last = [0u8; 4];
        last[..tail.len()].copy_from_slice(tail);
        native += u64::from(u32::from_ne_bytes(last));
    }
    u64::from(u16::from_be(fold(native)))
}

/// Copies the bytes and sums them on the way, as [`sum`] does. Both slices are of one length.
pub(super) fn copy_and_sum(from: &[u8], to: &mut [u8]) -> u64 {
    // A block at a time, so that the sum finds in the fastest cache what the copy has just read.
    const BLOCK: usize = 2048;
    let mut total = 0;
    for (from, to) in from.chunks(BLOCK).zip(to.chunks_mut(BLOCK)) {
        to.copy_from_slice(from);
        total += sum(from);
    }
    total
}

/// Sum of the pseudo header of TCP or UDP (RFC 9293 section 3.1, RFC 8200 section 8.1).
pub(super) fn pseudo_header(addresses: &[u8], protocol: u8, length: usize) -> u64 {
    sum(addresses) + u64::from(protocol) + length as u64
}

/// The sum as 16 bits, not complemented.
pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wireguard::embedded::test_random::Random;

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
    }

    #[test]
    fn any_length_equals_adding_words_one_by_one() {
        let mut random = Random::new(3);
        for length in 0..300 {
            let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            let naive: u64 =
                bytes.chunks(2).map(|c| u64::from(u16::from_be_bytes([c[0], *c.get(1).unwrap_or(&0)]))).sum();
            assert_eq!(fold(sum(&bytes)), fold(naive), "length {length}");
        }
    }

    #[test]
    fn copying_sums_what_it_copies() {
        let mut random = Random::new(4);
        for length in [0, 1, 2, 3, 100, 2047, 2048, 2049, 5001, 9000] {
            let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            let mut copy = vec![0; length];
            assert_eq!(fold(copy_and_sum(&bytes, &mut copy)), fold(sum(&bytes)), "length {length}");
            assert_eq!(copy, bytes);
        }
    }
}
