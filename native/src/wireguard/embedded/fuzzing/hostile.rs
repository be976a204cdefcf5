//! What nobody of the two nodes sent.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::network::Network;
use super::node::identity;
use crate::fuzzing::input::Input;
use crate::wireguard::embedded::noise::Time;
use crate::wireguard::embedded::noise::cookie::MacWriter;
use crate::wireguard::embedded::noise::message::INITIATION_LENGTH;

impl Network {
    /// A message that stands for something is changed: a bit, its length, or both.
    pub(super) fn mangled(&mut self, input: &mut Input<'_>) {
        let Some((to, mut message)) = self.some_message(input) else { return };
        match input.byte() % 4 {
            0 => message.truncate(input.u16().into()),
            1 => message.extend_from_slice(input.take(7)),
            _ => {
                let at = usize::from(input.u16()) % message.len();
                message[at] ^= input.byte();
            }
        }
        self.strange(to, input, &message);
    }

    /// Any bytes, which may begin as a message does that is, or was, on the way.
    pub(super) fn garbage(&mut self, input: &mut Input<'_>) {
        let length = [0, 1, 4, 8, 12, 16][usize::from(input.byte()) % 6];
        let (to, head) = match self.some_message(input) {
            Some((to, message)) => (to, message[..length.min(message.len())].to_vec()),
            None => (usize::from(input.byte() & 1), Vec::new()),
        };
        let garbage = [&head, input.piece()].concat();
        self.strange(to, input, &garbage);
    }

    /// An initiation of somebody who knows no more than the node's public key, but that well.
    pub(super) fn forged(&mut self, input: &mut Input<'_>) {
        let to = usize::from(input.byte() & 1);
        let mut message = [0; INITIATION_LENGTH];
        message[0] = 1;
        let content = input.take(INITIATION_LENGTH - 36);
        message[4..4 + content.len()].copy_from_slice(content);
        MacWriter::new(&self.nodes[to].key.0).write(&mut message, Time::default());
        // As many as make a flood, now and then.
        for _ in 0..1 + input.byte() % 8 {
            self.strange(to, input, &message);
        }
    }

    /// Gives a node what may be no message of the other: then it changes nothing, costs at most one answer no longer than itself,
    /// and a tunnel that worked works on.
    fn strange(&mut self, to: usize, input: &mut Input<'_>, message: &[u8]) {
        let from = address(self.nodes[1 - to].address, input);
        if self.nodes[1 - to].sent.contains(&identity(message)) {
            return self.arrive(to, from, message);
        }
        let connected = input.byte() & 1 == 1 && self.connected();
        let before = self.nodes[to].seen();
        let opening = self.open(to, from, message.to_vec(), message.len());
        let effects = self.accept(to, opening);
        assert_eq!(before, self.nodes[to].seen(), "a strange message changed something");
        assert!(effects.events.is_empty());
        let answers: usize = effects.datagrams.iter().map(|datagram| datagram.bytes.len()).sum();
        assert!(answers <= message.len(), "{answers} bytes for {}", message.len());
        assert!(effects.datagrams.iter().all(|datagram| datagram.to.address == from));
        self.carry_out(to, effects);
        assert!(!connected || self.connected(), "a strange message ended a session");
    }

    /// One that is on the way, or was.
    fn some_message(&self, input: &mut Input<'_>) -> Option<(usize, Vec<u8>)> {
        let choice = usize::from(input.byte());
        let all = self.flying.len() + self.past.len();
        let place = choice.checked_rem(all)?;
        let chosen = self.flying.iter().chain(&self.past).nth(place)?.clone();
        (!chosen.1.is_empty()).then_some(chosen)
    }
}

/// Where something comes from: mostly the node it is said to be of.
pub(super) fn address(real: SocketAddr, input: &mut Input<'_>) -> SocketAddr {
    let choice = input.byte();
    let port = 1024 + u16::from(choice);
    match choice % 8 {
        5 => (Ipv4Addr::new(198, 51, 100, choice), port).into(),
        6 => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, choice.into()), port).into(),
        7 => (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port).into(),
        _ => real,
    }
}
