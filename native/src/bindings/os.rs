//! Locks, socket options, notifications, rights of the process.

use napi_derive::napi;

/// Version of this package.
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
