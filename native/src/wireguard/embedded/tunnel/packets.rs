//! Data messages: counters for what goes out, the window for what comes in, what waits in between.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::endpoint::Endpoint;
use super::super::incoming::Datum;
use super::super::noise::Session;
use super::super::noise::message::{DATA_HEADER, TAG, padded};
use super::super::outgoing::{Batch, Plan};
use super::LockedTunnel;
use crate::wireguard::device::DeviceEvent;

impl LockedTunnel<'_> {
    // ---- out ---------------------------------------------------------------------------------------------------------

    /// Takes counters for a batch. Without a session its packets wait, and a handshake begins.
    pub(in super::super) fn plan(&mut self, batch: &impl Batch) -> Option<Plan> {
        // Without an address nothing can be sent, and a handshake begun now would block one for seconds.
        let to = self.tunnel.endpoint?;
        self.tunnel.own.as_ref()?;
        // What waits goes first.
        if !self.tunnel.waiting.is_empty() {
            batch.packets().for_each(|packet| self.tunnel.waiting.push(packet));
            self.keepalive();
            return None;
        }
        let Some((session, first_counter)) = self.take(batch.count() as u64) else {
            batch.packets().for_each(|packet| self.tunnel.waiting.push(packet));
            self.want_handshake();
            return None;
        };
        self.note_data_sent(batch.wire_bytes(), &session);
        Some(Plan { session, first_counter, to })
    }

    /// Takes the packets that wait, if there is a session for them. `add` gets each; see [`Engine::flush`].
    ///
    /// [`Engine::flush`]: super::super::engine::Engine::flush
    pub(in super::super) fn flush(&mut self, mut add: impl FnMut(&[u8])) -> Option<Plan> {
        let to = self.tunnel.endpoint?;
        let left = self
            .usable_session()
            .map_or(0, |session| self.context.timing.reject_after_messages.saturating_sub(session.taken()));
        let count = left.min(self.tunnel.waiting.count() as u64);
        let (session, first_counter) = if count > 0 { self.take(count)? } else { return None };
        let mut wire_bytes = 0;
        for packet in (0..count).map_while(|_| self.tunnel.waiting.pop()) {
            add(&packet);
            wire_bytes += DATA_HEADER + padded(packet.len(), self.context.mtu()) + TAG;
        }
        self.note_data_sent(wire_bytes, &session);
        if !self.tunnel.waiting.is_empty() {
            self.want_handshake();
        }
        Some(Plan { session, first_counter, to })
    }

    fn note_data_sent(&mut self, wire_bytes: usize, session: &Session) {
        self.note_sent(wire_bytes);
        self.tunnel.timers.data_sent(self.now, &self.context.timing);
        self.keep_fresh_on_send(session);
    }

    /// The session in use, unless it is too old or used up, and `count` counters of it.
    fn take(&self, count: u64) -> Option<(Arc<Session>, u64)> {
        let session = self.usable_session()?;
        let first = session.take(count, self.context.timing.reject_after_messages)?;
        Some((Arc::clone(session), first))
    }

    fn usable_session(&self) -> Option<&Arc<Session>> {
        let timing = &self.context.timing;
        self.tunnel.sessions.current().filter(|session| {
            self.now.since(session.made) < timing.reject_after_time
                && session.taken() < timing.reject_after_messages
        })
    }

    /// A session that needs no replacing yet.
    pub(super) fn has_fresh_session(&self) -> bool {
        let age = |session: &Arc<Session>| self.now.since(session.made);
        self.tunnel.sessions.current().is_some_and(|s| age(s) < self.context.timing.rekey_after_time)
    }

    /// Section 6.2: the initiator of an old session, and anybody who used it a lot, makes a new one. The responder does not, so that
    /// the two do not begin at once.
    fn keep_fresh_on_send(&mut self, session: &Session) {
        let timing = &self.context.timing;
        let old = session.initiator && self.now.since(session.made) >= timing.rekey_after_time;
        if old || session.taken() > timing.rekey_after_messages {
            self.want_handshake();
        }
    }

    /// Sends an empty message, or lets go what waits; without a session a handshake begins.
    pub(super) fn keepalive(&mut self) {
        if self.usable_session().is_none() {
            self.want_handshake();
        } else if !self.tunnel.waiting.is_empty() {
            self.effects.flush.push(Arc::clone(self.peer));
        } else if let Some((session, counter)) = self.take(1) {
            let mut message = vec![0; DATA_HEADER + TAG];
            session.seal(counter, &mut message);
            self.send(message);
            self.keep_fresh_on_send(&session);
        }
    }

    // ---- in ----------------------------------------------------------------------------------------------------------

    /// Takes authentic messages of one session, all from one address, and marks those that are new.
    pub(in super::super) fn data(&mut self, from: Endpoint, session: &Arc<Session>, data: &mut [Datum]) {
        let timing = &self.context.timing;
        if session.ended() || self.now.since(session.made) >= timing.reject_after_time {
            return;
        }
        let (mut bytes, mut packets) = (0, false);
        let mut window = session.window();
        for datum in data {
            datum.new = window.accept(datum.counter, timing.reject_after_messages);
            if datum.new {
                bytes += datum.wire_bytes;
                packets |= !datum.is_keepalive();
            }
        }
        drop(window);
        if bytes == 0 {
            return;
        }
        self.note_received(from, bytes);
        if packets {
            self.tunnel.timers.data_received(self.now, timing);
        }
        if let Some(gone) = self.tunnel.sessions.confirm(session) {
            gone.iter().flatten().for_each(|session| self.retire(session));
            self.session_made();
            if !self.tunnel.waiting.is_empty() {
                self.effects.flush.push(Arc::clone(self.peer));
            }
        }
        self.keep_fresh_on_receive();
    }

    /// Section 6.2: the initiator makes a new session in time, so that one that only receives does not come to a stop.
    fn keep_fresh_on_receive(&mut self) {
        let timing = &self.context.timing;
        let margin = timing.keepalive_timeout + timing.rekey_timeout;
        let age = timing.reject_after_time.saturating_sub(margin);
        let old = |session: &Arc<Session>| session.initiator && self.now.since(session.made) >= age;
        if !self.tunnel.last_minute && self.tunnel.sessions.current().is_some_and(old) {
            self.tunnel.last_minute = true;
            self.want_handshake();
        }
    }

    /// Both sides have a new session: tells it.
    pub(super) fn session_made(&mut self) {
        if let Some(initiated) = self.tunnel.initiated.take() {
            self.context.indices.remove(initiated.local_index);
        }
        self.tunnel.timers.completed();
        self.tunnel.last_minute = false;
        let unix = self.context.world.unix();
        self.peer.last_handshake_ms.store(unix.as_millis() as u64, Ordering::Relaxed);
        self.effects.events.push(DeviceEvent::Handshake(self.peer.key));
    }
}
