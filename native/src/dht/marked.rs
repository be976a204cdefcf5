//! A firewall mark on all that the engine sends, the very first datagram included.
//!
//! The crate binds its socket by itself and sends at once. So it gets one on the loopback, from which nothing reaches another host, and
//! then, under the same number, the one that is meant.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use super::pace::BUSY_LIMIT;
use crate::error::{Error, Result};
use crate::os::socket;

/// A socket with the mark, until the crate has it.
pub struct MarkedSocket(UdpSocket);

impl MarkedSocket {
    /// `EADDRINUSE`, `EADDRNOTAVAIL`, `EPERM` (a mark without CAP_NET_ADMIN).
    pub fn bind(address: Ipv4Addr, port: u16, fwmark: u32) -> io::Result<Self> {
        let socket = UdpSocket::bind((address, port))?;
        socket::mark(socket.as_raw_fd(), fwmark)?;
        // As the crate sets it: the limit goes with the socket.
        socket.set_read_timeout(Some(BUSY_LIMIT))?;
        Ok(Self(socket))
    }

    /// Takes the place of the crate's socket, which has the address `before`. Returns the address it has now.
    pub fn replace(self, before: SocketAddrV4) -> Result<SocketAddrV4> {
        let failed = |error: &io::Error| Error::from_io(error, "mark", "the socket of the DHT");
        let number = number_of(before).map_err(|error| failed(&error))?;
        let SocketAddr::V4(local) = self.0.local_addr().map_err(|error| failed(&error))? else {
            return Err(Error::new("INTERNAL", "mark", "the socket of the DHT", "it is not one of IPv4"));
        };
        // SAFETY: no pointers. The number stays the crate's as long as its handle lives, which the caller holds.
        if unsafe { libc::dup2(self.0.as_raw_fd(), number) } < 0
            || unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0
        {
            return Err(failed(&io::Error::last_os_error()));
        }
        Ok(local)
    }
}

/// The descriptor of this process that is a UDP socket of that address.
fn number_of(local: SocketAddrV4) -> io::Result<RawFd> {
    let numbers = std::fs::read_dir("/dev/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<RawFd>().ok());
    let wanted = SocketAddr::V4(local);
    let mut found = numbers.filter(|number| socket::local_address(*number) == Some(wanted));
    found.next().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
}
