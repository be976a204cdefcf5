//! What must not get in, and what must not be kept from working.

use super::*;
use crate::wireguard::embedded::test_random::Random;

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
    nodes[1].apply(PeerSettings { add_allowed_ips: vec![wider], ..PeerSettings::new(nodes[0].public_key()) });
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
        (0..4u8).map(|n| nodes[0].ping(&nodes[1], &[n]).datagrams.remove(0).bytes).collect();
    let from = nodes[0].address;
    for i in [2, 0, 3, 1, 0, 1, 2, 3] {
        nodes[1].receive(from, &messages[i]);
    }
    let order: Vec<u8> = nodes[1].delivered.iter().map(|packet| packet[20]).collect();
    assert_eq!(order, [2, 0, 3, 1]);
}

/// Initiations of a node to another, as many as wanted.
fn initiations<'a>(attacker: &'a Node, target: &'a Node) -> impl Iterator<Item = Vec<u8>> + 'a {
    attacker.apply(PeerSettings { keepalive_seconds: Some(25), ..Node::peer(target) });
    (1..u16::MAX).map(move |port| {
        // A new address for the target begins a new handshake, but not any number at once.
        attacker.world.advance(Duration::from_millis(50));
        let endpoint = Some((Ipv4Addr::new(203, 0, 113, 1), port).into());
        let effects = attacker.apply(PeerSettings { endpoint, ..PeerSettings::new(target.public_key()) });
        effects.datagrams[0].bytes.clone()
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
    assert_eq!(kinds(&nodes[1].receive(third.address, &other.datagrams[0].bytes)), [RESPONSE]);
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
    let reply = target.receive(honest.address, &first.datagrams[0].bytes);
    assert_eq!(kinds(&reply), [COOKIE]);
    assert_eq!(kinds(&honest.receive(target.address, &reply.datagrams[0].bytes)), NOTHING);
    // The next attempt, here provoked by another address, carries the cookie.
    let endpoint = Some("192.0.2.1:4".parse().expect("address"));
    let second = honest.apply(PeerSettings { endpoint, ..PeerSettings::new(target.public_key()) });
    assert_eq!(kinds(&target.receive(honest.address, &second.datagrams[0].bytes)), [RESPONSE]);
    // It is bound to the address.
    let endpoint = Some("192.0.2.1:5".parse().expect("address"));
    let third = honest.apply(PeerSettings { endpoint, ..PeerSettings::new(target.public_key()) });
    let elsewhere = "198.51.100.3:9".parse().expect("address");
    assert_eq!(kinds(&target.receive(elsewhere, &third.datagrams[0].bytes)), [COOKIE]);
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
    let true_message = nodes[0].ping(&nodes[1], b"x").datagrams[0].bytes.clone();
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

/// All kinds of messages of a true exchange, each changed in one bit at every place: none has any effect, none is answered.
#[test]
fn a_changed_message_is_never_taken() {
    let mut nodes = strangers();
    let initiation = nodes[0].ping(&nodes[1], b"x").datagrams.remove(0).bytes;
    let from =
        ["192.0.2.1:51820", "192.0.2.2:51820"].map(|text| text.parse::<SocketAddr>().expect("address"));
    let flipped = |message: &[u8]| -> Vec<Vec<u8>> {
        (0..message.len() * 8)
            .map(|bit| {
                let mut copy = message.to_vec();
                copy[bit / 8] ^= 1 << (bit % 8);
                copy
            })
            .collect()
    };
    let refused = |node: &mut Node, from: SocketAddr, message: &[u8], free: std::ops::Range<usize>| {
        for (bit, changed) in flipped(message).iter().enumerate() {
            if !free.contains(&(bit / 8)) {
                assert_eq!(kinds(&node.receive(from, changed)), NOTHING, "bit {bit}");
            }
            // Below the limit of floods.
            node.world.advance(Duration::from_millis(20));
        }
        for length in 0..message.len() {
            assert_eq!(kinds(&node.receive(from, &message[..length])), NOTHING, "length {length}");
        }
        assert_eq!((node.handshakes(), node.delivered.len()), (0, 0));
    };
    // The second MAC is not looked at while there is no flood.
    refused(&mut nodes[1], from[0], &initiation, 132..148);
    let response = nodes[1].receive(from[0], &initiation).datagrams.remove(0).bytes;
    refused(&mut nodes[0], from[1], &response, 76..92);
    let answer = nodes[0].receive(from[1], &response).datagrams.remove(0).bytes;
    assert_eq!(nodes[0].handshakes(), 1);
    refused(&mut nodes[1], from[0], &answer, 0..0);
    nodes[1].receive(from[0], &answer);
    assert_eq!((nodes[1].handshakes(), nodes[1].delivered.len()), (1, 1));
}

#[test]
fn an_initiation_is_taken_once_and_an_older_one_never() {
    let mut nodes = strangers();
    let from = nodes[0].address;
    let endpoint = |port| PeerSettings {
        endpoint: Some((Ipv4Addr::new(192, 0, 2, 2), port).into()),
        keepalive_seconds: Some(25),
        ..PeerSettings::new(nodes[1].public_key())
    };
    let [older, newer] = [1, 2].map(|port| nodes[0].apply(endpoint(port)).datagrams.remove(0).bytes);
    assert_eq!(kinds(&nodes[1].receive(from, &newer)), [RESPONSE]);
    nodes[1].world.advance(Duration::from_secs(1));
    assert_eq!(kinds(&nodes[1].receive(from, &newer)), NOTHING, "replayed");
    assert_eq!(kinds(&nodes[1].receive(from, &older)), NOTHING, "older");
    // And where it came from counts no more than the message itself.
    nodes[1].receive("198.51.100.1:1".parse().expect("address"), &newer);
    assert_eq!(nodes[1].state_of(&nodes[0]).endpoint, Some(from));
}

#[test]
fn a_peer_gets_at_most_fifty_answers_a_second() {
    let mut nodes = [Node::new(1), Node::with_limits(2, Limits { per_address: 1000, in_all: 1000 })];
    nodes[1].apply(Node::peer(&nodes[0]));
    nodes[0].apply(Node::peer(&nodes[1]));
    let from = nodes[0].address;
    nodes[0].apply(PeerSettings { keepalive_seconds: Some(25), ..PeerSettings::new(nodes[1].public_key()) });
    let mut answers = 0;
    for n in 0..200u16 {
        let endpoint = Some((Ipv4Addr::new(192, 0, 2, 2), n + 1).into());
        let effects = nodes[0].apply(PeerSettings { endpoint, ..PeerSettings::new(nodes[1].public_key()) });
        // Ten seconds' worth of stamps within one second.
        nodes.iter().for_each(|node| node.world.advance(Duration::from_millis(5)));
        let bytes = effects.datagrams.last().expect("an initiation").bytes.clone();
        answers += kinds(&nodes[1].receive(from, &bytes)).iter().filter(|kind| **kind == RESPONSE).count();
    }
    assert_eq!(answers, 50);
}

/// Responses to an initiation of ours are taken whatever else comes, but forged ones only so often.
#[test]
fn forged_responses_fall_under_the_limits_after_a_few() {
    let limits = Limits { per_address: 5, in_all: 10 };
    let mut nodes = [Node::with_limits(1, limits), Node::new(2)];
    nodes[0].apply(Node::peer(&nodes[1]));
    nodes[1].apply(Node::peer(&nodes[0]));
    let (ours, theirs) = (nodes[0].address, nodes[1].address);
    let initiation = nodes[0].ping(&nodes[1], b"x").datagrams.remove(0).bytes;
    let response = nodes[1].receive(ours, &initiation).datagrams.remove(0).bytes;
    // Somebody who knows our public key and saw the index; the MAC is right, the rest is not.
    let mut forged = response.clone();
    forged[20] ^= 1;
    super::super::super::noise::cookie::MacWriter::new(&nodes[0].public_key().0)
        .write(&mut forged, super::super::super::noise::Time::default());
    let answers: Vec<Vec<u8>> = (0..12).map(|_| kinds(&nodes[0].receive(theirs, &forged))).collect();
    let mut expected = vec![vec![]; 8];
    expected.extend(vec![vec![COOKIE]; 4]);
    assert_eq!(answers, expected, "three without a limit, five below it");
    // The next second, and attempt, are free again.
    nodes.iter().for_each(|node| node.world.advance(Duration::from_millis(5400)));
    let again = nodes[0].tick();
    assert_eq!(kinds(&again), [INITIATION]);
    run(&mut nodes, again);
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (1, 1));
}
