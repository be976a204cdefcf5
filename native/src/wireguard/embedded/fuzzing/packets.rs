//! Fuzz target: packets, datagrams, time and changes in any order.

use std::net::IpAddr;
use std::time::Duration;

use super::hostile::address;
use super::network::Network;
use super::node::claim;
use crate::fuzzing::input::Input;
use crate::identity::keys::PresharedKey;
use crate::wireguard::device::{PeerChange, PeerSettings};
use crate::wireguard::embedded::effects::Effects;

/// Steps of a run at most, so that a run takes milliseconds.
const MAX_STEPS: usize = 200;
/// Packets in work between two steps of one direction.
const MAX_IN_WORK: usize = 4;

/// Two nodes with a tunnel, whose messages are delayed, doubled, reordered, lost, cut and changed, among messages of strangers,
/// while time goes by and settings change. Nothing comes out that was not sent, nothing more often than it was sent; a strange
/// message changes nothing and ends no session; nothing grows; and once the network works the tunnel does.
pub fn packets(data: &[u8]) {
    let mut input = Input::new(data);
    let mut network = Network::new(input.byte() & 1 == 1);
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        network.step(&mut input);
        network.check_bounds();
    }
    network.must_heal();
}

impl Network {
    fn step(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let who = usize::from(choice >> 7);
        match choice % 18 {
            0 | 1 => self.burst(who, input),
            2 => self.any_packet(who, input),
            3 => self.odd_packet(who, input),
            4 | 5 => self.arrival(input, true),
            6 => self.arrival(input, false),
            7 => self.loss(input),
            8 => self.repetition(input),
            9 => self.mangled(input),
            10 => self.garbage(input),
            11 => self.forged(input),
            12 => self.time(input),
            13 => self.clock.set_unix(u64::from(input.u16()) << (input.byte() % 32)),
            14 => self.begin_receiving(who, input),
            15 => self.end_receiving(who),
            16 => self.begin_or_end_sending(who, input),
            _ => self.change(who, input),
        }
        // Not always at once: packets come between a session and what waited for it.
        if choice & 0x40 == 0 {
            self.flush(0);
            self.flush(1);
        }
    }

    // ---- packets -----------------------------------------------------------------------------------------------------

    fn burst(&mut self, who: usize, input: &mut Input<'_>) {
        let packets = self.some_packets(who, input);
        self.send(who, &packets);
    }

    /// Up to eight good packets of one size.
    fn some_packets(&mut self, who: usize, input: &mut Input<'_>) -> Vec<Vec<u8>> {
        let (shape, length) = (input.byte(), usize::from(input.u16()) % 3000);
        let (from, to) = self.inner(who, shape & 1 == 1);
        (0..=shape >> 5).map(|_| self.nodes[who].packet(from, to, length)).collect()
    }

    fn any_packet(&mut self, who: usize, input: &mut Input<'_>) {
        self.send(who, &[input.piece().to_vec()]);
    }

    /// A packet that claims another length or another source than it has.
    fn odd_packet(&mut self, who: usize, input: &mut Input<'_>) {
        let (shape, length, claimed) = (input.byte(), input.byte(), input.u16());
        let (mut from, to) = self.inner(who, shape & 1 == 1);
        if shape & 2 == 2 {
            from = to;
        }
        let mut packet = self.nodes[who].packet(from, to, length.into());
        if shape & 4 == 4 {
            claim(&mut packet, claimed);
        }
        self.send(who, &[packet]);
    }

    fn inner(&self, who: usize, ipv6: bool) -> (IpAddr, IpAddr) {
        (self.nodes[who].inner(ipv6), self.nodes[1 - who].inner(ipv6))
    }

    // ---- messages on the way -----------------------------------------------------------------------------------------

    /// A message arrives, in any order; without `once` it may arrive again.
    fn arrival(&mut self, input: &mut Input<'_>, once: bool) {
        let Some(place) = usize::from(input.byte()).checked_rem(self.flying.len()) else { return };
        let (to, message) = if once { self.flying.remove(place) } else { self.flying[place].clone() };
        let from = address(self.nodes[1 - to].address, input);
        self.arrive(to, from, &message);
    }

    fn loss(&mut self, input: &mut Input<'_>) {
        if let Some(place) = usize::from(input.byte()).checked_rem(self.flying.len()) {
            self.flying.remove(place);
        }
    }

    fn repetition(&mut self, input: &mut Input<'_>) {
        if let Some(place) = usize::from(input.byte()).checked_rem(self.past.len()) {
            let (to, message) = self.past[place].clone();
            let from = address(self.nodes[1 - to].address, input);
            self.arrive(to, from, &message);
        }
    }

    /// Up to eight messages come as one buffer, as the kernel joins them, and wait between the two steps.
    fn begin_receiving(&mut self, to: usize, input: &mut Input<'_>) {
        if self.nodes[to].opening.len() == MAX_IN_WORK {
            return;
        }
        let Some(first) = self.flying.iter().find(|(who, _)| *who == to) else { return };
        let size = first.1.len();
        let (mut bytes, mut count) = (Vec::new(), usize::from(input.byte() % 8) + 1);
        self.flying.retain(|(who, message)| {
            let joins = *who == to && message.len() <= size && count > 0;
            if joins {
                bytes.extend_from_slice(message);
                // Nothing follows a shorter one.
                count = if message.len() < size { 0 } else { count - 1 };
            }
            !joins
        });
        let from = address(self.nodes[1 - to].address, input);
        let opening = self.open(to, from, bytes, size);
        self.nodes[to].opening.push_back(opening);
    }

    fn end_receiving(&mut self, to: usize) {
        if let Some(opening) = self.nodes[to].opening.pop_front() {
            let effects = self.accept(to, opening);
            self.carry_out(to, effects);
        }
    }

    fn begin_or_end_sending(&mut self, who: usize, input: &mut Input<'_>) {
        if input.byte() & 1 == 0 && self.nodes[who].sealing.len() < MAX_IN_WORK {
            let packets = self.some_packets(who, input);
            let planned = self.plan(who, &packets);
            self.nodes[who].sealing.extend(planned);
        } else if let Some(sealing) = self.nodes[who].sealing.pop_front() {
            let messages = self.seal(who, sealing);
            self.fly(1 - who, messages);
        }
    }

    // ---- time and settings -------------------------------------------------------------------------------------------

    fn time(&mut self, input: &mut Input<'_>) {
        let amount = u64::from(input.byte());
        let unit = [1, 20, 250, 1_000, 5_000][usize::from(input.byte()) % 5];
        self.clock.advance(Duration::from_millis(amount * unit));
        self.tick();
    }

    fn change(&mut self, who: usize, input: &mut Input<'_>) {
        let other = &self.nodes[1 - who];
        let settings = PeerSettings::new(other.key);
        match input.byte() % 6 {
            0 => self.set(who, PeerSettings { keepalive_seconds: Some(input.u16()), ..settings }),
            1 => {
                let endpoint = Some(address(other.address, input));
                self.set(who, PeerSettings { endpoint, ..settings });
            }
            2 => self.set(who, PeerSettings { allowed_ips: Some(Vec::new()), ..settings }),
            3 => self.set(who, self.right_settings(who)),
            4 => {
                self.preshared_key = PresharedKey([input.byte(); 32]);
                self.set(0, self.right_settings(0));
                self.set(1, self.right_settings(1));
            }
            _ => self.remove_and_add(who),
        }
    }

    fn set(&mut self, who: usize, settings: PeerSettings) {
        let effects = self.nodes[who].apply(settings);
        self.carry_out(who, effects);
    }

    /// A peer that was removed begins anew, so what it took before it would take again.
    fn remove_and_add(&mut self, who: usize) {
        let settings = self.right_settings(who);
        let node = &mut self.nodes[who];
        node.epoch += 1;
        node.taken.clear();
        let mut effects = Effects::default();
        node.engine.apply(vec![PeerChange::Remove(settings.public_key)], &mut effects);
        assert!(effects.datagrams.is_empty() && effects.flush.is_empty() && node.engine.peers().is_empty());
        self.set(who, settings);
    }
}
