//! What only Linux has.

use napi::bindgen_prelude::Either;
use napi_derive::napi;

use super::guarded;
use crate::os::namespace_lock::{self, Attempt};

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
