//! What passed a bridge.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Of a bridge since it was opened; bytes are those of WireGuard's packets, without frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BridgeCounters {
    /// Handed to WireGuard.
    pub rx_packets: u64,
    pub rx_bytes: u64,
    /// Taken from WireGuard.
    pub tx_packets: u64,
    pub tx_bytes: u64,
    /// Not handed on: no frame or of somebody else, while delivery was stopped, or beyond the limit of what is not WireGuard's.
    pub dropped: u64,
    /// Since a payload came from the other end; `None` when there was none from this remote.
    pub since_received: Option<Duration>,
    /// Since anything came from the remote, its answers to keepalives among it.
    pub since_alive: Option<Duration>,
}

pub(super) struct Counting {
    start: Instant,
    rx_packets: AtomicU64,
    rx_bytes: AtomicU64,
    tx_packets: AtomicU64,
    tx_bytes: AtomicU64,
    dropped: AtomicU64,
    /// Milliseconds after `start`, plus one; 0 is never.
    received_at: AtomicU64,
    alive_at: AtomicU64,
}

impl Counting {
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            start: Instant::now(),
            rx_packets: zero(),
            rx_bytes: zero(),
            tx_packets: zero(),
            tx_bytes: zero(),
            dropped: zero(),
            received_at: zero(),
            alive_at: zero(),
        }
    }

    pub fn taken(&self, packets: u64, bytes: u64) {
        self.tx_packets.fetch_add(packets, Ordering::Relaxed);
        self.tx_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn delivered(&self, packets: u64, bytes: u64) {
        self.rx_packets.fetch_add(packets, Ordering::Relaxed);
        self.rx_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn dropped(&self, packets: u64) {
        self.dropped.fetch_add(packets, Ordering::Relaxed);
    }

    pub fn received(&self) {
        self.received_at.store(self.now(), Ordering::Relaxed);
    }

    pub fn alive(&self) {
        self.alive_at.store(self.now(), Ordering::Relaxed);
    }

    /// There is another one now.
    pub fn forget_remote(&self) {
        self.received_at.store(0, Ordering::Relaxed);
        self.alive_at.store(0, Ordering::Relaxed);
    }

    pub fn is_alive(&self) -> bool {
        self.alive_at.load(Ordering::Relaxed) != 0
    }

    /// `beyond`: what the gate dropped.
    pub fn read(&self, beyond: u64) -> BridgeCounters {
        let now = self.now();
        let since = |at: &AtomicU64| match at.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Duration::from_millis(now.saturating_sub(at))),
        };
        BridgeCounters {
            rx_packets: self.rx_packets.load(Ordering::Relaxed),
            rx_bytes: self.rx_bytes.load(Ordering::Relaxed),
            tx_packets: self.tx_packets.load(Ordering::Relaxed),
            tx_bytes: self.tx_bytes.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed) + beyond,
            since_received: since(&self.received_at),
            since_alive: since(&self.alive_at),
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64 + 1
    }
}
