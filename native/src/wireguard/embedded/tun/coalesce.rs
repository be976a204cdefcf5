//! Joining consecutive packets of a TCP stream or a UDP flow into one frame for the kernel, without copying their data.

use std::io;
use std::ops::Range;

use super::flow::{Flow, Protocol, header_space};
use super::virtio::Header;

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

    /// Calls `write` for each frame in order: a virtio header and the packet or packets behind it. `joins` says whether packets
    /// of a protocol may be joined now. Packets of a frame that `write` refuses with `EINVAL` are written again one by one, after
    /// `refused` was told.
    pub(super) fn join(
        &mut self,
        buffer: &[u8],
        packets: &[Range<usize>],
        joins: impl Fn(Protocol) -> bool,
        mut write: impl FnMut(&[libc::iovec], Option<Protocol>) -> io::Result<()>,
        mut refused: impl FnMut(Protocol, &io::Error),
    ) {
        let mut rest = packets;
        // How many packets from here on must go alone.
        let mut alone = 0usize;
        while let Some(first) = rest.first() {
            let first = &buffer[first.clone()];
            let flow = if alone == 0 { Flow::of(first).filter(|flow| joins(flow.protocol)) } else { None };
            let run = flow.map(|flow| flow.run(buffer, rest)).filter(|run| run.count > 1);
            self.parts.clear();
            let taken = match run {
                Some(run) => {
                    let mut space = header_space();
                    self.parts.push(part(run.headers(&mut space, first)));
                    let data =
                        |packet: &Range<usize>| part(&buffer[packet.start + run.flow.headers..packet.end]);
                    self.parts.extend(rest[..run.count].iter().map(data));
                    match write(&self.parts, Some(run.flow.protocol)) {
                        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                            refused(run.flow.protocol, &error);
                            alone = run.count;
                            0
                        }
                        // What the kernel has no room for, or takes not at all now, is lost, as on any link.
                        _ => run.count,
                    }
                }
                None => {
                    let header = Header::default().to_bytes();
                    self.parts.extend([part(&header), part(first)]);
                    let _lost = write(&self.parts, None);
                    alone = alone.saturating_sub(1);
                    1
                }
            };
            rest = &rest[taken..];
        }
        self.parts.clear();
    }
}

fn part(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}
