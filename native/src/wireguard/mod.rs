//! WireGuard interfaces: one [`device::Device`] seam, two implementations.

pub mod device;
pub mod embedded;
pub mod kernel;
