//! Which peer a receiver index belongs to.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use gotatun::noise::index_table::IndexTable;

use super::peer::Peer;
use super::{read, write};

/// How many entries may come before the stale ones are looked for.
const PRUNE_STEP: usize = 64;

/// The sessions and handshakes that a message may be for. gotatun draws the indices and frees them with their session; the
/// map follows it, and forgets freed entries when it has grown.
pub(super) struct Indices {
    /// What gotatun draws from: one table for all peers, so an index names one session of the device.
    table: IndexTable,
    map: RwLock<Map>,
}

struct Map {
    peers: HashMap<u32, Arc<Peer>>,
    prune_at: usize,
}

impl Indices {
    pub(super) fn new() -> Self {
        let map = Map { peers: HashMap::new(), prune_at: PRUNE_STEP };
        Self { table: IndexTable::from_os_rng(), map: RwLock::new(map) }
    }

    pub(super) fn table(&self) -> IndexTable {
        self.table.clone()
    }

    pub(super) fn insert(&self, index: u32, peer: &Arc<Peer>) {
        let mut map = write(&self.map);
        if map.peers.len() >= map.prune_at {
            map.prune(&self.table);
        }
        map.peers.insert(index, Arc::clone(peer));
    }

    pub(super) fn find(&self, index: u32) -> Option<Arc<Peer>> {
        read(&self.map).peers.get(&index).cloned()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        read(&self.map).peers.len()
    }

    /// Forgets the entries of sessions that are gone, and with them the peers that were removed.
    pub(super) fn prune(&self) {
        write(&self.map).prune(&self.table);
    }
}

impl Map {
    fn prune(&mut self, table: &IndexTable) {
        self.peers.retain(|index, _| table.in_use(*index));
        self.prune_at = self.peers.len() * 2 + PRUNE_STEP;
    }
}
