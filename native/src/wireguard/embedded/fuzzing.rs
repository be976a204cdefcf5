//! Fuzz targets of the embedded engine.

pub use super::uapi::fuzzing::uapi;
