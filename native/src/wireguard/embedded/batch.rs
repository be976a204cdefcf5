//! What moves through the engine at a time, in buffers that are used again: nothing is allocated for a packet.

use std::net::IpAddr;

use super::ip;
use super::noise::message::{DATA_HEADER, TAG, padded};
use super::outgoing::Batch;

/// Packets of one destination, each where its message will be sent from: one contiguous buffer, laid out as on the wire.
///
/// A message is `[16 header][packet, padded with zeros][16 tag]`. Whoever seals writes header and tag and encrypts in
/// between; nothing moves. Messages of equal length that lie next to each other go out in one call (UDP_SEGMENT).
#[derive(Default)]
pub(super) struct Outbound {
    /// Grows to the largest batch there was, and is never shortened: only `..end` counts.
    buffer: Vec<u8>,
    end: usize,
    messages: Vec<Message>,
}

/// Where a message lies in its buffer.
#[derive(Clone, Copy)]
struct Message {
    start: usize,
    /// Bytes of the packet, without padding.
    packet: usize,
    /// Bytes of the whole message.
    length: usize,
}

/// Messages of equal length, one behind the other; the last may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    pub bytes: &'a [u8],
    /// Length of each message but perhaps the last.
    pub size: usize,
    pub count: usize,
}

impl<'a> Run<'a> {
    /// Something that goes alone.
    pub(crate) fn single(bytes: &'a [u8]) -> Self {
        Self { bytes, size: bytes.len(), count: 1 }
    }

    /// Runs of at most `count` messages each.
    pub(super) fn divide(self, count: usize) -> impl Iterator<Item = Run<'a>> {
        let size = self.size;
        self.bytes.chunks((count * size).max(1)).map(move |bytes| Run {
            bytes,
            size,
            count: bytes.len().div_ceil(size),
        })
    }
}

impl Outbound {
    /// The whole messages, in order: room for the header, the padded packet, room for the tag.
    pub(super) fn messages_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let mut rest = &mut self.buffer[..self.end];
        self.messages.iter().map(move |message| {
            let (this, after) = std::mem::take(&mut rest).split_at_mut(message.length);
            rest = after;
            this
        })
    }

    pub(super) fn clear(&mut self) {
        self.end = 0;
        self.messages.clear();
    }

    /// Adds a packet.
    pub(super) fn push(&mut self, packet: &[u8], mtu: u16) {
        self.reserve(packet.len(), mtu).copy_from_slice(packet);
    }

    /// Room for a packet of `length` bytes, to be written by the caller, all of it; the padding behind it is zero already. The
    /// packet is never padded beyond `mtu`.
    pub(super) fn reserve(&mut self, length: usize, mtu: u16) -> &mut [u8] {
        let padded = padded(length, mtu.into());
        let message = Message { start: self.end, packet: length, length: DATA_HEADER + padded + TAG };
        self.messages.push(message);
        self.end += message.length;
        if self.end > self.buffer.len() {
            // By doubling, so that a batch grows in few steps.
            self.buffer.resize(self.end.next_power_of_two().max(4096), 0);
        }
        let start = message.start + DATA_HEADER;
        let (packet, padding) = self.buffer[start..start + padded].split_at_mut(length);
        padding.fill(0);
        packet
    }

    /// Takes back the last `reserve` or `push`.
    pub(super) fn unreserve(&mut self) {
        if let Some(message) = self.messages.pop() {
            self.end = message.start;
        }
    }

    /// The messages as runs that can each be sent in one call: at most `max_count` messages and `max_bytes` bytes, or one
    /// message.
    pub(super) fn runs(&self, max_count: usize, max_bytes: usize) -> impl Iterator<Item = Run<'_>> {
        let mut rest = self.messages.as_slice();
        std::iter::from_fn(move || {
            let first = *rest.first()?;
            let (mut count, mut bytes) = (1, first.length);
            for next in &rest[1..] {
                let fits = count < max_count && bytes + next.length <= max_bytes;
                if !fits || next.length > first.length {
                    break;
                }
                count += 1;
                bytes += next.length;
                if next.length < first.length {
                    break;
                }
            }
            rest = &rest[count..];
            Some(Run { bytes: &self.buffer[first.start..first.start + bytes], size: first.length, count })
        })
    }
}

impl Batch for Outbound {
    fn destination(&self) -> Option<IpAddr> {
        self.packets().next().and_then(ip::destination)
    }

    fn count(&self) -> usize {
        self.messages.len()
    }

    fn wire_bytes(&self) -> usize {
        self.end
    }

    fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.messages.iter().map(|message| {
            let start = message.start + DATA_HEADER;
            &self.buffer[start..start + message.packet]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_random::Random;
    use super::*;

    fn filled(lengths: &[usize], mtu: u16) -> Outbound {
        let mut outbound = Outbound::default();
        for (i, length) in lengths.iter().enumerate() {
            outbound.push(&vec![i as u8 + 1; *length], mtu);
        }
        outbound
    }

    #[test]
    fn packets_are_padded_to_16_bytes_but_not_beyond_the_mtu() {
        for (length, padded) in
            [(0, 0), (1, 16), (16, 16), (1408, 1408), (1409, 1420), (1420, 1420), (1500, 1500)]
        {
            let mut outbound = filled(&[length], 1420);
            assert_eq!(outbound.wire_bytes(), (DATA_HEADER + TAG) + padded, "{length}");
            let message = outbound.messages_mut().next().expect("a message").to_vec();
            assert_eq!(message.len(), (DATA_HEADER + TAG) + padded);
            assert!(message[DATA_HEADER + length..DATA_HEADER + padded].iter().all(|b| *b == 0));
        }
    }

    /// What an earlier use left behind must not become padding.
    #[test]
    fn padding_is_zero_in_a_used_buffer() {
        let mut outbound = filled(&[1000, 1000], 1420);
        outbound.messages_mut().for_each(|message| message.fill(0xff));
        outbound.clear();
        outbound.push(&[7; 33], 1420);
        let message = outbound.messages_mut().next().expect("a message").to_vec();
        assert_eq!(message[DATA_HEADER + 33..DATA_HEADER + 48], [0; 15]);
        assert_eq!(outbound.packets().collect::<Vec<_>>(), [&[7; 33][..]]);
    }

    #[test]
    fn what_was_taken_back_is_gone() {
        let mut outbound = filled(&[100, 200], 1420);
        outbound.unreserve();
        assert_eq!((outbound.count(), outbound.wire_bytes()), (1, 112 + DATA_HEADER + TAG));
        outbound.unreserve();
        assert_eq!(outbound.count(), 0);
    }

    /// Runs put together are the messages, and each can be sent in one call.
    #[test]
    fn runs_are_all_messages_in_order() {
        let mut random = Random::new(11);
        for _ in 0..500 {
            let mut length = 100;
            let lengths: Vec<usize> = (0..random.below(200))
                .map(|_| {
                    if random.below(6) == 0 {
                        length = random.below(1500);
                    }
                    length
                })
                .collect();
            let mut outbound = filled(&lengths, 1420);
            let messages: Vec<usize> = outbound.messages_mut().map(|message| message.len()).collect();
            let (max_count, max_bytes) = (1 + random.below(64), 1 + random.below(65_000));
            let mut at = 0;
            let mut bytes = 0;
            for run in outbound.runs(max_count, max_bytes) {
                let members = &messages[at..at + run.count];
                assert!(run.count == 1 || run.count <= max_count && run.bytes.len() <= max_bytes);
                assert!(members[..run.count - 1].iter().all(|m| *m == run.size));
                assert!(members[run.count - 1] <= run.size);
                assert_eq!(members.iter().sum::<usize>(), run.bytes.len());
                assert_eq!(run.bytes, &outbound.buffer[bytes..bytes + run.bytes.len()]);
                at += run.count;
                bytes += run.bytes.len();
            }
            assert_eq!((at, bytes), (messages.len(), outbound.wire_bytes()));
        }
    }
}
