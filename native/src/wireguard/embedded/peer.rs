//! One peer: its tunnel behind one lock, its counters beside it.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use gotatun::noise::Tunn;
use gotatun::x25519;

use super::effects::Effects;
use super::indices::Indices;
use super::lock;
use super::own_key::OwnKey;
use super::tunnel::{Context, LockedTunnel, Tunnel};
use crate::identity::keys::{PresharedKey, PublicKey};

pub(super) struct Peer {
    pub key: PublicKey,
    /// UDP payload of authenticated messages, in bytes.
    pub rx_bytes: AtomicU64,
    pub tx_bytes: AtomicU64,
    /// Unix milliseconds, 0 for never.
    pub last_handshake_ms: AtomicU64,
    tunnel: Mutex<Tunnel>,
}

/// Properties to change; `None` leaves one as it is.
#[derive(Default)]
pub(super) struct NewProperties {
    pub preshared_key: Option<PresharedKey>,
    pub endpoint: Option<SocketAddr>,
    pub keepalive_seconds: Option<u16>,
}

/// A copy of a peer's properties.
pub(super) struct CurrentProperties {
    pub endpoint: Option<SocketAddr>,
    pub preshared_key: Option<PresharedKey>,
    pub keepalive_seconds: u16,
}

impl Peer {
    pub(super) fn new(key: PublicKey) -> Self {
        Self {
            key,
            rx_bytes: AtomicU64::new(0),
            tx_bytes: AtomicU64::new(0),
            last_handshake_ms: AtomicU64::new(0),
            tunnel: Mutex::new(Tunnel::default()),
        }
    }

    /// The tunnel, for as long as its lock is to be held; what follows from the work goes into `effects`.
    pub(super) fn tunnel<'a>(
        self: &'a Arc<Self>,
        context: &'a Context<'a>,
        effects: &'a mut Effects,
    ) -> LockedTunnel<'a> {
        LockedTunnel { peer: self, tunnel: lock(&self.tunnel), context, effects }
    }

    pub(super) fn properties(&self) -> CurrentProperties {
        let tunnel = lock(&self.tunnel);
        CurrentProperties {
            endpoint: tunnel.endpoint,
            preshared_key: tunnel.preshared_key.clone(),
            keepalive_seconds: tunnel.keepalive_seconds,
        }
    }

    /// Begins with the device's key, or begins anew with a new one: all sessions are forgotten.
    pub(super) fn set_own_key(&self, own: &OwnKey, indices: &Indices) {
        let mut tunnel = lock(&self.tunnel);
        if tunnel.removed {
            return;
        }
        tunnel.unconfirmed = None;
        tunnel.timed = false;
        tunnel.noise = Some(Tunn::new(
            own.private.clone(),
            x25519::PublicKey::from(self.key.0),
            tunnel.preshared_key.as_ref().map(|key| key.0),
            Some(tunnel.keepalive_seconds),
            indices.table(),
            Arc::clone(&own.per_address),
        ));
    }

    /// Ends it: when this returns, no packet goes in or out any more.
    pub(super) fn remove(&self) {
        let mut tunnel = lock(&self.tunnel);
        tunnel.removed = true;
        tunnel.noise = None;
    }
}
