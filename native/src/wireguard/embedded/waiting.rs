//! Packets that wait for a session.

use std::collections::VecDeque;

/// The most packets that wait for one peer, and their bytes: what a TCP sender has under way at most before it hears nothing.
const MAX_PACKETS: usize = 1024;
const MAX_BYTES: usize = 256 * 1024;

/// The newest ones are kept, as the kernel does: the oldest have been given up by their senders first.
#[derive(Default)]
pub(super) struct Waiting {
    packets: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn push(&mut self, packet: &[u8]) {
        self.packets.push_back(packet.into());
        self.bytes += packet.len();
        while self.packets.len() > MAX_PACKETS || self.bytes > MAX_BYTES {
            self.pop();
        }
    }

    /// The oldest.
    pub(super) fn pop(&mut self) -> Option<Box<[u8]>> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.len();
        if self.packets.is_empty() {
            // Thousands of peers are idle most of the time.
            self.packets = VecDeque::new();
        }
        Some(packet)
    }

    pub(super) fn count(&self) -> usize {
        self.packets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_within_both_limits() {
        let mut waiting = Waiting::default();
        for n in 0..MAX_PACKETS + 10 {
            waiting.push(&(n as u32).to_be_bytes());
        }
        assert_eq!(waiting.packets.len(), MAX_PACKETS);
        assert_eq!(waiting.pop().as_deref(), Some(&10u32.to_be_bytes()[..]));
        for _ in 0..1000 {
            waiting.push(&[0; 1500]);
        }
        assert_eq!((waiting.packets.len(), waiting.bytes), (MAX_BYTES / 1500, MAX_BYTES / 1500 * 1500));
        while waiting.pop().is_some() {}
        assert_eq!((waiting.bytes, waiting.packets.capacity()), (0, 0));
    }
}
