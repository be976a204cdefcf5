//! The cross-platform configuration socket that wg(8) speaks: /var/run/wireguard/<interface>.sock.
//! Format: <https://www.wireguard.com/xplatform/>.

mod parse;
mod render;
mod server;

pub(super) use server::{Claim, Listener, serve};
