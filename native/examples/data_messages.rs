//! What a data message costs: `cargo run --release -p wgmesh-native --example data_messages`. One core, no I/O; nanoseconds a packet,
//! of the fastest of many rounds, which is what it costs where nothing else runs. The bare cipher is the floor; gotatun is what the protocol was before.

#![allow(
    dead_code,
    unused_imports,
    reason = "the protocol is taken in whole, and only its data messages are measured"
)]

#[cfg(target_os = "linux")]
#[path = "../src/wireguard/embedded/noise/mod.rs"]
mod noise;

#[cfg(target_os = "linux")]
fn main() {
    println!("{:<46} {:>10} {:>10} {:>10}", "ns a packet of", "64 B", "576 B", "1420 B");
    for (what, cost) in [
        ("seal: ChaCha20-Poly1305 of ring alone", linux::bare_seal as fn(usize) -> f64),
        ("seal: this engine", linux::our_seal),
        ("seal: gotatun 0.10, buffer there already", linux::their_seal),
        ("open: ChaCha20-Poly1305 of ring alone", linux::bare_open),
        ("open: this engine, with the replay window", linux::our_open),
        ("open: gotatun 0.10", linux::their_open),
    ] {
        let [small, middle, large] = [64, 576, 1420].map(cost);
        println!("{what:<46} {small:>10.0} {middle:>10.0} {large:>10.0}");
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::hint::black_box;
    use std::sync::Arc;
    use std::time::Instant;

    use gotatun::noise::index_table::IndexTable;
    use gotatun::noise::rate_limiter::RateLimiter;
    use gotatun::noise::{Tunn, TunnResult};
    use gotatun::packet::{Packet, WgKind};
    use gotatun::x25519;
    use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
    use zeroize::Zeroizing;

    use super::noise::handshake::{Claim, Initiated, PeerKeys, StaticKeys};
    use super::noise::message::{DATA_HEADER, TAG};
    use super::noise::timestamp::Timestamp;
    use super::noise::{Session, Time};

    const ROUNDS: usize = 501;
    /// Packets a round: about as many as a batch of the device has.
    const BATCH: usize = 64;

    /// The fastest round; `prepare` makes what `work` uses up and is not counted.
    fn fastest<T>(mut prepare: impl FnMut() -> T, mut work: impl FnMut(&mut T)) -> f64 {
        let round = |_| {
            let mut batch = prepare();
            let begun = Instant::now();
            work(&mut batch);
            let nanos = begun.elapsed().as_nanos() as f64;
            black_box(&batch);
            nanos / BATCH as f64
        };
        (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
    }

    fn messages(length: usize) -> Vec<Vec<u8>> {
        vec![vec![0x45; DATA_HEADER + length + TAG]; BATCH]
    }

    // ---- the bare cipher ---------------------------------------------------------------------------------------------

    fn bare_key() -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).expect("32 bytes"))
    }

    fn nonce(counter: usize) -> Nonce {
        let mut bytes = [0; 12];
        bytes[4..].copy_from_slice(&(counter as u64).to_le_bytes());
        Nonce::assume_unique_for_key(bytes)
    }

    fn bare_sealed(key: &LessSafeKey, batch: &mut [Vec<u8>]) {
        for (counter, message) in batch.iter_mut().enumerate() {
            let (body, tag) = message[DATA_HEADER..].split_last_chunk_mut::<TAG>().expect("long enough");
            let made =
                key.seal_in_place_separate_tag(nonce(counter), Aad::empty(), body).expect("short enough");
            tag.copy_from_slice(made.as_ref());
        }
    }

    pub fn bare_seal(length: usize) -> f64 {
        let key = bare_key();
        fastest(|| messages(length), |batch| bare_sealed(&key, batch))
    }

    pub fn bare_open(length: usize) -> f64 {
        let key = bare_key();
        let sealed = || {
            let mut batch = messages(length);
            bare_sealed(&key, &mut batch);
            batch
        };
        fastest(sealed, |batch| {
            for (counter, message) in batch.iter_mut().enumerate() {
                key.open_in_place(nonce(counter), Aad::empty(), &mut message[DATA_HEADER..])
                    .expect("authentic");
            }
        })
    }

    // ---- this engine -------------------------------------------------------------------------------------------------

    /// Both ends of a session.
    fn our_pair() -> (Session, Session) {
        let secret = |byte| Zeroizing::new([byte; 32]);
        let (initiator, responder) = (StaticKeys::new(&[1; 32]), StaticKeys::new(&[2; 32]));
        let of_responder = PeerKeys::new(&initiator, responder.public).expect("a usable key");
        let of_initiator = PeerKeys::new(&responder, initiator.public).expect("a usable key");
        let begun = Initiated::new(&initiator, &of_responder, 1, Timestamp::default(), &secret(3));
        let (initiated, initiation) = begun.expect("a usable key");
        let claim = Claim::read(&responder, &initiation).expect("authentic");
        let (verified, _) = claim.verify(&of_initiator).expect("authentic");
        let (theirs, response) = verified.respond(&[0; 32], 2, &secret(4)).expect("a usable key");
        let ours = initiated.finish(&initiator, &[0; 32], &response).expect("authentic");
        (Session::new(ours, Time::default()), Session::new(theirs, Time::default()))
    }

    fn our_sealed(session: &Session, batch: &mut [Vec<u8>]) {
        let first = session.take(BATCH as u64, u64::MAX).expect("counters");
        for (counter, message) in (first..).zip(batch) {
            session.seal(counter, message);
        }
    }

    pub fn our_seal(length: usize) -> f64 {
        let (session, _) = our_pair();
        fastest(|| messages(length), |batch| our_sealed(&session, batch))
    }

    pub fn our_open(length: usize) -> f64 {
        let (sender, receiver) = our_pair();
        let sealed = || {
            let mut batch = messages(length);
            our_sealed(&sender, &mut batch);
            batch
        };
        fastest(sealed, |batch| {
            let mut counters = [0; BATCH];
            for (message, counter) in batch.iter_mut().zip(&mut counters) {
                *counter = receiver.open(message).expect("authentic");
            }
            let mut window = receiver.window();
            assert!(counters.iter().all(|counter| window.accept(*counter, u64::MAX)));
        })
    }

    // ---- gotatun -----------------------------------------------------------------------------------------------------

    fn their_pair() -> (Tunn, Tunn) {
        let keys = [1u8, 2].map(|byte| {
            let private = x25519::StaticSecret::from([byte; 32]);
            let public = x25519::PublicKey::from(&private);
            (private, public)
        });
        let tunnel = |own: usize| {
            let (private, public) = keys[own].clone();
            let limiter = Arc::new(RateLimiter::new(&public, 1000));
            Tunn::new(private, keys[1 - own].1, None, None, IndexTable::from_os_rng(), limiter)
        };
        let (mut sender, mut receiver) = (tunnel(0), tunnel(1));
        let initiation = sender.format_handshake_initiation(false).expect("the first");
        let answer = |result| match result {
            TunnResult::WriteToNetwork(message) => message,
            _ => panic!("no answer"),
        };
        let response = answer(receiver.handle_incoming_packet(WgKind::HandshakeInit(initiation)));
        let keepalive = answer(sender.handle_incoming_packet(response));
        receiver.handle_incoming_packet(keepalive);
        (sender, receiver)
    }

    fn packets(length: usize) -> Vec<Option<Packet>> {
        (0..BATCH).map(|_| Some(Packet::copy_from(&vec![0x45; length][..]))).collect()
    }

    pub fn their_seal(length: usize) -> f64 {
        let (mut sender, _) = their_pair();
        let mut sealed = Vec::with_capacity(BATCH);
        fastest(
            || packets(length),
            |batch| {
                sealed.clear();
                for packet in batch.iter_mut().filter_map(Option::take) {
                    sealed.push(sender.handle_outgoing_packet(packet, None).expect("a session"));
                }
            },
        )
    }

    pub fn their_open(length: usize) -> f64 {
        let (mut sender, mut receiver) = their_pair();
        let sealed = || -> Vec<Option<WgKind>> {
            let packets = packets(length).into_iter().flatten();
            packets.map(|packet| sender.handle_outgoing_packet(packet, None)).collect()
        };
        let mut opened = Vec::with_capacity(BATCH);
        fastest(sealed, |batch| {
            opened.clear();
            for message in batch.iter_mut().filter_map(Option::take) {
                match receiver.handle_incoming_packet(message) {
                    TunnResult::WriteToTunnel(packet) => opened.push(packet),
                    _ => panic!("not authentic"),
                }
            }
        })
    }
}
