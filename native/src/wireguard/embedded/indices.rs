//! Which peer and session a receiver index belongs to.

use std::collections::{HashMap, hash_map};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, RwLock};

use super::noise::Session;
use super::peer::Peer;
use super::world::World;
use super::{read, write};

/// The sessions and handshakes that a message may be for. A tunnel takes out what it put in.
#[derive(Default)]
pub(super) struct Indices(RwLock<HashMap<u32, Entry, BuildHasherDefault<IndexHasher>>>);

#[derive(Clone)]
pub(super) struct Entry {
    pub peer: Arc<Peer>,
    /// `None` while the handshake is under way.
    pub session: Option<Arc<Session>>,
}

impl Indices {
    /// Draws an index that is not in use, for a handshake of the peer.
    pub(super) fn draw(&self, peer: &Arc<Peer>, world: &dyn World) -> u32 {
        let mut entries = write(&self.0);
        loop {
            let mut bytes = [0; 4];
            world.random(&mut bytes);
            let index = u32::from_le_bytes(bytes);
            if let hash_map::Entry::Vacant(free) = entries.entry(index) {
                free.insert(Entry { peer: Arc::clone(peer), session: None });
                return index;
            }
        }
    }

    /// The handshake became a session.
    pub(super) fn set_session(&self, session: &Arc<Session>) {
        if let Some(entry) = write(&self.0).get_mut(&session.local_index) {
            entry.session = Some(Arc::clone(session));
        }
    }

    pub(super) fn remove(&self, index: u32) {
        write(&self.0).remove(&index);
    }

    pub(super) fn find(&self, index: u32) -> Option<Entry> {
        read(&self.0).get(&index).cloned()
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn len(&self) -> usize {
        read(&self.0).len()
    }
}

/// The keys are random and drawn by us, so they are hashes already: nobody can choose ones that collide.
#[derive(Default)]
pub(super) struct IndexHasher(u64);

impl Hasher for IndexHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }

    fn write_u32(&mut self, index: u32) {
        // The table looks at the upper and the lower bits: both get all of the index.
        self.0 = u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
