//! The peers of a device, by key and by address.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::allowed_ips::AllowedIps;
use super::peer::Peer;
use crate::identity::keys::PublicKey;
use crate::wireguard::device::AllowedIp;

#[derive(Default)]
pub(super) struct Peers {
    by_key: HashMap<PublicKey, Entry>,
    by_network: AllowedIps<Arc<Peer>>,
}

struct Entry {
    peer: Arc<Peer>,
    /// What `by_network` has for this peer.
    networks: BTreeSet<AllowedIp>,
}

impl Peers {
    pub(super) fn get(&self, key: &PublicKey) -> Option<&Arc<Peer>> {
        self.by_key.get(key).map(|entry| &entry.peer)
    }

    /// Each peer with its networks.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<Peer>, &BTreeSet<AllowedIp>)> {
        self.by_key.values().map(|entry| (&entry.peer, &entry.networks))
    }

    /// The peer that packets for the address go to, and that packets from it must come from.
    pub(super) fn route(&self, address: IpAddr) -> Option<&Arc<Peer>> {
        self.by_network.find(address)
    }

    /// Adds a peer without networks. One with the same key must have been removed before.
    pub(super) fn insert(&mut self, peer: Arc<Peer>) {
        self.by_key.insert(peer.key, Entry { peer, networks: BTreeSet::new() });
    }

    pub(super) fn remove(&mut self, key: &PublicKey) -> Option<Arc<Peer>> {
        self.disallow_all(key);
        self.by_key.remove(key).map(|entry| entry.peer)
    }

    /// Gives a network to the peer, taking it from whoever had it.
    pub(super) fn allow(&mut self, network: AllowedIp, key: &PublicKey) {
        let Some(entry) = self.by_key.get_mut(key) else {
            return;
        };
        entry.networks.insert(network);
        let before = self.by_network.insert(network, Arc::clone(&entry.peer));
        if let Some(before) = before.filter(|before| before.key != *key)
            && let Some(entry) = self.by_key.get_mut(&before.key)
        {
            entry.networks.remove(&network);
        }
    }

    /// Takes a network from the peer, if it is the peer's.
    pub(super) fn disallow(&mut self, network: AllowedIp, key: &PublicKey) {
        if self.by_key.get_mut(key).is_some_and(|entry| entry.networks.remove(&network)) {
            self.by_network.remove(network);
        }
    }

    pub(super) fn disallow_all(&mut self, key: &PublicKey) {
        let Some(entry) = self.by_key.get_mut(key) else {
            return;
        };
        for network in std::mem::take(&mut entry.networks) {
            self.by_network.remove(network);
        }
    }
}
