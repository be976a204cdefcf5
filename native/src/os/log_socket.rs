//! Datagrams to a log service of this machine, by the path of its socket: /dev/log, or journald's own.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixDatagram;

use crate::error::{Error, Result};

/// Not connected: each datagram goes to whoever has the path now, so a service that starts anew needs no care.
#[derive(Debug)]
pub struct LogSocket {
    socket: UnixDatagram,
    path: String,
}

impl LogSocket {
    /// Errors: those of connect(2) when nobody could take a datagram there now: `ENOENT`, `ECONNREFUSED`, `EACCES`, and `EPROTOTYPE`
    /// for a service that wants a stream.
    pub fn open(path: &str) -> Result<Self> {
        let reach = || -> io::Result<UnixDatagram> {
            UnixDatagram::unbound()?.connect(path)?;
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let socket = reach().map_err(|error| Error::from_io(&error, "reach", path))?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// Never waits: false when there is no room at the receiver. Errors: those of sendto(2), `EMSGSIZE` for more than fits into a datagram.
    pub fn send(&self, bytes: &[u8]) -> Result<bool> {
        taken(|| self.socket.send_to(bytes, &self.path).map(drop))
            .map_err(|error| Error::from_io(&error, "write to", &self.path))
    }

    /// The same in a sealed file in memory, whose descriptor is all that is sent: what journald takes beside datagrams, for entries that
    /// are too long for one. Errors: also those of `memfd_create(2)`, `ENOSYS` elsewhere than on Linux.
    pub fn send_as_file(&self, bytes: &[u8]) -> Result<bool> {
        let deliver = || -> io::Result<bool> {
            let file = sealed_file(bytes)?;
            taken(|| send_descriptor(&self.socket, &self.path, &file))
        };
        deliver().map_err(|error| Error::from_io(&error, "write to", &self.path))
    }
}

/// False when there is no room.
fn taken(mut send: impl FnMut() -> io::Result<()>) -> io::Result<bool> {
    loop {
        match send() {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// With all the seals that journald asks for before it maps what another process might change.
#[cfg(target_os = "linux")]
fn sealed_file(bytes: &[u8]) -> io::Result<File> {
    use std::io::Write as _;
    use std::os::fd::{AsRawFd as _, FromRawFd as _};

    let flags = libc::MFD_ALLOW_SEALING | libc::MFD_CLOEXEC;
    // SAFETY: the name is a literal with a NUL.
    let fd = unsafe { libc::memfd_create(c"wgmesh-log".as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor without another owner.
    let mut file = unsafe { File::from_raw_fd(fd) };
    file.write_all(bytes)?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;
    // SAFETY: fcntl with an integer argument, on a descriptor that is open.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

#[cfg(target_os = "linux")]
fn send_descriptor(socket: &UnixDatagram, path: &str, file: &File) -> io::Result<()> {
    use std::mem::{size_of, zeroed};
    use std::os::fd::{AsRawFd as _, RawFd};

    /// Room for one descriptor, aligned as a header of control data must be.
    #[repr(C)]
    union Control {
        _header: libc::cmsghdr,
        bytes: [u8; 64],
    }

    const LENGTH: u32 = size_of::<RawFd>() as u32;
    // SAFETY: all-zero is a valid sockaddr_un, msghdr and Control.
    let (mut address, mut message, mut control): (libc::sockaddr_un, libc::msghdr, Control) =
        unsafe { (zeroed(), zeroed(), zeroed()) };
    if path.len() >= address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from.cast_signed();
    }
    message.msg_name = (&raw mut address).cast();
    message.msg_namelen = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    message.msg_control = (&raw mut control).cast();
    // SAFETY: the control data has room for one header and one descriptor, and everything the message points at lives through the call.
    let sent = unsafe {
        message.msg_controllen = libc::CMSG_SPACE(LENGTH) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(LENGTH) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(file.as_raw_fd());
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(not(target_os = "linux"))]
fn sealed_file(_bytes: &[u8]) -> io::Result<File> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

#[cfg(not(target_os = "linux"))]
fn send_descriptor(_socket: &UnixDatagram, _path: &str, _file: &File) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;

    fn code<T>(result: Result<T>) -> Option<String> {
        result.err().map(|error| error.code)
    }

    #[test]
    fn a_service_that_starts_anew_is_reached_again_and_one_that_is_away_is_an_error() {
        let folder = TemporaryFolder::new();
        let path = folder.join("log");
        let text = path.to_str().unwrap();
        assert_eq!(code(LogSocket::open(text)).as_deref(), Some("ENOENT"));
        let receiver = UnixDatagram::bind(&path).unwrap();
        let socket = LogSocket::open(text).unwrap();
        assert!(socket.send(b"one").unwrap());
        let mut buffer = [0; 16];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 3);
        drop(receiver);
        assert_eq!(code(socket.send(b"two")).as_deref(), Some("ECONNREFUSED"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(code(socket.send(b"two")).as_deref(), Some("ENOENT"));
        let receiver = UnixDatagram::bind(&path).unwrap();
        assert!(socket.send(b"three").unwrap());
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..5], b"three");
    }

    #[test]
    fn a_receiver_without_room_is_no_wait() {
        let folder = TemporaryFolder::new();
        let path = folder.join("log");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let socket = LogSocket::open(path.to_str().unwrap()).unwrap();
        let sent = (0..100_000).take_while(|_| socket.send(b"line").unwrap()).count();
        assert!((1..100_000).contains(&sent), "{sent}");
        receiver.recv(&mut [0; 16]).unwrap();
        assert!(socket.send(b"line").unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_too_long_for_a_datagram_goes_as_a_sealed_file() {
        use std::io::{Read as _, Write as _};
        use std::mem::zeroed;
        use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};

        let folder = TemporaryFolder::new();
        let path = folder.join("log");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let socket = LogSocket::open(path.to_str().unwrap()).unwrap();
        let long = vec![b'x'; 3_000_000];
        assert_eq!(code(socket.send(&long)).as_deref(), Some("EMSGSIZE"));
        assert!(socket.send_as_file(&long).unwrap());

        let mut control = [0_u64; 8];
        // SAFETY: all-zero is a valid msghdr; the control data lives through the call and has room for one descriptor.
        let (length, mut file) = unsafe {
            let mut message: libc::msghdr = zeroed();
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = size_of_val(&control) as _;
            let length = libc::recvmsg(receiver.as_raw_fd(), &raw mut message, 0);
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            assert_eq!((*header).cmsg_type, libc::SCM_RIGHTS);
            (length, File::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()))
        };
        assert_eq!(length, 0);
        assert_eq!(file.metadata().unwrap().len(), long.len() as u64);
        let mut start = [0; 4];
        // It was written by the same description, whose place is the end.
        assert_eq!(file.read(&mut start).unwrap(), 0);
        assert!(file.write_all(b"more").is_err());
    }
}
