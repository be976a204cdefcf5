//! Handshakes and sessions by themselves.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::handshake::{Claim, Initiated, Initiation, PeerKeys, Response, StaticKeys};
use super::message::{DATA_HEADER, TAG};
use super::session::Agreed;
use super::sessions::Sessions;
use super::timestamp::Timestamp;
use super::{Secret, Session, Time};

fn secret(byte: u8) -> Secret {
    Zeroizing::new([byte; 32])
}

/// The keys of both sides, and what each knows of the other.
struct Pair {
    initiator: StaticKeys,
    responder: StaticKeys,
    of_responder: PeerKeys,
    of_initiator: PeerKeys,
}

impl Pair {
    fn new() -> Self {
        let (initiator, responder) = (StaticKeys::new(&[1; 32]), StaticKeys::new(&[2; 32]));
        let of_responder = PeerKeys::new(&initiator, responder.public).expect("no key of low order");
        let of_initiator = PeerKeys::new(&responder, initiator.public).expect("no key of low order");
        Self { initiator, responder, of_responder, of_initiator }
    }

    fn initiate(&self, index: u32) -> (Initiated, Initiation) {
        let stamp = Timestamp::from_bytes([7; Timestamp::LENGTH]);
        Initiated::new(&self.initiator, &self.of_responder, index, stamp, &secret(3)).expect("as above")
    }

    fn respond(&self, initiation: &Initiation, preshared: &[u8; 32]) -> Option<(Agreed, Response)> {
        let claim = Claim::read(&self.responder, initiation)?;
        assert_eq!(claim.public, self.initiator.public);
        let (verified, stamp) = claim.verify(&self.of_initiator)?;
        assert_eq!(stamp, Timestamp::from_bytes([7; Timestamp::LENGTH]));
        verified.respond(preshared, 22, &secret(4))
    }

    fn sessions(&self, preshared: &[u8; 32]) -> (Session, Session) {
        let (initiated, initiation) = self.initiate(11);
        let (theirs, response) = self.respond(&initiation, preshared).expect("authentic");
        let ours = initiated.finish(&self.initiator, preshared, &response).expect("authentic");
        (Session::new(ours, Time::default()), Session::new(theirs, Time::default()))
    }
}

fn message(packet: &[u8]) -> Vec<u8> {
    [&[0; DATA_HEADER], packet, &[0; TAG]].concat()
}

#[test]
fn both_sides_agree_on_the_keys() {
    let pair = Pair::new();
    for preshared in [[0; 32], [9; 32]] {
        let (initiator, responder) = pair.sessions(&preshared);
        for (from, to, index) in [(&initiator, &responder, 22u32), (&responder, &initiator, 11)] {
            for (counter, packet) in [(0, &b""[..]), (1, b"16 bytes of data"), (u64::MAX >> 8, &[5; 1420])] {
                let mut sealed = message(packet);
                from.seal(counter, &mut sealed);
                assert_eq!(sealed[..4], [4, 0, 0, 0]);
                assert_eq!(
                    (&sealed[4..8], &sealed[8..16]),
                    (&index.to_le_bytes()[..], &counter.to_le_bytes()[..])
                );
                assert_eq!(from.open(&mut sealed.clone()), None, "not its own");
                assert_eq!(to.open(&mut sealed), Some(counter));
                assert_eq!(sealed[DATA_HEADER..DATA_HEADER + packet.len()], *packet);
            }
        }
    }
}

#[test]
fn no_step_goes_on_with_what_is_not_authentic() {
    let pair = Pair::new();
    let (initiated, initiation) = pair.initiate(11);
    // The indices and MACs are not part of what a handshake authenticates by itself.
    for at in (8..116).step_by(3) {
        let mut changed = initiation;
        changed[at] ^= 0x10;
        assert!(pair.respond(&changed, &[0; 32]).is_none(), "byte {at} of the initiation");
    }
    let (_, response) = pair.respond(&initiation, &[0; 32]).expect("authentic");
    for at in (12..60).step_by(3) {
        let mut changed = response;
        changed[at] ^= 0x10;
        assert!(initiated.finish(&pair.initiator, &[0; 32], &changed).is_none(), "byte {at} of the response");
    }
    assert!(initiated.finish(&pair.initiator, &[1; 32], &response).is_none(), "another preshared key");
    assert!(initiated.finish(&pair.initiator, &[0; 32], &response).is_some(), "the true one after all");
}

#[test]
fn an_ephemeral_key_of_low_order_is_refused() {
    let pair = Pair::new();
    let (initiated, mut initiation) = pair.initiate(11);
    initiation[8..40].fill(0);
    assert!(Claim::read(&pair.responder, &initiation).is_none());
    let mut response: Response = [0; 92];
    response[12] = 1;
    assert!(initiated.finish(&pair.initiator, &[0; 32], &response).is_none());
}

#[test]
fn counters_are_taken_in_order_up_to_the_limit() {
    let (session, _) = Pair::new().sessions(&[0; 32]);
    assert_eq!([3, 1, 4].map(|count| session.take(count, 10)), [Some(0), Some(3), Some(4)]);
    assert_eq!(session.take(3, 10), None);
    assert_eq!((session.take(2, 10), session.take(1, 10), session.taken()), (Some(8), None, 10));
}

fn any_session() -> Arc<Session> {
    Arc::new(Pair::new().sessions(&[0; 32]).0)
}

fn gone(gone: [Option<Arc<Session>>; 2]) -> Vec<*const Session> {
    gone.iter().flatten().map(Arc::as_ptr).collect()
}

/// Each side's view of a few handshakes, as the kernel keeps them.
#[test]
fn sessions_move_from_next_to_current_to_previous() {
    let mut sessions = Sessions::default();
    let all: Vec<_> = (0..6).map(|_| any_session()).collect();
    let at = |n: usize| Arc::as_ptr(&all[n]);
    let current = |sessions: &Sessions| sessions.current().map(Arc::as_ptr);
    assert_eq!(gone(sessions.begin_as_responder(Arc::clone(&all[0]))), []);
    assert_eq!(current(&sessions), None, "not before the other side used it");
    assert!(sessions.confirm(&all[1]).is_none());
    assert_eq!(sessions.confirm(&all[0]).map(gone), Some(vec![]));
    assert!(sessions.confirm(&all[0]).is_none(), "once");
    assert_eq!(gone(sessions.begin_as_initiator(Arc::clone(&all[1]))), []);
    assert_eq!(current(&sessions), Some(at(1)));
    assert_eq!(gone(sessions.begin_as_responder(Arc::clone(&all[2]))), [at(0)], "the previous one goes");
    assert_eq!(gone(sessions.begin_as_responder(Arc::clone(&all[3]))), [at(2)], "and a next one nobody used");
    assert_eq!(current(&sessions), Some(at(1)));
    // Two handshakes that crossed: the other side may use either.
    assert_eq!(gone(sessions.begin_as_initiator(Arc::clone(&all[4]))), [at(1)]);
    assert_eq!(current(&sessions), Some(at(4)));
    assert!(sessions.confirm(&all[3]).is_none(), "it is the previous one now, for receiving");
    assert_eq!(gone(sessions.begin_as_responder(Arc::clone(&all[5]))), [at(3)]);
    assert_eq!(sessions.confirm(&all[5]).map(gone), Some(vec![]));
    assert_eq!(sessions.clear().map(|session| Arc::as_ptr(&session)).collect::<Vec<_>>(), [at(5), at(4)]);
}
