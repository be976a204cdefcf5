//! What happens by time alone, with a clock that the test moves.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

impl Node {
    /// Lets time pass and does what is due at each deadline on the way, no earlier and no later; what was sent, and when.
    fn pass(&self, duration: Duration) -> Vec<(Duration, Effects)> {
        let mut passed = Duration::ZERO;
        let mut sent = Vec::new();
        loop {
            let mut effects = Effects::default();
            let next = self.engine.tick(&mut effects);
            self.flush(&mut effects);
            if !effects.datagrams.is_empty() || !effects.events.is_empty() {
                sent.push((passed, effects));
            }
            let step = next.unwrap_or(duration).min(duration - passed);
            if step.is_zero() && passed == duration {
                return sent;
            }
            self.world.advance(step);
            passed += step;
        }
    }
}

/// Both sides' time passes together, second by second, and what they send arrives.
fn pass_together(nodes: &mut [Node; 2], seconds: u64) {
    for _ in 0..seconds {
        nodes.iter().for_each(|node| node.world.advance(SECOND));
        for i in [0, 1] {
            let effects = nodes[i].tick();
            run(nodes, effects);
        }
    }
}

/// A pair with a session 30 s old in which nothing waits for an answer.
fn calm() -> [Node; 2] {
    let mut nodes = friends();
    pass_together(&mut nodes, 30);
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (1, 1));
    nodes
}

fn kinds_of(sent: &[(Duration, Effects)]) -> Vec<u8> {
    sent.iter().flat_map(|(_, effects)| kinds(effects)).collect()
}

#[test]
fn an_initiation_is_repeated_and_given_up() {
    let nodes = strangers();
    nodes[0].ping(&nodes[1], b"x");
    let sent = nodes[0].pass(Duration::from_secs(300));
    // 18 in all, 5 to 5.333 s apart.
    assert_eq!(kinds_of(&sent), [INITIATION; 17]);
    let mut before = Duration::ZERO;
    for (at, effects) in &sent {
        let gap = *at - before;
        assert!((5.0..=5.334).contains(&gap.as_secs_f64()), "{gap:?}");
        assert_ne!(effects.datagrams[0].bytes[4..8], [0; 4]);
        before = *at;
    }
    // What waited is gone, what comes begins anew.
    assert_eq!(kinds(&nodes[0].ping(&nodes[1], b"y")), [INITIATION]);
}

#[test]
fn a_persistent_keepalive_never_gives_up_and_keeps_its_interval() {
    let nodes = strangers();
    nodes[0].apply(PeerSettings { keepalive_seconds: Some(25), ..PeerSettings::new(nodes[1].public_key()) });
    let sent = nodes[0].pass(Duration::from_secs(1200));
    let attempts = kinds_of(&sent).len();
    assert!((170..=230).contains(&attempts), "{attempts} attempts in 20 minutes");
    let nodes = calm();
    let keepalive = |seconds| PeerSettings {
        keepalive_seconds: Some(seconds),
        ..PeerSettings::new(nodes[1].public_key())
    };
    nodes[0].apply(keepalive(25));
    let sent = nodes[0].pass(Duration::from_secs(80));
    assert_eq!(sent.iter().map(|(at, _)| at.as_secs()).collect::<Vec<_>>(), [25, 50, 75]);
    assert_eq!(kinds_of(&sent), [DATA; 3]);
    nodes[0].apply(keepalive(0));
    assert_eq!(kinds_of(&nodes[0].pass(Duration::from_secs(400))), NOTHING);
}

#[test]
fn received_data_is_answered_with_a_keepalive_after_ten_seconds_of_silence() {
    let mut nodes = friends();
    nodes[1].pass(Duration::from_secs(60));
    let effects = nodes[0].ping(&nodes[1], b"x");
    run(&mut nodes, effects);
    let sent = nodes[1].pass(Duration::from_secs(9));
    assert_eq!(kinds_of(&sent), NOTHING);
    let sent = nodes[1].pass(Duration::from_secs(100));
    assert_eq!(kinds_of(&sent), [DATA]);
    assert_eq!(sent[0].0, SECOND);
    assert_eq!(sent[0].1.datagrams[0].bytes.len(), 32);
    // An answer of one's own makes it needless, and an empty message is not answered.
    let keepalive = Effects {
        datagrams: sent.into_iter().flat_map(|(_, e)| e.datagrams).collect(),
        ..Effects::default()
    };
    run(&mut nodes, keepalive);
    let effects = nodes[0].ping(&nodes[1], b"x");
    run(&mut nodes, effects);
    let effects = nodes[1].ping(&nodes[0], b"y");
    assert_eq!(kinds(&effects), [DATA]);
    assert_eq!(kinds_of(&nodes[1].pass(Duration::from_secs(14))), NOTHING);
}

#[test]
fn silence_after_sent_data_begins_a_handshake_after_15_seconds() {
    let nodes = friends();
    assert_eq!(kinds(&nodes[0].ping(&nodes[1], b"lost")), [DATA]);
    let sent = nodes[0].pass(Duration::from_secs(20));
    assert_eq!(kinds_of(&sent), [INITIATION]);
    assert!((15.0..=15.334).contains(&sent[0].0.as_secs_f64()), "{:?}", sent[0].0);
}

#[test]
fn the_initiator_makes_a_new_session_when_it_sends_after_120_seconds() {
    let mut nodes = friends();
    for (node, begins) in [(1, false), (0, true)] {
        nodes[node].world.advance(Duration::from_secs(119));
        assert_eq!(kinds(&nodes[node].ping(&nodes[1 - node], b"x")), [DATA], "not before");
        nodes[node].world.advance(SECOND);
        let effects = nodes[node].ping(&nodes[1 - node], b"x");
        // The packet goes with the old one at once.
        let expected = if begins { vec![INITIATION, DATA] } else { vec![DATA] };
        assert_eq!(kinds(&effects), expected);
        run(&mut nodes, effects);
    }
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (2, 2));
}

#[test]
fn the_initiator_that_only_receives_makes_a_new_session_after_165_seconds() {
    let mut nodes = friends();
    nodes.iter().for_each(|node| node.world.advance(Duration::from_secs(164)));
    let effects = nodes[1].ping(&nodes[0], b"x");
    assert_eq!(kinds(&nodes[0].receive(nodes[1].address, &effects.datagrams[0].bytes)), NOTHING);
    nodes.iter().for_each(|node| node.world.advance(SECOND));
    let effects = nodes[1].ping(&nodes[0], b"x");
    let answer = nodes[0].receive(nodes[1].address, &effects.datagrams[0].bytes);
    assert_eq!(kinds(&answer), [INITIATION]);
    // Once a session, so that lost ones are not repeated with every packet.
    nodes[0].world.advance(Duration::from_secs(6));
    let effects = nodes[1].ping(&nodes[0], b"x");
    assert_eq!(kinds(&nodes[0].receive(nodes[1].address, &effects.datagrams[0].bytes)), NOTHING);
}

#[test]
fn nothing_goes_through_a_session_after_180_seconds() {
    let mut nodes = friends();
    let late = nodes[0].ping(&nodes[1], b"late");
    nodes.iter().for_each(|node| node.world.advance(Duration::from_secs(180)));
    run(&mut nodes, late);
    assert_eq!(nodes[1].delivered.len(), 0);
    assert_eq!(kinds(&nodes[0].ping(&nodes[1], b"anew")), [INITIATION]);
    assert_eq!(kinds(&nodes[1].ping(&nodes[0], b"anew")), [INITIATION]);
}

#[test]
fn nothing_goes_through_a_session_after_the_last_message() {
    let timing = Timing { rekey_after_messages: 4, reject_after_messages: 8, ..Timing::default() };
    let mut nodes = [Node::with_timing(1, timing), Node::with_timing(2, timing)];
    nodes[0].apply(Node::peer(&nodes[1]));
    nodes[1].apply(Node::peer(&nodes[0]));
    let first = nodes[0].ping(&nodes[1], b"first");
    run(&mut nodes, first);
    nodes.iter().for_each(|node| node.world.advance(Duration::from_secs(5)));
    // Counter 0 is spent, and 4 messages may go before a new session is wanted, by the responder just as well.
    let sent: Vec<Vec<u8>> = (0..9).map(|n| kinds(&nodes[0].ping(&nodes[1], &[n]))).collect();
    let mut expected = vec![vec![DATA]; 7];
    expected[3] = vec![INITIATION, DATA];
    expected.extend([vec![], vec![]]);
    assert_eq!(sent, expected);
    let sent: Vec<Vec<u8>> = (0..9).map(|n| kinds(&nodes[1].ping(&nodes[0], &[n]))).collect();
    let mut expected = vec![vec![DATA]; 8];
    expected[4] = vec![INITIATION, DATA];
    expected.push(vec![]);
    assert_eq!(sent, expected);
}

/// More waits than one session can carry.
#[test]
fn what_is_left_of_a_queue_waits_for_the_session_after() {
    let timing = Timing { rekey_after_messages: 4, reject_after_messages: 8, ..Timing::default() };
    let mut nodes = [Node::with_timing(1, timing), Node::new(2)];
    nodes[0].apply(Node::peer(&nodes[1]));
    nodes[1].apply(Node::peer(&nodes[0]));
    let first = nodes[0].ping(&nodes[1], &[0]);
    (1..20).for_each(|n| assert_eq!(kinds(&nodes[0].ping(&nodes[1], &[n])), NOTHING));
    run(&mut nodes, first);
    for carried in [8, 16, 20] {
        assert_eq!(nodes[1].delivered.len(), carried);
        nodes.iter().for_each(|node| node.world.advance(Duration::from_millis(5400)));
        let effects = nodes[0].tick();
        run(&mut nodes, effects);
    }
    let order: Vec<u8> = nodes[1].delivered.iter().map(|packet| packet[20]).collect();
    assert!(order.into_iter().eq(0..20));
}

#[test]
fn all_keys_are_erased_after_540_seconds() {
    let nodes = calm();
    let sessions = |node: &Node| node.engine.context.indices.len();
    for node in &nodes {
        assert_eq!(sessions(node), 1);
        assert_eq!(kinds_of(&node.pass(Duration::from_secs(509))), NOTHING);
        assert_eq!(sessions(node), 1);
        node.pass(SECOND);
        assert_eq!(sessions(node), 0);
        assert_eq!(node.engine.context.deadlines.len(), 0, "nothing is left to wait for");
    }
}

/// Half an hour of a packet a second each way: sessions come and go, and nothing is lost.
#[test]
fn a_conversation_goes_through_all_new_sessions() {
    let mut nodes = friends();
    for second in 0..1800u32 {
        pass_together(&mut nodes, 1);
        for (i, j) in [(0, 1), (1, 0)] {
            let effects = nodes[i].ping(&nodes[j], &second.to_be_bytes());
            run(&mut nodes, effects);
            let packet = nodes[j].delivered.pop().expect("delivered");
            assert_eq!(packet[20..], second.to_be_bytes());
        }
    }
    // One of 0, then every 120 s.
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (16, 16));
    assert!(nodes.iter().all(|node| node.engine.context.indices.len() <= 2));
}

/// The same with every third datagram lost, of whatever kind: it goes on, and no packet comes twice or from nowhere.
#[test]
fn a_conversation_survives_a_bad_network() {
    let mut nodes = friends();
    let mut random = crate::wireguard::embedded::test_random::Random::new(5);
    let (mut sent, mut received) = (0u32, Vec::new());
    for _ in 0..3600 {
        nodes.iter().for_each(|node| node.world.advance(SECOND));
        let mut waiting = Vec::new();
        for i in [0, 1] {
            let ticked = nodes[i].tick();
            waiting.extend(super::sent(&nodes, ticked));
            sent += 1;
            let effects = nodes[i].ping(&nodes[1 - i], &sent.to_be_bytes());
            waiting.extend(super::sent(&nodes, effects));
        }
        while !waiting.is_empty() {
            // In any order.
            let (from, to, bytes) = waiting.swap_remove(random.below(waiting.len()));
            if random.below(3) == 0 {
                continue;
            }
            let i = usize::from(to == nodes[1].address);
            let effects = nodes[i].receive(from, &bytes);
            waiting.extend(super::sent(&nodes, effects));
        }
        for node in &mut nodes {
            received.extend(node.delivered.drain(..).map(|packet| packet[20..].to_vec()));
        }
    }
    let total = received.len();
    received.sort();
    received.dedup();
    assert_eq!(received.len(), total, "none twice");
    // Two thirds of 7,200 arrive, but for the seconds in which a handshake had to be repeated.
    assert!((4300..=5000).contains(&total), "{total}");
}

#[test]
fn a_clock_set_back_does_not_stop_new_sessions() {
    let mut nodes = friends();
    for (round, step) in [-86_400i64, -3600, 7200, -7200, -1_000_000].into_iter().enumerate() {
        nodes[0].world.step_wall_clock(step);
        nodes.iter().for_each(|node| node.world.advance(Duration::from_secs(200)));
        let effects = nodes[0].ping(&nodes[1], b"x");
        assert_eq!(kinds(&effects), [INITIATION]);
        run(&mut nodes, effects);
        assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (round + 2, round + 2));
    }
}

/// A response that does not arrive leaves the responder with a session that the other side does not have: it must not be used.
#[test]
fn a_responder_does_not_send_before_the_initiator_did() {
    let mut nodes = friends();
    nodes.iter().for_each(|node| node.world.advance(Duration::from_secs(120)));
    let rekey = nodes[0].ping(&nodes[1], b"x");
    assert_eq!(kinds(&rekey), [INITIATION, DATA]);
    let response = nodes[1].receive(nodes[0].address, &rekey.datagrams[0].bytes);
    assert_eq!(kinds(&response), [RESPONSE]);
    nodes[1].delivered.clear();
    // The old session carries on in both directions.
    let old = nodes[1].ping(&nodes[0], b"old");
    nodes[0].receive(nodes[1].address, &old.datagrams[0].bytes);
    assert_eq!(nodes[0].delivered.len(), 1);
    nodes[1].receive(nodes[0].address, &rekey.datagrams[1].bytes);
    assert_eq!((nodes[1].delivered.len(), nodes[1].handshakes()), (1, 1));
    // Proof: then the new one is used, by both.
    let late = nodes[1].ping(&nodes[0], b"late");
    run(&mut nodes, response);
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (2, 2));
    let new = nodes[1].ping(&nodes[0], b"new");
    assert_ne!(new.datagrams[0].bytes[4..8], old.datagrams[0].bytes[4..8]);
    nodes[0].receive(nodes[1].address, &new.datagrams[0].bytes);
    nodes[0].receive(nodes[1].address, &late.datagrams[0].bytes);
    assert_eq!(nodes[0].delivered.len(), 3, "what was on its way with the old one arrives, too");
}

#[test]
fn a_thousand_peers_are_connected_within_a_tick_or_two() {
    let hub = Node::new(1);
    let mut others: Vec<Node> = (0..1000).map(|_| Node::new(2)).collect();
    others.iter_mut().zip(1000..).for_each(|(other, port)| other.address.set_port(port));
    let mut effects = Effects::default();
    // One by one, as the UAPI socket does it.
    for other in &others {
        other.apply(PeerSettings { endpoint: Some(hub.address), ..PeerSettings::new(hub.public_key()) });
        let settings = PeerSettings {
            endpoint: Some(other.address),
            keepalive_seconds: Some(25),
            ..PeerSettings::new(other.public_key())
        };
        assert!(hub.engine.apply(vec![PeerChange::Set(settings)], &mut effects).is_empty());
    }
    assert!(effects.datagrams.len() <= 16, "the caller is not kept waiting");
    assert!(effects.wake_timers);
    let mut initiations = std::mem::take(&mut effects.datagrams);
    let mut ticks = 0;
    loop {
        let next = hub.engine.tick(&mut effects);
        assert!(effects.datagrams.len() <= 64, "what comes next is not kept waiting");
        initiations.append(&mut effects.datagrams);
        ticks += 1;
        if next.is_none_or(|next| !next.is_zero()) {
            break;
        }
    }
    assert_eq!((initiations.len(), ticks), (1000, 16));
    // All of them are behind one address and answer at once.
    let mut hub = hub;
    for initiation in initiations {
        let port = initiation.to.address.port();
        let other = &mut others[usize::from(port) - 1000];
        let response = other.receive(hub.address, &initiation.bytes);
        let (from, bytes) = (other.address, &response.datagrams[0].bytes);
        assert_eq!(kinds(&hub.receive(from, bytes)), [DATA]);
    }
    assert_eq!(hub.handshakes(), 1000);
}
