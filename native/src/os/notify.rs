//! Telling the service manager (sd_notify(3)). It must come from the main process, so no other program can do it for us.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::error::{Error, Result};

/// Set by systemd for services of `Type=notify`.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Sends `state`, lines such as `READY=1`; `false` when no service manager listens for it. Never waits: `EAGAIN` when the
/// manager's queue is full.
pub fn notify(state: &str) -> Result<bool> {
    match std::env::var_os(VARIABLE) {
        Some(name) if !name.is_empty() => send(&name, state).map(|()| true),
        _ => Ok(false),
    }
}

fn send(name: &OsStr, state: &str) -> Result<()> {
    let deliver = || -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(state.as_bytes(), &address(name)?).map(drop)
    };
    deliver().map_err(|error| Error::from_io(&error, "notify", name.display().to_string()))
}

/// A path, or after `@` an abstract name. `EAFNOSUPPORT` for anything else, as in sd_notify.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name),
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(rest),
        _ => Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn both_kinds_of_address_are_reached() {
        let folder = TemporaryFolder::new();
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1\nSTATUS=up").unwrap();
        assert_eq!(received(&socket), "READY=1\nSTATUS=up");

        let name = format!("@wgmesh-test-notify-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&address(OsStr::new(&name)).unwrap()).unwrap();
        send(OsStr::new(&name), "WATCHDOG=1").unwrap();
        assert_eq!(received(&socket), "WATCHDOG=1");
    }

    #[test]
    fn a_manager_that_is_gone_or_stuck_is_an_error_and_no_wait() {
        let folder = TemporaryFolder::new();
        let path = folder.join("notify");
        let code = || send(path.as_os_str(), "WATCHDOG=1").map_err(|error| error.code);
        assert_eq!(code(), Err("ENOENT".to_owned()));
        let _stuck = UnixDatagram::bind(&path).unwrap();
        let full = (0..100_000).find_map(|_| code().err());
        assert_eq!(full.as_deref(), Some("EAGAIN"));
        assert_eq!(send(OsStr::new("vsock:2:1"), "READY=1").unwrap_err().code, "EAFNOSUPPORT");
    }
}
