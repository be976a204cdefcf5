//! Tells when links, addresses or routes change: the messages of a routing socket.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd};

use super::table;
use crate::error::{Error, Result};
pub use crate::link::burst::Monitor;
use crate::link::burst::Source;
use crate::link::changes::Changes;

const RECEIVE_BYTES: usize = 64 * 1024;

impl Monitor {
    /// `callback` runs on the monitor's thread, [`DEBOUNCE`](crate::link::changes::DEBOUNCE) after the first change of a burst.
    pub fn start(callback: impl Fn(Changes) + Send + 'static) -> Result<Self> {
        let failed = |error: io::Error| Error::from_io(&error, "watch", "the network");
        let socket = routing_socket().map_err(failed)?;
        Self::on(RoutingSocket { socket: socket.into(), buffer: vec![0; RECEIVE_BYTES] }, callback)
    }
}

struct RoutingSocket {
    socket: File,
    buffer: Vec<u8>,
}

impl AsRawFd for RoutingSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Source for RoutingSocket {
    fn drain(&mut self, pending: &mut Changes) {
        let Self { socket, buffer } = self;
        loop {
            match socket.read(buffer) {
                Ok(0) => return,
                Ok(length) => table::types(&buffer[..length]).for_each(|kind| note(pending, kind)),
                // More came than the socket holds, so some were lost.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => *pending = Changes::ALL,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

fn routing_socket() -> io::Result<OwnedFd> {
    // SAFETY: socket(2) and fcntl(2) with constants; the new descriptor has no other owner.
    unsafe {
        let fd = libc::socket(libc::PF_ROUTE, libc::SOCK_RAW, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let owned = OwnedFd::from_raw_fd(fd);
        if libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) != 0
            || libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) != 0
        {
            return Err(io::Error::last_os_error());
        }
        Ok(owned)
    }
}

fn note(pending: &mut Changes, kind: u8) {
    match i32::from(kind) {
        libc::RTM_IFINFO => pending.link = true,
        libc::RTM_NEWADDR | libc::RTM_DELADDR => pending.address = true,
        libc::RTM_ADD | libc::RTM_DELETE | libc::RTM_CHANGE => pending.route = true,
        _ => {}
    }
}
