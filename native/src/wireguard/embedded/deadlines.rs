//! The next deadline of every peer, in order of time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::lock;
use super::noise::Time;
use super::peer::Peer;

/// At most one entry a peer. A deadline that was put off stays here until it is over; only then the peer is asked for the next
/// one, so packets that put it off cost nothing.
#[derive(Default)]
pub(super) struct Deadlines(Mutex<BTreeMap<(Time, usize), Arc<Peer>>>);

/// Peers are told apart by where they are in memory; what is in the list stays there.
fn key(at: Time, peer: &Arc<Peer>) -> (Time, usize) {
    (at, Arc::as_ptr(peer).addr())
}

impl Deadlines {
    /// Sets a peer's deadline in place of the one it has here. True when it is now the first of all.
    pub(super) fn set(&self, peer: &Arc<Peer>, before: Option<Time>, at: Time) -> bool {
        let mut entries = lock(&self.0);
        before.and_then(|before| entries.remove(&key(before, peer)));
        let first = entries.first_key_value().is_none_or(|((first, _), _)| at < *first);
        entries.insert(key(at, peer), Arc::clone(peer));
        first
    }

    pub(super) fn remove(&self, peer: &Arc<Peer>, at: Time) {
        lock(&self.0).remove(&key(at, peer));
    }

    /// Takes a peer whose deadline is over.
    pub(super) fn take_due(&self, now: Time) -> Option<Arc<Peer>> {
        let mut entries = lock(&self.0);
        let due = entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(due.remove())
    }

    pub(super) fn first(&self) -> Option<Time> {
        lock(&self.0).first_key_value().map(|((first, _), _)| *first)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}
