//! How often the crate's thread wakes. By itself it does 20 times a second: it reads its socket with a limit of 50 ms, and looks for
//! requests in between. While nobody asks, the limit is a longer one here, and an empty datagram ends the wait when somebody does.
//! Datagrams of others it answers at once in either case.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the crate sets by itself.
pub(super) const BUSY_LIMIT: Duration = Duration::from_millis(50);
/// As long as a request waits when the empty datagram is lost.
const CALM_LIMIT: Duration = Duration::from_secs(1);

/// The pace of one engine.
pub struct Pace {
    /// The crate's socket, which it keeps to itself, once more: options belong to what both descriptors stand for.
    socket: UdpSocket,
    local: SocketAddrV4,
    /// Calls under way.
    calls: Mutex<usize>,
}

/// A call under way; dropped, it is over.
pub struct Busy<'a>(&'a Pace);

impl Pace {
    /// `None` when no socket of this process has the address: then the crate keeps its own pace.
    pub fn of(local: SocketAddrV4) -> Option<Self> {
        let socket = sockets().find(|socket| socket.local_addr().ok() == Some(SocketAddr::V4(local)))?;
        Some(Self { socket, local, calls: Mutex::new(0) })
    }

    /// A call begins: the thread looks for requests often, from now on.
    pub fn busy(&self) -> Busy<'_> {
        let mut calls = self.calls();
        *calls += 1;
        if *calls == 1 {
            self.hurry();
        }
        Busy(self)
    }

    /// Has the thread look for requests at once, and often from then on.
    pub fn hurry(&self) {
        self.limit(BUSY_LIMIT);
        let ip = if self.local.ip().is_unspecified() { Ipv4Addr::LOCALHOST } else { *self.local.ip() };
        // From a socket of its own, as if of another host: nothing of the engine is in it. Lost, it costs a second.
        let _ = UdpSocket::bind((ip, 0)).and_then(|socket| socket.send_to(&[], (ip, self.local.port())));
    }

    fn limit(&self, limit: Duration) {
        // It fails for no open socket and no limit but zero.
        let _ = self.socket.set_read_timeout(Some(limit));
    }

    fn calls(&self) -> MutexGuard<'_, usize> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut calls = self.0.calls();
        *calls -= 1;
        if *calls == 0 {
            self.0.limit(CALM_LIMIT);
        }
    }
}

/// Duplicates of this process's descriptors, taken for UDP sockets: what is none has no such address.
fn sockets() -> impl Iterator<Item = UdpSocket> {
    let names = std::fs::read_dir("/dev/fd").into_iter().flatten();
    let numbers = names.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter(|fd| is_datagram_socket(*fd)).filter_map(|fd| {
        // SAFETY: no pointers; it fails for a descriptor that was closed meanwhile.
        let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
        if copy < 0 {
            return None;
        }
        // SAFETY: it was just made and belongs to nobody else.
        let copy = unsafe { OwnedFd::from_raw_fd(copy) };
        // Meanwhile the number may have become another's.
        is_datagram_socket(copy.as_raw_fd()).then(|| UdpSocket::from(copy))
    })
}

fn is_datagram_socket(fd: i32) -> bool {
    let mut kind: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is an int, and both places are large enough and live through the call.
    let status = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut length)
    };
    status == 0 && kind == libc::SOCK_DGRAM
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Instant;

    use super::*;

    fn socket() -> (UdpSocket, SocketAddrV4) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(BUSY_LIMIT)).unwrap();
        let SocketAddr::V4(local) = socket.local_addr().unwrap() else { panic!("IPv4 was asked for") };
        (socket, local)
    }

    /// The kernel counts in ticks of its own.
    fn limit_of(socket: &UdpSocket) -> Duration {
        socket.read_timeout().unwrap().unwrap()
    }

    #[test]
    fn finds_the_socket_among_others() {
        let (_other, _) = socket();
        let (wanted, local) = socket();
        let pace = Pace::of(local).unwrap();
        pace.limit(Duration::from_secs(7));
        assert!(limit_of(&wanted) >= Duration::from_secs(7));
        drop((pace, wanted));
        assert!(Pace::of(local).is_none(), "nothing keeps it open");
    }

    #[test]
    fn waits_long_while_nobody_asks_and_not_at_all_when_somebody_does() {
        let (socket, local) = socket();
        let pace = Pace::of(local).unwrap();
        let busy = pace.busy();
        assert!(limit_of(&socket) < CALM_LIMIT);
        let mut buffer = [0; 8];
        assert_eq!(socket.recv_from(&mut buffer).unwrap().0, 0, "an empty datagram");
        let second = pace.busy();
        drop(busy);
        assert!(limit_of(&socket) < CALM_LIMIT, "one call is left");
        assert_eq!(socket.recv_from(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock, "one is enough");
        drop(second);
        assert!(limit_of(&socket) >= CALM_LIMIT);

        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                drop(pace.busy());
            });
            assert!(socket.recv_from(&mut buffer).is_ok());
        });
        assert!(began.elapsed() < CALM_LIMIT, "{:?}", began.elapsed());
    }
}
