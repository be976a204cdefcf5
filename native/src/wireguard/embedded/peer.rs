//! One peer: its tunnel behind one lock, its counters beside it.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::context::Context;
use super::effects::Effects;
use super::endpoint::{Endpoint, Source};
use super::lock;
use super::noise::Time;
use super::tunnel::{LockedTunnel, Tunnel};
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
    pub(super) fn new(key: PublicKey, context: &Context) -> Self {
        Self {
            key,
            rx_bytes: AtomicU64::new(0),
            tx_bytes: AtomicU64::new(0),
            last_handshake_ms: AtomicU64::new(0),
            tunnel: Mutex::new(Tunnel::new(&key, context)),
        }
    }

    /// The tunnel, for as long as its lock is to be held; what follows from the work goes into `effects`.
    pub(super) fn tunnel<'a>(
        self: &'a Arc<Self>,
        context: &'a Context,
        now: Time,
        effects: &'a mut Effects,
    ) -> LockedTunnel<'a> {
        LockedTunnel { peer: self, tunnel: lock(&self.tunnel), context, now, effects }
    }

    /// Leaves the source to the kernel where it is this one.
    pub(super) fn forget_source(&self, source: Source) {
        if let Some(endpoint) = &mut lock(&self.tunnel).endpoint
            && endpoint.source == Some(source)
        {
            endpoint.source = None;
        }
    }

    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        lock(&self.tunnel).endpoint
    }

    pub(super) fn properties(&self) -> CurrentProperties {
        let tunnel = lock(&self.tunnel);
        CurrentProperties {
            endpoint: tunnel.endpoint.map(|endpoint| endpoint.address),
            preshared_key: tunnel.preshared_key.clone(),
            keepalive_seconds: tunnel.keepalive_seconds,
        }
    }
}
