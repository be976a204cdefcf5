//! The cross-platform configuration socket that wg(8) speaks: /var/run/wireguard/<interface>.sock.
//! Format: <https://www.wireguard.com/xplatform/>.

mod apply;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod parse;
mod render;
mod server;

pub(super) use server::{Claim, Listener, serve};

use super::shared::Shared;
use crate::error::Result;
use crate::identity::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::wireguard::device::{AllowedIp, DeviceEvent, PeerChange, PeerFailure, PeerState};

/// What requests change and answers show: the device, or its twin without sockets and TUN in a fuzz target.
trait Subject {
    fn private_key(&self) -> Option<PrivateKey>;
    fn port(&self) -> u16;
    fn fwmark(&self) -> u32;
    /// Each peer with its preshared key.
    fn peers(&self) -> Vec<(PeerState, Option<PresharedKey>)>;

    /// `None` takes the key away.
    fn set_private_key(&self, key: Option<&PrivateKey>);
    /// Binds another port, 0 for any.
    fn set_port(&self, port: u16) -> Result<()>;
    fn set_fwmark(&self, fwmark: u32) -> Result<()>;
    fn apply(&self, changes: Vec<PeerChange>) -> Vec<PeerFailure>;
    fn disallow(&self, key: &PublicKey, networks: &[AllowedIp]);
    /// Removes all peers.
    fn clear(&self);
    /// Tells the owner what was changed.
    fn emit(&self, event: DeviceEvent);
}

impl Subject for Shared {
    fn private_key(&self) -> Option<PrivateKey> {
        self.engine.private_key()
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn fwmark(&self) -> u32 {
        self.fwmark()
    }

    fn peers(&self) -> Vec<(PeerState, Option<PresharedKey>)> {
        self.peers()
    }

    fn set_private_key(&self, key: Option<&PrivateKey>) {
        self.set_private_key(key);
    }

    fn set_port(&self, port: u16) -> Result<()> {
        self.set_port(port)
    }

    fn set_fwmark(&self, fwmark: u32) -> Result<()> {
        self.set_fwmark(fwmark)
    }

    fn apply(&self, changes: Vec<PeerChange>) -> Vec<PeerFailure> {
        self.apply(changes)
    }

    fn disallow(&self, key: &PublicKey, networks: &[AllowedIp]) {
        self.disallow(key, networks);
    }

    fn clear(&self) {
        self.clear();
    }

    fn emit(&self, event: DeviceEvent) {
        self.events.emit(event);
    }
}
