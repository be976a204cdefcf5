//! A value of the addon that JavaScript holds and may close.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Something that is gone once it was closed.
pub struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    pub fn new(value: T) -> Self {
        Self(Mutex::new(Some(value)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        // What panicked in a call can at least be closed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn with<R>(&self, what: &'static str, call: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        self.lock().as_ref().map_or_else(|| Err(closed(what)), call)
    }

    #[cfg(target_os = "linux")]
    pub fn take(&self, what: &'static str) -> Result<T> {
        self.lock().take().ok_or_else(|| closed(what))
    }

    pub fn close(&self) {
        // Dropped without the lock: its thread is joined.
        let value = self.lock().take();
        drop(value);
    }
}

fn closed(what: &'static str) -> Error {
    Error::new("EBADF", "use", what, "it was closed")
}
