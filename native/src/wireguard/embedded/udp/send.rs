//! Sending many datagrams in one call (sendmmsg, UDP_SEGMENT).

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use super::super::batch::{Outbound, Run};
use super::super::endpoint::{Endpoint, Source};
use super::super::events::Events;
use super::super::wake::{Interest, ready};
use super::control::{self, Control};
use super::{OLD_MAX_SEGMENTS, Socket, Sockets, address};

/// The largest payload of a UDP datagram over IPv4, and so of a message of many.
const MAX_MESSAGE: usize = 65507;
/// How long to wait for room in the socket's buffer before a packet is dropped.
const PATIENCE: Duration = Duration::from_millis(20);

/// What goes out in one message, and where.
pub(crate) type Piece<'a> = (Endpoint, Run<'a>);

/// What sending needs to know of the device.
#[derive(Clone, Copy)]
pub(crate) struct Outlet<'a> {
    pub events: &'a Events,
    /// The interface's name.
    pub link: &'a str,
    /// Told of a source that nothing can be sent from any more.
    pub forget: &'a dyn Fn(Source),
}

/// Scratch space for one sending thread.
pub(crate) struct Sender {
    addresses: Vec<(libc::sockaddr_storage, libc::socklen_t)>,
    controls: Vec<Control>,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers are only used inside `send`, and the lists are refilled by every call.
unsafe impl Send for Sender {}

impl Sockets {
    /// Adds the messages of a batch to `pieces`, in as few as can be sent to that address.
    pub(in super::super) fn divide<'a>(
        &self,
        to: Endpoint,
        batch: &'a Outbound,
        pieces: &mut Vec<Piece<'a>>,
    ) {
        let count = self.towards(&to.address).map_or(1, Socket::max_segments);
        pieces.extend(batch.runs(count, MAX_MESSAGE).map(|run| (to, run)));
    }
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self { addresses: vec![], controls: vec![], parts: vec![], headers: vec![] }
    }

    /// Sends in order. What cannot be sent is lost, as on any network.
    pub(crate) fn send(&mut self, sockets: &Sockets, outlet: Outlet<'_>, pieces: &[Piece<'_>]) {
        for family in pieces.chunk_by(|(a, _), (b, _)| a.address.is_ipv4() == b.address.is_ipv4()) {
            if let Some(socket) = family.first().and_then(|(to, _)| sockets.towards(&to.address)) {
                self.send_on(socket, outlet, family);
            }
        }
    }

    /// The same, for addresses of this socket's family.
    pub(crate) fn send_on(&mut self, socket: &Socket, outlet: Outlet<'_>, pieces: &[Piece<'_>]) {
        self.build(pieces);
        let mut at = 0;
        let mut waited = false;
        while let Some(piece) = pieces.get(at) {
            let headers = &mut self.headers[at..];
            let result = if piece.1.count > 1 {
                socket.segmentation.attempt(|| send_messages(socket, headers))
            } else {
                send_messages(socket, headers)
            };
            match result {
                Ok(sent) => at += sent.max(1),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN | libc::ENOBUFS) if !waited => {
                        waited = true;
                        ready(socket.as_fd(), Interest::Writable, PATIENCE);
                    }
                    _ => {
                        self.mend(socket, outlet, *piece, &error);
                        // Mending used the scratch space.
                        self.build(pieces);
                        at += 1;
                    }
                },
            }
        }
    }

    /// Sends what was refused in the way that is left: from another source, in smaller messages, one by one.
    fn mend(&mut self, socket: &Socket, outlet: Outlet<'_>, (mut to, run): Piece<'_>, error: &io::Error) {
        let Some(errno) = error.raw_os_error() else { return };
        if let Some(source) = to.source
            && matches!(errno, libc::EINVAL | libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EADDRNOTAVAIL)
        {
            to.source = None;
            (outlet.forget)(source);
            return self.send_on(socket, outlet, &[(to, run)]);
        }
        if run.count == 1 {
            return;
        }
        let mut count = 1;
        match errno {
            // Kernels before 6.9 take no more at once.
            libc::EINVAL if run.count > OLD_MAX_SEGMENTS => {
                socket.limit_segments();
                count = OLD_MAX_SEGMENTS;
            }
            // Datagrams larger than the path's MTU need fragmenting, which this form of message cannot do.
            libc::EMSGSIZE => {}
            libc::EINVAL
                if socket.path_mtu(&to.address).is_some_and(|mtu| run.size + socket.headers > mtu) => {}
            // EIO: an interface on the way cannot fill in checksums.
            libc::EINVAL | libc::EIO | libc::EOPNOTSUPP => {
                socket.segmentation.give_up(error, outlet.link, outlet.events);
            }
            _ => return,
        }
        let pieces: Vec<Piece<'_>> = run.divide(count).map(|part| (to, part)).collect();
        self.send_on(socket, outlet, &pieces);
    }

    fn build(&mut self, pieces: &[Piece<'_>]) {
        self.addresses.clear();
        self.parts.clear();
        self.headers.clear();
        self.addresses.extend(pieces.iter().map(|(to, _)| address::encode(&to.address)));
        self.parts.extend(pieces.iter().map(|(_, run)| libc::iovec {
            iov_base: run.bytes.as_ptr().cast_mut().cast(),
            iov_len: run.bytes.len(),
        }));
        self.controls.resize(pieces.len().max(self.controls.len()), Control::new());
        // From here on no list grows, so pointers into them stay good.
        self.headers.reserve(pieces.len());
        for (i, (to, run)) in pieces.iter().enumerate() {
            // SAFETY: zeros are a valid message header: no buffers, no address.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            let message = &mut header.msg_hdr;
            message.msg_name = (&raw mut self.addresses[i].0).cast();
            message.msg_namelen = self.addresses[i].1;
            message.msg_iov = &raw mut self.parts[i];
            message.msg_iovlen = 1;
            let size = (run.count > 1).then_some(run.size as u16);
            control::write(message, &mut self.controls[i], size, to.source);
            self.headers.push(header);
        }
    }
}

fn send_messages(socket: &Socket, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    // SAFETY: every pointer in `headers` is to a live buffer of the length beside it.
    let sent = unsafe { libc::sendmmsg(socket.fd.as_raw_fd(), headers.as_mut_ptr(), headers.len() as _, 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}
