//! What the tunnels of a device have in common.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::deadlines::Deadlines;
use super::indices::Indices;
use super::lock;
use super::noise::timestamp::{ForwardClock, Timestamp};
use super::noise::{Time, Timing};
use super::world::World;

/// Handshakes that changes may begin within [`AT_ONCE_PERIOD`] before they are done. Each takes 0.1 ms; the timer thread begins the
/// others, so that a thousand peers are set in little time.
const AT_ONCE: u32 = 16;
const AT_ONCE_PERIOD: Duration = Duration::from_millis(50);

/// Its locks are taken last, each for a moment.
pub(super) struct Context {
    pub indices: Indices,
    pub deadlines: Deadlines,
    pub world: Box<dyn World>,
    pub timing: Timing,
    mtu: AtomicU16,
    stamps: Mutex<Stamps>,
    /// When this period began, and the handshakes begun in it.
    at_once: Mutex<(Time, u32)>,
}

#[derive(Default)]
struct Stamps {
    clock: ForwardClock,
    /// The last one that a peer got who was removed since: should it come back, it must get later ones.
    floor: Timestamp,
}

impl Context {
    pub(super) fn new(mtu: u16, timing: Timing, world: Box<dyn World>) -> Self {
        Self {
            indices: Indices::default(),
            deadlines: Deadlines::default(),
            world,
            timing,
            mtu: AtomicU16::new(mtu),
            stamps: Mutex::default(),
            at_once: Mutex::default(),
        }
    }

    /// The link's MTU: padding never makes a packet larger than it.
    pub(super) fn mtu(&self) -> usize {
        self.mtu.load(Ordering::Relaxed).into()
    }

    pub(super) fn set_mtu(&self, mtu: u16) {
        self.mtu.store(mtu, Ordering::Relaxed);
    }

    /// Whether a change may begin a handshake itself.
    pub(super) fn may_begin_at_once(&self, now: Time) -> bool {
        let mut period = lock(&self.at_once);
        if now.since(period.0) >= AT_ONCE_PERIOD {
            *period = (now, 0);
        }
        period.1 = period.1.saturating_add(1);
        period.1 <= AT_ONCE
    }

    /// The stamp for an initiation to a peer whose last one was `last`.
    pub(super) fn stamp(&self, last: Timestamp, now: Time) -> Timestamp {
        let unix = self.world.unix();
        Timestamp::after(last, lock(&self.stamps).clock.read(now, unix))
    }

    /// What a new peer's stamps must be later than.
    pub(super) fn stamp_floor(&self) -> Timestamp {
        lock(&self.stamps).floor
    }

    pub(super) fn raise_stamp_floor(&self, last: Timestamp) {
        let mut stamps = lock(&self.stamps);
        stamps.floor = stamps.floor.max(last);
    }
}
