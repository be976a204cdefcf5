//! From datagrams to packets: what any thread may do, and what is decided in order after that.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use super::effects::{Datagram, Effects};
use super::endpoint::Endpoint;
use super::engine::Engine;
use super::indices::Entry;
use super::noise::handshake::Claim;
use super::noise::message::{DATA_HEADER, Kind, TAG, index_at};
use super::noise::{Session, Time};
use super::own_key::{Admission, OwnKey};
use super::peer::Peer;
use super::{ip, read};
use crate::identity::keys::PublicKey;
use crate::memory::scrub_stack;

/// What came in one call of recvmsg, between its steps. One is used again and again; it keeps its capacity.
#[derive(Default)]
pub(super) struct Opened {
    /// After `accept`: where in the buffer the packets are that go to the TUN device, in order. Authentic, new, of a source the
    /// peer may use, without padding.
    pub packets: Vec<Range<usize>>,
    /// After `open`: where those datagrams are that are no message of WireGuard.
    pub strangers: Vec<Range<usize>>,
    from: Option<Endpoint>,
    items: Vec<Item>,
    data: Vec<Datum>,
}

enum Item {
    /// Authentic data messages of one session that came one after the other: a range of `Opened::data`.
    Run { peer: Arc<Peer>, session: Arc<Session>, data: Range<usize> },
    /// Any other message: where it is.
    Handshake(Kind, Range<usize>),
}

/// An authentic data message.
pub(super) struct Datum {
    pub counter: u64,
    /// The length of the message.
    pub wire_bytes: usize,
    /// It was not seen before.
    pub new: bool,
    /// Where the packet is, without padding; empty when there is none, or none that is IP.
    packet: Range<usize>,
    /// Where it claims to be from.
    source: Option<IpAddr>,
}

impl Datum {
    /// An empty message, which only tells that the other side is there.
    pub(super) fn is_keepalive(&self) -> bool {
        self.wire_bytes == DATA_HEADER + TAG
    }
}

impl Engine {
    /// Opens, in place, what came over UDP from one address (`from.source`: the local address it came to): datagrams of
    /// `datagram_size` bytes each, the last may be shorter. Any thread, at any time. `opened` is emptied first.
    pub(super) fn open(
        &self,
        from: Endpoint,
        datagrams: &mut [u8],
        datagram_size: usize,
        opened: &mut Opened,
    ) {
        opened.reset(from);
        // The session of the last data message: the next one is mostly of the same.
        let mut last: Option<(u32, Option<Entry>)> = None;
        let mut start = 0;
        for datagram in datagrams.chunks_mut(datagram_size.max(1)) {
            let end = start + datagram.len();
            match Kind::of(datagram) {
                Some(Kind::Data) => {
                    let index = index_at(datagram, 4);
                    let (_, entry) = match last.take_if(|(last, _)| *last == index) {
                        Some(known) => last.insert(known),
                        None => last.insert((index, self.context.indices.find(index))),
                    };
                    if let Some(Entry { peer, session: Some(session) }) = entry
                        && let Some(counter) = session.open(datagram)
                    {
                        let datum = Datum::new(counter, datagram, start);
                        opened.push(peer, session, datum);
                    }
                }
                Some(kind) => opened.items.push(Item::Handshake(kind, start..end)),
                None => opened.strangers.push(start..end),
            }
            start = end;
        }
    }

    /// Takes what `open` made of the same buffer, in the order of arrival: handshakes are answered (`effects`), data that is new
    /// is left in `opened.packets`.
    pub(super) fn accept(&self, datagrams: &[u8], opened: &mut Opened, effects: &mut Effects) {
        let Some(from) = opened.from else { return };
        let now = self.context.world.now();
        let Opened { packets, items, data, .. } = opened;
        for item in items.drain(..) {
            match item {
                Item::Run { peer, session, data: range } => {
                    let run = &mut data[range];
                    peer.tunnel(&self.context, now, effects).data(from, &session, run);
                    self.deliver(&peer, run, packets);
                }
                Item::Handshake(kind, range) => {
                    self.handshake(from, kind, &datagrams[range], now, effects);
                    // Keys on their way through functions leave copies that nobody owns.
                    scrub_stack();
                }
            }
        }
        data.clear();
    }

    /// Those that are new, and of an address that belongs to the peer.
    fn deliver(&self, peer: &Arc<Peer>, run: &[Datum], packets: &mut Vec<Range<usize>>) {
        let mut last: Option<(IpAddr, bool)> = None;
        for datum in run.iter().filter(|datum| datum.new) {
            let Some(source) = datum.source else { continue };
            let owned = match last {
                Some((known, owned)) if known == source => owned,
                _ => read(&self.peers).route(source).is_some_and(|owner| Arc::ptr_eq(owner, peer)),
            };
            last = Some((source, owned));
            if owned {
                packets.push(datum.packet.clone());
            }
        }
    }

    fn handshake(&self, from: Endpoint, kind: Kind, message: &[u8], now: Time, effects: &mut Effects) {
        let own = read(&self.own).clone();
        match (kind, own) {
            (Kind::Initiation, Some(own)) => self.initiation(from, message, now, &own, effects),
            (Kind::Response, Some(own)) => self.response(from, message, now, &own, effects),
            (Kind::CookieReply, _) => self.cookie_reply(message, now, effects),
            _ => {}
        }
    }

    fn initiation(&self, from: Endpoint, message: &[u8], now: Time, own: &OwnKey, effects: &mut Effects) {
        let admission = own.admit(from.address, message, now, &*self.context.world);
        if !admitted(admission, from, effects) {
            return;
        }
        let claim = message.try_into().ok().and_then(|message| Claim::read(&own.keys, message));
        let Some(claim) = claim else { return };
        let peer = read(&self.peers).get(&PublicKey(claim.public)).cloned();
        if let Some(peer) = peer {
            peer.tunnel(&self.context, now, effects).initiation(from, claim);
        }
    }

    fn response(&self, from: Endpoint, message: &[u8], now: Time, own: &OwnKey, effects: &mut Effects) {
        // What answers no initiation of ours costs a look-up.
        let entry = self.context.indices.find(index_at(message, 8)).filter(|entry| entry.session.is_none());
        let (Some(Entry { peer, .. }), Ok(response)) = (entry, message.try_into()) else {
            return;
        };
        let mut tunnel = peer.tunnel(&self.context, now, effects);
        let admission = if tunnel.awaits_response() {
            own.admit_awaited(message)
        } else {
            own.admit(from.address, message, now, &*self.context.world)
        };
        if admitted(admission, from, tunnel.effects) {
            tunnel.response(from, response);
        }
    }

    fn cookie_reply(&self, message: &[u8], now: Time, effects: &mut Effects) {
        let entry = self.context.indices.find(index_at(message, 4));
        if let (Some(Entry { peer, .. }), Ok(message)) = (entry, message.try_into()) {
            peer.tunnel(&self.context, now, effects).cookie_reply(message);
        }
    }
}

fn admitted(admission: Admission, from: Endpoint, effects: &mut Effects) -> bool {
    match admission {
        Admission::Take => true,
        Admission::Drop => false,
        Admission::Cookie(reply) => {
            effects.datagrams.push(Datagram { to: from, bytes: reply.to_vec() });
            false
        }
    }
}

impl Opened {
    fn reset(&mut self, from: Endpoint) {
        self.packets.clear();
        self.strangers.clear();
        self.items.clear();
        self.data.clear();
        self.from = Some(from);
    }

    fn push(&mut self, peer: &Arc<Peer>, session: &Arc<Session>, datum: Datum) {
        let at = self.data.len();
        self.data.push(datum);
        if let Some(Item::Run { session: last, data, .. }) = self.items.last_mut()
            && Arc::ptr_eq(last, session)
        {
            data.end = at + 1;
            return;
        }
        let (peer, session) = (Arc::clone(peer), Arc::clone(session));
        self.items.push(Item::Run { peer, session, data: at..at + 1 });
    }
}

impl Datum {
    /// `message` was opened in place and stands at `start` of the buffer.
    fn new(counter: u64, message: &[u8], start: usize) -> Self {
        let packet = &message[DATA_HEADER..message.len() - TAG];
        let (source, length) =
            ip::source_and_length(packet).map_or((None, 0), |(s, length)| (Some(s), length));
        let start = start + DATA_HEADER;
        Self { counter, wire_bytes: message.len(), new: false, packet: start..start + length, source }
    }
}
