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
