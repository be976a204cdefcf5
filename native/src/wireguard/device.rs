//! The seam between the daemon and whatever moves packets.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::beside::{Handler, Port};
use crate::error::Result;
use crate::identity::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::link::name::InterfaceName;

/// A network in a peer's allowed IPs; host bits are cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedIp {
    pub address: IpAddr,
    /// 0..=32 or 0..=128
    pub prefix: u8,
}

/// One number and one byte: what is derived hashes the family and lengths as well, and takes more than twice as long.
impl Hash for AllowedIp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bits = match self.address {
            IpAddr::V4(v4) => v4.to_bits().into(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        state.write_u128(bits);
        state.write_u8(self.prefix);
    }
}

impl AllowedIp {
    /// The network that has the address; `None` when the prefix is too long for the family.
    pub fn clear_host_bits(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(a) => {
                let host_bits = 32u32.checked_sub(prefix.into())?;
                Ipv4Addr::from_bits(a.to_bits() & u32::MAX.checked_shl(host_bits).unwrap_or(0)).into()
            }
            IpAddr::V6(a) => {
                let host_bits = 128u32.checked_sub(prefix.into())?;
                Ipv6Addr::from_bits(a.to_bits() & u128::MAX.checked_shl(host_bits).unwrap_or(0)).into()
            }
        };
        Some(Self { address, prefix })
    }
}

/// One entry of a batch; `None` leaves a property as it is.
#[derive(Debug, Clone)]
pub enum PeerChange {
    Remove(PublicKey),
    Set(PeerSettings),
}

impl PeerChange {
    pub fn public_key(&self) -> &PublicKey {
        match self {
            Self::Remove(key) => key,
            Self::Set(settings) => &settings.public_key,
        }
    }
}

#[derive(Debug, Clone)]
pub struct PeerSettings {
    pub public_key: PublicKey,
    /// Remove the peer first in the same batch: forgets its sessions and starts a handshake at once when keepalive is on.
    pub reset: bool,
    /// Never create the peer: skipped without error when it does not exist.
    pub update_only: bool,
    /// All zeros takes the peer's key away.
    pub preshared_key: Option<PresharedKey>,
    pub endpoint: Option<SocketAddr>,
    /// *Replaces* the list.
    pub allowed_ips: Option<Vec<AllowedIp>>,
    /// *Additive*, after `allowed_ips`.
    pub add_allowed_ips: Vec<AllowedIp>,
    /// Seconds, 0 is off. Turning it on sends a keepalive at once, so starts a handshake, as the kernel does.
    pub keepalive_seconds: Option<u16>,
}

impl PeerSettings {
    /// Makes the peer when it is not there, and else changes nothing of it.
    pub fn new(public_key: PublicKey) -> Self {
        Self {
            public_key,
            reset: false,
            update_only: false,
            preshared_key: None,
            endpoint: None,
            allowed_ips: None,
            add_allowed_ips: Vec::new(),
            keepalive_seconds: None,
        }
    }
}

/// A peer that could not be changed, and why. The others of the batch were.
#[derive(Debug, Clone)]
pub struct PeerFailure {
    pub public_key: PublicKey,
    pub reason: String,
}

#[derive(Debug, Clone)]
pub struct PeerState {
    pub public_key: PublicKey,
    /// All zeros: none.
    pub preshared_key: PresharedKey,
    pub endpoint: Option<SocketAddr>,
    pub allowed_ips: Vec<AllowedIp>,
    pub keepalive_seconds: u16,
    /// Unix milliseconds, 0 for never.
    pub last_handshake_ms: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
}

impl PeerState {
    /// A peer without properties.
    pub fn new(public_key: PublicKey) -> Self {
        Self {
            public_key,
            preshared_key: PresharedKey([0; 32]),
            endpoint: None,
            allowed_ips: Vec::new(),
            keepalive_seconds: 0,
            last_handshake_ms: 0,
            rx_bytes: 0,
            tx_bytes: 0,
        }
    }

    pub fn has_preshared_key(&self) -> bool {
        self.preshared_key.0 != [0; 32]
    }
}

#[derive(Debug, Clone)]
pub struct DeviceState {
    pub public_key: Option<PublicKey>,
    pub listen_port: u16,
    pub fwmark: u32,
    pub peers: Vec<PeerState>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceEvent {
    /// A session with the peer was made (either side began it).
    Handshake(PublicKey),
    /// Somebody changed the device over its UAPI socket; the text names what, never a key that is secret.
    ForeignChange(String),
    /// Something an operator should know; the device works all the same.
    Notice(String),
    /// A thread met an error it could not mend.
    Failed(String),
}

pub type EventHandler = Arc<dyn Fn(DeviceEvent) + Send + Sync>;

/// One WireGuard interface. Methods block; the bindings run the long ones on the thread pool, one at a time.
pub trait Device: Send {
    fn name(&self) -> &InterfaceName;
    fn index(&self) -> u32;
    /// True when the interface existed and was kept.
    fn adopted(&self) -> bool;
    /// The port bound now, 0 when none.
    fn listen_port(&mut self) -> Result<u16>;
    /// Removes all peers (the bindings flush addresses through `link`). The link stays as it is, up or down.
    fn reset(&mut self) -> Result<()>;
    /// Sets key, port and the mark of the packets sent (SO_MARK, 0 is none). Port 0 is any; one that is bound stays.
    /// `EADDRINUSE` when another socket has the port, and then nothing was changed.
    fn configure(&mut self, private_key: &PrivateKey, listen_port: u16, fwmark: u32) -> Result<()>;
    fn up(&mut self) -> Result<()>;
    fn apply(&mut self, changes: Vec<PeerChange>) -> Result<Vec<PeerFailure>>;
    fn read(&mut self) -> Result<DeviceState>;
    /// The same where it takes no longer than handing it to another thread and waking up for the answer; else `None`.
    fn read_at_once(&mut self) -> Result<Option<DeviceState>> {
        Ok(None)
    }
    fn on_event(&mut self, handler: EventHandler);
    /// Opens its UDP port for datagrams beside WireGuard's, which go to `handler`. Again replaces the handler. `EPERM`, `ENOTSUP`.
    fn open_port(&mut self, handler: Handler) -> Result<Arc<dyn Port>>;
    /// With `remove`: flushes the peers, then removes the interface. Without: the kernel's interface stays as it is, peers
    /// included, to be adopted again; the embedded one goes all the same. Joins the threads. Twice is once.
    fn close(&mut self, remove: bool) -> Result<()>;
}
