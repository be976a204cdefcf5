//! Turns "replace the allowed IPs" into what really differs.
//!
//! The kernel, and wireguard-go, replace a list by emptying it first, and packets that arrive in between are dropped. So a
//! list that grows is added to, and a network that must go is moved to a peer that exists within one request only. (A flag
//! that removes one allowed IP exists since Linux 6.16, and in wireguard-go since 2025; this works on every version.)
//!
//! A network that another change of the batch takes over moves by that change. What then still stands where nobody wants it
//! goes at the end, all at once: such a peer costs the kernel a key agreement, and its removal a grace period.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::identity::keys::PublicKey;
use crate::wireguard::device::{AllowedIp, PeerChange, PeerSettings, PeerState};

/// A peer of a listing and its allowed IPs.
pub type Present = (PublicKey, Vec<AllowedIp>);

/// What planning needs of a listing.
pub fn present(peers: &[PeerState]) -> Vec<Present> {
    peers.iter().map(|peer| (peer.public_key, peer.allowed_ips.clone())).collect()
}

/// One thing to do, in order.
#[derive(Debug, Clone)]
pub enum Step {
    Remove(PublicKey),
    Set(PeerSettings),
    /// Takes each network from its owner: `holder`, a key nobody has, gets them and is removed in the same request.
    Evict {
        holder: PublicKey,
        stale: Vec<(PublicKey, AllowedIp)>,
    },
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
    present: &[Present],
    holder: impl FnOnce() -> Result<PublicKey>,
) -> Result<Vec<Step>> {
    let mut table = Table::of(&changes, present);
    let mut steps = Vec::with_capacity(changes.len() + 1);
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
                table.settle(&mut set);
                steps.push(Step::Set(set));
            }
        }
    }
    let stale = table.unwanted();
    if !stale.is_empty() {
        steps.push(Step::Evict { holder: holder()?, stale });
    }
    Ok(steps)
}

/// Who has which allowed IP after the steps so far. Each has one owner: adding it elsewhere moves it. Networks and peers are
/// looked up once each and numbered: with lists of thousands the look-ups were most of the work.
struct Table {
    numbers: HashMap<AllowedIp, u32>,
    networks: Vec<Holding>,
    peers: HashMap<PublicKey, u32>,
    holders: Vec<Holder>,
}

struct Holding {
    ip: AllowedIp,
    /// Number of the peer that has it.
    owner: Option<u32>,
    /// False once its peer's list was replaced by one without it.
    wanted: bool,
}

struct Holder {
    key: PublicKey,
    /// Numbers of what it was ever given; some of it may have moved on.
    given: Vec<u32>,
}

impl Table {
    /// Of the present peers, those that are to be changed: what another one has is simply taken from it by adding it elsewhere.
    fn of(changes: &[PeerChange], present: &[Present]) -> Self {
        let concerned: HashSet<_> = changes.iter().map(PeerChange::public_key).collect();
        let present: Vec<_> = present.iter().filter(|(key, _)| concerned.contains(key)).collect();
        let held = present.iter().map(|(_, allowed_ips)| allowed_ips.len()).sum();
        let mut table = Self {
            numbers: HashMap::with_capacity(held),
            networks: Vec::with_capacity(held),
            peers: HashMap::with_capacity(concerned.len()),
            holders: Vec::with_capacity(concerned.len()),
        };
        for (key, allowed_ips) in present {
            let peer = table.add_peer(*key);
            table.holders[peer as usize].given.reserve_exact(allowed_ips.len());
            for ip in allowed_ips {
                table.claim(peer, *ip);
            }
        }
        table
    }

    fn add_peer(&mut self, key: PublicKey) -> u32 {
        let number = self.holders.len() as u32;
        self.peers.insert(key, number);
        self.holders.push(Holder { key, given: Vec::new() });
        number
    }

    fn forget(&mut self, key: &PublicKey) {
        let Some(peer) = self.peers.remove(key) else { return };
        for number in std::mem::take(&mut self.holders[peer as usize].given) {
            let holding = &mut self.networks[number as usize];
            if holding.owner == Some(peer) {
                holding.owner = None;
            }
        }
    }

    /// Reduces a replacement for a known peer to additions.
    fn settle(&mut self, set: &mut PeerSettings) {
        let known = self.peers.get(&set.public_key).copied();
        if known.is_none() && set.update_only {
            return;
        }
        let peer = known.unwrap_or_else(|| self.add_peer(set.public_key));
        match set.allowed_ips.take_if(|_| known.is_some()) {
            Some(wanted) => {
                for number in &self.holders[peer as usize].given {
                    let holding = &mut self.networks[*number as usize];
                    holding.wanted &= holding.owner != Some(peer);
                }
                let mut all = wanted;
                all.append(&mut set.add_allowed_ips);
                all.retain(|ip| self.claim(peer, *ip));
                set.add_allowed_ips = all;
            }
            None => {
                for ip in set.allowed_ips.iter().flatten().chain(&set.add_allowed_ips) {
                    self.claim(peer, *ip);
                }
            }
        }
    }

    /// Notes that the peer shall have `ip`; false when it has it already.
    fn claim(&mut self, peer: u32, ip: AllowedIp) -> bool {
        let next = self.networks.len() as u32;
        let number = *self.numbers.entry(ip).or_insert(next);
        if number == next {
            self.networks.push(Holding { ip, owner: None, wanted: true });
        }
        let holding = &mut self.networks[number as usize];
        holding.wanted = true;
        let moved = holding.owner != Some(peer);
        if moved {
            holding.owner = Some(peer);
            self.holders[peer as usize].given.push(number);
        }
        moved
    }

    /// What is to be taken away, from whom; in a stable order.
    fn unwanted(&self) -> Vec<(PublicKey, AllowedIp)> {
        let unwanted = self.networks.iter().filter(|holding| !holding.wanted);
        let owned =
            unwanted.filter_map(|holding| Some((self.holders[holding.owner? as usize].key, holding.ip)));
        let mut stale: Vec<_> = owned.collect();
        stale.sort_unstable();
        stale
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
        let (allowed_ips, add_allowed_ips) = (replace.map(ips), ips(add));
        PeerSettings { allowed_ips, add_allowed_ips, ..PeerSettings::new(PublicKey([key; 32])) }
    }

    fn present(key: u8, allowed: &[&str]) -> Present {
        (PublicKey([key; 32]), ips(allowed))
    }

    /// The steps as text: `-1:a` takes a from peer 1, `1=a` replaces, `1+a` adds, `!1` removes.
    fn planned(changes: Vec<PeerChange>, present: &[Present]) -> Vec<String> {
        let text = |list: &[AllowedIp]| {
            let each = list.iter().map(|ip| ip.address.to_string());
            each.collect::<Vec<_>>().join(",")
        };
        let steps = plan(changes, present, || Ok(PublicKey([99; 32]))).unwrap();
        let show = |step: &Step| match step {
            Step::Remove(key) => format!("!{}", key.0[0]),
            Step::Evict { stale, .. } => {
                let each = stale.iter().map(|(owner, ip)| format!("-{}:{}", owner.0[0], ip.address));
                each.collect::<Vec<_>>().join(",")
            }
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
        assert_eq!(planned(vec![change], &before), ["1+10.8.0.0", "-1:10.9.0.0"]);
    }

    #[test]
    fn what_an_earlier_change_moved_away_is_not_taken_again() {
        let before = [present(1, &["10.0.0.1/32", "10.9.0.0/24"]), present(2, &[])];
        let take = PeerChange::Set(set(2, None, &["10.9.0.0/24"]));
        let shrink = PeerChange::Set(set(1, Some(&["10.0.0.1/32"]), &[]));
        assert_eq!(planned(vec![take, shrink], &before), ["2+10.9.0.0", "1+"]);
    }

    #[test]
    fn what_a_later_change_takes_over_is_moved_by_it() {
        let before = [present(1, &["10.9.0.0/24"]), present(2, &[])];
        let shrink = PeerChange::Set(set(1, Some(&[]), &[]));
        let take = PeerChange::Set(set(2, Some(&["10.9.0.0/24"]), &[]));
        let steps = planned(vec![shrink, take], &before);
        assert_eq!(steps, ["1+", "2+10.9.0.0"]);
    }

    #[test]
    fn lists_that_change_hands_in_a_ring_need_no_eviction() {
        let before =
            [present(1, &["10.1.0.0/16"]), present(2, &["10.2.0.0/16"]), present(3, &["10.3.0.0/16"])];
        let give = |key, network| PeerChange::Set(set(key, Some(&[network]), &[]));
        let ring = vec![give(1, "10.2.0.0/16"), give(2, "10.3.0.0/16"), give(3, "10.1.0.0/16")];
        assert_eq!(planned(ring, &before), ["1+10.2.0.0", "2+10.3.0.0", "3+10.1.0.0"]);
    }

    #[test]
    fn what_nobody_wants_goes_at_the_end_from_all_at_once() {
        let before = [present(1, &["10.1.0.0/16", "10.9.0.0/16"]), present(2, &["10.2.0.0/16"])];
        let changes = vec![
            PeerChange::Set(set(2, Some(&[]), &[])),
            PeerChange::Set(set(1, Some(&["10.1.0.0/16"]), &[])),
            PeerChange::Remove(PublicKey([3; 32])),
        ];
        assert_eq!(planned(changes, &before), ["2+", "1+", "!3", "-1:10.9.0.0,-2:10.2.0.0"]);
    }

    #[test]
    fn a_list_replaced_twice_is_the_second_one() {
        let before = [present(1, &["10.1.0.0/16"])];
        let empty = PeerChange::Set(set(1, Some(&[]), &[]));
        let again = PeerChange::Set(set(1, Some(&["10.1.0.0/16", "10.1.0.0/16"]), &["10.2.0.0/16"]));
        let there_and_back = planned(vec![empty.clone(), again.clone()], &before);
        assert_eq!(there_and_back, ["1+", "1+10.2.0.0"]);
        assert_eq!(planned(vec![again, empty], &before), ["1+10.2.0.0", "1+", "-1:10.1.0.0,-1:10.2.0.0"]);
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
        assert_eq!(steps, ["1=10.9.0.0", "2+", "-2:10.9.0.0"]);
    }
}
