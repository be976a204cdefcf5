//! Fuzz targets of the embedded engine.

mod hostile;
mod network;
mod node;
mod packets;

pub use self::packets::packets;
pub use super::tun::fuzzing::frames;
pub use super::uapi::fuzzing::uapi;
