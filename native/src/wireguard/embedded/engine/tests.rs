//! Two engines and a network of queues: whole devices inside one test.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::*;
use crate::wireguard::device::DeviceEvent;
use crate::wireguard::embedded::test_random::Random;

const MTU: u16 = 1420;
/// No datagrams, by kind.
const NOTHING: [u8; 0] = [];

/// An engine with its address on the network and its own inner address.
struct Node {
    engine: Engine,
    address: SocketAddr,
    inner: Ipv4Addr,
    key: PrivateKey,
    inbox: Inbox,
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
        let key = PrivateKey::generate().expect("random");
        let engine = Engine::new(MTU, limits);
        engine.set_private_key(&key, &mut Effects::default());
        Self {
            engine,
            address: (Ipv4Addr::new(192, 0, 2, n), 51820).into(),
            inner: Ipv4Addr::new(10, 0, 0, n),
            key,
            inbox: Inbox::default(),
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
            ..bare(other.public_key())
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
        let mut packets = vec![Packet::copy_from(packet)];
        self.engine.outgoing(&mut packets, &mut effects);
        assert!(packets.is_empty());
        effects
    }

    fn ping(&self, other: &Node, payload: &[u8]) -> Effects {
        self.packet(&inner_packet(self.inner, other.inner, payload))
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) -> Effects {
        let mut effects = Effects::default();
        let bytes = BytesMut::from(datagram);
        self.engine.incoming(from, bytes, datagram.len().max(1), &mut self.inbox, &mut effects);
        self.delivered.extend(effects.packets.drain(..).map(|packet| packet.to_vec()));
        self.events.append(&mut effects.events);
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

fn bare(public_key: PublicKey) -> PeerSettings {
    PeerSettings {
        public_key,
        reset: false,
        update_only: false,
        preshared_key: None,
        endpoint: None,
        allowed_ips: None,
        add_allowed_ips: Vec::new(),
        keepalive_seconds: None,
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
    effects.datagrams.into_iter().map(|(to, packet)| (other(to), to, packet.to_vec())).collect()
}

fn kinds(effects: &Effects) -> Vec<u8> {
    effects.datagrams.iter().map(|(_, packet)| packet[0]).collect()
}

#[test]
fn traffic_begins_a_handshake_at_once_and_waits_for_it() {
    let mut nodes = strangers();
    let mut all = Effects::default();
    for n in 0..5u8 {
        let effects = nodes[0].ping(&nodes[1], &[n; 9]);
        assert_eq!(kinds(&effects), if n == 0 { vec![INITIATION] } else { vec![] });
        assert_eq!(effects.wake_timers, n == 0);
        all.datagrams.extend(effects.datagrams);
    }
    run(&mut nodes, all);
    let expected: Vec<_> = (0..5u8).map(|n| inner_packet(nodes[0].inner, nodes[1].inner, &[n; 9])).collect();
    assert_eq!(nodes[1].delivered, expected);
}

#[test]
fn both_sides_tell_of_the_session_and_count_its_bytes() {
    let nodes = friends();
    for (this, other) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        assert_eq!(this.events, [DeviceEvent::Handshake(other.public_key())]);
        assert!(this.state_of(other).last_handshake_ms > 1_700_000_000_000);
    }
    // Initiation 148, confirmation 32, a packet of 25 bytes padded to 32 in a message of 64; the response 92.
    assert_eq!(nodes[0].state_of(&nodes[1]).tx_bytes, 148 + 32 + 64);
    assert_eq!(nodes[1].state_of(&nodes[0]).rx_bytes, 148 + 32 + 64);
    assert_eq!(nodes[0].state_of(&nodes[1]).rx_bytes, 92);
    assert_eq!(nodes[1].state_of(&nodes[0]).tx_bytes, 92);
}

#[test]
fn keepalive_begins_a_handshake_at_once_without_traffic() {
    let mut nodes = strangers();
    let on = PeerSettings { keepalive_seconds: Some(25), ..bare(nodes[1].public_key()) };
    let effects = nodes[0].apply(on.clone());
    assert_eq!(kinds(&effects), [INITIATION]);
    run(&mut nodes, effects);
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (1, 1));
    // The same again is no news.
    assert_eq!(kinds(&nodes[0].apply(on)), NOTHING);
    // With a session, turning it on sends an empty message.
    nodes[0].apply(PeerSettings { keepalive_seconds: Some(0), ..bare(nodes[1].public_key()) });
    let again = PeerSettings { keepalive_seconds: Some(5), ..bare(nodes[1].public_key()) };
    assert_eq!(kinds(&nodes[0].apply(again)), [DATA]);
}

#[test]
fn an_endpoint_that_keepalive_waited_for_begins_a_handshake_at_once() {
    let nodes = [Node::new(1), Node::new(2)];
    let without_endpoint =
        PeerSettings { endpoint: None, keepalive_seconds: Some(25), ..Node::peer(&nodes[1]) };
    assert_eq!(kinds(&nodes[0].apply(without_endpoint)), NOTHING);
    // Traffic and timers before must not leave a handshake behind that nobody saw.
    assert_eq!(kinds(&nodes[0].ping(&nodes[1], b"lost")), NOTHING);
    let mut tick = Effects::default();
    assert!(!nodes[0].engine.tick(&mut tick));
    assert_eq!(kinds(&tick), NOTHING);
    let endpoint = PeerSettings { endpoint: Some(nodes[1].address), ..bare(nodes[1].public_key()) };
    assert_eq!(kinds(&nodes[0].apply(endpoint)), [INITIATION]);
    // Another address, before an answer came: tried at once as well.
    let moved: SocketAddr = "192.0.2.77:1000".parse().expect("address");
    let effects = nodes[0].apply(PeerSettings { endpoint: Some(moved), ..bare(nodes[1].public_key()) });
    assert_eq!(kinds(&effects), [INITIATION]);
    assert_eq!(effects.datagrams[0].0, moved);
}

/// Both begin at the same moment. Each answers the other's initiation and still takes the answer to its own (gotatun keeps the
/// state of a handshake that an incoming one overtook), so there are two sessions at once instead of none for five seconds,
/// as between two kernels; whichever carries the last message is used.
#[test]
fn crossing_handshakes_converge_without_a_timer() {
    let mut nodes = strangers();
    let first = nodes[0].ping(&nodes[1], b"from 0");
    let second = nodes[1].ping(&nodes[0], b"from 1");
    assert_eq!((kinds(&first), kinds(&second)), (vec![INITIATION], vec![INITIATION]));
    let mut both = Effects::default();
    both.datagrams.extend(first.datagrams);
    both.datagrams.extend(second.datagrams);
    run(&mut nodes, both);
    assert_eq!((nodes[0].delivered.len(), nodes[1].delivered.len()), (1, 1));
    for n in 0..20u8 {
        let (i, j) = (usize::from(n % 2), usize::from(1 - n % 2));
        let effects = nodes[i].ping(&nodes[j], &[n]);
        assert_eq!(kinds(&effects), [DATA]);
        run(&mut nodes, effects);
    }
    assert_eq!((nodes[0].delivered.len(), nodes[1].delivered.len()), (11, 11));
}

/// The same when one side, like the kernel, forgets its own handshake on an incoming one: here its answer is lost.
#[test]
fn crossing_handshakes_converge_when_only_one_answer_arrives() {
    let mut nodes = strangers();
    let first = nodes[0].ping(&nodes[1], b"from 0");
    let second = nodes[1].ping(&nodes[0], b"from 1");
    let (address0, address1) = (nodes[0].address, nodes[1].address);
    let lost_answer = nodes[0].receive(address1, &second.datagrams[0].1);
    assert_eq!(kinds(&lost_answer), [RESPONSE]);
    let answer = nodes[1].receive(address0, &first.datagrams[0].1);
    run(&mut nodes, answer);
    assert_eq!((nodes[0].delivered.len(), nodes[1].delivered.len()), (1, 1));
}

#[test]
fn the_endpoint_follows_what_was_authenticated_and_only_that() {
    let mut nodes = friends();
    let moved: SocketAddr = "198.51.100.9:4000".parse().expect("address");
    // Garbage with the right index from elsewhere moves nothing.
    let effects = nodes[1].ping(&nodes[0], b"x");
    let mut forged = effects.datagrams[0].1.to_vec();
    *forged.last_mut().expect("a tag") ^= 1;
    nodes[0].receive(moved, &forged);
    assert_eq!(nodes[0].state_of(&nodes[1]).endpoint, Some(nodes[1].address));
    // The true message does.
    nodes[0].receive(moved, &effects.datagrams[0].1);
    assert_eq!(nodes[0].state_of(&nodes[1]).endpoint, Some(moved));
    assert_eq!(nodes[0].ping(&nodes[1], b"y").datagrams[0].0, moved);
    // Other properties leave the new place alone, an explicit one wins.
    nodes[0].apply(PeerSettings { endpoint: None, keepalive_seconds: Some(9), ..Node::peer(&nodes[1]) });
    assert_eq!(nodes[0].state_of(&nodes[1]).endpoint, Some(moved));
    nodes[0].apply(Node::peer(&nodes[1]));
    assert_eq!(nodes[0].state_of(&nodes[1]).endpoint, Some(nodes[1].address));
}

#[test]
fn a_peer_may_only_send_from_its_own_networks() {
    let mut nodes = friends();
    // To node 1 the sender is what it claims; node 0 seals whatever its TUN device gives it.
    let forged = inner_packet(Ipv4Addr::new(10, 0, 0, 9), nodes[1].inner, b"not mine");
    let effects = nodes[0].packet(&forged);
    assert_eq!(kinds(&effects), [DATA]);
    run(&mut nodes, effects);
    assert_eq!(nodes[1].delivered.len(), 0);
    // Allowed from now on.
    let wider = AllowedIp { address: Ipv4Addr::new(10, 0, 0, 0).into(), prefix: 24 };
    nodes[1].apply(PeerSettings { add_allowed_ips: vec![wider], ..bare(nodes[0].public_key()) });
    let effects = nodes[0].packet(&forged);
    run(&mut nodes, effects);
    assert_eq!(nodes[1].delivered, [forged]);
}

#[test]
fn packets_for_nobody_go_nowhere() {
    let nodes = friends();
    let stranger = inner_packet(nodes[0].inner, Ipv4Addr::new(10, 0, 0, 3), b"?");
    for packet in [&stranger[..], b"", b"\x45", &[0xff; 64]] {
        assert_eq!(kinds(&nodes[0].packet(packet)), NOTHING);
    }
}

#[test]
fn a_message_is_delivered_once_and_in_any_order() {
    let mut nodes = friends();
    let messages: Vec<_> =
        (0..4u8).map(|n| nodes[0].ping(&nodes[1], &[n]).datagrams.remove(0).1.to_vec()).collect();
    let from = nodes[0].address;
    for i in [2, 0, 3, 1, 0, 1, 2, 3] {
        nodes[1].receive(from, &messages[i]);
    }
    let order: Vec<u8> = nodes[1].delivered.iter().map(|packet| packet[20]).collect();
    assert_eq!(order, [2, 0, 3, 1]);
}

#[test]
fn joined_datagrams_are_taken_apart() {
    let mut nodes = friends();
    let mut joined = Vec::new();
    for n in 0..7u8 {
        joined.extend_from_slice(&nodes[0].ping(&nodes[1], &[n; 100]).datagrams[0].1);
    }
    let size = joined.len() / 7;
    joined.extend_from_slice(&nodes[0].ping(&nodes[1], &[7; 10]).datagrams[0].1);
    let mut effects = Effects::default();
    let Node { engine, inbox, address, .. } = &mut nodes[1];
    engine.incoming(*address, BytesMut::from(&joined[..]), size, inbox, &mut effects);
    let order: Vec<u8> = effects.packets.iter().map(|packet| packet[20]).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn packets_are_padded_to_16_bytes_but_not_beyond_the_mtu() {
    let nodes = friends();
    for (length, padded) in [(20, 32), (32, 32), (33, 48), (1408, 1408), (1409, 1420), (1420, 1420)] {
        let effects = nodes[0].ping(&nodes[1], &vec![0; length - 20]);
        assert_eq!(effects.datagrams[0].1.len(), 32 + padded, "{length}");
    }
}

#[test]
fn removing_a_peer_ends_it_at_once() {
    let mut nodes = friends();
    let late = nodes[0].ping(&nodes[1], b"late");
    let key = nodes[0].public_key();
    nodes[1].engine.apply(vec![PeerChange::Remove(key)], &mut Effects::default());
    run(&mut nodes, late);
    assert_eq!(nodes[1].delivered.len(), 0);
    assert_eq!(kinds(&nodes[1].ping(&nodes[0], b"gone")), NOTHING);
    assert!(nodes[1].engine.peers().is_empty());
    // Its initiations are not answered any more.
    let again =
        nodes[0].apply(PeerSettings { reset: true, keepalive_seconds: Some(25), ..Node::peer(&nodes[1]) });
    let from = nodes[0].address;
    assert_eq!(kinds(&nodes[1].receive(from, &again.datagrams[0].1)), NOTHING);
}

#[test]
fn a_reset_forgets_sessions_and_makes_a_new_one_at_once() {
    let mut nodes = friends();
    let reset = PeerSettings { reset: true, keepalive_seconds: Some(25), ..Node::peer(&nodes[1]) };
    let effects = nodes[0].apply(reset);
    assert_eq!(kinds(&effects), [INITIATION]);
    assert_eq!(nodes[0].state_of(&nodes[1]).last_handshake_ms, 0);
    run(&mut nodes, effects);
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (2, 2));
    let effects = nodes[1].ping(&nodes[0], b"new session");
    run(&mut nodes, effects);
    assert_eq!(nodes[0].delivered.len(), 1);
}

#[test]
fn a_peer_is_updated_only_where_it_exists() {
    let nodes = [Node::new(1), Node::new(2)];
    nodes[0].apply(PeerSettings { update_only: true, reset: true, ..Node::peer(&nodes[1]) });
    assert!(nodes[0].engine.peers().is_empty());
}

#[test]
fn a_network_belongs_to_the_peer_that_got_it_last() {
    let nodes = [Node::new(1), Node::new(2)];
    let third = Node::new(3);
    nodes[0].apply(Node::peer(&nodes[1]));
    nodes[0].apply(PeerSettings { add_allowed_ips: vec![host(nodes[1].inner)], ..Node::peer(&third) });
    assert_eq!(nodes[0].state_of(&nodes[1]).allowed_ips, []);
    assert_eq!(nodes[0].state_of(&third).allowed_ips, [host(nodes[1].inner), host(third.inner)]);
    assert_eq!(nodes[0].ping(&nodes[1], b"?").datagrams[0].0, third.address);
    // Replacing the list gives back what is not on it.
    nodes[0].apply(Node::peer(&third));
    assert_eq!(kinds(&nodes[0].ping(&nodes[1], b"?")), NOTHING);
}

#[test]
fn preshared_keys_must_agree() {
    let psk = |byte: u8| Some(PresharedKey([byte; 32]));
    for (ours, theirs, works) in [(7, 7, true), (7, 8, false), (7, 0, false), (0, 0, true)] {
        let mut nodes = strangers();
        for (i, byte) in [(0, ours), (1, theirs)] {
            let key = nodes[1 - i].public_key();
            nodes[i].apply(PeerSettings { preshared_key: psk(byte), ..bare(key) });
            assert_eq!(nodes[i].state_of(&nodes[1 - i]).has_preshared_key, byte != 0);
        }
        let effects = nodes[0].ping(&nodes[1], b"x");
        run(&mut nodes, effects);
        assert_eq!(nodes[1].delivered.len() == 1, works, "{ours} and {theirs}");
    }
}

#[test]
fn a_bad_peer_fails_alone() {
    let nodes = [Node::new(1), Node::new(2)];
    let third = Node::new(3);
    let unusable: Vec<PeerSettings> = vec![
        bare(nodes[0].public_key()),
        bare(PublicKey([0; 32])),
        PeerSettings { endpoint: Some("192.0.2.1:0".parse().expect("address")), ..Node::peer(&third) },
        PeerSettings { endpoint: Some("[::]:1".parse().expect("address")), ..Node::peer(&third) },
        PeerSettings {
            add_allowed_ips: vec![AllowedIp { address: IpAddr::from([1, 2, 3, 4]), prefix: 33 }],
            ..Node::peer(&third)
        },
    ];
    for bad in unusable {
        let key = bad.public_key;
        let changes = vec![PeerChange::Set(bad), PeerChange::Set(Node::peer(&nodes[1]))];
        let failures = nodes[0].engine.apply(changes, &mut Effects::default());
        assert_eq!(failures.iter().map(|failure| failure.public_key).collect::<Vec<_>>(), [key]);
        assert_eq!(nodes[0].engine.keys(), [nodes[1].public_key()]);
        nodes[0].engine.clear();
    }
}

#[test]
fn another_private_key_ends_sessions_and_the_peer_of_that_key() {
    let mut nodes = friends();
    let new_key = PrivateKey::generate().expect("random");
    nodes[0].engine.apply(vec![PeerChange::Set(bare(new_key.public_key()))], &mut Effects::default());
    nodes[0].engine.set_private_key(&new_key, &mut Effects::default());
    assert_eq!(nodes[0].engine.keys(), [nodes[1].public_key()]);
    assert_eq!(kinds(&nodes[0].ping(&nodes[1], b"anew")), [INITIATION]);
    // The same key again ends nothing.
    let key = nodes[1].key.clone();
    nodes[1].engine.set_private_key(&key, &mut Effects::default());
    assert_eq!(kinds(&nodes[1].ping(&nodes[0], b"same")), [DATA]);
    nodes[0].delivered.clear();
}

#[test]
fn peers_wait_for_the_device_to_have_a_key() {
    let nodes = [Node::new(1), Node::new(2)];
    let keyless = Engine::new(MTU, Limits::default());
    let mut effects = Effects::default();
    let settings = PeerSettings { keepalive_seconds: Some(25), ..Node::peer(&nodes[1]) };
    assert!(keyless.apply(vec![PeerChange::Set(settings)], &mut effects).is_empty());
    keyless.outgoing(
        &mut vec![Packet::copy_from(&inner_packet(nodes[0].inner, nodes[1].inner, b"x")[..])],
        &mut effects,
    );
    assert_eq!(kinds(&effects), NOTHING);
    keyless.set_private_key(&nodes[0].key, &mut effects);
    assert!(keyless.tick(&mut effects));
    assert_eq!(kinds(&effects), [INITIATION]);
}

/// Initiations of a node to another, as many as wanted.
fn initiations<'a>(attacker: &'a Node, target: &'a Node) -> impl Iterator<Item = Vec<u8>> + 'a {
    attacker.apply(PeerSettings { keepalive_seconds: Some(25), ..Node::peer(target) });
    (1..u16::MAX).map(move |port| {
        // A new address for the target begins a new handshake.
        let endpoint = Some((Ipv4Addr::new(203, 0, 113, 1), port).into());
        let effects = attacker.apply(PeerSettings { endpoint, ..bare(target.public_key()) });
        effects.datagrams[0].1.to_vec()
    })
}

#[test]
fn a_flood_from_one_address_is_answered_with_cookies_and_harms_nobody_else() {
    let limits = Limits { per_address: 20, in_all: u32::MAX };
    let mut nodes = [Node::new(1), Node::with_limits(2, limits)];
    nodes[0].apply(Node::peer(&nodes[1]));
    nodes[1].apply(Node::peer(&nodes[0]));
    let first = nodes[0].ping(&nodes[1], b"hello");
    run(&mut nodes, first);
    let attacker = Node::new(66);
    let flood: Vec<_> = initiations(&attacker, &nodes[1]).take(60).collect();
    let from = attacker.address;
    let answers: Vec<u8> =
        flood.iter().flat_map(|datagram| kinds(&nodes[1].receive(from, datagram))).collect();
    // The attacker is no peer, so what is admitted is not answered. Should the second end during the flood, more is admitted.
    assert!((1..=40).contains(&answers.len()), "{}", answers.len());
    assert!(answers.iter().all(|kind| *kind == COOKIE));
    // The session, and handshakes of others, go on.
    nodes[1].delivered.clear();
    let effects = nodes[0].ping(&nodes[1], b"still here");
    run(&mut nodes, effects);
    assert_eq!(nodes[1].delivered.len(), 1);
    let third = Node::new(3);
    nodes[1].apply(Node::peer(&third));
    let other = third.apply(PeerSettings { keepalive_seconds: Some(25), ..Node::peer(&nodes[1]) });
    assert_eq!(kinds(&nodes[1].receive(third.address, &other.datagrams[0].1)), [RESPONSE]);
}

#[test]
fn a_flood_with_forged_sources_demands_cookies_of_all_and_a_cookie_lets_in() {
    let mut target = Node::with_limits(1, Limits { per_address: 100, in_all: 0 });
    let mut honest = Node::new(2);
    target.apply(Node::peer(&honest));
    let attacker = Node::new(66);
    let flood: Vec<_> = initiations(&attacker, &target).take(30).collect();
    for (n, datagram) in flood.iter().enumerate() {
        let from = (Ipv4Addr::from_bits(0xc633_6400 + n as u32), 1).into();
        assert_eq!(kinds(&target.receive(from, datagram)), [COOKIE]);
    }
    let first = honest.apply(PeerSettings { keepalive_seconds: Some(25), ..Node::peer(&target) });
    let reply = target.receive(honest.address, &first.datagrams[0].1);
    assert_eq!(kinds(&reply), [COOKIE]);
    assert_eq!(kinds(&honest.receive(target.address, &reply.datagrams[0].1)), NOTHING);
    // The next attempt, here provoked by another address, carries the cookie.
    let endpoint = Some("192.0.2.1:4".parse().expect("address"));
    let second = honest.apply(PeerSettings { endpoint, ..bare(target.public_key()) });
    assert_eq!(kinds(&target.receive(honest.address, &second.datagrams[0].1)), [RESPONSE]);
    // It is bound to the address.
    let endpoint = Some("192.0.2.1:5".parse().expect("address"));
    let third = honest.apply(PeerSettings { endpoint, ..bare(target.public_key()) });
    let elsewhere = "198.51.100.3:9".parse().expect("address");
    assert_eq!(kinds(&target.receive(elsewhere, &third.datagrams[0].1)), [COOKIE]);
}

#[test]
fn below_the_limit_no_cookie_is_asked_for() {
    let mut target = Node::with_limits(1, Limits { per_address: 100, in_all: 10 });
    let attacker = Node::new(66);
    let flood: Vec<_> = initiations(&attacker, &target).take(40).collect();
    let answers: Vec<usize> = (0u32..)
        .zip(&flood)
        .map(|(n, datagram)| {
            kinds(&target.receive((Ipv4Addr::from_bits(0xc633_6400 + n), 1).into(), datagram)).len()
        })
        .collect();
    assert_eq!(answers[..10], [0; 10]);
    assert!(answers[10..].contains(&1));
}

#[test]
fn garbage_is_dropped_without_a_trace() {
    let mut nodes = friends();
    let mut random = Random::new(11);
    let true_message = nodes[0].ping(&nodes[1], b"x").datagrams[0].1.to_vec();
    let from: SocketAddr = "198.51.100.1:1".parse().expect("address");
    for round in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
        if round % 2 == 0 && bytes.len() >= 4 {
            bytes[..4].copy_from_slice(&[1 + (round / 2 % 4) as u8, 0, 0, 0]);
        }
        if round % 5 == 0 {
            bytes = true_message.clone();
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            // A changed type or reserved byte may still be a data message; a changed tag, counter or body is not authentic.
            if at < 4 {
                continue;
            }
        }
        assert_eq!(kinds(&nodes[1].receive(from, &bytes)), NOTHING);
    }
    assert_eq!(nodes[1].delivered.len(), 0);
    assert_eq!(nodes[1].state_of(&nodes[0]).endpoint, Some(nodes[0].address));
    assert_eq!(nodes[1].handshakes(), 1);
}

/// Many peers, sessions and resets: the index map forgets what is gone.
#[test]
fn stale_indices_are_forgotten() {
    let mut nodes = friends();
    for _ in 0..300 {
        let reset = PeerSettings { reset: true, keepalive_seconds: Some(25), ..Node::peer(&nodes[1]) };
        let effects = nodes[0].apply(reset);
        run(&mut nodes, effects);
    }
    // Eight sessions and two handshakes a peer at most, and one step of slack.
    assert!(nodes[0].engine.indices.len() <= 10, "{}", nodes[0].engine.indices.len());
    assert!(nodes[1].engine.indices.len() <= 10 * 2 + 64, "{}", nodes[1].engine.indices.len());
}

#[test]
fn peers_come_and_go_while_packets_flow() {
    let [sender, receiver] = friends();
    let stop = AtomicBool::new(false);
    let sealed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let flow = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                sealed.fetch_add(kinds(&sender.ping(&receiver, &[0; 500])).len(), Ordering::Relaxed);
            }
        });
        let timers = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                sender.engine.tick(&mut Effects::default());
            }
        });
        while sealed.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        for round in 0..200 {
            let key = receiver.public_key();
            let change =
                if round % 2 == 0 { PeerChange::Remove(key) } else { PeerChange::Set(Node::peer(&receiver)) };
            assert!(sender.engine.apply(vec![change], &mut Effects::default()).is_empty());
            if round % 2 == 0 {
                assert_eq!(kinds(&sender.ping(&receiver, b"x")), NOTHING, "after removal");
            }
        }
        stop.store(true, Ordering::Relaxed);
        flow.join().expect("no panic");
        timers.join().expect("no panic");
    });
}
