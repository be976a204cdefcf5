//! The UDP sockets of a device: one for IPv4 and one for IPv6, on the same port.

mod address;
mod control;
mod receive;
mod send;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use self::receive::{Message, Received, Receiver};
pub(crate) use self::send::{Outlet, Piece, Sender};
use super::events::Events;
use super::offload::Offload;
use crate::error::{Error, Result};
use crate::os::underlay::Underlay;

/// What wireguard-go asks for: a burst of several frames fits, so that a busy moment loses nothing.
const SOCKET_BUFFER_BYTES: libc::c_int = 7 << 20;
/// How often another free port is tried when a port is free for IPv4 only.
const ANY_PORT_ATTEMPTS: usize = 10;
/// Datagrams the kernel takes in one message: UDP_MAX_SEGMENTS of linux/udp.h since 6.9, and before.
const MAX_SEGMENTS: usize = 128;
const OLD_MAX_SEGMENTS: usize = 64;

pub(crate) struct Sockets {
    /// `None` when only an address of IPv6 is to be used.
    ipv4: Option<Socket>,
    /// `None` on hosts without IPv6 too.
    ipv6: Option<Socket>,
    port: u16,
}

impl Sockets {
    /// Binds both sockets to `port`, or to any free port when it is 0. `EADDRINUSE` when either is taken, `EADDRNOTAVAIL` when
    /// the host has not the one address that is to be used.
    pub(crate) fn bind(port: u16, underlay: Underlay) -> Result<Self> {
        let mut attempts = if port == 0 { ANY_PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            match Self::bind_once(port, underlay) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => continue,
                result => {
                    return result.map_err(|e| Error::from_io(&e, "bind", format!("UDP port {port}")));
                }
            }
        }
    }

    fn bind_once(port: u16, underlay: Underlay) -> io::Result<Self> {
        let ipv4 = underlay.ipv4.map(|address| Socket::bind((address, port).into())).transpose()?;
        let port = ipv4.as_ref().map_or(Ok(port), Socket::local_port)?;
        let ipv6 = match underlay.ipv6.map(|address| Socket::bind((address, port).into())) {
            Some(Ok(socket)) => Some(socket),
            // Nobody asked for IPv6 in so many words.
            Some(Err(e)) if underlay.ipv6 == Some(Ipv6Addr::UNSPECIFIED) && lacks_ipv6(&e) => None,
            Some(Err(e)) => return Err(e),
            None => None,
        };
        let port = ipv6.as_ref().map_or(Ok(port), Socket::local_port)?;
        let sockets = Self { ipv4, ipv6, port };
        sockets.set_fwmark(underlay.fwmark)?;
        Ok(sockets)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// SO_MARK on all that is sent from now on, 0 for none.
    pub(crate) fn set_fwmark(&self, fwmark: u32) -> io::Result<()> {
        [self.ipv4.as_ref(), self.ipv6.as_ref()]
            .into_iter()
            .flatten()
            .try_for_each(|socket| socket.set_fwmark(fwmark))
    }

    pub(crate) fn ipv4(&self) -> Option<&Socket> {
        self.ipv4.as_ref()
    }

    pub(crate) fn ipv6(&self) -> Option<&Socket> {
        self.ipv6.as_ref()
    }

    /// Sends one datagram at once, or not at all.
    pub(crate) fn send_one(&self, data: &[u8], to: &SocketAddr) -> io::Result<()> {
        let socket = self.towards(to).ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))?;
        socket.send_one(data, to)
    }

    /// The socket that reaches the address.
    fn towards(&self, address: &SocketAddr) -> Option<&Socket> {
        if address.is_ipv4() { self.ipv4.as_ref() } else { self.ipv6.as_ref() }
    }
}

/// Of the host, not of one address.
fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

pub(crate) struct Socket {
    fd: OwnedFd,
    /// Bytes in front of a datagram's payload: IP and UDP headers.
    headers: usize,
    /// Sending many datagrams in one message.
    segmentation: Offload,
    /// How many, as far as is known.
    segments: AtomicUsize,
    /// Receiving many datagrams in one message.
    joining: Offload,
}

impl Socket {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket takes no pointers; the descriptor is owned by nobody else.
        let fd = unsafe {
            let fd = libc::socket(family, kind, 0);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        // Kernels before 5.0 refuse the one: then each datagram comes alone. Before 4.18 the other: then each goes alone.
        let joining = set(&fd, libc::IPPROTO_UDP, libc::UDP_GRO, 1).is_ok();
        let segmentation = set(&fd, libc::IPPROTO_UDP, libc::UDP_SEGMENT, 0).is_ok();
        let socket = Self {
            fd,
            headers: if address.is_ipv4() { 28 } else { 48 },
            segmentation: Offload::new("UDP_SEGMENT (sending many datagrams in one call)", segmentation),
            segments: AtomicUsize::new(MAX_SEGMENTS),
            joining: Offload::new("UDP_GRO (receiving many datagrams in one call)", joining),
        };
        if address.is_ipv6() {
            socket.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
            socket.set(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        } else {
            socket.set(libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
            // As the kernel's WireGuard: routers may fragment what is too large for them, since the MTU of the tunnel is fixed.
            socket.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
        }
        let (raw, length) = address::encode(&address);
        // SAFETY: `raw` holds `length` bytes of a socket address.
        if unsafe { libc::bind(socket.fd.as_raw_fd(), (&raw const raw).cast(), length) } < 0 {
            return Err(io::Error::last_os_error());
        }
        socket.enlarge_buffers();
        Ok(socket)
    }

    /// As far as the host allows; beyond its limit only with CAP_NET_ADMIN.
    fn enlarge_buffers(&self) {
        let pairs = [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)];
        for (forced, polite) in pairs {
            if self.set(libc::SOL_SOCKET, forced, SOCKET_BUFFER_BYTES).is_err() {
                let _smaller = self.set(libc::SOL_SOCKET, polite, SOCKET_BUFFER_BYTES);
            }
        }
    }

    pub(crate) fn send_one(&self, data: &[u8], to: &SocketAddr) -> io::Result<()> {
        let (raw, length) = address::encode(to);
        // SAFETY: data and address are live, with their lengths beside them.
        let sent = unsafe {
            let (fd, to) = (self.fd.as_raw_fd(), (&raw const raw).cast());
            libc::sendto(fd, data.as_ptr().cast(), data.len(), libc::MSG_DONTWAIT, to, length)
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Datagrams that may go in one message now.
    fn max_segments(&self) -> usize {
        if self.segmentation.on() { self.segments.load(Ordering::Relaxed) } else { 1 }
    }

    fn limit_segments(&self) {
        self.segments.store(OLD_MAX_SEGMENTS, Ordering::Relaxed);
    }

    /// From now on each datagram comes alone.
    fn stop_joining(&self, error: &io::Error, events: &Events) {
        if self.joining.on() {
            // What cannot be turned off any more need not be.
            let _refused = self.set(libc::IPPROTO_UDP, libc::UDP_GRO, 0);
            let link = self
                .local_port()
                .map_or_else(|_| "the UDP socket".to_owned(), |port| format!("UDP port {port}"));
            self.joining.give_up(error, &link, events);
        }
    }

    /// A datagram waits.
    fn has_input(&self) -> bool {
        let mut bytes: libc::c_int = 0;
        // SAFETY: FIONREAD writes one int, the length of the first datagram. None is shorter than a byte that is of use.
        unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::FIONREAD, &raw mut bytes) >= 0 && bytes > 0 }
    }

    /// MTU of the path to an address, as far as the host knows it, in bytes of IP packet.
    fn path_mtu(&self, to: &SocketAddr) -> Option<usize> {
        let probe = UdpSocket::bind(match to {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        })
        .ok()?;
        let fwmark = self.fwmark().ok()?;
        if fwmark != 0 {
            set(&probe, libc::SOL_SOCKET, libc::SO_MARK, fwmark as libc::c_int).ok()?;
        }
        probe.connect(to).ok()?;
        let (level, option) = match to {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
        };
        usize::try_from(get(&probe, level, option).ok()?).ok()
    }

    fn set(&self, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
        set(&self.fd, level, option, value)
    }

    pub(crate) fn set_fwmark(&self, fwmark: u32) -> io::Result<()> {
        // Unmarked is how a socket begins, and setting a mark needs CAP_NET_ADMIN.
        if fwmark == self.fwmark()? {
            return Ok(());
        }
        self.set(libc::SOL_SOCKET, libc::SO_MARK, fwmark as libc::c_int)
    }

    fn fwmark(&self) -> io::Result<u32> {
        get(&self.fd, libc::SOL_SOCKET, libc::SO_MARK).map(|value| value as u32)
    }

    pub(crate) fn local_port(&self) -> io::Result<u16> {
        let mut raw = address::empty();
        let mut length = address::CAPACITY;
        // SAFETY: `raw` has room for `length` bytes.
        if unsafe { libc::getsockname(self.fd.as_raw_fd(), (&raw mut raw).cast(), &raw mut length) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let address =
            address::decode(&raw).ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))?;
        Ok(address.port())
    }
}

/// Sets a socket option that is one int.
fn set(socket: &impl AsRawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the option's value is a live int of the length beside it.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), INT_LEN) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads a socket option that is one int.
fn get(socket: &impl AsRawFd, level: libc::c_int, option: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = INT_LEN;
    // SAFETY: the kernel writes at most `length` bytes, which `value` has.
    let result = unsafe {
        let fd = socket.as_raw_fd();
        libc::getsockopt(fd, level, option, (&raw mut value).cast(), &raw mut length)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

const INT_LEN: libc::socklen_t = size_of::<libc::c_int>() as libc::socklen_t;

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests;
