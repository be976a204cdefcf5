//! The data plane of the relay: sealed WireGuard packets that cannot go from one end to the other are carried over a third node,
//! which cannot read them.
//!
//! ```text
//!   WireGuard ⇄ Bridge ⇄ … ⇄ RelayServer ⇄ … ⇄ Bridge ⇄ WireGuard
//!        127.0.0.1    frames            frames    127.0.0.1
//! ```
//!
//! [`frame`] is the codec and `server::sessions` decides, both without I/O; [`RelayServer`] and [`Bridge`] are threads around them. Who may use
//! a relay, and which one, is told to them from above.

mod bridge;
mod frame;
mod server;

pub use bridge::{Birthday, BirthdayHandler, BirthdayOptions, Bridge, BridgeCounters, BridgeOptions};
pub use frame::{TOKEN_BYTES, Token};
pub use server::{Limits, RelayServer, ServerCounters, ServerOptions, SessionState};
