//! A batch of peer changes out of its JSON.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::Refused;
use crate::error::{Error, Result};
use crate::identity::keys::{PresharedKey, PublicKey};
use crate::link::network::Network;
use crate::wireguard::device::{AllowedIp, PeerChange, PeerSettings};

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    public_key: Parsed<PublicKey>,
    #[serde(default)]
    remove: bool,
    #[serde(default)]
    reset: bool,
    #[serde(default)]
    update_only: bool,
    /// A place in the list of keys that comes with the batch; `null` takes the peer's away.
    #[serde(default, deserialize_with = "given")]
    preshared_key: Option<Option<usize>>,
    endpoint: Option<Parsed<SocketAddr>>,
    allowed_ips: Option<Parsed<Vec<AllowedIp>>>,
    add_allowed_ips: Option<Parsed<Vec<AllowedIp>>>,
    keepalive_seconds: Option<u16>,
}

/// Reads a batch. Text that is not the shape is EINVAL for all of it; an entry with a bad key, endpoint or network is
/// refused alone.
pub fn changes(text: &[u8], preshared_keys: &[PresharedKey]) -> Result<(Vec<PeerChange>, Vec<Refused>)> {
    // Entries hold no objects, so this is how many there are, or more where a text has the character.
    let most = text.iter().filter(|byte| **byte == b'{').count();
    let mut batch = Batch { preshared_keys, changes: Vec::with_capacity(most), refused: Vec::new() };
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = batch.deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|error| Error::new("EINVAL", "read", "the list of peer changes", error.to_string()))?;
    Ok((batch.changes, batch.refused))
}

/// Takes up each entry as it is read: a list of them all on the way took as long as reading them.
struct Batch<'a> {
    preshared_keys: &'a [PresharedKey],
    changes: Vec<PeerChange>,
    refused: Vec<Refused>,
}

impl Batch<'_> {
    fn take(&mut self, entry: Entry) {
        let key = match &entry.public_key.0 {
            Ok(key) => *key,
            Err(error) => {
                let (public_key, error) = (error.object.clone(), error.to_string());
                return self.refused.push(Refused { public_key, error });
            }
        };
        match change(key, entry, self.preshared_keys) {
            Ok(change) => self.changes.push(change),
            Err(error) => {
                self.refused.push(Refused { public_key: key.text(), error: error.to_string() });
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Batch<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Batch<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> std::result::Result<(), A::Error> {
        while let Some(entry) = access.next_element()? {
            self.take(entry);
        }
        Ok(())
    }
}

fn change(public_key: PublicKey, entry: Entry, preshared_keys: &[PresharedKey]) -> Result<PeerChange> {
    if entry.remove {
        return Ok(PeerChange::Remove(public_key));
    }
    if entry.reset && entry.update_only {
        let reason = "a reset makes the peer, updateOnly forbids that";
        return Err(Error::new("EINVAL", "set peer", public_key.text(), reason));
    }
    Ok(PeerChange::Set(PeerSettings {
        public_key,
        reset: entry.reset,
        update_only: entry.update_only,
        preshared_key: entry.preshared_key.map(|place| preshared_key(place, preshared_keys)).transpose()?,
        endpoint: entry.endpoint.map(Parsed::into_result).transpose()?,
        allowed_ips: entry.allowed_ips.map(Parsed::into_result).transpose()?,
        add_allowed_ips: entry.add_allowed_ips.map_or(Ok(Vec::new()), Parsed::into_result)?,
        keepalive_seconds: entry.keepalive_seconds,
    }))
}

/// The protocol's "none" is a key of zeros.
fn preshared_key(place: Option<usize>, keys: &[PresharedKey]) -> Result<PresharedKey> {
    let Some(place) = place else { return Ok(PresharedKey([0; 32])) };
    let missing = || Error::new("EINVAL", "use preshared key", place.to_string(), "no such key came with it");
    keys.get(place).cloned().ok_or_else(missing)
}

/// Tells a member that is `null` from one that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// A text that is read where it stands: a copy of each took as long as reading them. One that cannot be read is an error of
/// its entry, not of the whole batch; in a box, since it is rare and would make every entry several times as large.
struct Parsed<T>(std::result::Result<T, Box<Error>>);

impl<T> Parsed<T> {
    fn into_result(self) -> Result<T> {
        self.0.map_err(|error| *error)
    }
}

trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self>;
}

impl FromText for SocketAddr {
    /// `ip:port` or `[v6]:port`; port 0 is none.
    fn from_text(text: &str) -> Result<Self> {
        let parsed: Option<SocketAddr> = text.parse().ok();
        let usable = parsed.filter(|address| address.port() != 0 && !address.ip().is_unspecified());
        usable.ok_or_else(|| Error::new("EINVAL", "read endpoint", text, "not ip:port or [v6]:port"))
    }
}

impl FromText for AllowedIp {
    fn from_text(text: &str) -> Result<Self> {
        let Network { address, prefix } = Network::parse(text)?.masked();
        Ok(Self { address, prefix })
    }
}

impl FromText for PublicKey {
    fn from_text(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl<'de, T: FromText> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_str(Reader(PhantomData))
    }
}

impl<'de, T: FromText> Deserialize<'de> for Parsed<Vec<T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_seq(ListReader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: FromText> Visitor<'de> for Reader<T> {
    type Value = Parsed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Self::Value, E> {
        Ok(Parsed(T::from_text(text).map_err(Box::new)))
    }
}

struct ListReader<T>(PhantomData<T>);

impl<'de, T: FromText> Visitor<'de> for ListReader<T> {
    type Value = Parsed<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    /// The first that cannot be read is the error of the list; the rest must be strings all the same.
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> std::result::Result<Self::Value, A::Error> {
        let mut list = Ok(Vec::new());
        while let Some(Parsed(entry)) = access.next_element::<Parsed<T>>()? {
            list = list.and_then(|mut list: Vec<T>| {
                list.push(entry?);
                Ok(list)
            });
        }
        Ok(Parsed(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn read(text: &str) -> Result<(Vec<PeerChange>, Vec<Refused>)> {
        changes(text.as_bytes(), &[PresharedKey([7; 32]), PresharedKey([8; 32])])
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
