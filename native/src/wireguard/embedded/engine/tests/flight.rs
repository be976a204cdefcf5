//! What is between its steps while something changes: batches that are planned, datagrams that are opened, packets that wait.

use super::super::super::endpoint::Source;
use super::super::super::noise::message::{DATA_HEADER, TAG};
use super::*;

fn batch(from: &Node, to: &Node, payloads: &[&[u8]]) -> Packets {
    let packets: Vec<_> =
        payloads.iter().map(|payload| inner_packet(from.inner, to.inner, payload)).collect();
    let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
    Packets::new(&packets, MTU.into())
}

type Change = Box<dyn Fn(&Engine)>;

/// Every change that ends a session.
fn changes(node: &Node, other: &Node) -> Vec<Change> {
    let key = other.public_key();
    let settings = PeerSettings { reset: true, ..Node::peer(other) };
    let new_key = PrivateKey::generate().expect("random");
    assert_eq!(node.engine.keys(), [key]);
    let apply = |change: PeerChange| {
        move |engine: &Engine| {
            assert!(engine.apply(vec![change.clone()], &mut Effects::default()).is_empty());
        }
    };
    vec![
        Box::new(apply(PeerChange::Remove(key))),
        Box::new(apply(PeerChange::Set(settings))),
        Box::new(|engine| engine.clear()),
        Box::new(move |engine| engine.set_private_key(&new_key, &mut Effects::default())),
    ]
}

#[test]
fn a_batch_in_work_is_not_sent_once_its_session_ended() {
    for i in 0..4 {
        let nodes = friends();
        let batch = batch(&nodes[0], &nodes[1], &[b"a", b"b"]);
        let plan = nodes[0].engine.plan(&batch, &mut Effects::default()).expect("a session");
        assert!(plan.live());
        changes(&nodes[0], &nodes[1])[i](&nodes[0].engine);
        assert!(!plan.live(), "change {i}");
    }
}

#[test]
fn what_was_opened_is_not_accepted_once_its_session_ended() {
    for i in 0..4 {
        let mut nodes = friends();
        let sent = nodes[0].ping(&nodes[1], b"late");
        let mut bytes = sent.datagrams[0].bytes.clone();
        let (size, from) = (bytes.len(), Endpoint::told(nodes[0].address));
        let change = changes(&nodes[1], &nodes[0]).swap_remove(i);
        let Node { engine, opened, .. } = &mut nodes[1];
        engine.open(from, &mut bytes, size, opened);
        change(engine);
        let mut effects = Effects::default();
        engine.accept(&bytes, opened, &mut effects);
        assert!(opened.packets.is_empty() && effects.datagrams.is_empty(), "change {i}");
    }
}

#[test]
fn counters_of_batches_follow_each_other_however_they_are_sealed() {
    let mut nodes = friends();
    let mut effects = Effects::default();
    let mut first = batch(&nodes[0], &nodes[1], &[b"0", b"1", b"2"]);
    let mut second = batch(&nodes[0], &nodes[1], &[b"3", b"4"]);
    let plans = [&first, &second].map(|batch| nodes[0].engine.plan(batch, &mut effects).expect("a session"));
    // By another thread, and the later one sooner.
    let late = std::thread::scope(|scope| {
        scope.spawn(|| second.sealed(&plans[1]).collect::<Vec<_>>()).join().expect("no panic")
    });
    let mut sent: Vec<_> = first.sealed(&plans[0]).collect();
    sent.extend(late);
    let counters: Vec<u8> = sent.iter().map(|datagram| datagram.bytes[8]).collect();
    assert_eq!(counters, [1, 2, 3, 4, 5]);
    run(&mut nodes, Effects { datagrams: sent, ..Effects::default() });
    let order: Vec<u8> = nodes[1].delivered.iter().map(|packet| packet[20]).collect();
    assert_eq!(order, *b"01234");
}

/// Two threads may have opened the same message, or one of the same counter: the window is asked in order, and once.
#[test]
fn a_message_opened_twice_is_accepted_once() {
    let mut nodes = friends();
    let sent = nodes[0].ping(&nodes[1], b"x");
    let from = Endpoint::told(nodes[0].address);
    let mut copies = [sent.datagrams[0].bytes.clone(), sent.datagrams[0].bytes.clone()];
    let engine = &mut nodes[1].engine;
    let mut opened = [Opened::default(), Opened::default()];
    for (bytes, opened) in copies.iter_mut().zip(&mut opened) {
        let size = bytes.len();
        engine.open(from, bytes, size, opened);
    }
    for (bytes, opened) in copies.iter().zip(&mut opened) {
        engine.accept(bytes, opened, &mut Effects::default());
    }
    assert_eq!(opened.map(|opened| opened.packets.len()), [1, 0]);
}

/// While packets wait, later ones join them, even though there is a session: none overtakes another.
#[test]
fn packets_that_come_before_the_flush_wait_with_the_others() {
    let mut nodes = strangers();
    let initiation = nodes[0].ping(&nodes[1], b"0");
    let response = nodes[1].receive(nodes[0].address, &initiation.datagrams[0].bytes);
    let mut bytes = response.datagrams[0].bytes.clone();
    let (size, from) = (bytes.len(), Endpoint::told(nodes[1].address));
    let mut effects = Effects::default();
    let Node { engine, opened, .. } = &mut nodes[0];
    engine.open(from, &mut bytes, size, opened);
    engine.accept(&bytes, opened, &mut effects);
    assert_eq!((effects.flush.len(), kinds(&effects)), (1, vec![]), "no empty message, since data goes");
    let late = batch(&nodes[0], &nodes[1], &[b"1"]);
    let mut later = Effects::default();
    assert!(nodes[0].engine.plan(&late, &mut later).is_none());
    assert_eq!(later.flush.len(), 1);
    nodes[0].flush(&mut later);
    assert_eq!(kinds(&later), [DATA; 2]);
    nodes[0].flush(&mut effects);
    assert_eq!(kinds(&effects), NOTHING, "asked twice, flushed once");
    run(&mut nodes, later);
    let order: Vec<u8> = nodes[1].delivered.iter().map(|packet| packet[20]).collect();
    assert_eq!(order, *b"01");
    assert!(nodes[0].engine.plan(&late, &mut effects).is_some());
}

#[test]
fn of_what_waits_the_newest_is_kept() {
    let mut nodes = strangers();
    let first = nodes[0].ping(&nodes[1], &0u32.to_be_bytes());
    for n in 1..3000u32 {
        nodes[0].ping(&nodes[1], &n.to_be_bytes());
    }
    run(&mut nodes, first);
    let numbers = nodes[1].delivered.iter().map(|p| u32::from_be_bytes([p[20], p[21], p[22], p[23]]));
    assert!(numbers.eq(3000 - 1024..3000));
    assert_eq!(nodes[0].state_of(&nodes[1]).tx_bytes, 148 + 1024 * 64);
}

#[test]
fn answers_go_out_from_the_address_that_was_written_to() {
    let mut nodes = friends();
    let source = |last| Source { address: Ipv4Addr::new(203, 0, 113, last).into(), interface: 7 };
    let receive = |nodes: &mut [Node; 2], last: u8| {
        let mut bytes = nodes[0].ping(&nodes[1], b"x").datagrams[0].bytes.clone();
        let size = bytes.len();
        let from = Endpoint { address: nodes[0].address, source: Some(source(last)) };
        let Node { engine, opened, .. } = &mut nodes[1];
        engine.open(from, &mut bytes, size, opened);
        engine.accept(&bytes, opened, &mut Effects::default());
    };
    let used = |nodes: &[Node; 2]| nodes[1].ping(&nodes[0], b"y").datagrams[0].to.source;
    assert_eq!(used(&nodes), None);
    receive(&mut nodes, 1);
    assert_eq!(used(&nodes), Some(source(1)));
    receive(&mut nodes, 2);
    assert_eq!(used(&nodes), Some(source(2)));
    nodes[1].engine.forget_source(source(1));
    assert_eq!(used(&nodes), Some(source(2)), "another one");
    nodes[1].engine.forget_source(source(2));
    assert_eq!(used(&nodes), None);
    // Silence: what we use may be why nothing comes back.
    receive(&mut nodes, 3);
    assert_eq!(used(&nodes), Some(source(3)));
    nodes[1].world.advance(Duration::from_secs(16));
    let again = nodes[1].tick();
    assert_eq!((kinds(&again), again.datagrams[0].to.source), (vec![INITIATION], None));
}

#[test]
fn a_new_preshared_key_counts_from_the_next_session_on() {
    let mut nodes = friends();
    for i in [0, 1] {
        let key = nodes[1 - i].public_key();
        nodes[i].apply(PeerSettings { preshared_key: Some(PresharedKey([9; 32])), ..PeerSettings::new(key) });
    }
    let effects = nodes[0].ping(&nodes[1], b"old session");
    assert_eq!(kinds(&effects), [DATA]);
    run(&mut nodes, effects);
    // Only one side has it when the time comes: no new session, and the old one carries on.
    nodes[1].apply(PeerSettings {
        preshared_key: Some(PresharedKey([0; 32])),
        ..PeerSettings::new(nodes[0].public_key())
    });
    nodes.iter().for_each(|node| node.world.advance(Duration::from_secs(120)));
    let effects = nodes[0].ping(&nodes[1], b"still");
    assert_eq!(kinds(&effects), [INITIATION, DATA]);
    run(&mut nodes, effects);
    assert_eq!((nodes[0].handshakes(), nodes[1].delivered.len()), (1, 2));
    // Both again: the next attempt makes one.
    nodes[1].apply(PeerSettings {
        preshared_key: Some(PresharedKey([9; 32])),
        ..PeerSettings::new(nodes[0].public_key())
    });
    nodes.iter().for_each(|node| node.world.advance(Duration::from_millis(5400)));
    let effects = nodes[0].tick();
    assert_eq!(kinds(&effects), [INITIATION]);
    run(&mut nodes, effects);
    assert_eq!((nodes[0].handshakes(), nodes[1].handshakes()), (2, 2));
}

/// Many threads open and seal at once while one accepts and plans, as the device does it: all arrives, once, in order.
#[test]
fn many_threads_seal_and_open_one_session() {
    let mut nodes = friends();
    const BATCHES: usize = 200;
    let (sender, receiver) = nodes.split_at_mut(1);
    let (sender, receiver) = (&sender[0], &receiver[0]);
    let sealed: Vec<_> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for n in 0..BATCHES {
            let payloads: Vec<[u8; 2]> = (0..5).map(|i| ((n * 5 + i) as u16).to_be_bytes()).collect();
            let payloads: Vec<&[u8]> = payloads.iter().map(|p| &p[..]).collect();
            let mut batch = batch(sender, receiver, &payloads);
            let plan = sender.engine.plan(&batch, &mut Effects::default()).expect("a session");
            threads.push(scope.spawn(move || {
                let joined: Vec<u8> = batch.sealed(&plan).flat_map(|datagram| datagram.bytes).collect();
                let mut opened = Opened::default();
                let (mut buffer, size) = (joined, DATA_HEADER + 32 + TAG);
                receiver.engine.open(Endpoint::told(sender.address), &mut buffer, size, &mut opened);
                (buffer, opened)
            }));
        }
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut numbers = Vec::new();
    for (buffer, mut opened) in sealed {
        receiver.engine.accept(&buffer, &mut opened, &mut Effects::default());
        let number = |range: &std::ops::Range<usize>| {
            u16::from_be_bytes([buffer[range.start + 20], buffer[range.start + 21]])
        };
        numbers.extend(opened.packets.iter().map(number));
    }
    assert!(numbers.into_iter().eq(0..(BATCHES * 5) as u16));
}
