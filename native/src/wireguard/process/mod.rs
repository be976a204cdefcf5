//! WireGuard in another program, wireguard-go, as a child process of this one.
//!
//! ```text
//!   device ──UAPI socket──▶ wireguard-go ⇄ TUN, UDP
//!     │ links (netlink, or ifconfig on macOS)   ▲ stdout, stderr ──▶ reader thread  ──▶ events: notice
//!     └ child ──SIGTERM, SIGKILL────────────────┘ its end        ──▶ guardian thread ──▶ event: failed
//! ```
//!
//! The guardian thread starts the child and waits for it, so there is never a zombie, and the child cannot outlive the
//! thread that PR_SET_PDEATHSIG is tied to. What a killed daemon could leave behind all the same is written down in a
//! [`record`] and ended by the next start. No lock is held while an event is told.

mod child;
mod device;
mod lifeline;
mod naming;
mod output;
mod program;
mod record;
mod text;
mod uapi;

use std::path::PathBuf;

pub use device::ProcessDevice;
pub use record::{Leftover, end_leftover};

/// What the backend is told besides name and MTU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessOptions {
    /// The program; `None` looks it up in `$PATH`.
    pub program: Option<PathBuf>,
    /// Where the running child is written down; `None` nowhere.
    pub record: Option<PathBuf>,
    /// Threads that work at once; `None` leaves it to the backend. Not for the kernel's.
    pub threads: Option<u16>,
}
