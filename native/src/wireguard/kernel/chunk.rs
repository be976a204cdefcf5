//! Peer changes cut into pieces that fit into requests, and the requests sent one by one.

use std::collections::BTreeSet;

use super::encode::{Attributes, PeerRequest};
use super::uapi::peer;
use crate::identity::keys::PublicKey;
use crate::link::socket::NetlinkError;
use crate::wireguard::device::{AllowedIp, PeerSettings};
use crate::wireguard::difference::Step;

/// Room of one request. An attribute ends at 64 KiB and a socket's send buffer at about 200 KiB; a quarter of the
/// smaller one keeps the kernel's locks short.
pub const MESSAGE_BYTES: usize = 16 * 1024;

/// Allowed IPs in one piece: at most 40 bytes each, so a piece always fits into a request.
const ALLOWED_IPS_A_CHUNK: usize = 256;

/// The most that a peer takes without its allowed IPs.
const PEER_BYTES: usize = 128;

/// Steps as the kernel reads them, in the order they must be applied, and where they may be cut.
pub struct Encoded {
    attributes: Attributes,
    chunks: Vec<Chunk>,
}

/// One or two encoded peers that go into the same request.
#[derive(Debug)]
pub struct Chunk {
    concerned: Concerned,
    /// Where it ends; it begins where the one before it ends.
    end: usize,
}

/// Whose change it is.
#[derive(Debug)]
enum Concerned {
    One(PublicKey),
    Many(Vec<PublicKey>),
}

impl Chunk {
    fn peers(&self) -> &[PublicKey] {
        match &self.concerned {
            Concerned::One(key) => std::slice::from_ref(key),
            Concerned::Many(keys) => keys,
        }
    }
}

impl Encoded {
    pub fn of(steps: &[Step]) -> Self {
        let mut encoded = Self {
            attributes: Attributes::with_room(steps.iter().map(room).sum()),
            chunks: Vec::with_capacity(steps.len()),
        };
        for step in steps {
            match step {
                Step::Remove(key) => encoded.push(Concerned::One(*key), &[(*key, &removal())]),
                Step::Set(settings) => encoded.set(settings),
                Step::Evict { holder, stale } => {
                    stale.chunks(ALLOWED_IPS_A_CHUNK).for_each(|stale| encoded.evict(*holder, stale));
                }
            }
        }
        encoded
    }

    fn push(&mut self, concerned: Concerned, requests: &[(PublicKey, &PeerRequest<'_>)]) {
        for (key, request) in requests {
            request.encode(key, &mut self.attributes);
        }
        self.chunks.push(Chunk { concerned, end: self.attributes.len() });
    }

    fn evict(&mut self, holder: PublicKey, stale: &[(PublicKey, AllowedIp)]) {
        let mut owners: Vec<_> = stale.iter().map(|(owner, _)| *owner).collect();
        owners.dedup();
        let ips: Vec<_> = stale.iter().map(|(_, ip)| *ip).collect();
        let take = PeerRequest { allowed_ips: &ips, ..PeerRequest::default() };
        self.push(Concerned::Many(owners), &[(holder, &take), (holder, &removal())]);
    }

    fn set(&mut self, settings: &PeerSettings) {
        let key = settings.public_key;
        if settings.reset {
            self.push(Concerned::One(key), &[(key, &removal())]);
        }
        let mut flags = 0;
        if settings.update_only {
            flags |= peer::F_UPDATE_ONLY;
        }
        if settings.allowed_ips.is_some() {
            flags |= peer::F_REPLACE_ALLOWED_IPS;
        }
        let head = PeerRequest {
            flags,
            preshared_key: settings.preshared_key.as_ref(),
            endpoint: settings.endpoint,
            keepalive_seconds: settings.keepalive_seconds,
            allowed_ips: &[],
        };
        // The first piece makes the peer, or is told not to.
        let rest = PeerRequest { flags: peer::F_UPDATE_ONLY, ..PeerRequest::default() };
        let replacing = settings.allowed_ips.as_deref().unwrap_or_default();
        let mut lists = replacing.chunks(ALLOWED_IPS_A_CHUNK);
        let first = lists.next().unwrap_or_default();
        self.push(Concerned::One(key), &[(key, &PeerRequest { allowed_ips: first, ..head })]);
        for allowed_ips in lists.chain(settings.add_allowed_ips.chunks(ALLOWED_IPS_A_CHUNK)) {
            self.push(Concerned::One(key), &[(key, &PeerRequest { allowed_ips, ..rest })]);
        }
    }

    /// Sends the pieces in order, as many a request as fit. When a request fails, its pieces are sent one by one (each can be
    /// applied twice), so that a bad one stops nothing but itself. An error that is not about one peer ends it.
    pub fn send(
        &self,
        mut send: impl FnMut(&[u8]) -> Result<(), NetlinkError>,
    ) -> Result<Failures, NetlinkError> {
        let mut failures = Failures::new();
        let mut failed = BTreeSet::new();
        let mut begin = 0;
        let mut rest = &self.chunks[..];
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(fitting(begin, rest));
            let Err(error) = send(self.bytes(begin, batch)) else {
                (begin, rest) = (end_of(batch), after);
                continue;
            };
            if concerns_the_device(&error) {
                return Err(error);
            }
            for chunk in batch {
                let alone = std::slice::from_ref(chunk);
                let result =
                    if batch.len() == 1 { Err(error.clone()) } else { send(self.bytes(begin, alone)) };
                begin = chunk.end;
                let Err(error) = result else { continue };
                if concerns_the_device(&error) {
                    return Err(error);
                }
                let first = chunk.peers().iter().filter(|peer| failed.insert(**peer));
                failures.extend(first.map(|peer| (*peer, error.clone())));
            }
            rest = after;
        }
        Ok(failures)
    }

    fn bytes(&self, begin: usize, batch: &[Chunk]) -> &[u8] {
        &self.attributes.bytes()[begin..end_of(batch)]
    }
}

fn end_of(batch: &[Chunk]) -> usize {
    batch.last().map_or(0, |chunk| chunk.end)
}

/// An upper bound of what a step's pieces take.
fn room(step: &Step) -> usize {
    let list = |length: usize| 40 * length + PEER_BYTES * length.div_ceil(ALLOWED_IPS_A_CHUNK);
    match step {
        Step::Remove(_) => PEER_BYTES,
        Step::Set(settings) => {
            let replacing = settings.allowed_ips.as_ref().map_or(0, Vec::len);
            2 * PEER_BYTES + list(replacing) + list(settings.add_allowed_ips.len())
        }
        Step::Evict { stale, .. } => 2 * list(stale.len()),
    }
}

fn removal<'a>() -> PeerRequest<'a> {
    PeerRequest { flags: peer::F_REMOVE_ME, ..PeerRequest::default() }
}

/// Peers that could not be changed, each with the first error.
pub type Failures = Vec<(PublicKey, NetlinkError)>;

/// How many of the first pieces, which begin there, fit into one request; at least one.
fn fitting(begin: usize, chunks: &[Chunk]) -> usize {
    let over = chunks.partition_point(|chunk| chunk.end - begin <= MESSAGE_BYTES);
    over.max(1)
}

fn concerns_the_device(error: &NetlinkError) -> bool {
    matches!(error.errno, libc::ENODEV | libc::EPERM | libc::ETIMEDOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(key: u8, ips: u16) -> PeerSettings {
        let network = |n: u16| AllowedIp {
            address: std::net::Ipv4Addr::from(0x0a00_0000 + u32::from(n)).into(),
            prefix: 32,
        };
        let allowed_ips = Some((0..ips).map(network).collect());
        PeerSettings { allowed_ips, ..PeerSettings::new(PublicKey([key; 32])) }
    }

    fn refusal() -> NetlinkError {
        NetlinkError { errno: libc::EINVAL, words: None }
    }

    /// The batches, each as the pieces it has.
    fn sent(encoded: &Encoded, fail: impl Fn(&[u8]) -> Option<NetlinkError>) -> (Vec<Vec<u8>>, Failures) {
        let mut batches = Vec::new();
        let failures = encoded.send(|bytes| {
            batches.push(bytes.to_vec());
            fail(bytes).map_or(Ok(()), Err)
        });
        (batches, failures.unwrap())
    }

    /// What of the encoded bytes holds the key.
    fn has(bytes: &[u8], key: u8) -> bool {
        bytes.windows(32).any(|window| window == [key; 32])
    }

    #[test]
    fn a_long_list_is_cut_and_every_piece_fits() {
        let encoded = Encoded::of(&[Step::Set(settings(1, 2000))]);
        assert_eq!(encoded.chunks.len(), 2000usize.div_ceil(ALLOWED_IPS_A_CHUNK));
        let (batches, failures) = sent(&encoded, |_| None);
        assert_eq!(failures, []);
        assert!(batches.iter().all(|batch| batch.len() <= MESSAGE_BYTES));
        assert!(batches.len() > 3);
        assert_eq!(batches.concat(), encoded.attributes.bytes(), "nothing is lost or doubled");
    }

    #[test]
    fn replaced_and_added_networks_are_all_there() {
        let mut both = settings(1, 3);
        both.add_allowed_ips = settings(1, 600).allowed_ips.unwrap();
        let encoded = Encoded::of(&[Step::Set(both)]);
        assert_eq!(encoded.chunks.len(), 1 + 600usize.div_ceil(ALLOWED_IPS_A_CHUNK));
        assert_eq!(encoded.attributes.len(), 40 + 8 + 4 + 3 * 28 + 3 * (40 + 8 + 4) + 600 * 28);
    }

    #[test]
    fn a_reset_is_a_removal_and_then_the_peer() {
        let mut reset = settings(1, 1);
        reset.reset = true;
        assert_eq!(Encoded::of(&[Step::Set(reset)]).chunks.len(), 2);
    }

    #[test]
    fn one_bad_peer_stops_nothing_but_itself() {
        let encoded = Encoded::of(&[1, 2, 3].map(|key| Step::Set(settings(key, 1))));
        let (batches, failures) = sent(&encoded, |bytes| has(bytes, 2).then(refusal));
        assert_eq!(failures, [(PublicKey([2; 32]), refusal())]);
        let held: Vec<_> = batches.iter().map(|batch| [1, 2, 3].map(|key| has(batch, key))).collect();
        let alone = |key| [1, 2, 3].map(|other| other == key);
        assert_eq!(held, [[true; 3], alone(1), alone(2), alone(3)]);
    }

    #[test]
    fn what_follows_a_failed_request_is_sent_whole() {
        let steps: Vec<_> = (1..=4).map(|key| Step::Set(settings(key, 256))).collect();
        let encoded = Encoded::of(&steps);
        let (batches, failures) = sent(&encoded, |bytes| has(bytes, 1).then(refusal));
        assert_eq!(failures, [(PublicKey([1; 32]), refusal())]);
        let accepted: Vec<_> = batches.into_iter().filter(|batch| !has(batch, 1)).collect();
        assert_eq!(accepted.concat(), encoded.attributes.bytes()[encoded.chunks[0].end..]);
    }

    #[test]
    fn networks_of_many_peers_are_evicted_together_and_a_failure_names_each() {
        let ip = |n: u8| AllowedIp { address: std::net::Ipv4Addr::new(10, 0, 0, n).into(), prefix: 32 };
        let [one, two, holder] = [1, 2, 99].map(|key| PublicKey([key; 32]));
        let step = Step::Evict { holder, stale: vec![(one, ip(1)), (one, ip(2)), (two, ip(3))] };
        let encoded = Encoded::of(&[step]);
        assert_eq!(encoded.chunks.len(), 1);
        let (_, failures) = sent(&encoded, |_| Some(refusal()));
        assert_eq!(failures, [(one, refusal()), (two, refusal())]);
    }

    #[test]
    fn a_lost_device_ends_the_batch() {
        let encoded = Encoded::of(&[Step::Set(settings(1, 1))]);
        let gone = NetlinkError { errno: libc::ENODEV, words: None };
        assert_eq!(encoded.send(|_| Err(gone.clone())), Err(gone.clone()));
    }
}
