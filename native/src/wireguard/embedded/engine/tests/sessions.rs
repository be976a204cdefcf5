//! Handshakes, sessions and what they carry.

use super::*;

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
    // Initiation 148, a packet of 25 bytes padded to 32 in a message of 64, which shows that the session is there; the response 92.
    assert_eq!(nodes[0].state_of(&nodes[1]).tx_bytes, 148 + 64);
    assert_eq!(nodes[1].state_of(&nodes[0]).rx_bytes, 148 + 64);
    assert_eq!(nodes[0].state_of(&nodes[1]).rx_bytes, 92);
    assert_eq!(nodes[1].state_of(&nodes[0]).tx_bytes, 92);
}

#[test]
fn keepalive_begins_a_handshake_at_once_without_traffic() {
    let mut nodes = strangers();
    let on = PeerSettings { keepalive_seconds: Some(25), ..PeerSettings::new(nodes[1].public_key()) };
    let effects = nodes[0].apply(on.clone());
    assert_eq!(kinds(&effects), [INITIATION]);
    run(&mut nodes, effects);
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (1, 1));
    // The same again is no news.
    assert_eq!(kinds(&nodes[0].apply(on)), NOTHING);
    // With a session, turning it on sends an empty message.
    nodes[0].apply(PeerSettings { keepalive_seconds: Some(0), ..PeerSettings::new(nodes[1].public_key()) });
    let again = PeerSettings { keepalive_seconds: Some(5), ..PeerSettings::new(nodes[1].public_key()) };
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
    nodes[0].world.advance(Duration::from_secs(60));
    assert_eq!(kinds(&nodes[0].tick()), NOTHING);
    let endpoint =
        PeerSettings { endpoint: Some(nodes[1].address), ..PeerSettings::new(nodes[1].public_key()) };
    assert_eq!(kinds(&nodes[0].apply(endpoint)), [INITIATION]);
    // Another address, before an answer came: tried at once as well.
    let moved: SocketAddr = "192.0.2.77:1000".parse().expect("address");
    let effects =
        nodes[0].apply(PeerSettings { endpoint: Some(moved), ..PeerSettings::new(nodes[1].public_key()) });
    assert_eq!(kinds(&effects), [INITIATION]);
    assert_eq!(effects.datagrams[0].to.address, moved);
}

/// Both begin at the same moment. Each answers the other's initiation and still takes the answer to its own, so there are two sessions at once instead of none for five seconds,
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
    let lost_answer = nodes[0].receive(address1, &second.datagrams[0].bytes);
    assert_eq!(kinds(&lost_answer), [RESPONSE]);
    let answer = nodes[1].receive(address0, &first.datagrams[0].bytes);
    run(&mut nodes, answer);
    assert_eq!((nodes[0].delivered.len(), nodes[1].delivered.len()), (1, 1));
}

#[test]
fn the_endpoint_follows_what_was_authenticated_and_only_that() {
    let mut nodes = friends();
    let moved: SocketAddr = "198.51.100.9:4000".parse().expect("address");
    // Garbage with the right index from elsewhere moves nothing.
    let effects = nodes[1].ping(&nodes[0], b"x");
    let mut forged = effects.datagrams[0].bytes.clone();
    *forged.last_mut().expect("a tag") ^= 1;
    nodes[0].receive(moved, &forged);
    assert_eq!(nodes[0].state_of(&nodes[1]).endpoint, Some(nodes[1].address));
    // The true message does.
    nodes[0].receive(moved, &effects.datagrams[0].bytes);
    assert_eq!(nodes[0].state_of(&nodes[1]).endpoint, Some(moved));
    assert_eq!(nodes[0].ping(&nodes[1], b"y").datagrams[0].to.address, moved);
    // Other properties leave the new place alone, an explicit one wins.
    nodes[0].apply(PeerSettings { endpoint: None, keepalive_seconds: Some(9), ..Node::peer(&nodes[1]) });
    assert_eq!(nodes[0].state_of(&nodes[1]).endpoint, Some(moved));
    nodes[0].apply(Node::peer(&nodes[1]));
    assert_eq!(nodes[0].state_of(&nodes[1]).endpoint, Some(nodes[1].address));
}

#[test]
fn joined_datagrams_are_taken_apart() {
    let mut nodes = friends();
    let mut joined = Vec::new();
    for n in 0..7u8 {
        joined.extend_from_slice(&nodes[0].ping(&nodes[1], &[n; 100]).datagrams[0].bytes);
    }
    let size = joined.len() / 7;
    joined.extend_from_slice(&nodes[0].ping(&nodes[1], &[7; 10]).datagrams[0].bytes);
    let from = Endpoint::told(nodes[0].address);
    let Node { engine, opened, .. } = &mut nodes[1];
    engine.open(from, &mut joined, size, opened);
    engine.accept(&joined, opened, &mut Effects::default());
    let order: Vec<u8> = opened.packets.iter().map(|range| joined[range.clone()][20]).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn packets_are_padded_to_16_bytes_but_not_beyond_the_mtu() {
    let nodes = friends();
    for (length, padded) in [(20, 32), (32, 32), (33, 48), (1408, 1408), (1409, 1420), (1420, 1420)] {
        let effects = nodes[0].ping(&nodes[1], &vec![0; length - 20]);
        assert_eq!(effects.datagrams[0].bytes.len(), 32 + padded, "{length}");
    }
}

/// A relay's bridge is on the loopback. What it still holds when a peer goes direct is delivered, and leads nobody back.
#[test]
fn what_is_left_in_a_bridge_is_taken_and_not_followed() {
    let mut nodes = friends();
    let bridge: SocketAddr = "127.0.0.1:40000".parse().expect("address");
    let mapped: SocketAddr = "[::ffff:127.0.0.1]:40000".parse().expect("address");
    let direct = nodes[0].address;
    let arrives = |nodes: &mut [Node; 2], from: SocketAddr| {
        let before = nodes[1].delivered.len();
        let message = nodes[0].ping(&nodes[1], b"x").datagrams.remove(0).bytes;
        nodes[1].receive(from, &message);
        assert_eq!(nodes[1].delivered.len(), before + 1);
        nodes[1].state_of(&nodes[0]).endpoint
    };
    let set = |nodes: &[Node; 2], to| {
        nodes[1].apply(PeerSettings { endpoint: Some(to), ..PeerSettings::new(nodes[0].public_key()) });
    };
    set(&nodes, bridge);
    assert_eq!(arrives(&mut nodes, bridge), Some(bridge));
    // Whoever roams is followed, also out of a bridge.
    assert_eq!(arrives(&mut nodes, direct), Some(direct));
    set(&nodes, direct);
    assert_eq!(arrives(&mut nodes, bridge), Some(direct));
    assert_eq!(arrives(&mut nodes, mapped), Some(direct));
    let moved: SocketAddr = "192.0.2.77:1000".parse().expect("address");
    assert_eq!(arrives(&mut nodes, moved), Some(moved));
    // A proxy on this host is followed like everybody else, a little later.
    nodes[1].world.advance(Duration::from_secs(6));
    assert_eq!(arrives(&mut nodes, bridge), Some(bridge));
}
