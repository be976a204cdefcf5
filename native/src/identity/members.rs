//! A JSON object whose members stay as they are: in order, and each value in its very text. A value of `serde_json`
//! would round big numbers of a member we do not know, and leave copies of a key in memory.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use zeroize::{Zeroize as _, Zeroizing};

/// Members in the order of the file; of a name that stands there twice, the last value counts. Zeroised when dropped.
#[derive(Default)]
pub struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// The text of a string member; `None` when it is missing or null, `Err` when it is something else.
    pub fn text(&self, name: &str) -> Result<Option<Zeroizing<String>>, ()> {
        let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) else { return Ok(None) };
        serde_json::from_str::<Option<String>>(value.get())
            .map(|text| text.map(Zeroizing::new))
            .map_err(|_| ())
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The text of a member's value as it stands in the file.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.get())
    }

    /// Name and value, in their order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// Sets a string member in its place, or at the end. True when that changed anything.
    pub fn set_text(&mut self, name: &str, text: &str) -> bool {
        let quoted = serde_json::value::to_raw_value(text).expect("any text can be written as JSON");
        self.set(name, quoted)
    }

    /// Removes a member. True when it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| known != name);
        self.0.len() != before
    }

    /// The object with two spaces of indent, as the Go peer writes it.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        pretty_json(self)
    }

    /// Sets a member in its place, or at the end. True when that changed anything.
    pub fn set(&mut self, name: &str, value: Box<RawValue>) -> bool {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) if old.get() == value.get() => {
                erase(value);
                false
            }
            Some((_, old)) => {
                erase(std::mem::replace(old, value));
                true
            }
            None => {
                self.0.push((name.to_owned(), value));
                true
            }
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for (_, value) in self.0.drain(..) {
            erase(value);
        }
    }
}

/// With two spaces of indent. Made in a buffer that never grows, since growing leaves a copy behind.
pub fn pretty_json(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut size = ByteCount(0);
    serde_json::to_writer_pretty(&mut size, value).expect("counting does not fail");
    let mut json = Zeroizing::new(Vec::with_capacity(size.0));
    serde_json::to_writer_pretty(&mut *json, value).expect("writing to memory does not fail");
    json
}

fn erase(value: Box<RawValue>) {
    Box::<str>::from(value).zeroize();
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.set(&name, value);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A writer that only counts.
struct ByteCount(usize);

impl std::io::Write for ByteCount {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_keep_their_order_and_their_very_text() {
        let text = "{\n  \"z\": 123456789012345678901234567890,\n  \"a\": \"x\",\n  \"b\": {\n    \"c\": 1.0\n  }\n}";
        let mut members: Members = serde_json::from_str(text).unwrap();
        assert_eq!(&members.to_json()[..], text.as_bytes());
        assert!(!members.set_text("a", "x"));
        assert!(members.set_text("a", "y"));
        assert_eq!(&members.to_json()[..], text.replace("\"x\"", "\"y\"").as_bytes());
        assert!(members.remove("z") && !members.remove("z"));
    }

    #[test]
    fn the_last_of_two_counts_and_types_are_told_apart() {
        let members: Members = serde_json::from_str(r#"{"a":1,"n":null,"a":"l\u0061st"}"#).unwrap();
        assert_eq!(members.text("a").unwrap().unwrap().as_str(), "last");
        assert!(members.text("n").unwrap().is_none() && members.text("missing").unwrap().is_none());
        let number: Members = serde_json::from_str(r#"{"a":1}"#).unwrap();
        assert!(number.text("a").is_err());
        assert!(serde_json::from_str::<Members>("[]").is_err());
    }
}
