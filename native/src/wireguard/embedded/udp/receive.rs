//! Receiving many datagrams in one call (recvmmsg, UDP_GRO).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use bytes::BytesMut;

use super::{Socket, address};

/// Messages taken at once; with UDP_GRO each may hold dozens of datagrams.
const BATCH: usize = 16;
/// The largest message.
const CAPACITY: usize = 65535;
/// Room for the control message that tells the size of joined datagrams.
const CONTROL: usize = 64;

/// Buffers for one receiving thread. They are used again once all datagrams taken from them were dropped.
pub(in super::super) struct Receiver {
    buffers: [BytesMut; BATCH],
    addresses: [libc::sockaddr_storage; BATCH],
    controls: [Control; BATCH],
    lengths: [(usize, Option<u16>); BATCH],
}

/// Aligned as control messages want it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// A message: its sender, its bytes, and the size of each datagram in it (the last may be shorter).
pub(in super::super) struct Message {
    pub from: SocketAddr,
    pub bytes: BytesMut,
    pub datagram_size: usize,
}

impl Receiver {
    pub(in super::super) fn new() -> Self {
        Self {
            buffers: std::array::from_fn(|_| BytesMut::with_capacity(CAPACITY)),
            addresses: [address::empty(); BATCH],
            controls: [Control([0; CONTROL]); BATCH],
            lengths: [(0, None); BATCH],
        }
    }

    /// Calls `handle` for each message that waits, at most one batch. Returns how many there were.
    pub(in super::super) fn receive(
        &mut self,
        socket: &Socket,
        mut handle: impl FnMut(Message),
    ) -> io::Result<usize> {
        let count = self.fill(socket)?;
        for i in 0..count {
            let (length, size) = self.lengths[i];
            let Some(from) = address::decode(&self.addresses[i]) else {
                continue;
            };
            // SAFETY: the kernel wrote the first `length` bytes of the buffer, whose capacity it was told.
            unsafe { self.buffers[i].set_len(length) };
            let bytes = self.buffers[i].split_to(length);
            handle(Message { from, bytes, datagram_size: size.map_or(length, usize::from).max(1) });
        }
        Ok(count)
    }

    fn fill(&mut self, socket: &Socket) -> io::Result<usize> {
        // SAFETY: zeros are valid for both: no buffers, no addresses.
        let mut parts: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for i in 0..BATCH {
            let buffer = &mut self.buffers[i];
            // Takes the whole allocation back when nothing else points into it.
            if !buffer.try_reclaim(CAPACITY) {
                *buffer = BytesMut::with_capacity(CAPACITY);
            }
            parts[i] =
                libc::iovec { iov_base: buffer.spare_capacity_mut().as_mut_ptr().cast(), iov_len: CAPACITY };
            let header = &mut headers[i].msg_hdr;
            header.msg_name = (&raw mut self.addresses[i]).cast();
            header.msg_namelen = address::CAPACITY;
            header.msg_iov = &raw mut parts[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[i]).cast();
            header.msg_controllen = CONTROL as _;
        }
        // SAFETY: every pointer in `headers` is to a live buffer of the length beside it.
        let count = unsafe {
            let fd = socket.fd.as_raw_fd();
            libc::recvmmsg(
                fd,
                headers.as_mut_ptr(),
                BATCH as _,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        for (header, length) in headers.iter().zip(&mut self.lengths).take(count as usize) {
            *length = (header.msg_len as usize, joined_size(&header.msg_hdr));
        }
        Ok(count as usize)
    }
}

/// The UDP_GRO control message: the size of each datagram of a joined message.
fn joined_size(header: &libc::msghdr) -> Option<u16> {
    // SAFETY: the kernel filled the control buffer and its length; the macros stay inside it.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = message.as_ref() {
            if control.cmsg_level == libc::IPPROTO_UDP && control.cmsg_type == libc::UDP_GRO {
                let size = libc::CMSG_DATA(control).cast::<libc::c_int>().read_unaligned();
                return u16::try_from(size).ok();
            }
            message = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}
