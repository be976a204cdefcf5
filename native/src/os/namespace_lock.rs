//! A name that one process of a network namespace holds: an abstract Unix socket (unix(7)), which is gone with its process.

use std::io;
use std::mem::{offset_of, zeroed};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::socket::peer_credentials;
use crate::error::{Error, Result};

/// How often the name may change hands between our look at it and our question who holds it.
const ATTEMPTS: u32 = 10;

/// Held until dropped.
#[derive(Debug)]
pub struct NamespaceLock {
    _listener: UnixListener,
}

/// What came of asking for a name.
#[derive(Debug)]
pub enum Attempt {
    Acquired(NamespaceLock),
    /// Process id of the holder; 0 when it cannot be told, as for one in another PID namespace.
    HeldBy(i32),
}

impl NamespaceLock {
    /// Takes `name`, of 1 to 100 bytes. Any user of the namespace can hold it, so it keeps out a second daemon, not an enemy.
    pub fn try_acquire(name: &str) -> Result<Attempt> {
        if name.is_empty() || name.len() > 100 {
            return Err(Error::new("EINVAL", "lock", format!("name {name:?}"), "must have 1 to 100 bytes"));
        }
        let failed = |error: io::Error| Error::from_io(&error, "lock", format!("name {name:?}"));
        let address = format!("wgmesh/{name}");
        for _ in 0..ATTEMPTS {
            let socket_address = SocketAddr::from_abstract_name(&address).map_err(failed)?;
            match UnixListener::bind_addr(&socket_address) {
                Ok(listener) => return Ok(Attempt::Acquired(Self { _listener: listener })),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(failed(error)),
            }
            match holder(address.as_bytes()) {
                Ok(pid) => return Ok(Attempt::HeldBy(pid)),
                // Gone in between: the name is free again.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                // The holder never accepts, so after some thousand questions its queue is full. It is there all the same.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Attempt::HeldBy(0)),
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(Attempt::HeldBy(0))
    }
}

/// Connects to the abstract name, without waiting, and asks the kernel who listens there.
fn holder(name: &[u8]) -> io::Result<i32> {
    // SAFETY: socket(2) with constants; the new descriptor has no other owner. All-zero is a valid sockaddr_un.
    let (socket, mut address) = unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let fd = libc::socket(libc::AF_UNIX, kind, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        (OwnedFd::from_raw_fd(fd), zeroed::<libc::sockaddr_un>())
    };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    // The first byte stays 0, which is what makes the name an abstract one.
    for (place, &byte) in address.sun_path[1..].iter_mut().zip(name) {
        *place = byte as libc::c_char;
    }
    let length = offset_of!(libc::sockaddr_un, sun_path) + 1 + name.len();
    // SAFETY: `length` bytes of the struct are initialised, and `name` fits in it (108 bytes).
    let result =
        unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length as libc::socklen_t) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    peer_credentials(socket.as_raw_fd()).map(|peer| peer.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(of: &str) -> String {
        format!("test-{of}-{}", std::process::id())
    }

    #[test]
    fn the_second_one_is_told_who_holds_the_name() {
        let name = name("holder");
        let Attempt::Acquired(lock) = NamespaceLock::try_acquire(&name).unwrap() else {
            panic!("held already")
        };
        let Attempt::HeldBy(pid) = NamespaceLock::try_acquire(&name).unwrap() else { panic!("held twice") };
        assert_eq!(pid, std::process::id() as i32);
        drop(lock);
        assert!(matches!(NamespaceLock::try_acquire(&name).unwrap(), Attempt::Acquired(_)));
    }

    #[test]
    fn a_full_queue_blocks_nobody() {
        let name = name("queue");
        let address = SocketAddr::from_abstract_name(format!("wgmesh/{name}")).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        // SAFETY: listens again with the shortest queue.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let told: Vec<i32> = (0..4)
            .map(|_| match NamespaceLock::try_acquire(&name).unwrap() {
                Attempt::HeldBy(pid) => pid,
                Attempt::Acquired(_) => panic!("held twice"),
            })
            .collect();
        assert_eq!((told[0], told[3]), (std::process::id() as i32, 0));
    }

    #[test]
    fn names_that_fit_nowhere_are_refused() {
        assert_eq!(NamespaceLock::try_acquire("").unwrap_err().code, "EINVAL");
        assert_eq!(NamespaceLock::try_acquire(&"x".repeat(101)).unwrap_err().code, "EINVAL");
        let longest = format!("{:0>100}", std::process::id());
        let held = NamespaceLock::try_acquire(&longest).unwrap();
        assert!(matches!(NamespaceLock::try_acquire(&longest).unwrap(), Attempt::HeldBy(pid) if pid > 0));
        drop(held);
    }
}
