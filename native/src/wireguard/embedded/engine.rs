//! The engine: what happens to packets, datagrams and changes. It does no I/O and keeps no threads; whoever calls it carries
//! out the [`Effects`]. So two engines run inside one test, and nothing slow runs while a lock is held. Packets are in `outgoing`,
//! datagrams in `incoming`; here are changes, state and timers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::context::Context;
use super::effects::Effects;
use super::noise::Timing;
use super::noise::handshake::is_low_order;
use super::own_key::{Limits, OwnKey};
use super::peer::{NewProperties, Peer};
use super::peers::Peers;
use super::world::{Machine, World};
use super::{read, write};
use crate::identity::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::wireguard::device::{AllowedIp, PeerChange, PeerFailure, PeerSettings, PeerState};

/// A handshake begins in 0.1 ms.
const PEERS_A_TICK: usize = 64;

/// Locks, in the order they are taken when more than one is held: `own`, `peers`, a peer's tunnel, those of `context`. The read
/// side of `own` and `peers` is held for a look-up only; a tunnel's lock for a few numbers, and for the cryptography of its
/// handshakes, never for that of a batch. Changes (`set_private_key`, `apply`, `clear`) must come from one caller at a time.
pub(super) struct Engine {
    pub own: RwLock<Option<Arc<OwnKey>>>,
    pub peers: RwLock<Peers>,
    pub context: Context,
    limits: Limits,
}

impl Engine {
    pub(super) fn new(mtu: u16, limits: Limits, timing: Timing) -> Self {
        Self::in_world(mtu, limits, timing, Box::new(Machine))
    }

    pub(super) fn in_world(mtu: u16, limits: Limits, timing: Timing, world: Box<dyn World>) -> Self {
        Self {
            own: RwLock::new(None),
            peers: RwLock::new(Peers::default()),
            context: Context::new(mtu, timing, world),
            limits,
        }
    }

    /// The link's MTU: padding never makes a packet larger than it.
    pub(super) fn set_mtu(&self, mtu: u16) {
        self.context.set_mtu(mtu);
    }

    /// Does what is due, of so many peers that what follows is not put off for long. How long until the next deadline; `None` when there is none. To be called again then, and when
    /// [`Effects::wake_timers`] says so.
    pub(super) fn tick(&self, effects: &mut Effects) -> Option<Duration> {
        let now = self.context.world.now();
        for _ in 0..PEERS_A_TICK {
            let Some(peer) = self.context.deadlines.take_due(now) else { break };
            peer.tunnel(&self.context, now, effects).run_timers();
        }
        effects.wake_timers = false;
        self.context.deadlines.first().map(|next| next.since(self.context.world.now()))
    }

    // ---- changes -----------------------------------------------------------------------------------------------------

    /// Sets the device's key. The same key again changes nothing; another one ends all sessions, and removes the peer that has
    /// this key, if any, as the kernel does.
    pub(super) fn set_private_key(&self, key: &PrivateKey, effects: &mut Effects) {
        let own = Arc::new(OwnKey::new(key, self.limits));
        if self.public_key() == Some(own.public_key()) {
            return;
        }
        self.remove(&own.public_key(), effects);
        *write(&self.own) = Some(Arc::clone(&own));
        let now = self.context.world.now();
        for peer in self.all_peers() {
            peer.tunnel(&self.context, now, effects).set_own_key(Some(&own));
        }
    }

    /// Takes the device's key away: all sessions end, and no new ones begin. The peers stay.
    pub(super) fn clear_private_key(&self, effects: &mut Effects) {
        *write(&self.own) = None;
        let now = self.context.world.now();
        for peer in self.all_peers() {
            peer.tunnel(&self.context, now, effects).set_own_key(None);
        }
    }

    pub(super) fn public_key(&self) -> Option<PublicKey> {
        read(&self.own).as_ref().map(|own| own.public_key())
    }

    pub(super) fn private_key(&self) -> Option<PrivateKey> {
        read(&self.own).as_ref().map(|own| own.private_key())
    }

    /// Applies changes in order; one that fails leaves the others alone.
    pub(super) fn apply(&self, changes: Vec<PeerChange>, effects: &mut Effects) -> Vec<PeerFailure> {
        let mut failures = Vec::new();
        for change in changes {
            match change {
                PeerChange::Remove(key) => {
                    self.remove(&key, effects);
                }
                PeerChange::Set(settings) => {
                    let public_key = settings.public_key;
                    if let Err(reason) = self.set(settings, effects) {
                        failures.push(PeerFailure { public_key, reason });
                    }
                }
            }
        }
        failures
    }

    /// Takes networks from a peer, those that are its own.
    pub(super) fn disallow(&self, key: &PublicKey, networks: &[AllowedIp]) {
        let mut peers = write(&self.peers);
        networks.iter().for_each(|network| peers.disallow(*network, key));
    }

    /// Removes all peers; when this returns, nothing goes to them or comes from them.
    pub(super) fn clear(&self) {
        for key in self.keys() {
            self.remove(&key, &mut Effects::default());
        }
    }

    pub(super) fn keys(&self) -> Vec<PublicKey> {
        read(&self.peers).all().map(|(peer, _)| peer.key).collect()
    }

    pub(super) fn all_peers(&self) -> Vec<Arc<Peer>> {
        read(&self.peers).all().map(|(peer, _)| Arc::clone(peer)).collect()
    }

    fn remove(&self, key: &PublicKey, effects: &mut Effects) {
        let peer = write(&self.peers).remove(key);
        if let Some(peer) = peer {
            peer.tunnel(&self.context, self.context.world.now(), effects).remove();
        }
    }

    fn set(&self, settings: PeerSettings, effects: &mut Effects) -> Result<(), String> {
        check(&settings)?;
        let key = settings.public_key;
        let existing = read(&self.peers).get(&key).cloned();
        if existing.is_none() && settings.update_only {
            return Ok(());
        }
        let (peer, fresh) = match existing {
            Some(peer) if !settings.reset => (peer, false),
            _ => (self.make_peer(key, effects)?, true),
        };
        let properties = NewProperties {
            preshared_key: settings.preshared_key,
            endpoint: settings.endpoint,
            keepalive_seconds: settings.keepalive_seconds,
        };
        // Before it can be found: an initiation that came before the preshared key would be answered without it.
        peer.tunnel(&self.context, self.context.world.now(), effects).change(properties, fresh);
        let mut peers = write(&self.peers);
        if fresh {
            peers.insert(peer);
        }
        if let Some(networks) = settings.allowed_ips {
            peers.disallow_all(&key);
            networks.into_iter().for_each(|network| peers.allow(network, &key));
        }
        settings.add_allowed_ips.into_iter().for_each(|network| peers.allow(network, &key));
        Ok(())
    }

    /// A new peer without properties, after one with the same key was removed; not yet among the others.
    fn make_peer(&self, key: PublicKey, effects: &mut Effects) -> Result<Arc<Peer>, String> {
        let own = read(&self.own).clone();
        if own.as_ref().is_some_and(|own| own.public_key() == key) {
            return Err("the key is this device's own".to_owned());
        }
        if is_low_order(&key.0) {
            return Err("the key is a point of low order".to_owned());
        }
        self.remove(&key, effects);
        let peer = Arc::new(Peer::new(key, &self.context));
        if let Some(own) = own {
            peer.tunnel(&self.context, self.context.world.now(), effects).set_own_key(Some(&own));
        }
        Ok(peer)
    }

    // ---- state -------------------------------------------------------------------------------------------------------

    /// All peers, sorted by key, each with its preshared key (which only the UAPI socket shows, to root).
    pub(super) fn peers(&self) -> Vec<(PeerState, Option<PresharedKey>)> {
        let peers: Vec<(Arc<Peer>, Vec<AllowedIp>)> = read(&self.peers)
            .all()
            .map(|(peer, networks)| (Arc::clone(peer), networks.iter().copied().collect()))
            .collect();
        let mut states: Vec<_> = peers
            .into_iter()
            .map(|(peer, allowed_ips)| {
                let properties = peer.properties();
                let state = PeerState {
                    public_key: peer.key,
                    preshared_key: properties.preshared_key.clone().unwrap_or(PresharedKey([0; 32])),
                    endpoint: properties.endpoint,
                    allowed_ips,
                    keepalive_seconds: properties.keepalive_seconds,
                    last_handshake_ms: peer.last_handshake_ms.load(Ordering::Relaxed),
                    rx_bytes: peer.rx_bytes.load(Ordering::Relaxed),
                    tx_bytes: peer.tx_bytes.load(Ordering::Relaxed),
                };
                (state, properties.preshared_key)
            })
            .collect();
        states.sort_unstable_by_key(|(state, _)| state.public_key);
        states
    }
}

/// What can be refused before anything changes.
fn check(settings: &PeerSettings) -> Result<(), String> {
    if let Some(endpoint) = settings.endpoint
        && (endpoint.port() == 0 || endpoint.ip().is_unspecified() || endpoint.ip().is_multicast())
    {
        return Err(format!("nothing can be sent to {endpoint}"));
    }
    let networks = settings.allowed_ips.iter().flatten().chain(&settings.add_allowed_ips);
    for AllowedIp { address, prefix } in networks {
        if *prefix > if address.is_ipv4() { 32 } else { 128 } {
            return Err(format!("{address}/{prefix} is no network"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
