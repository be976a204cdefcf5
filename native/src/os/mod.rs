//! flock, socket options, sd_notify, rights of the process: small functions in one place.

pub mod file_lock;
#[cfg(target_os = "linux")]
pub mod link_guard;
#[cfg(not(target_os = "linux"))]
#[path = "link_guard_darwin.rs"]
pub mod link_guard;
pub mod log_socket;
#[cfg(target_os = "linux")]
pub mod namespace_lock;
pub mod notify;
pub mod other_process;
pub mod output;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(not(target_os = "linux"))]
#[path = "process_darwin.rs"]
pub mod process;
pub mod replace;
#[cfg(target_os = "linux")]
pub mod socket;
#[cfg(not(target_os = "linux"))]
#[path = "socket_darwin.rs"]
pub mod socket;
pub mod underlay;
#[cfg(target_os = "linux")]
pub(crate) mod wake;
