//! Raw UDP sockets: they see all datagrams of the host, and send with any source port, that of WireGuard too.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::super::MAX_BYTES;
use super::{filter, packet};

/// linux/in6.h
const IPV6_CHECKSUM: libc::c_int = 7;
/// Where in a UDP header the checksum is.
const CHECKSUM_AT: libc::c_int = 6;
/// IPv4 header with all options, UDP header, the largest payload, and a byte by which a longer one is told.
const ROOM: usize = 60 + packet::HEADER + MAX_BYTES + 1;

/// The sockets of one family.
pub struct Raw {
    ipv4: bool,
    receiver: OwnedFd,
    /// Apart from the receiver, since sending over IPv4 connects it.
    sender: OwnedFd,
}

impl Raw {
    /// Receives nothing yet. `EPERM` without CAP_NET_RAW, `EAFNOSUPPORT` on hosts without the family.
    pub fn open(ipv4: bool) -> io::Result<Self> {
        let family = if ipv4 { libc::AF_INET } else { libc::AF_INET6 };
        let (receiver, sender) = (socket(family)?, socket(family)?);
        for socket in [&receiver, &sender] {
            filter::attach(socket, ipv4, 0)?;
            if ipv4 {
                // As the kernel's WireGuard: routers may fragment.
                set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
            } else {
                // Fills it in, and checks it.
                set(socket, libc::SOL_RAW, IPV6_CHECKSUM, CHECKSUM_AT)?;
            }
        }
        Ok(Self { ipv4, receiver, sender })
    }

    /// From now on this port is heard, and this mark is sent with.
    pub fn follow(&self, port: u16, fwmark: u32) -> io::Result<()> {
        set(&self.sender, libc::SOL_SOCKET, libc::SO_MARK, fwmark as libc::c_int)?;
        filter::attach(&self.receiver, self.ipv4, port)
    }

    pub fn receiver(&self) -> &OwnedFd {
        &self.receiver
    }

    /// The next datagram to `port`: its source and payload, in `room`. `Ok(None)` for one that is not as it should be.
    pub fn receive<'a>(&self, port: u16, room: &'a mut Room) -> io::Result<Option<(SocketAddr, &'a [u8])>> {
        // SAFETY: zeros are a socket address of no family; the kernel writes at most the lengths given.
        let (address, received) = unsafe {
            let mut address: libc::sockaddr_in6 = std::mem::zeroed();
            let mut length = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            let (fd, place) = (self.receiver.as_raw_fd(), room.0.as_mut_ptr().cast());
            let from = (&raw mut address).cast();
            let received = libc::recvfrom(fd, place, ROOM, libc::MSG_DONTWAIT, from, &raw mut length);
            (address, received)
        };
        if received < 0 {
            return Err(io::Error::last_os_error());
        }
        let bytes = &room.0[..received as usize];
        let datagram = if self.ipv4 { packet::skip_ipv4(bytes) } else { Some(bytes) };
        let Some((source, destination, payload)) = datagram.and_then(packet::read) else { return Ok(None) };
        // One that was queued before the port changed.
        if destination != port || source == 0 {
            return Ok(None);
        }
        let from = if self.ipv4 {
            let octets: [u8; 4] = std::array::from_fn(|i| bytes[12 + i]);
            SocketAddrV4::new(octets.into(), source).into()
        } else {
            SocketAddrV6::new(address.sin6_addr.s6_addr.into(), source, 0, address.sin6_scope_id).into()
        };
        Ok(Some((from, payload)))
    }

    /// Sends from `port`; the routes choose the source address, as for WireGuard. One call at a time.
    pub fn send(&self, port: u16, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        let mut datagram = packet::write(port, to.port(), payload);
        match to {
            SocketAddr::V4(to) => {
                let from = self.connect(*to.ip())?;
                packet::set_ipv4_checksum(&mut datagram, from, *to.ip());
                // SAFETY: the bytes are live.
                let sent = unsafe {
                    let fd = self.sender.as_raw_fd();
                    libc::send(fd, datagram.as_ptr().cast(), datagram.len(), libc::MSG_DONTWAIT)
                };
                if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
            }
            SocketAddr::V6(to) => {
                let raw = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    // A raw socket takes the protocol here, or nothing.
                    sin6_port: 0,
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: to.ip().octets() },
                    sin6_scope_id: to.scope_id(),
                };
                // SAFETY: bytes and address are live, with their lengths beside them.
                let sent = unsafe {
                    let (fd, bytes) = (self.sender.as_raw_fd(), datagram.as_ptr().cast());
                    let length = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
                    let to = (&raw const raw).cast();
                    libc::sendto(fd, bytes, datagram.len(), libc::MSG_DONTWAIT, to, length)
                };
                if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
            }
        }
    }

    /// Connects the sender anew, and tells the source address that the routes chose: the checksum needs it.
    fn connect(&self, to: Ipv4Addr) -> io::Result<Ipv4Addr> {
        let fd = self.sender.as_raw_fd();
        let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        // SAFETY: zeros are a socket address of family AF_UNSPEC, which dissolves the last connection and its source.
        let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        // SAFETY: the address is live, and its length beside it.
        let connect = |address: &libc::sockaddr_in| match unsafe {
            libc::connect(fd, std::ptr::from_ref(address).cast(), length)
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        };
        connect(&address)?;
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_addr.s_addr = to.to_bits().to_be();
        connect(&address)?;
        let mut room = length;
        // SAFETY: the kernel writes at most `room` bytes.
        if unsafe { libc::getsockname(fd, (&raw mut address).cast(), &raw mut room) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr)))
    }
}

/// What one datagram is received into.
pub struct Room([u8; ROOM]);

impl Room {
    pub fn new() -> Self {
        Self([0; ROOM])
    }
}

fn socket(family: libc::c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes no pointers; the descriptor is owned by nobody else.
    unsafe {
        match libc::socket(family, kind, libc::IPPROTO_UDP) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn set(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the value is a live int of the length beside it.
    let result = unsafe {
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
