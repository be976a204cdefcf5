//! Payloads gathered so that as many as can be leave in one call.

use super::super::frame::HEADER;
use crate::wireguard::embedded::batch::Run;

/// Datagrams that go out in one message at most (UDP_SEGMENT before Linux 6.9), and their bytes.
const MAX_SEGMENTS: usize = 64;
const MAX_MESSAGE: usize = 65_000;

/// One behind the other in one buffer, which is kept.
#[derive(Default)]
pub struct Packer {
    buffer: Vec<u8>,
    runs: Vec<Place>,
}

struct Place {
    start: usize,
    length: usize,
    /// Of each datagram but perhaps the last.
    size: usize,
    count: usize,
}

impl Packer {
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.runs.clear();
    }

    /// Adds a datagram: a frame's header, or nothing, and a payload.
    pub fn push(&mut self, header: Option<&[u8; HEADER]>, payload: &[u8]) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(header.map_or(&[], |header| header));
        self.buffer.extend_from_slice(payload);
        let length = self.buffer.len() - start;
        if let Some(last) = self.runs.last_mut() {
            let whole = last.length == last.size * last.count;
            if whole
                && length <= last.size
                && last.count < MAX_SEGMENTS
                && last.length + length <= MAX_MESSAGE
            {
                last.length += length;
                last.count += 1;
                return;
            }
        }
        self.runs.push(Place { start, length, size: length, count: 1 });
    }

    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.runs.iter().map(|place| Run {
            bytes: &self.buffer[place.start..place.start + place.length],
            size: place.size,
            count: place.count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_the_datagrams_in_order_and_within_what_the_kernel_takes() {
        let lengths: Vec<usize> =
            [5, 5, 5, 3, 5, 9, 1452].into_iter().chain([1452; 200]).chain([80, 80, 1]).collect();
        let mut packer = Packer::default();
        for round in 0..2 {
            packer.clear();
            let mut expected = Vec::new();
            for (number, length) in lengths.iter().enumerate() {
                let header = (round == 1).then_some(&[b'h'; HEADER]);
                let payload = vec![number as u8; *length];
                expected.push([header.map_or(&[][..], |header| header), &payload].concat());
                packer.push(header, &payload);
            }
            let mut seen = Vec::new();
            for run in packer.runs() {
                assert!(run.count <= MAX_SEGMENTS && run.bytes.len() <= MAX_MESSAGE);
                assert_eq!(run.bytes.chunks(run.size).count(), run.count);
                seen.extend(run.bytes.chunks(run.size).map(<[u8]>::to_vec));
            }
            assert_eq!(seen, expected);
            assert!(packer.runs().count() < 20);
        }
    }
}
