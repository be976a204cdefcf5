//! Peers and keys that are changed while the device runs.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::*;

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
    assert_eq!(kinds(&nodes[1].receive(from, &again.datagrams[0].bytes)), NOTHING);
}

#[test]
fn a_reset_forgets_sessions_and_makes_a_new_one_at_once() {
    let mut nodes = friends();
    nodes.iter().for_each(|node| node.world.advance(Duration::from_millis(20)));
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
    assert_eq!(nodes[0].ping(&nodes[1], b"?").datagrams[0].to.address, third.address);
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
            nodes[i].apply(PeerSettings { preshared_key: psk(byte), ..PeerSettings::new(key) });
            assert_eq!(nodes[i].state_of(&nodes[1 - i]).has_preshared_key(), byte != 0);
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
        PeerSettings::new(nodes[0].public_key()),
        PeerSettings::new(PublicKey([0; 32])),
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
    nodes[0]
        .engine
        .apply(vec![PeerChange::Set(PeerSettings::new(new_key.public_key()))], &mut Effects::default());
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
    let keyless = Node::without_key(3);
    let settings = PeerSettings { keepalive_seconds: Some(25), ..Node::peer(&nodes[1]) };
    assert_eq!(kinds(&keyless.apply(settings)), NOTHING);
    assert_eq!(kinds(&keyless.ping(&nodes[1], b"x")), NOTHING);
    let mut effects = Effects::default();
    keyless.engine.set_private_key(&nodes[0].key, &mut effects);
    assert!(effects.wake_timers);
    assert_eq!(kinds(&keyless.tick()), [INITIATION]);
}

/// Many peers, sessions and resets: what is gone leaves nothing behind.
#[test]
fn indices_and_deadlines_are_given_back() {
    let mut nodes = friends();
    for _ in 0..300 {
        nodes.iter().for_each(|node| node.world.advance(Duration::from_millis(20)));
        let reset = PeerSettings { reset: true, keepalive_seconds: Some(25), ..Node::peer(&nodes[1]) };
        let effects = nodes[0].apply(reset);
        run(&mut nodes, effects);
    }
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (301, 301));
    // One session where the peer is new; that and the one before where it is not.
    let left = nodes.each_ref().map(|n| (n.engine.context.indices.len(), n.engine.context.deadlines.len()));
    assert_eq!(left, [(1, 1), (2, 1)]);
    nodes.iter().for_each(|node| node.engine.clear());
    let left = nodes.each_ref().map(|n| (n.engine.context.indices.len(), n.engine.context.deadlines.len()));
    assert_eq!(left, [(0, 0), (0, 0)]);
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
