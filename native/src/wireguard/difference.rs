//! Turns "replace the allowed IPs" into what really differs.
//!
//! The kernel, and wireguard-go, replace a list by emptying it first, and packets that arrive in between are dropped. So a
//! list that grows is added to, and a network that must go is moved to a peer that exists within one request only. (A flag
//! that removes one allowed IP exists since Linux 6.16, and in wireguard-go since 2025; this works on every version.)

use std::collections::BTreeMap;

use crate::error::Result;
use crate::identity::keys::PublicKey;
use crate::wireguard::device::{AllowedIp, PeerChange, PeerSettings, PeerState};

/// One thing to do, in order.
#[derive(Debug, Clone)]
pub enum Step {
    Remove(PublicKey),
    /// Takes `ips` from `owner`: `holder`, a key nobody has, gets them and is removed in the same request.
    Evict {
        owner: PublicKey,
        holder: PublicKey,
        ips: Vec<AllowedIp>,
    },
    Set(PeerSettings),
}

/// Whether the present peers must be known to plan these changes.
pub fn needs_present(changes: &[PeerChange]) -> bool {
    let replaces = |set: &PeerSettings| set.allowed_ips.is_some() && !set.reset;
    let mut sets = changes.iter();
    sets.any(|change| matches!(change, PeerChange::Set(set) if replaces(set)))
}

/// The steps of a batch. `holder` makes a key that nobody has.
pub fn plan(
    changes: Vec<PeerChange>,
    present: &[PeerState],
    holder: impl Fn() -> Result<PublicKey>,
) -> Result<Vec<Step>> {
    let mut table = Table::of(present);
    let mut steps = Vec::new();
    for change in changes {
        match change {
            PeerChange::Remove(key) => {
                table.forget(&key);
                steps.push(Step::Remove(key));
            }
            PeerChange::Set(mut set) => {
                if set.reset {
                    table.forget(&set.public_key);
                }
                if let Some(stale) = table.settle(&mut set) {
                    steps.push(Step::Evict { owner: set.public_key, holder: holder()?, ips: stale });
                }
                steps.push(Step::Set(set));
            }
        }
    }
    Ok(steps)
}

/// Who has which allowed IP, kept up while a batch is planned. Each has one owner: adding it elsewhere moves it.
struct Table {
    owners: BTreeMap<AllowedIp, PublicKey>,
    peers: BTreeMap<PublicKey, Vec<AllowedIp>>,
}

impl Table {
    fn of(present: &[PeerState]) -> Self {
        let mut table = Self { owners: BTreeMap::new(), peers: BTreeMap::new() };
        for peer in present {
            table.peers.entry(peer.public_key).or_default();
            table.give(&peer.public_key, &peer.allowed_ips);
        }
        table
    }

    fn forget(&mut self, key: &PublicKey) {
        for ip in self.peers.remove(key).unwrap_or_default() {
            if self.owners.get(&ip) == Some(key) {
                self.owners.remove(&ip);
            }
        }
    }

    fn give(&mut self, key: &PublicKey, ips: &[AllowedIp]) {
        self.owners.extend(ips.iter().map(|ip| (*ip, *key)));
        self.peers.entry(*key).or_default().extend(ips);
    }

    /// Reduces a replacement for a known peer to additions; returns what must be taken from it, if anything.
    fn settle(&mut self, set: &mut PeerSettings) -> Option<Vec<AllowedIp>> {
        let key = set.public_key;
        let known = self.peers.contains_key(&key);
        if !known && set.update_only {
            return None;
        }
        let mut stale = Vec::new();
        if known && let Some(wanted) = set.allowed_ips.take() {
            let mut current = self.peers.remove(&key).unwrap_or_default();
            current.retain(|ip| self.owners.get(ip) == Some(&key));
            current.sort_unstable();
            current.dedup();
            let missing = wanted.iter().filter(|ip| current.binary_search(ip).is_err());
            let added: Vec<_> = missing.chain(&set.add_allowed_ips).copied().collect();
            let mut kept = [wanted.as_slice(), &set.add_allowed_ips].concat();
            kept.sort_unstable();
            stale = current;
            stale.retain(|ip| kept.binary_search(ip).is_err());
            self.owners.retain(|ip, _| stale.binary_search(ip).is_err());
            set.add_allowed_ips = added;
            self.give(&key, &kept);
        } else {
            let replacing = set.allowed_ips.iter().flatten();
            let given: Vec<_> = replacing.chain(&set.add_allowed_ips).copied().collect();
            self.give(&key, &given);
        }
        Some(stale).filter(|stale| !stale.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::network::Network;

    fn ips(texts: &[&str]) -> Vec<AllowedIp> {
        let parse = |text: &&str| {
            let Network { address, prefix } = Network::parse(text).unwrap();
            AllowedIp { address, prefix }
        };
        texts.iter().map(parse).collect()
    }

    fn set(key: u8, replace: Option<&[&str]>, add: &[&str]) -> PeerSettings {
        PeerSettings {
            public_key: PublicKey([key; 32]),
            reset: false,
            update_only: false,
            preshared_key: None,
            endpoint: None,
            allowed_ips: replace.map(ips),
            add_allowed_ips: ips(add),
            keepalive_seconds: None,
        }
    }

    fn present(key: u8, allowed: &[&str]) -> PeerState {
        PeerState {
            public_key: PublicKey([key; 32]),
            has_preshared_key: false,
            endpoint: None,
            allowed_ips: ips(allowed),
            keepalive_seconds: 0,
            last_handshake_ms: 0,
            rx_bytes: 0,
            tx_bytes: 0,
        }
    }

    /// The steps as text: `1-a` takes a from peer 1, `1=a` replaces, `1+a` adds, `!1` removes.
    fn planned(changes: Vec<PeerChange>, present: &[PeerState]) -> Vec<String> {
        let text = |list: &[AllowedIp]| {
            let each = list.iter().map(|ip| ip.address.to_string());
            each.collect::<Vec<_>>().join(",")
        };
        let steps = plan(changes, present, || Ok(PublicKey([99; 32]))).unwrap();
        let show = |step: &Step| match step {
            Step::Remove(key) => format!("!{}", key.0[0]),
            Step::Evict { owner, ips, .. } => format!("{}-{}", owner.0[0], text(ips)),
            Step::Set(set) => match &set.allowed_ips {
                Some(list) => format!("{}={}", set.public_key.0[0], text(list)),
                None => format!("{}+{}", set.public_key.0[0], text(&set.add_allowed_ips)),
            },
        };
        steps.iter().map(show).collect()
    }

    #[test]
    fn a_new_peer_gets_its_list_as_it_is() {
        let change = PeerChange::Set(set(1, Some(&["10.0.0.1/32"]), &[]));
        assert_eq!(planned(vec![change], &[]), ["1=10.0.0.1"]);
    }

    #[test]
    fn a_list_that_grows_is_added_to() {
        let change = PeerChange::Set(set(1, Some(&["10.0.0.1/32", "10.9.0.0/24"]), &[]));
        let before = [present(1, &["10.0.0.1/32"])];
        assert_eq!(planned(vec![change], &before), ["1+10.9.0.0"]);
    }

    #[test]
    fn a_list_that_shrinks_loses_only_what_must_go() {
        let change = PeerChange::Set(set(1, Some(&["10.0.0.1/32"]), &["10.8.0.0/24"]));
        let before = [present(1, &["10.0.0.1/32", "10.9.0.0/24"])];
        assert_eq!(planned(vec![change], &before), ["1-10.9.0.0", "1+10.8.0.0"]);
    }

    #[test]
    fn what_an_earlier_change_moved_away_is_not_taken_again() {
        let before = [present(1, &["10.0.0.1/32", "10.9.0.0/24"]), present(2, &[])];
        let take = PeerChange::Set(set(2, None, &["10.9.0.0/24"]));
        let shrink = PeerChange::Set(set(1, Some(&["10.0.0.1/32"]), &[]));
        assert_eq!(planned(vec![take, shrink], &before), ["2+10.9.0.0", "1+"]);
    }

    #[test]
    fn what_a_later_change_takes_over_is_free_by_then() {
        let before = [present(1, &["10.9.0.0/24"]), present(2, &[])];
        let shrink = PeerChange::Set(set(1, Some(&[]), &[]));
        let take = PeerChange::Set(set(2, Some(&["10.9.0.0/24"]), &[]));
        let steps = planned(vec![shrink, take], &before);
        assert_eq!(steps, ["1-10.9.0.0", "1+", "2+10.9.0.0"]);
    }

    #[test]
    fn a_peer_that_was_removed_or_reset_starts_anew() {
        let before = [present(1, &["10.9.0.0/24"])];
        let remove = PeerChange::Remove(PublicKey([1; 32]));
        let add = PeerChange::Set(set(1, Some(&["10.9.0.0/24"]), &[]));
        let steps = planned(vec![remove, add], &before);
        assert_eq!(steps, ["!1", "1=10.9.0.0"]);
        let mut reset = set(1, Some(&["10.7.0.0/24"]), &[]);
        reset.reset = true;
        let steps = planned(vec![PeerChange::Set(reset)], &before);
        assert_eq!(steps, ["1=10.7.0.0"]);
    }

    #[test]
    fn an_update_of_a_peer_that_is_not_there_claims_nothing() {
        let mut update = set(1, Some(&["10.9.0.0/24"]), &[]);
        update.update_only = true;
        let before = [present(2, &["10.9.0.0/24"])];
        let shrink = PeerChange::Set(set(2, Some(&[]), &[]));
        let steps = planned(vec![PeerChange::Set(update), shrink], &before);
        assert_eq!(steps, ["1=10.9.0.0", "2-10.9.0.0", "2+"]);
    }
}
