//! The JSON in which lists of peers cross to JavaScript: one string costs less than half of as many objects.
//! The shapes are those of index.d.ts; unknown members are refused.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::device::{AllowedIp, DeviceEvent, DeviceState, PeerChange, PeerFailure, PeerSettings};
use crate::error::{Error, Result};
use crate::identity::keys::{PresharedKey, PublicKey};
use crate::link::network::Network;

/// A peer that was not changed.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As it was given.
    #[serde(rename = "publicKey")]
    pub public_key: String,
    pub error: String,
}

impl From<PeerFailure> for Refused {
    fn from(failure: PeerFailure) -> Self {
        Self { public_key: failure.public_key.text(), error: failure.reason }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    public_key: String,
    #[serde(default)]
    remove: bool,
    #[serde(default)]
    reset: bool,
    #[serde(default)]
    update_only: bool,
    /// A place in the list of keys that comes with the batch; `null` takes the peer's away.
    #[serde(default, deserialize_with = "given")]
    preshared_key: Option<Option<usize>>,
    endpoint: Option<String>,
    allowed_ips: Option<Vec<String>>,
    #[serde(default)]
    add_allowed_ips: Vec<String>,
    keepalive_seconds: Option<u16>,
}

/// Tells a member that is `null` from one that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Reads a batch. Text that is not the shape is EINVAL for all of it; an entry with a bad key, endpoint or network is
/// refused alone.
pub fn changes(text: &str, preshared_keys: &[PresharedKey]) -> Result<(Vec<PeerChange>, Vec<Refused>)> {
    let entries: Vec<Entry> = serde_json::from_str(text)
        .map_err(|error| Error::new("EINVAL", "read", "the list of peer changes", error.to_string()))?;
    let mut changes = Vec::with_capacity(entries.len());
    let mut refused = Vec::new();
    for entry in entries {
        match change(&entry, preshared_keys) {
            Ok(change) => changes.push(change),
            Err(error) => refused.push(Refused { public_key: entry.public_key, error: error.to_string() }),
        }
    }
    Ok((changes, refused))
}

fn change(entry: &Entry, preshared_keys: &[PresharedKey]) -> Result<PeerChange> {
    let public_key = PublicKey::parse(&entry.public_key)?;
    if entry.remove {
        return Ok(PeerChange::Remove(public_key));
    }
    if entry.reset && entry.update_only {
        let reason = "a reset makes the peer, updateOnly forbids that";
        return Err(Error::new("EINVAL", "set peer", &entry.public_key, reason));
    }
    let allowed_ips = entry.allowed_ips.as_ref();
    Ok(PeerChange::Set(PeerSettings {
        public_key,
        reset: entry.reset,
        update_only: entry.update_only,
        preshared_key: entry.preshared_key.map(|place| preshared_key(place, preshared_keys)).transpose()?,
        endpoint: entry.endpoint.as_deref().map(endpoint).transpose()?,
        allowed_ips: allowed_ips.map(|list| networks(list)).transpose()?,
        add_allowed_ips: networks(&entry.add_allowed_ips)?,
        keepalive_seconds: entry.keepalive_seconds,
    }))
}

/// The protocol's "none" is a key of zeros.
fn preshared_key(place: Option<usize>, keys: &[PresharedKey]) -> Result<PresharedKey> {
    let Some(place) = place else { return Ok(PresharedKey([0; 32])) };
    let missing = || Error::new("EINVAL", "use preshared key", place.to_string(), "no such key came with it");
    keys.get(place).cloned().ok_or_else(missing)
}

/// `ip:port` or `[v6]:port`; port 0 is none.
fn endpoint(text: &str) -> Result<SocketAddr> {
    let parsed: Option<SocketAddr> = text.parse().ok();
    let usable = parsed.filter(|address| address.port() != 0 && !address.ip().is_unspecified());
    usable.ok_or_else(|| Error::new("EINVAL", "read endpoint", text, "not ip:port or [v6]:port"))
}

fn networks(texts: &[String]) -> Result<Vec<AllowedIp>> {
    let each = texts.iter().map(|text| {
        let Network { address, prefix } = Network::parse(text)?.masked();
        Ok(AllowedIp { address, prefix })
    });
    each.collect()
}

/// `[{ "publicKey", "error" }]`
pub fn refused(list: &[Refused]) -> String {
    json!(list).to_string()
}

/// `DeviceState`
pub fn state(state: &DeviceState) -> String {
    let peers: Vec<_> = state
        .peers
        .iter()
        .map(|peer| {
            let allowed_ips = peer.allowed_ips.iter().map(|ip| format!("{}/{}", ip.address, ip.prefix));
            json!({
                "publicKey": peer.public_key.text(),
                "hasPresharedKey": peer.has_preshared_key,
                "endpoint": peer.endpoint.map(|address| address.to_string()),
                "allowedIps": allowed_ips.collect::<Vec<_>>(),
                "keepaliveSeconds": peer.keepalive_seconds,
                "lastHandshakeMs": peer.last_handshake_ms,
                "rxBytes": peer.rx_bytes,
                "txBytes": peer.tx_bytes,
            })
        })
        .collect();
    json!({
        "publicKey": state.public_key.map(|key| key.text()),
        "listenPort": state.listen_port,
        "fwmark": state.fwmark,
        "peers": peers,
    })
    .to_string()
}

/// `DeviceEvent`
pub fn event(event: &DeviceEvent) -> String {
    let value = match event {
        DeviceEvent::Handshake(key) => json!({ "type": "handshake", "publicKey": key.text() }),
        DeviceEvent::ForeignChange(what) => json!({ "type": "foreign-change", "what": what }),
        DeviceEvent::Notice(text) => json!({ "type": "notice", "text": text }),
        DeviceEvent::Failed(reason) => json!({ "type": "failed", "reason": reason }),
    };
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn read(text: &str) -> Result<(Vec<PeerChange>, Vec<Refused>)> {
        changes(text, &[PresharedKey([7; 32]), PresharedKey([8; 32])])
    }

    #[test]
    fn reads_every_member() {
        let text = format!(
            r#"[{{"publicKey":"{KEY}","reset":true,"presharedKey":1,"endpoint":"[2001:db8::1]:5",
                "allowedIps":["10.0.0.1/32","fd00::1/64"],"addAllowedIps":["0.0.0.0/0"],"keepaliveSeconds":25}},
                {{"publicKey":"{KEY}","remove":true}}]"#
        );
        let (changes, refused) = read(&text).unwrap();
        assert_eq!(refused, []);
        let [PeerChange::Set(set), PeerChange::Remove(key)] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        assert_eq!(*key, PublicKey([1; 32]));
        assert!(set.reset && !set.update_only);
        assert_eq!(set.preshared_key.as_ref().map(|key| key.0), Some([8; 32]));
        assert_eq!(set.endpoint, Some("[2001:db8::1]:5".parse().unwrap()));
        let replaced = set.allowed_ips.as_ref().unwrap();
        assert_eq!(replaced[1].address.to_string(), "fd00::", "host bits are cleared");
        assert_eq!((set.add_allowed_ips[0].prefix, set.keepalive_seconds), (0, Some(25)));
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let (changes, _) = read(&format!(r#"[{{"publicKey":"{KEY}","updateOnly":true}}]"#)).unwrap();
        let [PeerChange::Set(set)] = changes.as_slice() else { panic!("{changes:?}") };
        assert!(set.update_only && set.allowed_ips.is_none() && set.preshared_key.is_none());
        assert!(set.endpoint.is_none() && set.keepalive_seconds.is_none());
    }

    #[test]
    fn no_preshared_key_is_said_by_null() {
        let (changes, _) = read(&format!(r#"[{{"publicKey":"{KEY}","presharedKey":null}}]"#)).unwrap();
        let [PeerChange::Set(set)] = changes.as_slice() else { panic!("{changes:?}") };
        assert_eq!(set.preshared_key.as_ref().map(|key| key.0), Some([0; 32]));
    }

    #[test]
    fn a_bad_entry_is_refused_alone() {
        for bad in [
            r#"{"publicKey":"AQE="}"#.to_owned(),
            format!(r#"{{"publicKey":"{KEY}","presharedKey":2}}"#),
            format!(r#"{{"publicKey":"{KEY}","endpoint":"host:51820"}}"#),
            format!(r#"{{"publicKey":"{KEY}","endpoint":"1.2.3.4:0"}}"#),
            format!(r#"{{"publicKey":"{KEY}","endpoint":"0.0.0.0:1"}}"#),
            format!(r#"{{"publicKey":"{KEY}","allowedIps":["10.0.0.0/33"]}}"#),
            format!(r#"{{"publicKey":"{KEY}","addAllowedIps":["10.0.0.0"]}}"#),
            format!(r#"{{"publicKey":"{KEY}","reset":true,"updateOnly":true}}"#),
        ] {
            let (changes, refused) = read(&format!(r#"[{bad},{{"publicKey":"{KEY}"}}]"#)).unwrap();
            assert_eq!((changes.len(), refused.len()), (1, 1), "{bad}");
            assert!(refused[0].error.starts_with("EINVAL: cannot "), "{}", refused[0].error);
        }
    }

    #[test]
    fn another_shape_is_refused_as_a_whole() {
        for text in [
            "",
            "{}",
            "[1]",
            r#"[{"endpoint":"1.2.3.4:5"}]"#,
            &format!(r#"[{{"publicKey":"{KEY}","keepaliveSeconds":70000}}]"#),
            &format!(r#"[{{"publicKey":"{KEY}","typo":1}}]"#),
        ] {
            assert_eq!(read(text).unwrap_err().code, "EINVAL", "{text}");
        }
    }
}
