//! The tunnel to one peer: what its lock guards, its properties and its timers. `packets` has what goes through it, `handshakes`
//! how its sessions are made.

mod handshakes;
mod packets;

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::context::Context;
use super::effects::{Datagram, Effects};
use super::endpoint::Endpoint;
use super::noise::cookie::MacWriter;
use super::noise::handshake::{Initiated, PeerKeys};
use super::noise::sessions::Sessions;
use super::noise::timers::{Due, Timers};
use super::noise::timestamp::Timestamp;
use super::noise::{Session, Time};
use super::own_key::OwnKey;
use super::peer::{NewProperties, Peer};
use super::waiting::Waiting;
use crate::identity::keys::{PresharedKey, PublicKey};

/// A bridge is emptied for 2 s after a pair agreed to go direct (`src/discovery/relay/upgrade.ts`).
const BRIDGE_EMPTIES: Duration = Duration::from_secs(5);

/// What a peer's lock guards.
pub(super) struct Tunnel {
    /// The device's key; `None` while it has none, and after removal: then nothing goes in or out.
    own: Option<Arc<OwnKey>>,
    /// Computed when it is first needed, so that a thousand peers can be added in little time.
    keys: Option<PeerKeys>,
    removed: bool,
    pub endpoint: Option<Endpoint>,
    /// When somebody set it last.
    endpoint_set: Option<Time>,
    pub preshared_key: Option<PresharedKey>,
    pub keepalive_seconds: u16,
    sessions: Sessions,
    /// Our initiation without a response yet. One of the other side that crosses it does not end it, so that two who begin at
    /// once are connected at once.
    initiated: Option<Box<Initiated>>,
    /// Responses to it that were not authentic.
    false_responses: u32,
    macs: MacWriter,
    /// When the last initiation or response went out.
    handshake_sent: Option<Time>,
    /// A session was asked for since the one in use is about to end; once a session.
    last_minute: bool,
    /// Of our last initiation.
    sent_stamp: Timestamp,
    /// Of the newest initiation that was taken, and when that was.
    taken_stamp: Timestamp,
    taken_at: Option<Time>,
    waiting: Waiting,
    timers: Timers,
    /// What [`Context::deadlines`] has for this peer.
    scheduled: Option<Time>,
}

/// A tunnel at work, its lock held. When it is given back, the deadline that followed from the work is set.
pub(super) struct LockedTunnel<'a> {
    pub peer: &'a Arc<Peer>,
    pub tunnel: MutexGuard<'a, Tunnel>,
    pub context: &'a Context,
    pub now: Time,
    pub effects: &'a mut Effects,
}

impl Tunnel {
    pub(super) fn new(key: &PublicKey, context: &Context) -> Self {
        let mut seed = [0; 8];
        context.world.random(&mut seed);
        Self {
            own: None,
            keys: None,
            removed: false,
            endpoint: None,
            endpoint_set: None,
            preshared_key: None,
            keepalive_seconds: 0,
            sessions: Sessions::default(),
            initiated: None,
            false_responses: 0,
            macs: MacWriter::new(&key.0),
            handshake_sent: None,
            last_minute: false,
            sent_stamp: context.stamp_floor(),
            taken_stamp: Timestamp::default(),
            taken_at: None,
            waiting: Waiting::default(),
            timers: Timers::new(u64::from_ne_bytes(seed)),
            scheduled: None,
        }
    }

    fn persistent_keepalive(&self) -> Option<Duration> {
        (self.keepalive_seconds > 0).then(|| Duration::from_secs(self.keepalive_seconds.into()))
    }
}

impl LockedTunnel<'_> {
    // ---- properties --------------------------------------------------------------------------------------------------

    /// Changes properties. `fresh` tells that the peer was just made.
    ///
    /// Turning keepalive on sends one at once, as the kernel does; so does an endpoint that a keepalive was waiting for. Without
    /// a session that begins a handshake. A new preshared key counts from the next handshake on.
    pub(super) fn change(&mut self, new: NewProperties, fresh: bool) {
        let had_keepalive = self.tunnel.keepalive_seconds > 0;
        let mut moved = false;
        if let Some(key) = new.preshared_key {
            // All zeros is the protocol's way to say "none".
            self.tunnel.preshared_key = Some(key).filter(|key| key.0 != [0; 32]);
        }
        if let Some(address) = new.endpoint {
            moved = self.tunnel.endpoint.is_none_or(|endpoint| endpoint.address != address);
            if moved {
                self.tunnel.endpoint = Some(Endpoint::told(address));
            }
            self.tunnel.endpoint_set = Some(self.now);
        }
        // Setting it again would put off the next keepalive.
        if let Some(seconds) = new.keepalive_seconds
            && seconds != self.tunnel.keepalive_seconds
        {
            self.tunnel.keepalive_seconds = seconds;
            let first = self.tunnel.persistent_keepalive().map(|interval| self.now + interval);
            self.tunnel.timers.set_persistent(first);
        }
        let waited = moved && !self.has_fresh_session();
        if self.tunnel.keepalive_seconds > 0 && (fresh || !had_keepalive || waited) {
            self.keepalive_now(moved);
        }
    }

    /// Sends a keepalive, or begins a handshake without a session. `again`: even if one is under way, since it went elsewhere.
    fn keepalive_now(&mut self, again: bool) {
        if self.has_fresh_session() {
            self.keepalive();
        } else if !self.context.may_begin_at_once(self.now) {
            self.tunnel.timers.begin(self.now);
        } else if again {
            self.tunnel.timers.handshake_wanted();
            self.initiate();
        } else {
            self.want_handshake();
        }
    }

    /// Begins with the device's key, begins anew with a new one, or waits for one: all sessions are forgotten.
    pub(super) fn set_own_key(&mut self, own: Option<&Arc<OwnKey>>) {
        if self.tunnel.removed {
            return;
        }
        self.forget_sessions();
        self.tunnel.own = own.cloned();
        self.tunnel.keys = None;
        self.tunnel.handshake_sent = None;
        self.tunnel.waiting.clear();
        self.tunnel.timers.clear();
        // The timer thread begins the handshakes, so that a device with many peers has its key at once.
        let first = own.and(self.tunnel.persistent_keepalive()).map(|_| self.now);
        self.tunnel.timers.set_persistent(first);
    }

    /// Ends it: when this returns, no packet goes in or out any more.
    pub(super) fn remove(&mut self) {
        self.forget_sessions();
        self.tunnel.removed = true;
        self.tunnel.own = None;
        self.tunnel.keys = None;
        self.tunnel.waiting.clear();
        self.tunnel.timers.clear();
        if let Some(at) = self.tunnel.scheduled.take() {
            self.context.deadlines.remove(self.peer, at);
        }
        self.context.raise_stamp_floor(self.tunnel.sent_stamp);
    }

    /// Lets the kernel choose the source again: what we use may be why nothing comes back.
    fn forget_any_source(&mut self) {
        if let Some(endpoint) = &mut self.tunnel.endpoint {
            endpoint.source = None;
        }
    }

    // ---- timers ------------------------------------------------------------------------------------------------------

    /// Does what is due. The peer's entry among the deadlines was taken out before.
    pub(super) fn run_timers(&mut self) {
        self.tunnel.scheduled = None;
        let timing = &self.context.timing;
        while let Some(due) = self.tunnel.timers.due(self.now, timing) {
            match due {
                Due::RetryHandshake => {
                    self.forget_any_source();
                    self.initiate();
                }
                Due::GiveUp => self.tunnel.waiting.clear(),
                Due::NewHandshake => {
                    self.forget_any_source();
                    self.want_handshake();
                }
                Due::Keepalive => self.keepalive(),
                Due::EraseKeys => self.forget_sessions(),
            }
        }
    }

    fn schedule(&mut self) {
        let Some(next) = self.tunnel.timers.next() else { return };
        let before = self.tunnel.scheduled;
        if before.is_none_or(|before| next < before) {
            self.effects.wake_timers |= self.context.deadlines.set(self.peer, before, next);
            self.tunnel.scheduled = Some(next);
        }
    }

    // ---- what all parts need -----------------------------------------------------------------------------------------

    /// Ends all sessions and a handshake that is under way; their keys go when the last packet in work has gone.
    fn forget_sessions(&mut self) {
        for session in self.tunnel.sessions.clear() {
            self.retire(&session);
        }
        if let Some(initiated) = self.tunnel.initiated.take() {
            self.context.indices.remove(initiated.local_index);
        }
    }

    fn retire(&self, session: &Session) {
        session.end();
        self.context.indices.remove(session.local_index);
    }

    /// Sends a message that is complete. Without an address it is lost.
    fn send(&mut self, bytes: Vec<u8>) {
        if let Some(to) = self.tunnel.endpoint {
            self.note_sent(bytes.len());
            self.effects.datagrams.push(Datagram { to, bytes });
        }
    }

    fn note_sent(&mut self, bytes: usize) {
        self.peer.tx_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let persistent = self.tunnel.persistent_keepalive();
        self.tunnel.timers.sent(self.now, persistent);
    }

    /// Something from `from` was authenticated: the peer is there now.
    fn note_received(&mut self, from: Endpoint, bytes: usize) {
        if !self.left_for_good(from) {
            self.tunnel.endpoint = Some(from);
        }
        self.peer.rx_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let persistent = self.tunnel.persistent_keepalive();
        self.tunnel.timers.received(self.now, persistent);
    }
}

impl LockedTunnel<'_> {
    /// True for what still comes out of a relay's bridge just after the peer was set to its address on the network. Following it would
    /// lead back into the bridge, and the other end with it: so the bridge could not be emptied without losing packets.
    fn left_for_good(&self, from: Endpoint) -> bool {
        let Some(endpoint) = self.tunnel.endpoint else { return false };
        let lately = self.tunnel.endpoint_set.is_some_and(|at| self.now.since(at) < BRIDGE_EMPTIES);
        lately && is_loopback(from) && !is_loopback(endpoint)
    }
}

fn is_loopback(endpoint: Endpoint) -> bool {
    endpoint.address.ip().to_canonical().is_loopback()
}

impl Drop for LockedTunnel<'_> {
    fn drop(&mut self) {
        self.schedule();
    }
}
