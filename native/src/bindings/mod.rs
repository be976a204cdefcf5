//! The face towards Node: thin wrappers, one file per area. A panic in native code is a bug; napi turns one into a
//! JavaScript exception at this boundary, so it never unwinds into Node.

mod identity;
#[cfg(target_os = "linux")]
mod link;
mod os;
#[cfg(target_os = "linux")]
mod wireguard;

use crate::error::Error;

/// Turns an error into a JavaScript one whose message starts with the code (`index.js` reads it from there).
pub(crate) fn throw(error: Error) -> napi::Error {
    napi::Error::from_reason(error.to_string())
}
