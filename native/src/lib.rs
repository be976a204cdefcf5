//! The native half of wgmesh. This file only names the modules; every module is plain Rust with its own tests, and
//! `bindings` is the only one that knows of Node.

pub mod dht;
pub mod error;
// What fuzz targets reach, see docs/fuzzing.md; it opens internals, so no release has it.
#[cfg(all(target_os = "linux", any(test, feature = "fuzzing")))]
#[doc(hidden)]
pub mod fuzzing;
pub mod health;
pub mod identity;
pub mod link;
mod memory;
#[cfg(target_os = "linux")]
pub mod netfilter;
pub mod os;
mod rate;
/// Linux: it moves packets with calls that other systems lack.
#[cfg(target_os = "linux")]
pub mod relay;
pub mod wireguard;

#[cfg(all(feature = "fuzzing", not(debug_assertions)))]
compile_error!("the feature `fuzzing` opens internals: build it with debug assertions, never for a release");

#[global_allocator]
static ALLOCATOR: memory::Overwriting<std::alloc::System> = memory::Overwriting(std::alloc::System);

mod bindings;
#[cfg(test)]
mod testing;
