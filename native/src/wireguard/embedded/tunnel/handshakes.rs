//! Handshake messages, ours and the peer's.

use std::sync::Arc;
use std::time::Duration;

use super::super::endpoint::Endpoint;
use super::super::noise::Session;
use super::super::noise::handshake::{Claim, Initiated, PeerKeys, Response, StaticKeys};
use super::super::noise::message::{COOKIE_REPLY_LENGTH, INITIATION_LENGTH, RESPONSE_LENGTH, index_at};
use super::{LockedTunnel, Tunnel};
use crate::memory::scrub_stack;

/// Initiations of one peer are at least that far apart: 50 a second, as in the kernel.
const INITIATION_INTERVAL: Duration = Duration::from_millis(20);
/// Forged responses to an initiation that are looked at without limit.
const FALSE_RESPONSES: u32 = 3;

impl Tunnel {
    /// Ours, and the peer's with ours.
    fn keys(&self) -> Option<(&StaticKeys, &PeerKeys)> {
        Some((&self.own.as_ref()?.keys, self.keys.as_ref()?))
    }
}

impl LockedTunnel<'_> {
    /// Begins a handshake, for a new reason, unless one began or was answered just now: then it is looked at again later.
    pub(super) fn want_handshake(&mut self) {
        self.tunnel.timers.handshake_wanted();
        let timeout = self.context.timing.rekey_timeout;
        match self.tunnel.handshake_sent {
            Some(sent) if self.now.since(sent) < timeout => {
                self.tunnel.timers.retry_by(sent, &self.context.timing);
            }
            _ => self.initiate(),
        }
    }

    /// Sends an initiation, in place of one that waits for its response. Nothing without an address: it would block a handshake for
    /// seconds.
    pub(super) fn initiate(&mut self) {
        let context = self.context;
        if self.tunnel.endpoint.is_none() || self.tunnel.own.is_none() {
            return;
        }
        self.compute_keys();
        if let Some(before) = self.tunnel.initiated.take() {
            context.indices.remove(before.local_index);
        }
        let index = context.indices.draw(self.peer, &*context.world);
        let stamp = context.stamp(self.tunnel.sent_stamp, self.now);
        let random = context.world.random_secret();
        let begun =
            self.tunnel.keys().and_then(|(own, peer)| Initiated::new(own, peer, index, stamp, &random));
        // Keys on their way through functions leave copies that nobody owns.
        scrub_stack();
        let Some((initiated, mut message)) = begun else {
            context.indices.remove(index);
            return;
        };
        self.tunnel.sent_stamp = stamp;
        self.tunnel.initiated = Some(Box::new(initiated));
        self.tunnel.false_responses = 0;
        self.tunnel.macs.write(&mut message, self.now);
        self.tunnel.handshake_sent = Some(self.now);
        self.tunnel.timers.initiated(self.now, &context.timing);
        self.send(message.to_vec());
    }

    /// Answers the peer's initiation, if it is authentic and new.
    pub(in super::super) fn initiation(&mut self, from: Endpoint, claim: Claim) {
        let context = self.context;
        self.compute_keys();
        let verified = self.tunnel.keys().and_then(|(_, peer)| claim.verify(peer));
        let Some((verified, stamp)) = verified else { return };
        let too_soon = self.tunnel.taken_at.is_some_and(|at| self.now.since(at) < INITIATION_INTERVAL);
        if stamp <= self.tunnel.taken_stamp || too_soon {
            return;
        }
        self.tunnel.taken_stamp = stamp;
        self.tunnel.taken_at = Some(self.now);
        let index = context.indices.draw(self.peer, &*context.world);
        let random = context.world.random_secret();
        let preshared = self.tunnel.preshared_key.as_ref().map_or(&[0; 32], |key| &key.0);
        let Some((agreed, mut message)) = verified.respond(preshared, index, &random) else {
            context.indices.remove(index);
            return;
        };
        let session = Arc::new(Session::new(agreed, self.now));
        context.indices.set_session(&session);
        let gone = self.tunnel.sessions.begin_as_responder(session);
        gone.iter().flatten().for_each(|session| self.retire(session));
        self.tunnel.macs.write(&mut message, self.now);
        self.tunnel.handshake_sent = Some(self.now);
        self.tunnel.timers.derived(self.now, &context.timing);
        self.note_received(from, INITIATION_LENGTH);
        self.send(message.to_vec());
    }

    /// Whether a response is taken whatever else comes: we asked for it, so a device that connects to a thousand peers behind one address
    /// gets a thousand. But not any number of forged ones.
    pub(in super::super) fn awaits_response(&self) -> bool {
        self.tunnel.initiated.is_some() && self.tunnel.false_responses < FALSE_RESPONSES
    }

    fn compute_keys(&mut self) {
        if let (Some(own), None) = (&self.tunnel.own, &self.tunnel.keys) {
            let keys = PeerKeys::new(&own.keys, self.peer.key.0);
            self.tunnel.keys = keys;
        }
    }

    /// Takes the response to our initiation: the session is there, and used at once.
    pub(in super::super) fn response(&mut self, from: Endpoint, message: &Response) {
        let context = self.context;
        let tunnel = &*self.tunnel;
        let (Some(initiated), Some((own, _))) = (&tunnel.initiated, tunnel.keys()) else {
            return;
        };
        if initiated.local_index != index_at(message, 8) {
            return;
        }
        let preshared = tunnel.preshared_key.as_ref().map_or(&[0; 32], |key| &key.0);
        let Some(agreed) = initiated.finish(own, preshared, message) else {
            self.tunnel.false_responses += 1;
            return;
        };
        // Its index is the session's now.
        self.tunnel.initiated = None;
        let session = Arc::new(Session::new(agreed, self.now));
        context.indices.set_session(&session);
        let gone = self.tunnel.sessions.begin_as_initiator(session);
        gone.iter().flatten().for_each(|session| self.retire(session));
        self.tunnel.timers.derived(self.now, &context.timing);
        self.note_received(from, RESPONSE_LENGTH);
        self.session_made();
        // What waits, or else an empty message, shows the other side that we have the session.
        self.keepalive();
    }

    /// Keeps the cookie for the next handshake message: this one is repeated by its timer.
    pub(in super::super) fn cookie_reply(&mut self, message: &[u8; COOKIE_REPLY_LENGTH]) {
        let _taken = self.tunnel.macs.take_reply(message, self.now);
    }
}
