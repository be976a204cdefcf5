//! How much of what strangers send is let through to JavaScript.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use super::{Datagram, Handler, is_ours};
use crate::rate::Bucket;

/// Datagrams a second, and at once: what a hundred peers that are punched to at the same time send, and what Node takes in
/// a few per cent of its time.
const RATE: u64 = 2000;
const BURST: u64 = 256;

/// What became of datagrams beside WireGuard's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handed on.
    pub received: u64,
    /// Not handed on: too many at a time, or nobody took them in time.
    pub dropped: u64,
    pub sent: u64,
    pub send_errors: u64,
}

/// Between the threads that receive and JavaScript.
pub struct Gate {
    handler: RwLock<Option<Handler>>,
    bucket: Mutex<Bucket>,
    received: AtomicU64,
    dropped: AtomicU64,
    sent: AtomicU64,
    send_errors: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(RATE, BURST)
    }
}

impl Gate {
    pub fn new(rate: u64, burst: u64) -> Self {
        Self {
            handler: RwLock::new(None),
            bucket: Mutex::new(Bucket::new(rate, burst, Instant::now())),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            send_errors: AtomicU64::new(0),
        }
    }

    /// `None` closes it.
    pub fn set_handler(&self, handler: Option<Handler>) {
        *self.handler.write().unwrap_or_else(PoisonError::into_inner) = handler;
    }

    /// A datagram that is not WireGuard's came.
    pub fn hear(&self, data: &[u8], from: SocketAddr) {
        self.hear_at(data, from, Instant::now());
    }

    fn hear_at(&self, data: &[u8], from: SocketAddr, now: Instant) {
        if !is_ours(data) {
            return;
        }
        let handler = self.handler.read().unwrap_or_else(PoisonError::into_inner);
        // Nobody wants it, so nothing is lost.
        let Some(handler) = handler.as_ref() else { return };
        let taken = self.bucket().take(1, now) && handler(Datagram { data: data.to_vec(), from });
        let counter = if taken { &self.received } else { &self.dropped };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an attempt to send.
    pub fn count_sent(&self, sent: bool) -> bool {
        let counter = if sent { &self.sent } else { &self.send_errors };
        counter.fetch_add(1, Ordering::Relaxed);
        sent
    }

    pub fn counters(&self) -> Counters {
        Counters {
            received: self.received.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            send_errors: self.send_errors.load(Ordering::Relaxed),
        }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        // Numbers are never half changed.
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn stranger() -> SocketAddr {
        "203.0.113.9:3478".parse().unwrap()
    }

    #[test]
    fn a_flood_is_cut_and_counted_and_what_is_not_ours_does_not_count() {
        let gate = Gate::new(10, 5);
        let now = Instant::now();
        gate.hear_at(b"nobody listens", stranger(), now);
        assert_eq!(gate.counters(), Counters::default());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        gate.set_handler(Some(Arc::new(move |datagram| {
            sink.lock().unwrap().push(datagram);
            true
        })));
        for _ in 0..100 {
            gate.hear_at(&[4, 0, 0, 0, 1], stranger(), now);
            gate.hear_at(b"hello", stranger(), now);
        }
        let counters = gate.counters();
        assert_eq!((counters.received, counters.dropped), (5, 95));
        let expected = Datagram { data: b"hello".to_vec(), from: stranger() };
        assert_eq!(*heard.lock().unwrap(), vec![expected; 5]);
    }

    #[test]
    fn what_a_full_queue_does_not_take_is_dropped() {
        let gate = Gate::default();
        gate.set_handler(Some(Arc::new(|_| false)));
        gate.hear(b"hello", stranger());
        assert_eq!((gate.counters().received, gate.counters().dropped), (0, 1));
    }
}
