//! The kernel's WireGuard over generic netlink.
//!
//! The link is always named by its index: a link of the same name that somebody made meanwhile is never touched, and
//! one that somebody removed is an error (`ENODEV`), never made again by accident.
//!
//! The messages are our own, over the sockets of [`crate::link::socket`], and not the crate `wireguard-control`: that one
//! names links, and makes a missing one; has no update-only flag and no room for a long list of allowed IPs; returns a
//! peer whose listing was cut as two; waits without a limit; and leaves copies of private and preshared keys in memory
//! that is not zeroised, and in the text of an error.

mod chunk;
mod decode;
mod encode;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod genetlink;
mod uapi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use netlink_packet_route::link::InfoKind;

use self::chunk::Encoded;
use self::encode::Attributes;
use self::genetlink::Family;
use super::beside::{ForeignPort, Handler, Port};
use super::device::{Device, DeviceState, EventHandler, PeerChange, PeerFailure};
use super::difference::Present;
use super::{difference, port};
use crate::error::{Error, Result};
use crate::identity::keys::{PrivateKey, PublicKey};
use crate::link::links;
use crate::link::name::{InterfaceName, LinkName};
use crate::link::socket::NetlinkError;

pub struct KernelDevice {
    name: InterfaceName,
    index: u32,
    adopted: bool,
    family: Family,
    listing: Option<Listing>,
    port: ForeignPort,
}

/// What was read last, until something is applied: who reads, compares and applies pays for one listing and not for two.
struct Listing {
    read_at: Instant,
    peers: Vec<Present>,
}

/// How long a listing counts. What others change between it and what is planned by it would be found by the next one; the
/// time from reading a few thousand peers to applying what differs is a tenth of this.
const LISTING_COUNTS: Duration = Duration::from_secs(1);

impl KernelDevice {
    /// Creates the link, or adopts the WireGuard link of that name as it is. `mtu` 0 leaves what is there, or 1420.
    ///
    /// Errors: EPERM, EOPNOTSUPP (no WireGuard in this kernel), NOT_WIREGUARD.
    pub fn open(name: &InterfaceName, mtu: u16) -> Result<Self> {
        let (link, adopted) = match find(name)? {
            Some(link) => (link, true),
            None => match create(name, mtu) {
                Ok(()) => (links::require(&LinkName::from(name), "open")?, false),
                // Somebody was faster.
                Err(error) if error.code == "EEXIST" => (find(name)?.ok_or(error)?, true),
                Err(error) => return Err(error),
            },
        };
        let family = Family::find().map_err(|error| match error.errno {
            libc::ENOENT => no_wireguard(name),
            _ => error.because("open", name.as_str()),
        })?;
        let mut device = Self {
            name: name.clone(),
            index: link.index,
            adopted,
            family,
            listing: None,
            port: ForeignPort::default(),
        };
        // Reading takes the same right as changing, so a lack of it shows here and not at the first change.
        device.listen_port()?;
        if adopted && mtu != 0 && link.mtu != u32::from(mtu) {
            links::set_mtu(link.index, name.as_str(), mtu)?;
        }
        Ok(device)
    }

    fn error(&self, error: &NetlinkError, operation: &'static str) -> Error {
        if error.errno == libc::ENODEV {
            let reason = "the interface is gone: somebody removed it";
            return Error::new("ENODEV", operation, self.name.as_str(), reason);
        }
        error.because(operation, self.name.as_str())
    }

    fn send(&self, attributes: &Attributes, operation: &'static str) -> Result<()> {
        let commands = self.family.commands();
        commands
            .and_then(|mut commands| commands.send(uapi::CMD_SET_DEVICE, attributes))
            .map_err(|error| self.error(&error, operation))
    }

    fn list(&self) -> Result<DeviceState> {
        let question = encode::get_device(self.index);
        let listing = self.family.dump(uapi::CMD_GET_DEVICE, &question, decode::fragment);
        let fragments = listing.map_err(|error| self.error(&error, "read"))?;
        Ok(decode::merge(fragments))
    }

    /// Whether the kernel holds this port for the device now: a link that is down holds none.
    fn is_bound_to(&mut self, port: u16) -> Result<bool> {
        let link = links::get_by_index(self.index)?;
        Ok(link.is_some_and(|link| link.up) && self.listen_port()? == port)
    }
}

/// The link of that name; an error when it is not WireGuard's.
fn find(name: &InterfaceName) -> Result<Option<links::Link>> {
    let link = links::get(&LinkName::from(name))?;
    if let Some(other) = link.as_ref().filter(|link| link.kind != "wireguard") {
        let kind = if other.kind.is_empty() { "hardware" } else { &other.kind };
        let reason = format!("a link of that name exists and is not WireGuard ({kind})");
        return Err(Error::new("NOT_WIREGUARD", "use", name.as_str(), reason));
    }
    Ok(link)
}

fn create(name: &InterfaceName, mtu: u16) -> Result<()> {
    let result = links::create(name, InfoKind::Wireguard, mtu);
    result.map_err(|error| match error.code.as_str() {
        "EOPNOTSUPP" => no_wireguard(name),
        _ => error,
    })
}

fn no_wireguard(name: &InterfaceName) -> Error {
    let reason = "the kernel has no WireGuard";
    Error::new("EOPNOTSUPP", "create", name.as_str(), reason)
}

/// A key that nobody has: random, so nobody knows its private half, least of all us.
fn nobodys_key() -> Result<PublicKey> {
    Ok(PrivateKey::generate()?.public_key())
}

impl Device for KernelDevice {
    fn name(&self) -> &InterfaceName {
        &self.name
    }

    fn index(&self) -> u32 {
        self.index
    }

    fn adopted(&self) -> bool {
        self.adopted
    }

    fn listen_port(&mut self) -> Result<u16> {
        let question = encode::get_device(self.index);
        let port = |attributes: &[u8]| decode::fragment(attributes).listen_port;
        let first = self.family.dump_first(uapi::CMD_GET_DEVICE, &question, port);
        let first = first.map_err(|error| self.error(&error, "read"))?;
        let port = first.flatten().unwrap_or(0);
        self.port.follow(port, None)?;
        Ok(port)
    }

    fn reset(&mut self) -> Result<()> {
        self.listing = None;
        self.send(&encode::flush_peers(self.index), "remove the peers of")
    }

    fn configure(&mut self, private_key: &PrivateKey, listen_port: u16, fwmark: u32) -> Result<()> {
        let free = listen_port == 0 || self.is_bound_to(listen_port)?;
        if !free {
            port::check_free(listen_port)
                .map_err(|error| Error::from_io(&error, "bind UDP port", listen_port.to_string()))?;
        }
        let request = encode::set_device(self.index, private_key, listen_port, fwmark);
        self.send(&request, "configure")?;
        let port = self.listen_port()?;
        self.port.follow(port, Some(fwmark))
    }

    fn up(&mut self) -> Result<()> {
        links::set_up(self.index, self.name.as_str())
    }

    fn apply(&mut self, changes: Vec<PeerChange>) -> Result<Vec<PeerFailure>> {
        let present = match self.listing.take() {
            _ if !difference::needs_present(&changes) => Vec::new(),
            Some(listing) if listing.read_at.elapsed() < LISTING_COUNTS => listing.peers,
            _ => difference::present(&self.list()?.peers),
        };
        let steps = difference::plan(changes, &present, nobodys_key)?;
        let encoded = Encoded::of(&steps);
        let operation = "change the peers of";
        let failed = |error: NetlinkError| self.error(&error, operation);
        let mut commands = self.family.commands().map_err(failed)?;
        let failures = encoded.send(|peers| {
            let before = encode::before_peers(self.index, peers.len());
            commands.send_with(uapi::CMD_SET_DEVICE, &before, peers)
        });
        let explain = |(public_key, error): (PublicKey, NetlinkError)| PeerFailure {
            public_key,
            reason: error.because("set peer", public_key.text()).to_string(),
        };
        Ok(failures.map_err(failed)?.into_iter().map(explain).collect())
    }

    fn read(&mut self) -> Result<DeviceState> {
        let read_at = Instant::now();
        let state = self.list()?;
        self.port.follow(state.listen_port, Some(state.fwmark))?;
        self.listing = Some(Listing { read_at, peers: difference::present(&state.peers) });
        Ok(state)
    }

    /// The kernel tells of no events.
    fn on_event(&mut self, _handler: EventHandler) {}

    fn open_port(&mut self, handler: Handler) -> Result<Arc<dyn Port>> {
        let port = self.port.open(self.name.as_str(), handler)?;
        // It follows at once.
        self.listen_port()?;
        Ok(port)
    }

    /// Removing a link with 1,000 peers takes the kernel 15 s, with none 0.1 s: so the peers go first, all at once.
    fn close(&mut self, remove: bool) -> Result<()> {
        self.port.close();
        if !remove {
            return Ok(());
        }
        match self.reset() {
            Err(error) if error.code == "ENODEV" => Ok(()),
            Err(error) => Err(error),
            Ok(()) => links::delete(self.index, self.name.as_str()),
        }
    }
}
