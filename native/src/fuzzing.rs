//! Fuzz targets: one function each, which takes any bytes and panics when a promise is broken. `native/fuzz` runs them under
//! cargo-fuzz; the tests here feed them every committed input, so that what was found once stays found. See docs/fuzzing.md.
//!
//! Each stands beside what it is about, where it sees what is private; this module only names them.

pub(crate) mod input;
#[cfg(test)]
mod replay;

pub use crate::identity::fuzzing::identity;
pub use crate::link::fuzzing::netlink;
pub use crate::wireguard::embedded::fuzzing::{frames, packets, uapi};
pub use crate::wireguard::fuzzing::changes;

/// Takes any bytes, and panics when a promise is broken.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its folder under `native/fuzz/corpus` and of its binary.
pub const TARGETS: [(&str, Target); 6] = [
    ("changes", changes),
    ("frames", frames),
    ("identity", identity),
    ("netlink", netlink),
    ("packets", packets),
    ("uapi", uapi),
];
