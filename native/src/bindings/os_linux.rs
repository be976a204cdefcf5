//! What only Linux has.

use napi::bindgen_prelude::Either;
use napi_derive::napi;

use super::guarded;
use crate::error::Error;
use crate::os::namespace_lock::{self, Attempt};
use crate::os::{process, socket};

#[napi]
pub struct NamespaceLock(Option<namespace_lock::NamespaceLock>);

#[napi]
impl NamespaceLock {
    #[napi]
    pub fn try_acquire(name: String) -> napi::Result<Either<NamespaceLock, i32>> {
        guarded(|| match namespace_lock::NamespaceLock::try_acquire(&name)? {
            Attempt::Acquired(lock) => Ok(Either::A(Self(Some(lock)))),
            Attempt::HeldBy(pid) => Ok(Either::B(pid)),
        })
    }

    #[napi]
    pub fn release(&mut self) -> napi::Result<()> {
        guarded(|| {
            self.0 = None;
            Ok(())
        })
    }
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
