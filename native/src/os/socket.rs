//! Socket options Node does not offer.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;

/// Who is at the other end of a Unix socket, as the kernel saw it when the connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// 0 for a process of another PID namespace.
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// `SO_PEERCRED`. `ENOTCONN` for a socket that has no such peer: not connected, or of another family.
pub fn peer_credentials(fd: RawFd) -> io::Result<PeerCredentials> {
    // SAFETY: all-zero is a valid ucred, and the length given is its own.
    let (result, credentials) = unsafe {
        let mut credentials: libc::ucred = zeroed();
        let mut length = size_of::<libc::ucred>() as libc::socklen_t;
        let place = (&raw mut credentials).cast();
        let result = libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, place, &mut length);
        (result, credentials)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if credentials.uid == u32::MAX {
        return Err(io::Error::from_raw_os_error(libc::ENOTCONN));
    }
    Ok(PeerCredentials { pid: credentials.pid, uid: credentials.uid, gid: credentials.gid })
}

/// `SO_BINDTODEVICE`: the socket sends and receives on this link alone. `EINVAL` for what can be no link name (an empty one
/// would unbind), `ENODEV` for a link that does not exist.
pub fn bind_to_device(fd: RawFd, link_name: &str) -> io::Result<()> {
    // Not only names wgmesh would give: links of others may have a dot, as `eth0.100`.
    if link_name.is_empty() || link_name.len() >= libc::IFNAMSIZ || link_name.contains(['\0', '/']) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let length = link_name.len() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of the name.
    let result = unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, link_name.as_ptr().cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives all Internet sockets of this process the firewall mark (`SO_MARK`), those of libraries too; 0 takes it away. Returns how many
/// had another. One that is closed meanwhile is passed over.
pub fn mark_own(mark: u32) -> io::Result<u32> {
    mark_those(mark, |_| true)
}

/// The same for the UDP sockets of this process that are bound to the port.
pub fn mark_port(mark: u32, port: u16) -> io::Result<u32> {
    mark_those(mark, |fd| {
        number(fd, libc::SO_TYPE) == Some(libc::SOCK_DGRAM)
            && local_address(fd).is_some_and(|address| address.port() == port)
    })
}

/// Gives one socket the mark. `EPERM` without CAP_NET_ADMIN.
pub fn mark(fd: RawFd, mark: u32) -> io::Result<()> {
    let wanted = mark.cast_signed();
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads one int, which lives through the call.
    let result =
        unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_MARK, (&raw const wanted).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `None` for what is no socket of IPv4 or IPv6.
pub fn local_address(fd: RawFd) -> Option<SocketAddr> {
    // SAFETY: all-zero is a valid sockaddr_in6, which has room for either family; the length given is its own, and the family is
    // looked at before the rest is read as its address.
    unsafe {
        let mut raw: libc::sockaddr_in6 = zeroed();
        let mut length = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        if libc::getsockname(fd, (&raw mut raw).cast(), &raw mut length) != 0 {
            return None;
        }
        match i32::from(raw.sin6_family) {
            libc::AF_INET => {
                let four = &*(&raw const raw).cast::<libc::sockaddr_in>();
                let address = Ipv4Addr::from(u32::from_be(four.sin_addr.s_addr));
                Some((address, u16::from_be(four.sin_port)).into())
            }
            libc::AF_INET6 => {
                Some((Ipv6Addr::from(raw.sin6_addr.s6_addr), u16::from_be(raw.sin6_port)).into())
            }
            _ => None,
        }
    }
}

fn mark_those(mark: u32, is_meant: impl Fn(RawFd) -> bool) -> io::Result<u32> {
    let mut changed = 0;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(fd) = name.to_str().and_then(|text| text.parse::<RawFd>().ok()) else { continue };
        let is_internet = matches!(number(fd, libc::SO_DOMAIN), Some(libc::AF_INET | libc::AF_INET6));
        let wanted = mark.cast_signed();
        if !is_internet || number(fd, libc::SO_MARK) == Some(wanted) || !is_meant(fd) {
            continue;
        }
        match self::mark(fd, mark) {
            Ok(()) => changed += 1,
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBADF | libc::ENOTSOCK)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(changed)
}

/// `None` for what is no socket.
fn number(fd: RawFd, option: libc::c_int) -> Option<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes one int, whose length is given.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut length) };
    (result == 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn peer_credentials_of_a_pair_are_ours() {
        let (one, _two) = UnixStream::pair().unwrap();
        let peer = peer_credentials(one.as_raw_fd()).unwrap();
        // SAFETY: both have no preconditions.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        assert_eq!(peer, PeerCredentials { pid: std::process::id() as i32, uid, gid });
    }

    #[test]
    fn sockets_without_a_peer_and_numbers_without_a_socket_are_errors() {
        let errno = |fd| peer_credentials(fd).unwrap_err().raw_os_error();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(errno(udp.as_raw_fd()), Some(libc::ENOTCONN));
        assert_eq!(errno(-1), Some(libc::EBADF));
    }

    #[test]
    fn a_socket_is_bound_to_a_link() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let errno = |name: &str| bind_to_device(udp.as_raw_fd(), name).unwrap_err().raw_os_error();
        for name in ["", "sixteen-letters-", "a/b", "a\0b"] {
            assert_eq!(errno(name), Some(libc::EINVAL), "{name:?}");
        }
        assert_eq!(errno("no-such.link"), Some(libc::ENODEV));
        bind_to_device(udp.as_raw_fd(), "lo").unwrap();
    }

    #[test]
    fn marks_internet_sockets_once_and_no_others() {
        crate::testing::in_own_network(
            "os::socket::tests::marks_internet_sockets_once_and_no_others",
            || {
                let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
                let (one, _two) = UnixStream::pair().unwrap();
                assert!(mark_own(7).unwrap() >= 1);
                assert_eq!(number(udp.as_raw_fd(), libc::SO_MARK), Some(7));
                assert_eq!(number(one.as_raw_fd(), libc::SO_MARK), Some(0));
                mark_own(0).unwrap();
                assert_eq!(number(udp.as_raw_fd(), libc::SO_MARK), Some(0));

                let port = udp.local_addr().unwrap().port();
                let tcp = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
                let other = UdpSocket::bind("127.0.0.1:0").unwrap();
                assert_eq!(mark_port(9, port).unwrap(), 1);
                assert_eq!(mark_port(9, port).unwrap(), 0);
                assert_eq!(number(udp.as_raw_fd(), libc::SO_MARK), Some(9));
                for fd in [tcp.as_raw_fd(), other.as_raw_fd()] {
                    assert_eq!(number(fd, libc::SO_MARK), Some(0));
                }
            },
        );
    }
}
