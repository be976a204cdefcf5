//! The native half of wgmesh. This file only names the modules; every module is plain Rust with its own tests, and
//! `bindings` is the only one that knows of Node.

pub mod error;
pub mod identity;
#[cfg(target_os = "linux")]
pub mod link;
pub mod os;
#[cfg(target_os = "linux")]
pub mod wireguard;

mod bindings;
#[cfg(test)]
mod testing;
