//! The WireGuard protocol, pure: no I/O, no clock, no chance. Instants, wall time and random bytes are arguments.
//!
//! Sections in comments are those of the WireGuard paper (<https://www.wireguard.com/papers/wireguard.pdf>); where it leaves
//! something open, the Linux kernel's implementation is followed.
//!
//! ```text
//!   message    the layout of messages            handshake  Noise_IKpsk2
//!   hash, key  BLAKE2s, ChaCha20-Poly1305        cookie     MACs of handshake messages, and cookies
//!   timestamp  TAI64N                            session    data messages; replay: the window of counters
//!   timing     the protocol's constants          sessions   current, previous and next session of a peer
//!   time       points in time                    timers     deadlines of a peer
//! ```

pub(super) mod cookie;
pub(super) mod handshake;
mod hash;
mod key;
pub(super) mod message;
mod replay;
pub(super) mod session;
pub(super) mod sessions;
pub(super) mod time;
pub(super) mod timers;
pub(super) mod timestamp;
pub(super) mod timing;

pub(super) use hash::Secret;
pub(super) use session::Session;
pub(super) use time::Time;
pub(super) use timing::Timing;

#[cfg(test)]
mod tests;
