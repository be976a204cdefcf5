//! One of two engines of the target `packets`, and what is known of it that the engine must not break.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::identity::keys::{PrivateKey, PublicKey};
use crate::wireguard::device::{AllowedIp, PeerChange, PeerSettings};
use crate::wireguard::embedded::batch::Outbound;
use crate::wireguard::embedded::effects::Effects;
use crate::wireguard::embedded::engine::Engine;
use crate::wireguard::embedded::incoming::Opened;
use crate::wireguard::embedded::noise::message::padded;
use crate::wireguard::embedded::noise::{Time, Timing};
use crate::wireguard::embedded::outgoing::Plan;
use crate::wireguard::embedded::own_key::Limits;
use crate::wireguard::embedded::peer::Peer;
use crate::wireguard::embedded::world::World;

pub(super) const MTU: u16 = 1420;

/// Both nodes' time.
pub(super) struct Clock {
    nanos: AtomicU64,
    unix_seconds: AtomicU64,
}

impl Clock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            nanos: AtomicU64::new(3_600_000_000_000),
            unix_seconds: AtomicU64::new(1_800_000_000),
        })
    }

    pub(super) fn advance(&self, time: Duration) {
        self.nanos.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Sets the wall clock, which may go anywhere.
    pub(super) fn set_unix(&self, seconds: u64) {
        self.unix_seconds.store(seconds, Ordering::Relaxed);
    }
}

/// A node's clock and chance; both the same in every run.
struct Side {
    clock: Arc<Clock>,
    random: AtomicU64,
}

impl World for Side {
    fn now(&self) -> Time {
        Time::from_nanos(self.clock.nanos.load(Ordering::Relaxed))
    }

    fn unix(&self) -> Duration {
        Duration::from_secs(self.clock.unix_seconds.load(Ordering::Relaxed))
    }

    /// Steele and Vigna's generator of 64 bits, a byte a step.
    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 56) as u8;
        }
    }
}

/// What others can see of a node's only peer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub endpoint: Option<SocketAddr>,
    pub last_handshake_ms: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
}

/// Node 1 is 192.0.2.1:51820 outside, and 10.0.0.1 and fd00::1 inside.
pub(super) struct Node {
    pub engine: Engine,
    pub key: PublicKey,
    pub address: SocketAddr,
    /// Packets that may come out at the other node, as they come out, and how often.
    pub owed: HashMap<Vec<u8>, usize>,
    /// Messages of this node, as [`identity`] tells them apart.
    pub sent: HashSet<Vec<u8>>,
    /// Messages of the other node that this one took.
    pub taken: HashSet<Vec<u8>>,
    /// Between the two steps of receiving.
    pub opening: VecDeque<Opening>,
    /// Between the steps of sending.
    pub sealing: VecDeque<Sealing>,
    /// What waited for a session that is there now.
    pub flushing: Vec<Arc<Peer>>,
    /// Counts removals of the peer: nothing from before one may go on after it.
    pub epoch: usize,
    number: u8,
    serial: u32,
}

pub(super) struct Opening {
    pub bytes: Vec<u8>,
    pub opened: Opened,
    pub epoch: usize,
}

pub(super) struct Sealing {
    pub plan: Plan,
    pub batch: Outbound,
    pub epoch: usize,
}

impl Node {
    pub(super) fn new(number: u8, clock: &Arc<Clock>, limits: Limits) -> Self {
        let key = PrivateKey([number; 32]);
        let side = Side { clock: Arc::clone(clock), random: AtomicU64::new(number.into()) };
        let engine = Engine::in_world(MTU, limits, Timing::default(), Box::new(side));
        engine.set_private_key(&key, &mut Effects::default());
        Self {
            engine,
            key: key.public_key(),
            address: (Ipv4Addr::new(192, 0, 2, number), 51820).into(),
            owed: HashMap::new(),
            sent: HashSet::new(),
            taken: HashSet::new(),
            opening: VecDeque::new(),
            sealing: VecDeque::new(),
            flushing: Vec::new(),
            epoch: 0,
            number,
            serial: 0,
        }
    }

    pub(super) fn inner(&self, ipv6: bool) -> IpAddr {
        match ipv6 {
            true => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, self.number.into()).into(),
            false => Ipv4Addr::new(10, 0, 0, self.number).into(),
        }
    }

    fn has(&self, address: IpAddr) -> bool {
        address == self.inner(address.is_ipv6())
    }

    /// This node as a peer.
    pub(super) fn as_peer(&self) -> PeerSettings {
        let networks = [false, true]
            .map(|ipv6| AllowedIp { address: self.inner(ipv6), prefix: if ipv6 { 128 } else { 32 } });
        PeerSettings {
            endpoint: Some(self.address),
            allowed_ips: Some(networks.into()),
            ..PeerSettings::new(self.key)
        }
    }

    pub(super) fn apply(&self, settings: PeerSettings) -> Effects {
        let mut effects = Effects::default();
        let failures = self.engine.apply(vec![PeerChange::Set(settings)], &mut effects);
        assert!(failures.is_empty(), "{failures:?}");
        effects
    }

    pub(super) fn seen(&self) -> Seen {
        let peers = self.engine.peers();
        let [(peer, _)] = &peers[..] else { panic!("{} peers", peers.len()) };
        Seen {
            endpoint: peer.endpoint,
            last_handshake_ms: peer.last_handshake_ms,
            rx_bytes: peer.rx_bytes,
            tx_bytes: peer.tx_bytes,
        }
    }

    /// A packet like no other, of at least its headers and a serial number.
    pub(super) fn packet(&mut self, from: IpAddr, to: IpAddr, length: usize) -> Vec<u8> {
        self.serial += 1;
        let mut packet = ip_header(from, to);
        let headers = packet.len();
        packet.extend_from_slice(&self.serial.to_be_bytes());
        packet.resize(length.max(packet.len()), self.number);
        let claimed = packet.len() - if headers == 40 { 40 } else { 0 };
        claim(&mut packet, claimed as u16);
        packet
    }

    /// Notes that this packet goes to `other`, who may get it as often as it is noted.
    pub(super) fn owe(&mut self, packet: &[u8], other: &Node) {
        if let Some(arriving) = self.arriving(packet, other) {
            *self.owed.entry(arriving).or_default() += 1;
        }
    }

    /// What comes out of the tunnel when this packet went in: nothing when it is not from us to the other, as much as its
    /// header claims when that is there. Of what is too short the padding may count, too: it is zeros on the wire.
    fn arriving(&self, packet: &[u8], other: &Node) -> Option<Vec<u8>> {
        let (from, to, claimed) = addresses(packet)?;
        let mut arriving = packet.to_vec();
        arriving.resize(padded(packet.len(), MTU.into()), 0);
        let sound = self.has(from) && other.has(to) && (20..=arriving.len()).contains(&claimed);
        arriving.truncate(claimed);
        sound.then_some(arriving)
    }
}

fn ip_header(from: IpAddr, to: IpAddr) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            [&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0][..], &from.octets(), &to.octets()].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            [&[0x60, 0, 0, 0, 0, 0, 17, 64][..], &from.octets(), &to.octets()].concat()
        }
        _ => panic!("one family"),
    }
}

/// Sets the length that a packet claims to have.
pub(super) fn claim(packet: &mut [u8], length: u16) {
    let at = if packet[0] >> 4 == 6 { 4 } else { 2 };
    packet[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

/// Source, destination and claimed length of a packet, read without the engine's help.
fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr, usize)> {
    let ipv4 = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    let ipv6 = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
    let number = |at: usize| Some(usize::from(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?)));
    match packet.first()? >> 4 {
        4 => Some((ipv4(12)?, ipv4(16)?, number(2)?)),
        6 => Some((ipv6(8)?, ipv6(24)?, number(4)? + 40)),
        _ => None,
    }
}

/// What a message is told by: the last 16 bytes of a handshake message may be anything while there is no flood.
pub(super) fn identity(message: &[u8]) -> Vec<u8> {
    let handshake = matches!((message.first(), message.len()), (Some(1), 148) | (Some(2), 92));
    message[..message.len() - if handshake { 16 } else { 0 }].to_vec()
}
