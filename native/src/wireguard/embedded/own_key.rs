//! This device's key pair, and what guards it against floods of handshakes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use super::lock;
use super::noise::Time;
use super::noise::cookie::CookieChecker;
use super::noise::handshake::StaticKeys;
use super::noise::message::COOKIE_REPLY_LENGTH;
use super::world::World;
use crate::identity::keys::{PrivateKey, PublicKey};

/// What the limits count over.
const PERIOD: Duration = Duration::from_secs(1);

/// Handshake messages a second that are taken without a cookie.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// From one address (IPv4) or network of 64 bits (IPv6).
    pub per_address: u32,
    /// From all: beyond it everybody must return a cookie. As many are taken from one address with cookies.
    pub in_all: u32,
}

impl Default for Limits {
    /// More than a hundred nodes behind one address still connect without a cookie. A handshake costs about 0.25 ms, so all of
    /// them take an eighth of a core.
    fn default() -> Self {
        Self { per_address: 100, in_all: 500 }
    }
}

pub(super) struct OwnKey {
    pub keys: StaticKeys,
    gate: Mutex<Gate>,
}

/// What to do with a handshake message.
pub(super) enum Admission {
    Take,
    Drop,
    /// Not taken, but its sender may come back with this.
    Cookie([u8; COOKIE_REPLY_LENGTH]),
}

struct Gate {
    checker: CookieChecker,
    limits: Limits,
    /// When this period began, and what came in it.
    since: Time,
    in_all: u32,
    by_address: HashMap<IpAddr, Count>,
}

#[derive(Default)]
struct Count {
    all: u32,
    with_cookie: u32,
}

impl OwnKey {
    pub(super) fn new(key: &PrivateKey, limits: Limits) -> Self {
        let keys = StaticKeys::new(&key.0);
        let checker = CookieChecker::new(&keys.public);
        let gate = Gate { checker, limits, since: Time::default(), in_all: 0, by_address: HashMap::new() };
        Self { keys, gate: Mutex::new(gate) }
    }

    pub(super) fn public_key(&self) -> PublicKey {
        PublicKey(self.keys.public)
    }

    pub(super) fn private_key(&self) -> PrivateKey {
        let mut key = PrivateKey([0; 32]);
        key.0.copy_from_slice(&*self.keys.private());
        key
    }

    /// Checks only that the sender knows our public key.
    pub(super) fn admit_awaited(&self, message: &[u8]) -> Admission {
        if lock(&self.gate).checker.has_mac1(message) { Admission::Take } else { Admission::Drop }
    }

    /// Checks a handshake message before anything expensive: its first MAC, and the cookie when there is a flood.
    pub(super) fn admit(&self, from: SocketAddr, message: &[u8], now: Time, world: &dyn World) -> Admission {
        lock(&self.gate).admit(from, message, now, world)
    }
}

impl Gate {
    fn admit(&mut self, from: SocketAddr, message: &[u8], now: Time, world: &dyn World) -> Admission {
        if !self.checker.has_mac1(message) {
            return Admission::Drop;
        }
        if now.since(self.since) >= PERIOD {
            self.since = now;
            self.in_all = 0;
            self.by_address.clear();
        }
        self.in_all = self.in_all.saturating_add(1);
        let Limits { per_address, in_all } = self.limits;
        // In a flood with forged sources addresses are not even counted, so the list stays as short as the limit.
        if self.in_all <= in_all {
            let count = self.by_address.entry(network(from.ip())).or_default();
            count.all = count.all.saturating_add(1);
            if count.all <= per_address {
                return Admission::Take;
            }
        }
        if !self.checker.has_mac2(message, from, now) {
            let reply = self.checker.reply(message, from, now, |bytes| world.random(bytes));
            return Admission::Cookie(reply);
        }
        let count = self.by_address.entry(network(from.ip())).or_default();
        count.with_cookie = count.with_cookie.saturating_add(1);
        if count.with_cookie <= per_address.max(in_all) { Admission::Take } else { Admission::Drop }
    }
}

/// Whoever has an IPv6 address commonly has its whole network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::noise::cookie::MacWriter;
    use super::super::world::Machine;
    use super::*;

    struct Sender {
        macs: MacWriter,
        address: SocketAddr,
    }

    impl Sender {
        fn new(own: &OwnKey, address: &str) -> Self {
            Self { macs: MacWriter::new(&own.keys.public), address: address.parse().expect("address") }
        }

        /// Whether a message of it is taken, answered with a cookie, or dropped; a cookie is kept for the next one.
        fn send(&mut self, own: &OwnKey, now: Time) -> char {
            let mut message = [1; 148];
            self.macs.write(&mut message, now);
            match own.admit(self.address, &message, now, &Machine) {
                Admission::Take => 't',
                Admission::Drop => 'd',
                Admission::Cookie(reply) => {
                    assert!(self.macs.take_reply(&reply, now));
                    'c'
                }
            }
        }

        fn send_many(&mut self, own: &OwnKey, now: Time, count: usize) -> String {
            (0..count).map(|_| self.send(own, now)).collect()
        }
    }

    fn own(limits: Limits) -> OwnKey {
        OwnKey::new(&PrivateKey::generate().expect("random"), limits)
    }

    fn at(ms: u64) -> Time {
        Time::default() + Duration::from_millis(ms)
    }

    /// With a cookie a sender is known to be where it says, so it is held to a limit of its own.
    #[test]
    fn a_cookie_lets_in_but_not_any_number() {
        let own = own(Limits { per_address: 2, in_all: 4 });
        let mut sender = Sender::new(&own, "192.0.2.1:1");
        assert_eq!(sender.send_many(&own, at(1000), 9), "ttcttttdd");
        assert_eq!(sender.send_many(&own, at(1999), 1), "d");
        assert_eq!(sender.send_many(&own, at(2000), 7), "ttttttd", "the next second");
    }

    #[test]
    fn each_address_and_each_network_of_ipv6_is_counted_by_itself() {
        let own = own(Limits { per_address: 2, in_all: 1000 });
        let now = at(1000);
        for (address, expected) in [
            ("192.0.2.1:1", "ttc"),
            ("192.0.2.1:2", "c"),
            ("192.0.2.2:1", "ttc"),
            ("[2001:db8::1]:1", "ttc"),
            ("[2001:db8::2]:1", "c"),
            ("[2001:db8:0:1::1]:1", "ttc"),
        ] {
            assert_eq!(
                Sender::new(&own, address).send_many(&own, now, expected.len()),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn a_flood_from_everywhere_does_not_fill_memory() {
        let own = own(Limits { per_address: 100, in_all: 50 });
        for n in 0..1000u32 {
            let address = SocketAddr::from((std::net::Ipv4Addr::from_bits(n), 1)).to_string();
            let expected = if n < 50 { 't' } else { 'c' };
            assert_eq!(Sender::new(&own, &address).send(&own, at(1000)), expected);
        }
        assert_eq!(lock(&own.gate).by_address.len(), 50);
    }

    #[test]
    fn who_does_not_know_our_key_is_not_even_counted() {
        let own = own(Limits { per_address: 1, in_all: 1 });
        let mut other = Sender::new(&own, "192.0.2.1:1");
        other.macs = MacWriter::new(&[3; 32]);
        assert_eq!(other.send_many(&own, at(1000), 3), "ddd");
        assert_eq!(Sender::new(&own, "192.0.2.1:1").send(&own, at(1000)), 't');
    }
}
