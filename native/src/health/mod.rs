//! Questions after the health of peers, through the tunnels, on a thread of their own: at rest they are half of what a node does, and
//! waking JavaScript for each datagram would cost ten times the rest of it.
//!
//! [`echo`] decides, without I/O; [`EchoPort`] is its sockets and its thread.

mod echo;
mod port;

pub use port::{EchoPort, News, Notify, Proof};
