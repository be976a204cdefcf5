//! A world of the test's making, and batches of plain packets.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::wireguard::embedded::effects::Datagram;
use crate::wireguard::embedded::noise::Time;
use crate::wireguard::embedded::noise::message::{DATA_HEADER, TAG, padded};
use crate::wireguard::embedded::outgoing::{Batch, Plan};
use crate::wireguard::embedded::test_random::Random;
use crate::wireguard::embedded::world::World;
use crate::wireguard::embedded::{ip, lock};

/// Time stands still until the test moves it; chance is the same every time.
pub(super) struct FakeWorld {
    nanos: AtomicU64,
    unix_at_start: AtomicU64,
    random: Mutex<Random>,
}

impl FakeWorld {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nanos: AtomicU64::new(3_600_000_000_000),
            unix_at_start: AtomicU64::new(1_800_000_000),
            random: Mutex::new(Random::new(seed)),
        }
    }

    pub(super) fn advance(&self, duration: Duration) {
        self.nanos.fetch_add(duration.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Sets the wall clock by some seconds, forward or back.
    pub(super) fn step_wall_clock(&self, seconds: i64) {
        self.unix_at_start.fetch_add(seconds as u64, Ordering::Relaxed);
    }
}

impl World for Arc<FakeWorld> {
    fn now(&self) -> Time {
        Time::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    fn unix(&self) -> Duration {
        let up = Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
        Duration::from_secs(self.unix_at_start.load(Ordering::Relaxed)) + up
    }

    fn random(&self, bytes: &mut [u8]) {
        let mut random = lock(&self.random);
        bytes.iter_mut().for_each(|byte| *byte = random.next() as u8);
    }
}

/// Packets, each in a message of its own.
pub(super) struct Packets {
    messages: Vec<Vec<u8>>,
    lengths: Vec<usize>,
}

impl Packets {
    pub(super) fn new(packets: &[&[u8]], mtu: usize) -> Self {
        let message = |packet: &&[u8]| {
            let mut message = vec![0; DATA_HEADER + padded(packet.len(), mtu) + TAG];
            message[DATA_HEADER..][..packet.len()].copy_from_slice(packet);
            message
        };
        let lengths = packets.iter().map(|packet| packet.len()).collect();
        Self { messages: packets.iter().map(message).collect(), lengths }
    }

    pub(super) fn sealed(&mut self, plan: &Plan) -> impl Iterator<Item = Datagram> {
        plan.seal(self.messages.iter_mut().map(Vec::as_mut_slice));
        let to = plan.to;
        self.messages.drain(..).map(move |bytes| Datagram { to, bytes })
    }
}

impl Batch for Packets {
    fn destination(&self) -> Option<IpAddr> {
        self.packets().next().and_then(ip::destination)
    }

    fn count(&self) -> usize {
        self.messages.len()
    }

    fn wire_bytes(&self) -> usize {
        self.messages.iter().map(Vec::len).sum()
    }

    fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.messages.iter().zip(&self.lengths).map(|(message, length)| &message[DATA_HEADER..][..*length])
    }
}
