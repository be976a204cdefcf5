//! Where no link outlives its process there is none to be guarded.

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy)]
pub struct LinkGuard {
    pub fd: i32,
    pub pid: i32,
}

/// `ENOSYS`.
pub fn start(index: u32) -> Result<LinkGuard> {
    Err(Error::from_errno(libc::ENOSYS, "guard", format!("link {index}")))
}

/// `ENOSYS`.
pub fn end(guard: LinkGuard, _keep_link: bool) -> Result<()> {
    Err(Error::from_errno(libc::ENOSYS, "end", format!("the guard {}", guard.pid)))
}
