//! WireGuard in this process: a protocol engine, a TUN device, UDP sockets and the UAPI socket.
//!
//! ```text
//!   applications ⇄ TUN ──▶ outgoing threads ──▶ engine ──▶ UDP ⇄ network
//!                  TUN ◀── incoming threads ◀── engine ◀── UDP
//!                          timer thread     ──▶ engine ──▶ UDP
//!                          UAPI thread      ──▶ engine, sockets
//! ```
//!
//! `noise` is the protocol and nothing else; the engine puts it to work on peers and does no I/O: what it wants done are
//! [`effects::Effects`], which the calling thread carries out after all locks were given back. The data plane around it (`workers`,
//! `pipeline`, `batch`, `tun`, `udp`) moves packets in batches, each in one buffer in which it is sealed or opened, with
//! up to four threads a direction; what they do in parallel leaves in the order in which it came.
//!
//! Locks, in order: `Shared::control` (held by whoever changes the device), a direction's lead, `Shared::sockets`, then those of
//! [`engine::Engine`]; a direction's order and pool are held for moments, and nothing is locked under them.

mod allowed_ips;
pub(crate) mod batch;
mod context;
mod deadlines;
mod device;
mod effects;
pub(crate) mod endpoint;
mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod incoming;
mod indices;
mod ip;
mod noise;
mod offload;
mod outgoing;
mod own_key;
mod peer;
mod peers;
mod pipeline;
pub(crate) mod region;
mod shared;
mod sources;
#[cfg(test)]
mod test_random;
mod tun;
mod tunnel;
mod uapi;
pub(crate) mod udp;
mod waiting;
mod workers;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::events;
use crate::os::wake;
pub use device::EmbeddedDevice;
#[cfg(feature = "test-exports")]
pub use noise::timing::Timing;
#[cfg(feature = "test-exports")]
pub use offload::faults::inject as fail_offload;

// A thread that panicked is reported and ends; what it guarded stays in use by the others, so poison is not passed on.

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
