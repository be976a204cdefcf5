//! This device's key pair, and what guards it against floods of handshakes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gotatun::noise::TunnResult;
use gotatun::noise::rate_limiter::RateLimiter;
use gotatun::packet::{Packet, WgKind};
use gotatun::x25519;

use super::lock;
use crate::identity::keys::{PrivateKey, PublicKey};

/// Handshake messages a second that are taken without a cookie.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// From one address.
    pub per_address: u64,
    /// From all: beyond it everybody must return a cookie.
    pub in_all: u32,
}

impl Default for Limits {
    /// More than a hundred nodes behind one address still connect without a cookie. A handshake costs about 0.25 ms, so all of
    /// them take an eighth of a core.
    fn default() -> Self {
        Self { per_address: 100, in_all: 500 }
    }
}

pub(super) struct OwnKey {
    pub private: x25519::StaticSecret,
    pub public: x25519::PublicKey,
    /// Counts each address by itself. Shared with all peers' tunnels, which need it for their timers only.
    pub per_address: Arc<RateLimiter>,
    /// Asks for a cookie always: used while there is too much in all, as when sources are forged.
    always: RateLimiter,
    in_all: u32,
    /// When this second began, and the messages in it.
    second: Mutex<(Instant, u32)>,
}

impl OwnKey {
    pub(super) fn new(key: &PrivateKey, limits: Limits) -> Self {
        let private = x25519::StaticSecret::from(key.0);
        let public = x25519::PublicKey::from(&private);
        let per_address = Arc::new(RateLimiter::new(&public, limits.per_address));
        let always = RateLimiter::new(&public, 0);
        Self {
            private,
            public,
            per_address,
            always,
            in_all: limits.in_all,
            second: Mutex::new((Instant::now(), 0)),
        }
    }

    pub(super) fn public_key(&self) -> PublicKey {
        PublicKey(self.public.to_bytes())
    }

    pub(super) fn private_key(&self) -> PrivateKey {
        PrivateKey(self.private.to_bytes())
    }

    /// Whether a secret can be agreed on with this peer: with a key of low order everybody would know it.
    pub(super) fn agrees_with(&self, peer: &PublicKey) -> bool {
        self.private.diffie_hellman(&x25519::PublicKey::from(peer.0)).was_contributory()
    }

    /// Checks a handshake message before anything expensive: its first MAC, and the cookie when there is a flood. `Err` has
    /// the reply to send, if any.
    pub(super) fn admit(&self, from: SocketAddr, message: Packet) -> Result<WgKind, Option<Packet>> {
        self.per_address.try_reset_count();
        let message = self.per_address.verify_packet(from, message).map_err(reply)?;
        if self.count() <= self.in_all {
            return Ok(message);
        }
        self.always.try_reset_count();
        self.always.verify_packet(from, message.into()).map_err(reply)
    }

    /// Messages in this second, with this one.
    fn count(&self) -> u32 {
        let mut second = lock(&self.second);
        if second.0.elapsed() >= Duration::from_secs(1) {
            *second = (Instant::now(), 0);
        }
        second.1 = second.1.saturating_add(1);
        second.1
    }
}

fn reply(refusal: TunnResult) -> Option<Packet> {
    match refusal {
        TunnResult::WriteToNetwork(cookie) => Some(cookie.into()),
        _ => None,
    }
}
