//! The two nodes of the target `packets`, what is on the way between them, and the promises.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::node::{Clock, MTU, Node, Opening, Sealing, identity};
use crate::identity::keys::PresharedKey;
use crate::wireguard::device::PeerSettings;
use crate::wireguard::embedded::batch::Outbound;
use crate::wireguard::embedded::effects::Effects;
use crate::wireguard::embedded::endpoint::Endpoint;
use crate::wireguard::embedded::incoming::Opened;
use crate::wireguard::embedded::outgoing::Batch;
use crate::wireguard::embedded::own_key::Limits;

/// Messages on the way at most; the oldest are lost.
const MAX_FLYING: usize = 64;
/// Handshakes and keepalives that one call may send at most: two for each of eight messages that came as one buffer.
const MAX_EFFECTS: usize = 16;
/// Packets that may wait for a session.
const MAX_WAITING: usize = 1024;
/// Rounds after which two nodes that nobody talks to have nothing more to say.
const MAX_ROUNDS: usize = 100;
/// Three sessions and a handshake under way.
const MAX_INDICES: usize = 4;
/// Seconds within which a tunnel works again once the network does: silence is noticed after 15, a handshake is repeated
/// every 5, and cookies may cost one more.
const HEALING_SECONDS: usize = 40;

/// Whatever a node sends arrives at the other, wherever it is sent to: so a wrong endpoint is no end of a run.
pub(super) struct Network {
    pub nodes: [Node; 2],
    pub clock: Arc<Clock>,
    /// The key that both have for each other.
    pub preshared_key: PresharedKey,
    /// The node that it is for, and the message.
    pub flying: Vec<(usize, Vec<u8>)>,
    /// What was on the way once: for repetitions.
    pub past: Vec<(usize, Vec<u8>)>,
}

impl Network {
    /// With `flooded`, few handshakes a second are enough that cookies are asked for.
    pub(super) fn new(flooded: bool) -> Self {
        let clock = Clock::new();
        let limits = if flooded { Limits { per_address: 2, in_all: 4 } } else { Limits::default() };
        let nodes = [1, 2].map(|number| Node::new(number, &clock, limits));
        let preshared_key = PresharedKey([0; 32]);
        let network = Self { nodes, clock, preshared_key, flying: Vec::new(), past: Vec::new() };
        for who in [0, 1] {
            network.nodes[who].apply(network.right_settings(who));
        }
        network
    }

    /// What a node must know of the other for the tunnel to work.
    pub(super) fn right_settings(&self, who: usize) -> PeerSettings {
        let preshared_key = Some(self.preshared_key.clone());
        PeerSettings { preshared_key, ..self.nodes[1 - who].as_peer() }
    }

    // ---- out ---------------------------------------------------------------------------------------------------------

    /// Packets of one destination from the TUN device of a node, up to the point where they are to be sealed.
    pub(super) fn plan(&mut self, who: usize, packets: &[Vec<u8>]) -> Option<Sealing> {
        let [one, two] = &mut self.nodes;
        let (node, other) = if who == 0 { (one, two) } else { (two, one) };
        let mut batch = Outbound::default();
        for packet in packets {
            batch.push(packet, MTU);
            node.owe(packet, other);
        }
        let mut effects = Effects::default();
        let plan = node.engine.plan(&batch, &mut effects);
        let epoch = node.epoch;
        self.carry_out(who, effects);
        Some(Sealing { plan: plan?, batch, epoch })
    }

    /// Seals and sends what was planned, unless the peer was removed since.
    pub(super) fn seal(&mut self, who: usize, sealing: Sealing) -> Vec<Vec<u8>> {
        let Sealing { plan, mut batch, epoch } = sealing;
        plan.seal(batch.messages_mut());
        let node = &mut self.nodes[who];
        // Asked right before sending, as it must be.
        if !plan.live() {
            return Vec::new();
        }
        assert_eq!(epoch, node.epoch, "a message to a peer that was removed");
        let messages: Vec<_> = batch.messages_mut().map(|message| message.to_vec()).collect();
        node.sent.extend(messages.iter().map(|message| identity(message)));
        messages
    }

    pub(super) fn send(&mut self, who: usize, packets: &[Vec<u8>]) {
        if let Some(sealing) = self.plan(who, packets) {
            let messages = self.seal(who, sealing);
            self.fly(1 - who, messages);
        }
    }

    /// Sends what waited for a session that is there now.
    pub(super) fn flush(&mut self, who: usize) {
        let messages = self.flushed(who);
        self.fly(1 - who, messages);
    }

    fn flushed(&mut self, who: usize) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        while let Some(peer) = self.nodes[who].flushing.pop() {
            let (mut batch, mut effects) = (Outbound::default(), Effects::default());
            let plan = self.nodes[who].engine.flush(&peer, &mut effects, |packet| batch.push(packet, MTU));
            assert!(batch.count() <= MAX_WAITING, "{} packets waited", batch.count());
            self.carry_out(who, effects);
            let epoch = self.nodes[who].epoch;
            let sealed = plan.map(|plan| self.seal(who, Sealing { plan, batch, epoch }));
            messages.extend(sealed.into_iter().flatten());
        }
        messages
    }

    /// Sends a node's own messages, and notes what is to be flushed.
    pub(super) fn carry_out(&mut self, who: usize, effects: Effects) {
        let messages: Vec<_> = effects.datagrams.into_iter().map(|datagram| datagram.bytes).collect();
        assert!(messages.len() <= MAX_EFFECTS, "{} datagrams at once", messages.len());
        let node = &mut self.nodes[who];
        node.sent.extend(messages.iter().map(|message| identity(message)));
        node.flushing.extend(effects.flush);
        self.fly(1 - who, messages);
    }

    pub(super) fn fly(&mut self, to: usize, messages: Vec<Vec<u8>>) {
        self.flying.extend(messages.into_iter().map(|message| (to, message)));
        let lost = self.flying.len().saturating_sub(MAX_FLYING);
        self.flying.drain(..lost);
    }

    // ---- in ----------------------------------------------------------------------------------------------------------

    /// The first step of receiving.
    pub(super) fn open(&self, to: usize, from: SocketAddr, mut bytes: Vec<u8>, size: usize) -> Opening {
        let node = &self.nodes[to];
        let mut opened = Opened::default();
        node.engine.open(Endpoint::told(from), &mut bytes, size, &mut opened);
        Opening { bytes, opened, epoch: node.epoch }
    }

    /// The second step. What comes out was sent, and comes out no more often than it was sent.
    pub(super) fn accept(&mut self, to: usize, opening: Opening) -> Effects {
        let Opening { bytes, mut opened, epoch } = opening;
        let mut effects = Effects::default();
        self.nodes[to].engine.accept(&bytes, &mut opened, &mut effects);
        let removed = epoch != self.nodes[to].epoch;
        for packet in &opened.packets {
            assert!(!removed, "a packet of a peer that was removed");
            let packet = &bytes[packet.clone()];
            let owed = &mut self.nodes[1 - to].owed;
            match owed.get_mut(packet) {
                Some(1) => drop(owed.remove(packet)),
                Some(count) => *count -= 1,
                None => panic!("a packet that was not sent, or came before: {packet:02x?}"),
            }
        }
        effects
    }

    /// A message of the other node arrives, perhaps not for the first time. One that was taken before changes nothing.
    pub(super) fn arrive(&mut self, to: usize, from: SocketAddr, message: &[u8]) {
        let before = self.nodes[to].seen();
        let known = self.nodes[to].taken.contains(&identity(message));
        let opening = self.open(to, from, message.to_vec(), message.len());
        let effects = self.accept(to, opening);
        let after = self.nodes[to].seen();
        if known {
            assert_eq!(before, after, "a repeated message changed something");
        } else if after.rx_bytes > before.rx_bytes {
            // Out of a bridge that was left a moment ago: tunnel.rs, `left_for_good`.
            let out_of_bridge = is_loopback(from) && before.endpoint.is_some_and(|at| !is_loopback(at));
            assert!(
                after.endpoint == Some(from) || (out_of_bridge && after.endpoint == before.endpoint),
                "an authentic message tells where the peer is: from {from}, taken for {:?}",
                after.endpoint
            );
            self.nodes[to].taken.insert(identity(message));
        }
        self.carry_out(to, effects);
        self.past.push((to, message.to_vec()));
        if self.past.len() > MAX_FLYING {
            self.past.remove(0);
        }
    }

    // ---- promises ----------------------------------------------------------------------------------------------------

    /// Does what the timers have to do. They are never due again at once.
    pub(super) fn tick(&mut self) {
        for who in [0, 1] {
            let mut effects = Effects::default();
            let next = self.nodes[who].engine.tick(&mut effects);
            assert_ne!(next, Some(Duration::ZERO), "timers that never rest");
            self.carry_out(who, effects);
        }
    }

    /// Nothing grows.
    pub(super) fn check_bounds(&self) {
        for node in &self.nodes {
            assert!(node.engine.context.indices.len() <= MAX_INDICES, "indices are left behind");
            assert!(node.engine.context.deadlines.len() <= 1, "deadlines are left behind");
        }
    }

    /// Whether a packet gets through now, in both directions.
    pub(super) fn connected(&mut self) -> bool {
        self.ping(0) & self.ping(1)
    }

    fn ping(&mut self, who: usize) -> bool {
        let to = self.nodes[1 - who].inner(false);
        let from = self.nodes[who].inner(false);
        let packet = self.nodes[who].packet(from, to, 0);
        let planned = self.plan(who, std::slice::from_ref(&packet));
        let mut messages = planned.map(|sealing| self.seal(who, sealing)).unwrap_or_default();
        messages.extend(self.flushed(who));
        let address = self.nodes[who].address;
        for message in messages {
            self.arrive(1 - who, address, &message);
        }
        !self.nodes[who].owed.contains_key(&packet)
    }

    /// Once the network works and the settings are right the tunnel works, whatever happened before.
    pub(super) fn must_heal(&mut self) {
        self.flying.clear();
        for who in [0, 1] {
            let effects = self.nodes[who].apply(self.right_settings(who));
            self.carry_out(who, effects);
        }
        for _ in 0..HEALING_SECONDS {
            self.clock.advance(Duration::from_secs(1));
            self.tick();
            self.settle();
            let connected = self.connected();
            self.settle();
            self.check_bounds();
            if connected {
                return;
            }
        }
        panic!("no tunnel after {HEALING_SECONDS} s of a network that works");
    }

    /// Carries messages until there are no more.
    fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            self.flush(0);
            self.flush(1);
            if self.flying.is_empty() {
                return;
            }
            for (to, message) in std::mem::take(&mut self.flying) {
                let from = self.nodes[1 - to].address;
                self.arrive(to, from, &message);
            }
        }
        panic!("the nodes never fall silent");
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
