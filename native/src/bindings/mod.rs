//! The face towards Node: thin wrappers, one file per area. Every binding runs its body inside [`guarded`], since napi
//! itself lets a panic unwind into C, which aborts the process.

// napi registers nothing in a test build, so there the bindings have no caller.
#![cfg_attr(test, allow(dead_code))]

mod backup;
mod dht;
mod echo;
mod identity;
mod keys;
#[cfg(target_os = "linux")]
mod later;
mod link;
mod membership;
mod os;
#[cfg(target_os = "linux")]
mod os_linux;
mod proof;
mod qr;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod routing;
mod slot;
#[cfg(feature = "test-exports")]
mod test_exports;
mod wireguard;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};

/// Runs the body of a binding: an error becomes a JavaScript one (see [`throw`]), and so does a panic, which is a bug and
/// gets the code `INTERNAL`.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T>) -> napi::Result<T> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result.map_err(throw),
        // The payload may hold data; the panic hook has printed where it happened.
        Err(_) => Err(throw(Error::new("INTERNAL", "finish", "the call", "a bug in the native code"))),
    }
}

/// Turns an error into a JavaScript one whose message starts with the code (`index.js` reads it from there).
pub(crate) fn throw(error: Error) -> napi::Error {
    napi::Error::from_reason(error.to_string())
}
