//! Receiving many datagrams in one call (recvmmsg, UDP_GRO).

use std::io;
use std::os::fd::AsRawFd;

use super::super::endpoint::Endpoint;
use super::super::events::Events;
use super::super::region::Region;
use super::control::{self, Control};
use super::{Socket, address};

/// Messages taken at once at most; with UDP_GRO each may hold dozens of datagrams.
const MESSAGES: usize = 32;
/// The largest message.
const CAPACITY: usize = 65535;
/// From one message's place to the next: not a power of two, else the beginnings of all would share the same few cache lines.
const STRIDE: usize = 65536 + 576;
/// Bytes to be taken at once: what fits into a core's own cache together with what becomes of it.
const ENOUGH: usize = 128 << 10;

/// Messages received together, and the buffer they lie in.
pub(crate) struct Received {
    pub buffer: Region,
    pub messages: Vec<Message>,
}

/// A message: its sender, where it lies in the buffer, and the size of each datagram in it (the last may be shorter).
pub(crate) struct Message {
    pub from: Endpoint,
    pub start: usize,
    pub length: usize,
    pub datagram_size: usize,
}

impl Received {
    pub(crate) fn new() -> Self {
        Self { buffer: Region::new(MESSAGES * STRIDE), messages: Vec::with_capacity(MESSAGES) }
    }
}

/// Takes messages from sockets. One for all threads: whoever leads the incoming direction has it.
pub(crate) struct Receiver {
    addresses: [libc::sockaddr_storage; MESSAGES],
    controls: [Control; MESSAGES],
    /// How many messages to ask for next: few when they are large.
    ask: usize,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self { addresses: [address::empty(); MESSAGES], controls: [Control::new(); MESSAGES], ask: MESSAGES }
    }

    /// Replaces what is in `received` by what waits. True when there is more; `WouldBlock` when there is nothing.
    pub(crate) fn receive(
        &mut self,
        socket: &Socket,
        received: &mut Received,
        events: &Events,
    ) -> io::Result<bool> {
        received.messages.clear();
        let fill = || self.fill(socket, received);
        let result =
            if socket.joining.on() { socket.joining.attempt(fill) } else { self.fill(socket, received) };
        match result {
            Ok((count, whole)) => {
                if !whole {
                    let lost = io::Error::other("a message came without its end or the sizes in it");
                    socket.stop_joining(&lost, events);
                }
                let bytes: usize = received.messages.iter().map(|message| message.length).sum();
                let more = count == self.ask && socket.has_input();
                self.ask = (ENOUGH * count.max(1) / bytes.max(1)).clamp(2, MESSAGES);
                Ok(more)
            }
            Err(error) => match error.raw_os_error() {
                Some(libc::EINVAL | libc::EIO | libc::EOPNOTSUPP) if socket.joining.on() => {
                    socket.stop_joining(&error, events);
                    Ok(true)
                }
                _ => Err(error),
            },
        }
    }

    /// How many messages came, and whether all of them whole.
    fn fill(&mut self, socket: &Socket, received: &mut Received) -> io::Result<(usize, bool)> {
        let buffer = received.buffer.as_mut_ptr();
        // SAFETY: zeros are valid for both: no buffers, no addresses.
        let mut parts: [libc::iovec; MESSAGES] = unsafe { std::mem::zeroed() };
        let mut headers: [libc::mmsghdr; MESSAGES] = unsafe { std::mem::zeroed() };
        for i in 0..self.ask {
            // SAFETY: the buffer has room for as many strides as there are messages.
            let start = unsafe { buffer.add(i * STRIDE) };
            parts[i] = libc::iovec { iov_base: start.cast(), iov_len: CAPACITY };
            let header = &mut headers[i].msg_hdr;
            header.msg_name = (&raw mut self.addresses[i]).cast();
            header.msg_namelen = address::CAPACITY;
            header.msg_iov = &raw mut parts[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[i]).cast();
            header.msg_controllen = control::CAPACITY as _;
        }
        // SAFETY: every pointer in `headers` is to a live buffer of the length beside it.
        let count = unsafe {
            let (fd, flags) = (socket.fd.as_raw_fd(), libc::MSG_DONTWAIT as _);
            libc::recvmmsg(fd, headers.as_mut_ptr(), self.ask as _, flags, std::ptr::null_mut())
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        let count = count as usize;
        let mut whole = true;
        for (i, header) in headers.iter().enumerate().take(count) {
            if header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
                whole = false;
                continue;
            }
            let Some(address) = address::decode(&self.addresses[i]) else {
                continue;
            };
            let length = header.msg_len as usize;
            let beside = control::read(&header.msg_hdr);
            received.messages.push(Message {
                from: Endpoint { address, source: beside.source },
                start: i * STRIDE,
                length,
                datagram_size: beside.size.map_or(length, usize::from).max(1),
            });
        }
        Ok((count, whole))
    }
}
