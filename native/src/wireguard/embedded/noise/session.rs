//! A session: a key and a counter for each direction (sections 5.4.5 and 5.4.6).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::key::Key;
use super::message::{DATA_HEADER, Kind, TAG};
use super::replay::ReplayWindow;
use super::time::Time;

/// Sealing and opening take `&self` and no lock, so any thread may do them at any time. Counters are taken, and those of received
/// messages judged, in order by whoever holds the peer's lock.
pub struct Session {
    /// The index we drew: what messages to us carry.
    pub local_index: u32,
    /// The other side's.
    remote_index: u32,
    /// True when we sent the initiation.
    pub initiator: bool,
    pub made: Time,
    sending: Key,
    receiving: Key,
    /// The counter of the next message.
    next: AtomicU64,
    window: Mutex<ReplayWindow>,
    ended: AtomicBool,
}

/// What a handshake agreed on.
pub struct Agreed {
    pub local_index: u32,
    pub remote_index: u32,
    pub initiator: bool,
    pub sending: Key,
    pub receiving: Key,
}

impl Session {
    pub fn new(agreed: Agreed, made: Time) -> Self {
        let Agreed { local_index, remote_index, initiator, sending, receiving } = agreed;
        Self {
            local_index,
            remote_index,
            initiator,
            made,
            sending,
            receiving,
            next: AtomicU64::new(0),
            window: Mutex::default(),
            ended: AtomicBool::new(false),
        }
    }

    /// Takes `count` counters and returns the first; `None` when that would pass `limit`. One caller at a time.
    pub fn take(&self, count: u64, limit: u64) -> Option<u64> {
        let first = self.next.load(Ordering::Relaxed);
        let next = first.checked_add(count).filter(|next| *next <= limit)?;
        self.next.store(next, Ordering::Relaxed);
        Some(first)
    }

    /// Messages sealed or about to be.
    pub fn taken(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Seals a message in place: room for the header, the packet padded, room for the tag. The counter is one that was taken
    /// and is used once.
    #[inline]
    pub fn seal(&self, counter: u64, message: &mut [u8]) {
        let body_end = message.len() - TAG;
        let (header, rest) = message.split_at_mut(DATA_HEADER);
        header[..4].copy_from_slice(&Kind::Data.header());
        header[4..8].copy_from_slice(&self.remote_index.to_le_bytes());
        header[8..].copy_from_slice(&counter.to_le_bytes());
        let (body, tag) = rest.split_at_mut(body_end - DATA_HEADER);
        tag.copy_from_slice(&self.sending.seal(counter, &[], body));
    }

    /// Opens a data message in place, so that the packet stands behind the header; its counter, or `None` when it is not
    /// authentic. Whether the counter is new is for [`Self::window`] to say.
    #[inline]
    pub fn open(&self, message: &mut [u8]) -> Option<u64> {
        let (header, body) = message.split_at_mut_checked(DATA_HEADER)?;
        let counter = u64::from_le_bytes(*header.last_chunk()?);
        self.receiving.open(counter, &[], body).then_some(counter)
    }

    /// Which counters of authentic messages were seen.
    pub fn window(&self) -> MutexGuard<'_, ReplayWindow> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing that was sealed or opened with it may go on from now.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}
