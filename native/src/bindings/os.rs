//! Locks, socket options, notifications, rights of the process.

use std::path::Path;

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use super::guarded;
use crate::error::Error;
use crate::os::{self, link_guard, notify, process, replace, socket};

/// Version of this package.
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[napi]
pub struct FileLock(Option<os::file_lock::FileLock>);

#[napi]
impl FileLock {
    #[napi]
    pub fn try_acquire(path: String) -> napi::Result<Option<FileLock>> {
        guarded(|| Ok(os::file_lock::FileLock::try_acquire(Path::new(&path))?.map(|lock| Self(Some(lock)))))
    }

    #[napi]
    pub fn release(&mut self) -> napi::Result<()> {
        guarded(|| {
            self.0 = None;
            Ok(())
        })
    }
}

#[napi]
pub struct LogSocket(os::log_socket::LogSocket);

#[napi]
impl LogSocket {
    #[napi(factory)]
    pub fn open(path: String) -> napi::Result<LogSocket> {
        guarded(|| os::log_socket::LogSocket::open(&path).map(Self))
    }

    #[napi]
    pub fn send(&self, bytes: Uint8Array) -> napi::Result<bool> {
        guarded(|| self.0.send(&bytes))
    }

    #[napi]
    pub fn send_as_file(&self, bytes: Uint8Array) -> napi::Result<bool> {
        guarded(|| self.0.send_as_file(&bytes))
    }
}

#[napi]
pub fn sd_notify(state: String) -> napi::Result<bool> {
    guarded(|| notify::notify(&state))
}

#[napi(object)]
pub struct PeerCredentials {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

#[napi]
pub fn peer_credentials(fd: i32) -> napi::Result<PeerCredentials> {
    guarded(|| {
        let object = format!("the peer of descriptor {fd}");
        let peer =
            socket::peer_credentials(fd).map_err(|error| Error::from_io(&error, "identify", object))?;
        Ok(PeerCredentials { pid: peer.pid, uid: peer.uid, gid: peer.gid })
    })
}

#[napi]
pub fn bind_to_device(fd: i32, link_name: String) -> napi::Result<()> {
    guarded(|| {
        let object = format!("descriptor {fd} to {link_name:?}");
        socket::bind_to_device(fd, &link_name).map_err(|error| Error::from_io(&error, "bind", object))
    })
}

#[napi]
pub fn set_non_dumpable() -> napi::Result<()> {
    guarded(process::set_non_dumpable)
}

#[napi]
pub fn has_capability(name: String) -> napi::Result<bool> {
    guarded(|| process::has_capability(&name))
}

#[napi]
pub fn keep_descriptors() -> napi::Result<()> {
    guarded(|| {
        replace::keep_descriptors();
        Ok(())
    })
}

#[napi]
pub fn ignore_terminal_stops() -> napi::Result<()> {
    guarded(replace::ignore_terminal_stops)
}

#[napi]
pub fn replace_process(
    program: String,
    arguments: Vec<String>,
    environment: Vec<String>,
    kept: Vec<i32>,
) -> napi::Result<()> {
    guarded(|| Err(replace::replace_process(&program, &arguments, &environment, &kept)))
}

#[napi(object)]
pub struct LinkGuard {
    pub fd: i32,
    pub pid: i32,
}

#[napi]
pub fn guard_link(index: u32) -> napi::Result<LinkGuard> {
    guarded(|| link_guard::start(index).map(|guard| LinkGuard { fd: guard.fd, pid: guard.pid }))
}

#[napi]
pub fn end_link_guard(guard: LinkGuard, keep_link: bool) -> napi::Result<()> {
    let LinkGuard { fd, pid } = guard;
    guarded(|| link_guard::end(link_guard::LinkGuard { fd, pid }, keep_link))
}
