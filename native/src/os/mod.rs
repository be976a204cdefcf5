//! flock, socket options, sd_notify, rights of the process: small functions in one place.

pub mod file_lock;
#[cfg(target_os = "linux")]
pub mod namespace_lock;
pub mod notify;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod socket;
