//! What a bridge's thread does.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::super::frame::{self, CONTROL, Cookie, Kind, control, header};
use super::keepalive::Keepalive;
use super::packer::Packer;
use super::{Inner, Outside};
use crate::os::wake::{Interest, wait};
use crate::wireguard::beside::looks_like_wireguard;
use crate::wireguard::embedded::endpoint::Endpoint;
use crate::wireguard::embedded::udp::{Outlet, Piece, Received, Receiver, Sender, Socket};

/// How long it is without packets before its buffers are given back.
const IDLE: Duration = Duration::from_secs(5);

/// What the thread has for itself.
struct Hands {
    receiver: Receiver,
    /// `None` while nothing passes.
    received: Option<Received>,
    packer: Packer,
    sender: Sender,
    chance: u64,
}

impl Inner {
    pub(super) fn run(&self) {
        let mut hands = Hands {
            receiver: Receiver::new(),
            received: None,
            packer: Packer::default(),
            sender: Sender::new(),
            chance: seed(),
        };
        let mut outside = self.outside();
        let mut keepalive = Keepalive::new(Instant::now());
        while !self.stopping.load(Ordering::Acquire) {
            let current = self.outside();
            if !Arc::ptr_eq(&current, &outside) {
                outside = current;
                keepalive = Keepalive::new(Instant::now());
            }
            // Both, so that a flood from one side does not starve the other.
            let busy = self.outwards(&outside, &mut hands) | self.inwards(&outside, &mut hands);
            let now = Instant::now();
            hands.chance = hands.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if keepalive.due(self.counting.is_alive(), now, hands.chance >> 33) {
                let hello = control(Kind::Hello, outside.token.unwrap_or_default(), Cookie::default());
                // What cannot be sent is lost; another follows.
                let _lost = outside.socket.send_one(&hello, &outside.remote);
            }
            if busy {
                continue;
            }
            let timeout = keepalive.wait(now);
            let timeout = if hands.received.is_some() { timeout.min(IDLE) } else { timeout };
            let sockets = [Some(readable(&self.inside)), Some(readable(&outside.socket))];
            match wait(&self.wake, sockets, Some(timeout)) {
                Ok(Some(_)) => {}
                Ok(None) if timeout >= IDLE || timeout < keepalive.wait(now) => hands.rest(),
                Ok(None) => {}
                // poll(2) lacks memory, which passes.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// From WireGuard to the remote. True when there was something.
    fn outwards(&self, outside: &Outside, hands: &mut Hands) -> bool {
        let wireguard = SocketAddr::from((Ipv4Addr::LOCALHOST, self.wireguard_port.load(Ordering::Acquire)));
        let Hands { receiver, received, packer, sender, .. } = hands;
        let received = received.get_or_insert_with(Received::new);
        let more = receiver.receive(&self.inside, received, &self.events).unwrap_or(false);
        if received.messages.is_empty() {
            return more;
        }
        packer.clear();
        let frame = outside.token.map(|token| header(Kind::Data, token));
        let (mut packets, mut bytes, mut dropped) = (0, 0, 0);
        for message in &received.messages {
            let data = &received.buffer[message.start..message.start + message.length];
            for payload in data.chunks(message.datagram_size) {
                // Other programs of this host may send here too.
                if message.from.address != wireguard || !looks_like_wireguard(payload) {
                    dropped += 1;
                    continue;
                }
                packer.push(frame.as_ref(), payload);
                packets += 1;
                bytes += payload.len() as u64;
            }
        }
        self.counting.taken(packets, bytes);
        self.counting.dropped(dropped);
        self.send(&outside.socket, outside.remote, packer, sender);
        true
    }

    /// From the remote to WireGuard. True when there was something.
    fn inwards(&self, outside: &Outside, hands: &mut Hands) -> bool {
        let Hands { receiver, received, packer, sender, .. } = hands;
        let received = received.get_or_insert_with(Received::new);
        let more = receiver.receive(&outside.socket, received, &self.events).unwrap_or(false);
        if received.messages.is_empty() {
            return more;
        }
        packer.clear();
        let delivery = self.delivery.load(Ordering::Acquire);
        let (mut packets, mut bytes) = (0, 0);
        for message in &received.messages {
            let data = &received.buffer[message.start..message.start + message.length];
            for datagram in data.chunks(message.datagram_size) {
                if message.from.address != outside.remote {
                    self.counting.dropped(1);
                    continue;
                }
                let Some(payload) = self.payload(outside, datagram) else { continue };
                if !looks_like_wireguard(payload) {
                    self.gate.hear(payload, outside.remote);
                } else if delivery {
                    packer.push(None, payload);
                    packets += 1;
                    bytes += payload.len() as u64;
                } else {
                    self.counting.dropped(1);
                }
            }
        }
        self.counting.delivered(packets, bytes);
        let port = self.wireguard_port.load(Ordering::Acquire);
        self.send(&self.inside, (Ipv4Addr::LOCALHOST, port).into(), packer, sender);
        true
    }

    /// What the other end sent; `None` for what is between us and the remote, and for what is no frame of it.
    fn payload<'a>(&self, outside: &Outside, datagram: &'a [u8]) -> Option<&'a [u8]> {
        let frame = frame::read(datagram);
        let Some(token) = outside.token else {
            self.counting.alive();
            // The keepalive of a bridge at the other end.
            if frame.is_some_and(|frame| frame.kind == Kind::Hello) {
                return None;
            }
            self.counting.received();
            return Some(datagram);
        };
        let Some(frame) = frame.filter(|frame| frame.token == token) else {
            self.counting.dropped(1);
            return None;
        };
        match frame.kind {
            Kind::Data => {
                self.counting.alive();
                self.counting.received();
                return Some(frame.payload);
            }
            Kind::Alive => self.counting.alive(),
            Kind::Challenge => {
                let answer: [u8; CONTROL] = control(Kind::Answer, token, frame.cookie());
                // Lost, it is asked again after the next hello.
                let _lost = outside.socket.send_one(&answer, &outside.remote);
            }
            Kind::Hello | Kind::Answer => self.counting.dropped(1),
        }
        None
    }

    fn send(&self, socket: &Socket, to: SocketAddr, packer: &Packer, sender: &mut Sender) {
        let pieces: Vec<Piece<'_>> = packer.runs().map(|run| (Endpoint::told(to), run)).collect();
        let outlet = Outlet { events: &self.events, link: "the bridge", forget: &|_| {} };
        sender.send_on(socket, outlet, &pieces);
    }
}

impl Hands {
    /// Gives memory back.
    fn rest(&mut self) {
        self.received = None;
        self.packer = Packer::default();
    }
}

fn readable(socket: &Socket) -> (BorrowedFd<'_>, Interest) {
    (socket.as_fd(), Interest::Readable)
}

/// For the times of keepalives, so nothing depends on it.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    let _same_for_all = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
