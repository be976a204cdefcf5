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

/// One or two encoded peers that go into the same request.
pub struct Chunk {
    /// Whose change this is.
    peers: Vec<PublicKey>,
    encoded: Attributes,
}

impl Chunk {
    fn new(peer: PublicKey, request: &PeerRequest<'_>) -> Self {
        Self::concerning(vec![peer], &[(peer, request)])
    }

    fn concerning(peers: Vec<PublicKey>, requests: &[(PublicKey, &PeerRequest<'_>)]) -> Self {
        let room = requests.iter().map(|(_, request)| request.room()).sum();
        let mut encoded = Attributes::with_room(room);
        for (key, request) in requests {
            request.encode(key, &mut encoded);
        }
        Self { peers, encoded }
    }

    pub fn bytes(&self) -> &[u8] {
        self.encoded.bytes()
    }
}

/// The pieces of one step, in the order they must be applied.
pub fn cut(step: &Step) -> Vec<Chunk> {
    match step {
        Step::Remove(key) => vec![Chunk::new(*key, &removal())],
        Step::Set(settings) => set(settings),
        Step::Evict { holder, stale } => {
            stale.chunks(ALLOWED_IPS_A_CHUNK).map(|stale| evict(*holder, stale)).collect()
        }
    }
}

fn evict(holder: PublicKey, stale: &[(PublicKey, AllowedIp)]) -> Chunk {
    let mut owners: Vec<_> = stale.iter().map(|(owner, _)| *owner).collect();
    owners.dedup();
    let ips: Vec<_> = stale.iter().map(|(_, ip)| *ip).collect();
    let take = PeerRequest { allowed_ips: &ips, ..PeerRequest::default() };
    Chunk::concerning(owners, &[(holder, &take), (holder, &removal())])
}

fn removal<'a>() -> PeerRequest<'a> {
    PeerRequest { flags: peer::F_REMOVE_ME, ..PeerRequest::default() }
}

fn set(settings: &PeerSettings) -> Vec<Chunk> {
    let key = settings.public_key;
    let mut chunks = Vec::new();
    if settings.reset {
        chunks.push(Chunk::new(key, &removal()));
    }
    let mut flags = 0;
    if settings.update_only {
        flags |= peer::F_UPDATE_ONLY;
    }
    if settings.allowed_ips.is_some() {
        flags |= peer::F_REPLACE_ALLOWED_IPS;
    }
    let replacing = settings.allowed_ips.iter().flatten();
    let allowed_ips: Vec<_> = replacing.chain(&settings.add_allowed_ips).copied().collect();
    let (first, more) = allowed_ips.split_at(allowed_ips.len().min(ALLOWED_IPS_A_CHUNK));
    let head = PeerRequest {
        flags,
        preshared_key: settings.preshared_key.as_ref(),
        endpoint: settings.endpoint,
        keepalive_seconds: settings.keepalive_seconds,
        allowed_ips: first,
    };
    chunks.push(Chunk::new(key, &head));
    for allowed_ips in more.chunks(ALLOWED_IPS_A_CHUNK) {
        // The first piece made the peer, or was told not to.
        let rest = PeerRequest { flags: peer::F_UPDATE_ONLY, allowed_ips, ..PeerRequest::default() };
        chunks.push(Chunk::new(key, &rest));
    }
    chunks
}

/// Peers that could not be changed, each with the first error.
pub type Failures = Vec<(PublicKey, NetlinkError)>;

/// Sends the pieces in order, as many a request as fit. When a request fails, its pieces are sent one by one (each can be
/// applied twice), so that a bad one stops nothing but itself. An error that is not about one peer ends it.
pub fn send_all(
    chunks: &[Chunk],
    mut send: impl FnMut(&[Chunk]) -> Result<(), NetlinkError>,
) -> Result<Failures, NetlinkError> {
    let mut failures = Failures::new();
    let mut failed = BTreeSet::new();
    let mut rest = chunks;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(fitting(rest));
        rest = after;
        let Err(error) = send(batch) else { continue };
        if concerns_the_device(&error) {
            return Err(error);
        }
        for chunk in batch {
            let alone = std::slice::from_ref(chunk);
            let result = if batch.len() == 1 { Err(error.clone()) } else { send(alone) };
            let Err(error) = result else { continue };
            if concerns_the_device(&error) {
                return Err(error);
            }
            let first = chunk.peers.iter().filter(|peer| failed.insert(**peer));
            failures.extend(first.map(|peer| (*peer, error.clone())));
        }
    }
    Ok(failures)
}

/// How many of the first pieces fit into one request; at least one.
fn fitting(chunks: &[Chunk]) -> usize {
    let mut size = 0;
    let over = chunks.iter().position(|chunk| {
        size += chunk.bytes().len();
        size > MESSAGE_BYTES
    });
    over.unwrap_or(chunks.len()).max(1)
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
        PeerSettings {
            public_key: PublicKey([key; 32]),
            reset: false,
            update_only: false,
            preshared_key: None,
            endpoint: None,
            allowed_ips: Some((0..ips).map(network).collect()),
            add_allowed_ips: Vec::new(),
            keepalive_seconds: None,
        }
    }

    fn refusal() -> NetlinkError {
        NetlinkError { errno: libc::EINVAL, words: None }
    }

    #[test]
    fn a_long_list_is_cut_and_every_piece_fits() {
        let chunks = cut(&Step::Set(settings(1, 2000)));
        assert_eq!(chunks.len(), 2000usize.div_ceil(ALLOWED_IPS_A_CHUNK));
        assert!(chunks.iter().all(|chunk| chunk.bytes().len() <= MESSAGE_BYTES));
        let mut sizes = Vec::new();
        let failures = send_all(&chunks, |batch| {
            sizes.push(batch.iter().map(|chunk| chunk.bytes().len()).sum::<usize>());
            Ok(())
        });
        assert_eq!(failures.unwrap(), []);
        assert!(sizes.iter().all(|size| *size <= MESSAGE_BYTES));
        assert!(sizes.len() > 3);
    }

    #[test]
    fn a_reset_is_a_removal_and_then_the_peer() {
        let mut reset = settings(1, 1);
        reset.reset = true;
        assert_eq!(cut(&Step::Set(reset)).len(), 2);
    }

    #[test]
    fn one_bad_peer_stops_nothing_but_itself() {
        let bad = PublicKey([2; 32]);
        let steps = [1, 2, 3].map(|key| Step::Set(settings(key, 1)));
        let chunks: Vec<_> = steps.iter().flat_map(cut).collect();
        let mut applied = Vec::new();
        let failures = send_all(&chunks, |batch| {
            for chunk in batch {
                if chunk.peers == [bad] {
                    return Err(refusal());
                }
                applied.push(chunk.peers[0].0[0]);
            }
            Ok(())
        });
        assert_eq!(failures.unwrap(), [(bad, refusal())]);
        assert!(applied.contains(&1) && applied.contains(&3));
    }

    #[test]
    fn networks_of_many_peers_are_evicted_together_and_a_failure_names_each() {
        let ip = |n: u8| AllowedIp { address: std::net::Ipv4Addr::new(10, 0, 0, n).into(), prefix: 32 };
        let [one, two, holder] = [1, 2, 99].map(|key| PublicKey([key; 32]));
        let step = Step::Evict { holder, stale: vec![(one, ip(1)), (one, ip(2)), (two, ip(3))] };
        let chunks = cut(&step);
        assert_eq!(chunks.len(), 1);
        let failures = send_all(&chunks, |_| Err(refusal())).unwrap();
        assert_eq!(failures, [(one, refusal()), (two, refusal())]);
    }

    #[test]
    fn a_lost_device_ends_the_batch() {
        let chunks = cut(&Step::Set(settings(1, 1)));
        let gone = NetlinkError { errno: libc::ENODEV, words: None };
        assert_eq!(send_all(&chunks, |_| Err(gone.clone())), Err(gone.clone()));
    }
}
