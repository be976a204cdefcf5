//! Requests, from text.

use std::net::{IpAddr, SocketAddr};

use zeroize::Zeroize;

use crate::identity::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::wireguard::device::{AllowedIp, PeerSettings};

pub(super) enum Request {
    Get,
    Set(SetRequest),
}

/// A set operation; `None` leaves a property as it is.
#[derive(Default)]
pub(super) struct SetRequest {
    /// All zeros takes the key away.
    pub private_key: Option<PrivateKey>,
    pub listen_port: Option<u16>,
    pub fwmark: Option<u32>,
    pub replace_peers: bool,
    pub peers: Vec<PeerRequest>,
}

pub(super) struct PeerRequest {
    pub remove: bool,
    pub settings: PeerSettings,
    /// Networks to take away, after the others were added.
    pub remove_allowed_ips: Vec<AllowedIp>,
}

/// What is wrong with a request; the errno it is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub i32);

const INVALID: Refusal = Refusal(libc::EINVAL);
const WRONG_PROTOCOL: Refusal = Refusal(libc::EPROTO);

/// Reads the lines of one request, without the empty line at its end.
pub(super) fn parse(text: &str) -> Result<Request, Refusal> {
    let mut lines = text.lines();
    match lines.next() {
        Some("get=1") if lines.next().is_none() => Ok(Request::Get),
        Some("set=1") => {
            let mut set = SetRequest::default();
            for line in lines {
                let (key, value) = line.split_once('=').ok_or(WRONG_PROTOCOL)?;
                match (key, set.peers.last_mut()) {
                    ("public_key", _) => set.peers.push(PeerRequest::new(PublicKey(key_bytes(value)?))),
                    (_, Some(peer)) => peer.line(key, value)?,
                    (_, None) => set.line(key, value)?,
                }
            }
            Ok(Request::Set(set))
        }
        _ => Err(WRONG_PROTOCOL),
    }
}

impl SetRequest {
    fn line(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        match key {
            "private_key" => self.private_key = Some(PrivateKey(key_bytes(value)?)),
            "listen_port" => self.listen_port = Some(number(value)?),
            "fwmark" => self.fwmark = Some(number(value)?),
            "replace_peers" => self.replace_peers = truth(value)?,
            _ => return Err(INVALID),
        }
        Ok(())
    }
}

impl PeerRequest {
    fn new(public_key: PublicKey) -> Self {
        let settings = PeerSettings::new(public_key);
        Self { remove: false, settings, remove_allowed_ips: Vec::new() }
    }

    fn line(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        let settings = &mut self.settings;
        match key {
            "remove" => self.remove = truth(value)?,
            "update_only" => settings.update_only = truth(value)?,
            "preshared_key" => settings.preshared_key = Some(PresharedKey(key_bytes(value)?)),
            "endpoint" => settings.endpoint = Some(value.parse::<SocketAddr>().map_err(|_| INVALID)?),
            "persistent_keepalive_interval" => settings.keepalive_seconds = Some(number(value)?),
            "replace_allowed_ips" if truth(value)? => {
                settings.allowed_ips = Some(Vec::new());
                settings.add_allowed_ips.clear();
            }
            "replace_allowed_ips" => {}
            "allowed_ip" => match value.strip_prefix('-') {
                Some(removed) => self.remove_allowed_ips.push(network(removed)?),
                None => settings.add_allowed_ips.push(network(value)?),
            },
            "protocol_version" if value == "1" => {}
            "protocol_version" => return Err(WRONG_PROTOCOL),
            _ => return Err(INVALID),
        }
        Ok(())
    }
}

/// 32 bytes in hex.
fn key_bytes(text: &str) -> Result<[u8; 32], Refusal> {
    let mut bytes = [0u8; 32];
    if text.len() != 64 {
        return Err(INVALID);
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        match (hex_digit(pair[0]), hex_digit(pair[1])) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => {
                bytes.zeroize();
                return Err(INVALID);
            }
        }
    }
    Ok(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn number<T: TryFrom<u32>>(text: &str) -> Result<T, Refusal> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(INVALID);
    }
    text.parse::<u32>().ok().and_then(|n| T::try_from(n).ok()).ok_or(INVALID)
}

/// The protocol knows `true` only; a property that is false is not mentioned.
fn truth(text: &str) -> Result<bool, Refusal> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(INVALID),
    }
}

/// `address/prefix`, host bits cleared.
fn network(text: &str) -> Result<AllowedIp, Refusal> {
    let (address, prefix) = text.split_once('/').ok_or(INVALID)?;
    let address: IpAddr = address.parse().map_err(|_| INVALID)?;
    let prefix: u8 = number(prefix)?;
    AllowedIp::clear_host_bits(address, prefix).ok_or(INVALID)
}

#[cfg(test)]
mod tests;
