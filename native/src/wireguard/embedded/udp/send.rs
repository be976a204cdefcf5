//! Sending many datagrams in one call (sendmmsg, UDP_SEGMENT).

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

use gotatun::packet::Packet;

use super::super::wake::{Interest, Wake, wait};
use super::{Socket, Sockets, address};

/// The kernel's UDP_MAX_SEGMENTS (128 since Linux 6.9).
const MAX_SEGMENTS: usize = 64;
/// Below the largest payload of a UDP datagram over IPv4 (65,507).
const MAX_MESSAGE: usize = 65000;
/// How long to wait for room in the socket's buffer before a packet is dropped.
const PATIENCE: Duration = Duration::from_millis(20);
const CONTROL: usize = 32;

/// Scratch space for one sending thread.
pub(in super::super) struct Sender {
    groups: Vec<Group>,
    addresses: Vec<(libc::sockaddr_storage, libc::socklen_t)>,
    controls: Vec<Control>,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers are only used inside `send`, and the lists are refilled by every call.
unsafe impl Send for Sender {}

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Neighbouring datagrams that go as one message: one destination, all as long as the first, but for a shorter last one.
struct Group {
    start: usize,
    count: usize,
    size: usize,
}

impl Sender {
    pub(in super::super) fn new() -> Self {
        Self { groups: vec![], addresses: vec![], controls: vec![], parts: vec![], headers: vec![] }
    }

    /// Sends the datagrams in order. What cannot be sent is lost, as on any network; `wake` ends a wait for buffer space.
    pub(in super::super) fn send(
        &mut self,
        sockets: &Sockets,
        datagrams: &[(SocketAddr, Packet)],
        wake: &Wake,
    ) {
        let mut rest = datagrams;
        while let Some((first, _)) = rest.first() {
            let family = rest.iter().take_while(|(to, _)| to.is_ipv4() == first.is_ipv4()).count();
            if let Some(socket) = sockets.towards(first) {
                self.send_family(socket, &rest[..family], wake);
            }
            rest = &rest[family..];
        }
    }

    fn send_family(&mut self, socket: &Socket, datagrams: &[(SocketAddr, Packet)], wake: &Wake) {
        self.group(datagrams, socket.segmentation.load(Ordering::Relaxed));
        self.build(datagrams);
        let mut at = 0;
        let mut waited = false;
        while at < self.groups.len() {
            match send_messages(socket, &mut self.headers[at..]) {
                Ok(sent) => at += sent.max(1),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) if !waited => {
                        waited = true;
                        let _timeout =
                            wait(wake, [Some((socket.as_fd(), Interest::Writable))], Some(PATIENCE));
                    }
                    Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE) if self.groups[at].count > 1 => {
                        // EIO: a device on the way lacks checksum offload. The others: the datagrams are larger than the path's
                        // MTU, so they need fragmenting, which this message form cannot do.
                        if error.raw_os_error() == Some(libc::EIO) {
                            socket.segmentation.store(false, Ordering::Relaxed);
                        }
                        let Group { start, count, .. } = self.groups[at];
                        self.send_singly(socket, &datagrams[start..start + count]);
                        at += 1;
                    }
                    _ => at += 1,
                },
            }
        }
    }

    fn group(&mut self, datagrams: &[(SocketAddr, Packet)], segmentation: bool) {
        self.groups.clear();
        let mut open = false;
        for (i, (to, packet)) in datagrams.iter().enumerate() {
            let length = packet.len();
            if open && let Some(group) = self.groups.last_mut() {
                let fits = group.count < MAX_SEGMENTS && (group.count + 1) * group.size <= MAX_MESSAGE;
                if fits && length <= group.size && *to == datagrams[group.start].0 {
                    group.count += 1;
                    open = length == group.size;
                    continue;
                }
            }
            self.groups.push(Group { start: i, count: 1, size: length });
            open = segmentation;
        }
    }

    fn build(&mut self, datagrams: &[(SocketAddr, Packet)]) {
        self.addresses.clear();
        self.controls.clear();
        self.parts.clear();
        self.headers.clear();
        self.parts.extend(datagrams.iter().map(|(_, packet)| libc::iovec {
            iov_base: packet.as_ptr().cast_mut().cast(),
            iov_len: packet.len(),
        }));
        self.addresses.extend(self.groups.iter().map(|group| address::encode(&datagrams[group.start].0)));
        self.controls.resize(self.groups.len(), Control([0; CONTROL]));
        // From here on no list grows, so pointers into them stay good.
        for (i, group) in self.groups.iter().enumerate() {
            // SAFETY: zeros are a valid message header: no buffers, no address.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            let message = &mut header.msg_hdr;
            message.msg_name = (&raw mut self.addresses[i].0).cast();
            message.msg_namelen = self.addresses[i].1;
            message.msg_iov = &raw mut self.parts[group.start];
            message.msg_iovlen = group.count as _;
            if group.count > 1 {
                set_segment_size(message, &mut self.controls[i], group.size as u16);
            }
            self.headers.push(header);
        }
    }

    fn send_singly(&self, socket: &Socket, datagrams: &[(SocketAddr, Packet)]) {
        for (to, packet) in datagrams {
            let (raw, length) = address::encode(to);
            // SAFETY: packet and address are live, with the lengths beside them. A failure loses the packet.
            unsafe {
                let fd = socket.fd.as_raw_fd();
                libc::sendto(fd, packet.as_ptr().cast(), packet.len(), 0, (&raw const raw).cast(), length)
            };
        }
    }
}

fn send_messages(socket: &Socket, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    // SAFETY: every pointer in `headers` is to a live buffer of the length beside it.
    let sent = unsafe { libc::sendmmsg(socket.fd.as_raw_fd(), headers.as_mut_ptr(), headers.len() as _, 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

fn set_segment_size(message: &mut libc::msghdr, control: &mut Control, size: u16) {
    message.msg_control = (&raw mut *control).cast();
    // SAFETY: CMSG_SPACE only computes; the space for two bytes is 24 on 64-bit machines, and CONTROL is 32.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<u16>() as u32) } as _;
    // SAFETY: the control buffer has room for one message of two bytes, so the first header is there.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        (*header).cmsg_level = libc::IPPROTO_UDP;
        (*header).cmsg_type = libc::UDP_SEGMENT;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        libc::CMSG_DATA(header).cast::<u16>().write_unaligned(size);
    }
}
