//! Socket options Node does not offer, on macOS.

use std::ffi::CString;
use std::io;
use std::os::fd::RawFd;

/// Who is at the other end of a Unix socket, as the kernel saw it when the connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// `getpeereid` and `LOCAL_PEERPID`. `ENOTCONN` for a socket that has no such peer.
pub fn peer_credentials(fd: RawFd) -> io::Result<PeerCredentials> {
    let (mut uid, mut gid, mut pid) = (0, 0, 0);
    // SAFETY: writes to the two numbers.
    if unsafe { libc::getpeereid(fd, &mut uid, &mut gid) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut length = size_of::<libc::pid_t>() as libc::socklen_t;
    let place = (&raw mut pid).cast();
    // SAFETY: the length given is that of a pid_t.
    if unsafe { libc::getsockopt(fd, libc::SOL_LOCAL, libc::LOCAL_PEERPID, place, &mut length) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(PeerCredentials { pid, uid, gid })
}

/// `IP_BOUND_IF` and `IPV6_BOUND_IF`: the socket sends and receives on this link alone. `ENXIO` for a link that does not exist.
pub fn bind_to_device(fd: RawFd, link_name: &str) -> io::Result<()> {
    let name = CString::new(link_name).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: a string that ends with NUL.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    let bind = |level, option| {
        let length = size_of::<libc::c_uint>() as libc::socklen_t;
        // SAFETY: the kernel reads one number.
        match unsafe { libc::setsockopt(fd, level, option, (&raw const index).cast(), length) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // One of the two fits the family of the socket.
    bind(libc::IPPROTO_IP, libc::IP_BOUND_IF).or_else(|_| bind(libc::IPPROTO_IPV6, libc::IPV6_BOUND_IF))
}
