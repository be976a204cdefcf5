//! Locks, socket options, notifications, rights of the process.

use std::path::Path;

use napi_derive::napi;

use super::guarded;
use crate::os::{self, notify};

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
pub fn sd_notify(state: String) -> napi::Result<bool> {
    guarded(|| notify::notify(&state))
}
