//! The engine: what happens to packets, datagrams and changes. It does no I/O and keeps no threads; whoever calls it carries
//! out the [`Effects`]. So two engines run inside one test, and nothing slow runs while a lock is held.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, RwLock};

use bytes::BytesMut;
use gotatun::noise::handshake::parse_handshake_anon;
use gotatun::packet::{Packet, WgCookieReply, WgData, WgHandshakeInit, WgHandshakeResp, WgKind};

use super::effects::Effects;
use super::indices::Indices;
use super::own_key::{Limits, OwnKey};
use super::peer::{NewProperties, Peer};
use super::peers::Peers;
use super::tunnel::Context;
use super::{ip, read, write};
use crate::identity::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::wireguard::device::{AllowedIp, PeerChange, PeerFailure, PeerSettings, PeerState};

/// First byte of a WireGuard message (section 5.4 of the paper).
const INITIATION: u8 = 1;
const RESPONSE: u8 = 2;
const COOKIE: u8 = 3;
const DATA: u8 = 4;

/// Whether a datagram can be a message of its kind, by its length: what cannot is dropped before anything looks into it.
fn plausible(datagram: &[u8]) -> bool {
    match (datagram.first(), datagram.len()) {
        (Some(&INITIATION), length) => length == WgHandshakeInit::LEN,
        (Some(&RESPONSE), length) => length == WgHandshakeResp::LEN,
        (Some(&COOKIE), length) => length == WgCookieReply::LEN,
        (Some(&DATA), length) => length >= WgData::OVERHEAD,
        _ => false,
    }
}

/// Locks, in the order they are taken when more than one is held: `own`, `peers`, a peer's tunnel, `indices`. The read side
/// of `own` and `peers` is held for a look-up only; a tunnel's lock is held for the cryptography of one batch of one peer.
/// Changes (`set_private_key`, `apply`, `clear`) must come from one caller at a time.
pub(super) struct Engine {
    own: RwLock<Option<Arc<OwnKey>>>,
    peers: RwLock<Peers>,
    indices: Indices,
    mtu: AtomicU16,
    limits: Limits,
}

/// Scratch space of one thread that receives.
#[derive(Default)]
pub(super) struct Inbox {
    /// Data messages of one session that came one after the other.
    run: Vec<Packet<WgData>>,
    opened: Vec<Packet>,
}

impl Engine {
    pub(super) fn new(mtu: u16, limits: Limits) -> Self {
        Self {
            own: RwLock::new(None),
            peers: RwLock::new(Peers::default()),
            indices: Indices::new(),
            mtu: AtomicU16::new(mtu),
            limits,
        }
    }

    /// The link's MTU: padding never makes a packet larger than it.
    pub(super) fn set_mtu(&self, mtu: u16) {
        self.mtu.store(mtu, Ordering::Relaxed);
    }

    // ---- packets -----------------------------------------------------------------------------------------------------

    /// Takes packets of one destination from the TUN device and empties the list. Packets for nobody are lost.
    pub(super) fn outgoing(&self, packets: &mut Vec<Packet>, effects: &mut Effects) {
        let peer = packets
            .first()
            .and_then(|packet| ip::destination(packet))
            .and_then(|destination| read(&self.peers).route(destination).cloned());
        match peer {
            Some(peer) => peer.tunnel(&self.context(), effects).seal(packets.drain(..)),
            None => packets.clear(),
        }
    }

    /// Takes what came over UDP from one address: datagrams of `datagram_size` bytes each, the last may be shorter.
    pub(super) fn incoming(
        &self,
        from: SocketAddr,
        mut bytes: BytesMut,
        datagram_size: usize,
        inbox: &mut Inbox,
        effects: &mut Effects,
    ) {
        let mut run_index = None;
        while !bytes.is_empty() {
            let datagram = bytes.split_to(datagram_size.min(bytes.len()));
            if !plausible(&datagram) {
                continue;
            }
            let kind = datagram[0];
            let packet = Packet::from_bytes(datagram);
            if kind == DATA {
                let Ok(WgKind::Data(message)) = packet.try_into_wg() else {
                    continue;
                };
                let index = message.header.receiver_idx.get();
                if run_index != Some(index) {
                    self.open_run(from, run_index.replace(index), inbox, effects);
                }
                inbox.run.push(message);
            } else {
                self.open_run(from, run_index.take(), inbox, effects);
                self.handshake(from, kind, packet, effects);
            }
        }
        self.open_run(from, run_index, inbox, effects);
    }

    /// Runs all timers. True while there is something to time.
    pub(super) fn tick(&self, effects: &mut Effects) -> bool {
        let peers: Vec<Arc<Peer>> = read(&self.peers).all().map(|(peer, _)| Arc::clone(peer)).collect();
        let context = self.context();
        let mut busy = false;
        for peer in &peers {
            busy |= peer.tunnel(&context, effects).tick();
        }
        busy
    }

    fn open_run(&self, from: SocketAddr, index: Option<u32>, inbox: &mut Inbox, effects: &mut Effects) {
        let Some(index) = index else { return };
        let Inbox { run, opened } = inbox;
        let Some(peer) = self.indices.find(index) else {
            run.clear();
            return;
        };
        peer.tunnel(&self.context(), effects).open(from, index, run.drain(..), opened);
        let mut last_source = None;
        for mut packet in opened.drain(..) {
            let Some((source, length)) = ip::source_and_length(&packet) else {
                continue;
            };
            if last_source != Some(source) {
                let owned = read(&self.peers).route(source).is_some_and(|owner| Arc::ptr_eq(owner, &peer));
                if !owned {
                    continue;
                }
                last_source = Some(source);
            }
            packet.truncate(length);
            effects.packets.push(packet);
        }
    }

    fn handshake(&self, from: SocketAddr, kind: u8, packet: Packet, effects: &mut Effects) {
        match kind {
            INITIATION | RESPONSE => {
                let Some(own) = read(&self.own).clone() else {
                    return;
                };
                match own.admit(from, packet) {
                    Ok(WgKind::HandshakeInit(message)) => self.initiation(from, message, &own, effects),
                    Ok(WgKind::HandshakeResp(message)) => {
                        if let Some(peer) = self.indices.find(message.receiver_idx.get()) {
                            peer.tunnel(&self.context(), effects).response(from, message);
                        }
                    }
                    Ok(_) | Err(None) => {}
                    Err(Some(cookie)) => effects.datagrams.push((from, cookie)),
                }
            }
            COOKIE => {
                let Ok(WgKind::CookieReply(message)) = packet.try_into_wg() else {
                    return;
                };
                if let Some(peer) = self.indices.find(message.receiver_idx.get()) {
                    peer.tunnel(&self.context(), effects).cookie(message);
                }
            }
            _ => {}
        }
    }

    fn initiation(
        &self,
        from: SocketAddr,
        message: Packet<WgHandshakeInit>,
        own: &OwnKey,
        effects: &mut Effects,
    ) {
        let Ok(half) = parse_handshake_anon(&own.private, &own.public, &message) else {
            return;
        };
        let peer = read(&self.peers).get(&PublicKey(half.peer_static_public)).cloned();
        if let Some(peer) = peer {
            peer.tunnel(&self.context(), effects).initiation(from, message);
        }
    }

    fn context(&self) -> Context<'_> {
        Context { indices: &self.indices, mtu: self.mtu.load(Ordering::Relaxed) }
    }

    // ---- changes -----------------------------------------------------------------------------------------------------

    /// Sets the device's key. The same key again changes nothing; another one ends all sessions, and removes the peer that has
    /// this key, if any, as the kernel does.
    pub(super) fn set_private_key(&self, key: &PrivateKey, effects: &mut Effects) {
        let own = Arc::new(OwnKey::new(key, self.limits));
        if self.public_key() == Some(own.public_key()) {
            return;
        }
        self.remove(&own.public_key());
        self.indices.prune();
        *write(&self.own) = Some(Arc::clone(&own));
        let peers: Vec<Arc<Peer>> = read(&self.peers).all().map(|(peer, _)| Arc::clone(peer)).collect();
        for peer in peers {
            peer.set_own_key(&own, &self.indices);
        }
        effects.wake_timers = true;
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
                    self.remove(&key);
                }
                PeerChange::Set(settings) => {
                    let public_key = settings.public_key;
                    if let Err(reason) = self.set(settings, effects) {
                        failures.push(PeerFailure { public_key, reason });
                    }
                }
            }
        }
        self.indices.prune();
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
            self.remove(&key);
        }
        self.indices.prune();
    }

    pub(super) fn keys(&self) -> Vec<PublicKey> {
        read(&self.peers).all().map(|(peer, _)| peer.key).collect()
    }

    fn remove(&self, key: &PublicKey) {
        let peer = write(&self.peers).remove(key);
        if let Some(peer) = peer {
            peer.remove();
        }
    }

    fn set(&self, settings: PeerSettings, effects: &mut Effects) -> Result<(), String> {
        check(&settings)?;
        let existing = read(&self.peers).get(&settings.public_key).cloned();
        if existing.is_none() && settings.update_only {
            return Ok(());
        }
        let (peer, fresh) = match existing {
            Some(peer) if !settings.reset => (peer, false),
            _ => (self.make_peer(settings.public_key)?, true),
        };
        let properties = NewProperties {
            preshared_key: settings.preshared_key,
            endpoint: settings.endpoint,
            keepalive_seconds: settings.keepalive_seconds,
        };
        {
            let mut peers = write(&self.peers);
            let key = &settings.public_key;
            if let Some(networks) = settings.allowed_ips {
                peers.disallow_all(key);
                networks.into_iter().for_each(|network| peers.allow(network, key));
            }
            settings.add_allowed_ips.into_iter().for_each(|network| peers.allow(network, key));
        }
        peer.tunnel(&self.context(), effects).change(properties, fresh);
        Ok(())
    }

    /// A new peer without properties, in place of one with the same key.
    fn make_peer(&self, key: PublicKey) -> Result<Arc<Peer>, String> {
        let peer = Arc::new(Peer::new(key));
        let own = read(&self.own).clone();
        if let Some(own) = own {
            if own.public_key() == key {
                return Err("the key is this device's own".to_owned());
            }
            if !own.agrees_with(&key) {
                return Err("the key is a point of low order".to_owned());
            }
            peer.set_own_key(&own, &self.indices);
        }
        self.remove(&key);
        write(&self.peers).insert(Arc::clone(&peer));
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
                    has_preshared_key: properties.preshared_key.is_some(),
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
