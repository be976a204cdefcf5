//! Against gotatun, another implementation of the protocol.

use gotatun::noise::index_table::IndexTable;
use gotatun::noise::rate_limiter::RateLimiter;
use gotatun::noise::{Tunn, TunnResult};
use gotatun::packet::{Packet, WgKind};
use gotatun::tun::MtuWatcher;
use gotatun::x25519;

use super::*;
use crate::testing::random_bytes;

/// A device of theirs with one peer: node `n` of 192.0.2.n.
struct Reference {
    tunnel: Tunn,
    /// Admits handshake messages, as their device does before it gives them to a tunnel.
    limiter: Arc<RateLimiter>,
    public_key: PublicKey,
    address: SocketAddr,
    inner: Ipv4Addr,
    delivered: Vec<Vec<u8>>,
}

impl Reference {
    /// `limit`: handshake messages a second it takes without a cookie.
    fn new(n: u8, peer: &Node, preshared: Option<[u8; 32]>, limit: u64) -> Self {
        let key = PrivateKey::generate().expect("random");
        let private = x25519::StaticSecret::from(key.0);
        let public = x25519::PublicKey::from(&private);
        let limiter = Arc::new(RateLimiter::new(&public, limit));
        let indices = IndexTable::from_os_rng();
        let theirs = x25519::PublicKey::from(peer.public_key().0);
        Self {
            tunnel: Tunn::new(private, theirs, preshared, None, indices, Arc::clone(&limiter)),
            limiter,
            public_key: key.public_key(),
            address: (Ipv4Addr::new(192, 0, 2, n), 51820).into(),
            inner: Ipv4Addr::new(10, 0, 0, n),
            delivered: Vec::new(),
        }
    }

    /// As a peer of ours.
    fn settings(&self, preshared: Option<[u8; 32]>) -> PeerSettings {
        PeerSettings {
            endpoint: Some(self.address),
            allowed_ips: Some(vec![host(self.inner)]),
            preshared_key: preshared.map(PresharedKey),
            ..PeerSettings::new(self.public_key)
        }
    }

    fn packet(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let mut mtu = MtuWatcher::new(MTU);
        bytes(self.tunnel.handle_outgoing_packet(Packet::copy_from(packet), Some(&mut mtu)))
    }

    fn initiation(&mut self) -> Vec<Vec<u8>> {
        bytes(self.tunnel.format_handshake_initiation(true).map(WgKind::HandshakeInit))
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) -> Vec<Vec<u8>> {
        // Its clock stands still between these calls, and it would take an old session for a new one.
        assert!(self.tunnel.update_timers().is_ok_and(|message| message.is_none()));
        let admitted = self.limiter.verify_packet(from, Packet::copy_from(datagram));
        let result = match admitted {
            Ok(message) => self.tunnel.handle_incoming_packet(message),
            Err(refusal) => refusal,
        };
        let mut answers = match result {
            TunnResult::WriteToNetwork(message) => bytes(Some(message)),
            TunnResult::WriteToTunnel(packet) => {
                self.delivered.extend((!packet.is_empty()).then(|| packet.to_vec()));
                Vec::new()
            }
            TunnResult::Done | TunnResult::Err(_) => Vec::new(),
        };
        let mut mtu = MtuWatcher::new(MTU);
        let waiting: Vec<WgKind> = self.tunnel.get_queued_packets(&mut mtu).collect();
        answers.extend(waiting.into_iter().map(|message| Packet::from(message).to_vec()));
        answers
    }
}

fn bytes(message: Option<WgKind>) -> Vec<Vec<u8>> {
    message.into_iter().map(|message| Packet::from(message).to_vec()).collect()
}

/// Carries datagrams between the two until there are no more.
fn talk(ours: &mut Node, theirs: &mut Reference, from_us: Vec<Vec<u8>>, from_them: Vec<Vec<u8>>) {
    let (mut from_us, mut from_them) = (from_us, from_them);
    while !from_us.is_empty() || !from_them.is_empty() {
        let sent = std::mem::take(&mut from_us);
        from_them.extend(sent.iter().flat_map(|datagram| theirs.receive(ours.address, datagram)));
        for datagram in std::mem::take(&mut from_them) {
            from_us.extend(plain(ours.receive(theirs.address, &datagram)));
        }
    }
}

fn plain(effects: Effects) -> Vec<Vec<u8>> {
    effects.datagrams.into_iter().map(|datagram| datagram.bytes).collect()
}

fn pair(preshared: Option<[u8; 32]>, limits: Limits, their_limit: u64) -> (Node, Reference) {
    let ours = Node::with_limits(1, limits);
    let theirs = Reference::new(2, &ours, preshared, their_limit);
    ours.apply(theirs.settings(preshared));
    (ours, theirs)
}

/// Packets of every length there can be, both ways.
fn exchange(ours: &mut Node, theirs: &mut Reference) {
    for length in (0..=64).chain([100, 576, 1279, 1280, 1399, 1400]) {
        let payload = random_bytes(length as u64, length);
        let there = inner_packet(ours.inner, theirs.inner, &payload);
        let effects = ours.packet(&there);
        assert_eq!(kinds(&effects), [DATA]);
        talk(ours, theirs, plain(effects), vec![]);
        // Padding is cut off by us, and left to the IP stack by their tunnel.
        assert_eq!(theirs.delivered.pop().expect("delivered")[..there.len()], there);
        let back = inner_packet(theirs.inner, ours.inner, &payload);
        let sent = theirs.packet(&back);
        assert_eq!(sent.len(), 1);
        talk(ours, theirs, vec![], sent);
        assert_eq!(ours.delivered.pop().expect("delivered"), back);
    }
}

#[test]
fn we_begin() {
    for preshared in [None, Some([0x5a; 32])] {
        let (mut ours, mut theirs) = pair(preshared, Limits::default(), 1000);
        let first = ours.packet(&inner_packet(ours.inner, theirs.inner, b"first"));
        assert_eq!(kinds(&first), [INITIATION]);
        talk(&mut ours, &mut theirs, plain(first), vec![]);
        assert_eq!((theirs.delivered.len(), ours.handshakes()), (1, 1));
        exchange(&mut ours, &mut theirs);
    }
}

#[test]
fn they_begin() {
    for preshared in [None, Some([0x5a; 32])] {
        let (mut ours, mut theirs) = pair(preshared, Limits::default(), 1000);
        let first = theirs.packet(&inner_packet(theirs.inner, ours.inner, b"first"));
        talk(&mut ours, &mut theirs, vec![], first);
        assert_eq!((ours.delivered.len(), ours.handshakes()), (1, 1));
        exchange(&mut ours, &mut theirs);
    }
}

#[test]
fn a_wrong_preshared_key_is_noticed_by_both() {
    let ours = Node::new(1);
    let mut theirs = Reference::new(2, &ours, Some([1; 32]), 1000);
    let mut ours = ours;
    ours.apply(theirs.settings(Some([2; 32])));
    let first = ours.packet(&inner_packet(ours.inner, theirs.inner, b"x"));
    let first_of_theirs = theirs.packet(&inner_packet(theirs.inner, ours.inner, b"y"));
    talk(&mut ours, &mut theirs, plain(first), first_of_theirs);
    assert_eq!((ours.delivered.len(), theirs.delivered.len(), ours.handshakes()), (0, 0, 0));
}

/// New sessions again and again, begun by either side, while packets of the one before are still on their way.
#[test]
fn sessions_follow_each_other_without_a_lost_packet() {
    let (mut ours, mut theirs) = pair(None, Limits::default(), 1000);
    let first = ours.packet(&inner_packet(ours.inner, theirs.inner, b"first"));
    talk(&mut ours, &mut theirs, plain(first), vec![]);
    theirs.delivered.clear();
    for round in 0..20u8 {
        ours.world.advance(Duration::from_secs(6));
        let late_there = plain(ours.packet(&inner_packet(ours.inner, theirs.inner, &[round])));
        let late_back = theirs.packet(&inner_packet(theirs.inner, ours.inner, &[round]));
        if round % 2 == 0 {
            let initiation = theirs.initiation();
            talk(&mut ours, &mut theirs, vec![], initiation);
        } else {
            // Nothing came back for longer than a session lasts: the next packet begins a new one.
            ours.world.advance(Timing::default().reject_after_time);
            let effects = ours.packet(&inner_packet(ours.inner, theirs.inner, b"new"));
            assert_eq!(kinds(&effects), [INITIATION]);
            talk(&mut ours, &mut theirs, plain(effects), vec![]);
            assert_eq!(theirs.delivered.pop().expect("delivered")[20..23], *b"new");
        }
        assert_eq!(ours.handshakes(), usize::from(round) + 2);
        // Too old for us where we let the time of a session pass, but not where a new one just came.
        talk(&mut ours, &mut theirs, late_there, late_back);
        assert_eq!(theirs.delivered.pop().expect("delivered")[20], round);
        assert_eq!(ours.delivered.pop().is_some(), round % 2 == 0, "round {round}");
    }
}

#[test]
fn they_demand_a_cookie_of_us() {
    let (mut ours, mut theirs) = pair(None, Limits::default(), 0);
    let first = plain(ours.packet(&inner_packet(ours.inner, theirs.inner, b"x")));
    let reply = theirs.receive(ours.address, &first[0]);
    assert_eq!(reply[0][0], COOKIE);
    assert_eq!(kinds(&ours.receive(theirs.address, &reply[0])), NOTHING);
    // The next attempt has it.
    ours.world.advance(Duration::from_millis(5400));
    let second = plain(ours.tick());
    assert_eq!(second[0][0], INITIATION);
    talk(&mut ours, &mut theirs, second, vec![]);
    assert_eq!((theirs.delivered.len(), ours.handshakes()), (1, 1));
}

#[test]
fn we_demand_a_cookie_of_them() {
    let (mut ours, mut theirs) = pair(None, Limits { per_address: 0, in_all: 10 }, 1000);
    let first = theirs.packet(&inner_packet(theirs.inner, ours.inner, b"x"));
    let reply = plain(ours.receive(theirs.address, &first[0]));
    assert_eq!(reply[0][0], COOKIE);
    assert!(theirs.receive(ours.address, &reply[0]).is_empty());
    let second = theirs.initiation();
    talk(&mut ours, &mut theirs, vec![], second);
    assert_eq!((ours.delivered.len(), ours.handshakes()), (1, 1));
}

/// Both begin at the same moment.
#[test]
fn crossing_handshakes() {
    let (mut ours, mut theirs) = pair(None, Limits::default(), 1000);
    let first = plain(ours.packet(&inner_packet(ours.inner, theirs.inner, b"there")));
    let first_of_theirs = theirs.packet(&inner_packet(theirs.inner, ours.inner, b"back"));
    talk(&mut ours, &mut theirs, first, first_of_theirs);
    assert_eq!((ours.delivered.len(), theirs.delivered.len()), (1, 1));
    ours.delivered.clear();
    theirs.delivered.clear();
    exchange(&mut ours, &mut theirs);
}
