//! Two engines and a network of queues: whole devices inside one test.

mod changes;
mod flight;
mod hostile;
mod reference;
mod sessions;
mod timing;
mod world;

use std::net::{Ipv4Addr, SocketAddr};

use self::world::{FakeWorld, Packets};
use super::super::endpoint::Endpoint;
use super::super::incoming::Opened;
use super::*;
use crate::wireguard::device::DeviceEvent;

const MTU: u16 = 1420;
/// No datagrams, by kind.
const NOTHING: [u8; 0] = [];
const INITIATION: u8 = 1;
const RESPONSE: u8 = 2;
const COOKIE: u8 = 3;
const DATA: u8 = 4;

/// An engine with its address on the network and its own inner address.
struct Node {
    engine: Engine,
    address: SocketAddr,
    inner: Ipv4Addr,
    key: PrivateKey,
    world: Arc<FakeWorld>,
    opened: Opened,
    events: Vec<DeviceEvent>,
    /// What reached its TUN device.
    delivered: Vec<Vec<u8>>,
}

impl Node {
    /// Node `n` is 192.0.2.n:51820 outside and 10.0.0.n inside.
    fn new(n: u8) -> Self {
        Self::with_limits(n, Limits::default())
    }

    fn with_limits(n: u8, limits: Limits) -> Self {
        let node = Self::made(n, limits, Timing::default());
        node.engine.set_private_key(&node.key, &mut Effects::default());
        node
    }

    fn with_timing(n: u8, timing: Timing) -> Self {
        let node = Self::made(n, Limits::default(), timing);
        node.engine.set_private_key(&node.key, &mut Effects::default());
        node
    }

    fn without_key(n: u8) -> Self {
        Self::made(n, Limits::default(), Timing::default())
    }

    fn made(n: u8, limits: Limits, timing: Timing) -> Self {
        let key = PrivateKey::generate().expect("random");
        let world = Arc::new(FakeWorld::new(n.into()));
        let engine = Engine::in_world(MTU, limits, timing, Box::new(Arc::clone(&world)));
        Self {
            engine,
            address: (Ipv4Addr::new(192, 0, 2, n), 51820).into(),
            inner: Ipv4Addr::new(10, 0, 0, n),
            key,
            world,
            opened: Opened::default(),
            events: Vec::new(),
            delivered: Vec::new(),
        }
    }

    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// `other` as a peer, with endpoint and inner address.
    fn peer(other: &Node) -> PeerSettings {
        PeerSettings {
            endpoint: Some(other.address),
            allowed_ips: Some(vec![host(other.inner)]),
            ..PeerSettings::new(other.public_key())
        }
    }

    fn apply(&self, settings: PeerSettings) -> Effects {
        let mut effects = Effects::default();
        let failures = self.engine.apply(vec![PeerChange::Set(settings)], &mut effects);
        assert!(failures.is_empty(), "{failures:?}");
        effects
    }

    /// A packet from its TUN device.
    fn packet(&self, packet: &[u8]) -> Effects {
        let mut effects = Effects::default();
        let mut batch = Packets::new(&[packet], MTU.into());
        if let Some(plan) = self.engine.plan(&batch, &mut effects) {
            effects.datagrams.extend(batch.sealed(&plan));
        }
        self.flush(&mut effects);
        effects
    }

    fn flush(&self, effects: &mut Effects) {
        for peer in std::mem::take(&mut effects.flush) {
            let mut packets = Vec::new();
            if let Some(plan) = self.engine.flush(&peer, effects, |packet| packets.push(packet.to_vec())) {
                let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
                effects.datagrams.extend(Packets::new(&packets, MTU.into()).sealed(&plan));
            }
        }
    }

    fn ping(&self, other: &Node, payload: &[u8]) -> Effects {
        self.packet(&inner_packet(self.inner, other.inner, payload))
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) -> Effects {
        let mut effects = Effects::default();
        let mut bytes = datagram.to_vec();
        self.engine.open(Endpoint::told(from), &mut bytes, datagram.len(), &mut self.opened);
        self.engine.accept(&bytes, &mut self.opened, &mut effects);
        self.delivered.extend(self.opened.packets.iter().map(|range| bytes[range.clone()].to_vec()));
        self.flush(&mut effects);
        self.events.append(&mut effects.events);
        effects
    }

    /// What the timers do now.
    fn tick(&self) -> Effects {
        let mut effects = Effects::default();
        self.engine.tick(&mut effects);
        self.flush(&mut effects);
        effects
    }

    fn handshakes(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, DeviceEvent::Handshake(_))).count()
    }

    fn state_of(&self, other: &Node) -> PeerState {
        let key = other.public_key();
        self.engine.peers().into_iter().map(|(state, _)| state).find(|s| s.public_key == key).expect("a peer")
    }
}

fn host(address: Ipv4Addr) -> AllowedIp {
    AllowedIp { address: address.into(), prefix: 32 }
}

fn inner_packet(from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0u8; 20];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&((20 + payload.len()) as u16).to_be_bytes());
    packet[12..16].copy_from_slice(&from.octets());
    packet[16..20].copy_from_slice(&to.octets());
    packet.extend_from_slice(payload);
    packet
}

/// A pair that know each other, without a session.
fn strangers() -> [Node; 2] {
    let nodes = [Node::new(1), Node::new(2)];
    nodes[0].apply(Node::peer(&nodes[1]));
    nodes[1].apply(Node::peer(&nodes[0]));
    nodes
}

/// A pair with a session that both sides use.
fn friends() -> [Node; 2] {
    let mut nodes = strangers();
    let first = nodes[0].ping(&nodes[1], b"hello");
    run(&mut nodes, first);
    assert_eq!(nodes[1].delivered.len(), 1);
    nodes[1].delivered.clear();
    nodes
}

/// Carries datagrams, sent by the node that has not the destination's address, until there are no more.
fn run(nodes: &mut [Node; 2], effects: Effects) {
    let mut waiting = sent(nodes, effects);
    while !waiting.is_empty() {
        let (from, to, bytes) = waiting.remove(0);
        if let Some(i) = nodes.iter().position(|node| node.address == to) {
            let effects = nodes[i].receive(from, &bytes);
            waiting.extend(sent(nodes, effects));
        }
    }
}

fn sent(nodes: &[Node; 2], effects: Effects) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
    let other = |to: SocketAddr| if to == nodes[0].address { nodes[1].address } else { nodes[0].address };
    let datagrams = effects.datagrams.into_iter();
    datagrams.map(|datagram| (other(datagram.to.address), datagram.to.address, datagram.bytes)).collect()
}

fn kinds(effects: &Effects) -> Vec<u8> {
    effects.datagrams.iter().map(|datagram| datagram.bytes[0]).collect()
}
