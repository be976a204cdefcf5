//! macOS: read from the kernel (getifaddrs, the routing table's dump, a routing socket), changed by `ifconfig` and `route`.
//!
//! What decides, the argument lists and the reading of the kernel's bytes, is pure and tested on every system.

pub mod args;
pub mod exec;
pub mod table;

#[cfg(target_os = "macos")]
pub mod addresses;
#[cfg(target_os = "macos")]
mod interfaces;
#[cfg(target_os = "macos")]
pub mod links;
#[cfg(target_os = "macos")]
pub mod lookup;
#[cfg(target_os = "macos")]
pub mod monitor;
#[cfg(target_os = "macos")]
pub mod routes;
