//! What is said over the UAPI socket (<https://www.wireguard.com/xplatform/>), as text and back. Pure.

use std::fmt::{Display, Write as _};
use std::net::SocketAddr;

use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{Error, Result};
use crate::identity::keys::{PrivateKey, PublicKey};
use crate::link::network::Network;
use crate::wireguard::device::{AllowedIp, DeviceState, PeerSettings, PeerState};
use crate::wireguard::difference::Step;

/// Room of the lines of one peer without its allowed IPs, and of one allowed IP.
const PEER_BYTES: usize = 512;
const NETWORK_BYTES: usize = 64;

/// A request, or an answer, which both may hold keys.
pub(super) type Text = Zeroizing<String>;

pub(super) fn get() -> Text {
    Zeroizing::new("get=1\n\n".to_owned())
}

/// `fwmark` 0 is none. Systems without marks take that one as well.
pub(super) fn set_key_and_mark(key: &PrivateKey, fwmark: u32) -> Text {
    let mut text = set(PEER_BYTES);
    line_hex(&mut text, "private_key", &key.0);
    line(&mut text, "fwmark", fwmark);
    finished(text)
}

/// 0 takes any free port.
pub(super) fn set_port(port: u16) -> Text {
    let mut text = set(PEER_BYTES);
    line(&mut text, "listen_port", port);
    finished(text)
}

pub(super) fn remove_all_peers() -> Text {
    let mut text = set(PEER_BYTES);
    line(&mut text, "replace_peers", true);
    finished(text)
}

/// One request that does the steps in order.
pub(super) fn set_peers<'a>(steps: impl Iterator<Item = &'a Step> + Clone) -> Text {
    // Large enough not to grow, which would leave copies of the keys behind.
    let mut text = set(steps.clone().map(room).sum());
    steps.for_each(|step| lines(&mut text, step));
    finished(text)
}

/// Whose change a step is.
pub(super) fn concerned(step: &Step) -> Vec<PublicKey> {
    match step {
        Step::Remove(key) => vec![*key],
        Step::Set(settings) => vec![settings.public_key],
        Step::Evict { stale, .. } => {
            let mut owners: Vec<_> = stale.iter().map(|(owner, _)| *owner).collect();
            owners.dedup();
            owners
        }
    }
}

fn room(step: &Step) -> usize {
    let networks = match step {
        Step::Remove(_) => 0,
        Step::Evict { stale, .. } => stale.len(),
        Step::Set(set) => set.allowed_ips.as_ref().map_or(0, Vec::len) + set.add_allowed_ips.len(),
    };
    PEER_BYTES + networks * NETWORK_BYTES
}

fn lines(text: &mut Text, step: &Step) {
    match step {
        Step::Remove(key) => removal(text, key),
        Step::Evict { holder, stale } => {
            line_hex(text, "public_key", &holder.0);
            networks(text, stale.iter().map(|(_, ip)| ip));
            removal(text, holder);
        }
        Step::Set(settings) => settings_lines(text, settings),
    }
}

fn removal(text: &mut Text, key: &PublicKey) {
    line_hex(text, "public_key", &key.0);
    line(text, "remove", true);
}

fn settings_lines(text: &mut Text, settings: &PeerSettings) {
    if settings.reset {
        removal(text, &settings.public_key);
    }
    line_hex(text, "public_key", &settings.public_key.0);
    // First, or the peer would be made before it is known that it must not be.
    if settings.update_only {
        line(text, "update_only", true);
    }
    if let Some(key) = &settings.preshared_key {
        line_hex(text, "preshared_key", &key.0);
    }
    if let Some(endpoint) = settings.endpoint {
        line(text, "endpoint", endpoint);
    }
    if let Some(seconds) = settings.keepalive_seconds {
        line(text, "persistent_keepalive_interval", seconds);
    }
    if let Some(replacing) = &settings.allowed_ips {
        line(text, "replace_allowed_ips", true);
        networks(text, replacing);
    }
    networks(text, &settings.add_allowed_ips);
}

fn networks<'a>(text: &mut Text, list: impl IntoIterator<Item = &'a AllowedIp>) {
    for network in list {
        line(text, "allowed_ip", format_args!("{}/{}", network.address, network.prefix));
    }
}

fn set(room: usize) -> Text {
    let mut text = Zeroizing::new(String::with_capacity(room + 64));
    text.push_str("set=1\n");
    text
}

fn finished(mut text: Text) -> Text {
    text.push('\n');
    text
}

fn line(text: &mut Text, key: &str, value: impl Display) {
    // Writing to a string does not fail.
    let _infallible = writeln!(text, "{key}={value}");
}

fn line_hex(text: &mut Text, key: &str, bytes: &[u8; 32]) {
    text.push_str(key);
    text.push('=');
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text.push('\n');
}

/// The errno of an answer, positive, 0 for success; `None` when the answer has none, so was cut.
pub(super) fn errno(answer: &str) -> Option<i32> {
    let value = answer.lines().rev().find_map(|line| line.strip_prefix("errno="))?;
    value.parse::<i32>().ok()?.checked_abs()
}

/// The answer to a get operation. Lines of a newer protocol are passed over.
pub(super) fn state(answer: &str) -> Result<DeviceState> {
    let mut state = DeviceState { public_key: None, listen_port: 0, fwmark: 0, peers: Vec::new() };
    for line in answer.lines().filter(|line| !line.is_empty()) {
        let (key, value) = line.split_once('=').ok_or_else(|| unreadable("a line without '='"))?;
        let read = match (key, state.peers.last_mut()) {
            ("errno", _) => Some(()),
            ("public_key", _) => {
                key_bytes(value).map(|bytes| state.peers.push(PeerState::new(PublicKey(*bytes))))
            }
            (_, Some(peer)) => peer_line(peer, key, value),
            (_, None) => device_line(&mut state, key, value),
        };
        // Not the value: it may be a key.
        read.ok_or_else(|| unreadable(key))?;
    }
    Ok(state)
}

fn unreadable(what: &str) -> Error {
    let what: String = what.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').take(40).collect();
    Error::new("EPROTO", "read", "the answer of wireguard-go", format!("the line {what} cannot be read"))
}

fn device_line(state: &mut DeviceState, key: &str, value: &str) -> Option<()> {
    match key {
        "private_key" => {
            let key = PrivateKey(*key_bytes(value)?);
            // All zeros: none.
            state.public_key = (key.0 != [0; 32]).then(|| key.public_key());
        }
        "listen_port" => state.listen_port = value.parse().ok()?,
        "fwmark" => state.fwmark = value.parse().ok()?,
        _ => {}
    }
    Some(())
}

fn peer_line(peer: &mut PeerState, key: &str, value: &str) -> Option<()> {
    match key {
        "preshared_key" => peer.preshared_key.0.copy_from_slice(&*key_bytes(value)?),
        // With a zone that has a name there is no number to show.
        "endpoint" => peer.endpoint = value.parse::<SocketAddr>().ok(),
        "last_handshake_time_sec" => {
            peer.last_handshake_ms += value.parse::<u64>().ok()?.checked_mul(1000)?
        }
        "last_handshake_time_nsec" => peer.last_handshake_ms += value.parse::<u64>().ok()? / 1_000_000,
        "rx_bytes" => peer.rx_bytes = value.parse().ok()?,
        "tx_bytes" => peer.tx_bytes = value.parse().ok()?,
        "persistent_keepalive_interval" => peer.keepalive_seconds = value.parse().ok()?,
        "allowed_ip" => {
            let Network { address, prefix } = Network::parse(value).ok()?;
            peer.allowed_ips.push(AllowedIp { address, prefix });
        }
        _ => {}
    }
    Some(())
}

/// 32 bytes in hex.
fn key_bytes(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).map(|value| value as u8);
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Some(bytes)
}

/// Bytes read so far; copies what it holds into a larger, zeroised place when it grows.
pub(super) struct Answer(Zeroizing<Vec<u8>>);

impl Answer {
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(16 * 1024)))
    }

    pub(super) fn push(&mut self, bytes: &mut [u8]) {
        let length = self.0.len() + bytes.len();
        if length > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(length * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        bytes.zeroize();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Every answer ends with an empty line.
    pub(super) fn is_whole(&self) -> bool {
        self.0.ends_with(b"\n\n")
    }

    pub(super) fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.0).map_err(|_| unreadable("utf"))
    }
}

#[cfg(test)]
mod tests;
