//! WireGuard in this process: a protocol engine on `gotatun::noise`, a TUN device, UDP sockets and the UAPI socket.
//!
//! ```text
//!   applications ⇄ TUN ──▶ outgoing thread ──▶ engine ──▶ UDP ⇄ network
//!                  TUN ◀── incoming thread ◀── engine ◀── UDP
//!                          timer thread    ──▶ engine ──▶ UDP
//!                          UAPI thread     ──▶ engine, sockets
//! ```
//!
//! One thread a direction, so a fast stream keeps two cores busy; the timer thread sleeps while no peer has a session,
//! a handshake or a keepalive. The engine does no I/O: it turns packets into [`effects::Effects`], which the calling thread
//! carries out after all locks were given back. Locks, in order: `Shared::control` (held by whoever changes the device),
//! `Shared::sockets`, then those of [`engine::Engine`]. A peer's lock is the one that packets wait for, so more cores can
//! be used by more threads on more queues (IFF_MULTI_QUEUE, SO_REUSEPORT) where the peers are several; one peer's
//! packets are sealed and opened under its own lock, since gotatun's `Tunn` is one mutable object.

mod allowed_ips;
mod device;
mod effects;
mod engine;
mod events;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod indices;
mod ip;
mod own_key;
mod peer;
mod peers;
mod shared;
#[cfg(test)]
mod test_random;
mod tun;
mod tunnel;
mod uapi;
mod udp;
mod wake;
mod workers;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use device::EmbeddedDevice;

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
