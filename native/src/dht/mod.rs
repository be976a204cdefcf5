//! A node of the BitTorrent DHT (BEP 5), for finding peers and being found.
//!
//! [`Engine`] is the seam: what speaks KRPC behind it is the crate `mainline`, which only `engine.rs` names. It is IPv4 alone.
//! The crate has a thread of its own, which answers within 50 ms (`pace.rs`); every call waits for it on a thread of ours, so that no caller
//! does, and can be cancelled. Whatever fails in either thread ends the call with an error, never the process.
//!
//! Only literal addresses come in here: names are looked up elsewhere.

mod engine;
#[cfg(target_os = "linux")]
mod marked;
#[cfg(not(target_os = "linux"))]
#[path = "marked_darwin.rs"]
mod marked;
mod pace;
mod records;
mod wait;

pub use engine::{Answer, Engine, Event, Request, Settings, Status};
pub use records::{MAX_RECORDS, RECORD_BYTES};
