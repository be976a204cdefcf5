//! Interface names, checked once.

use std::fmt;

use crate::error::{Error, Result};

/// A link name: a letter, then letters, digits, `_` or `-`, at most 15 bytes (PROTOCOL.md section 16).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct InterfaceName(String);

impl InterfaceName {
    pub fn parse(text: &str) -> Result<Self> {
        let mut bytes = text.bytes();
        let head = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
        let tail = bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if head && tail && text.len() <= 15 {
            Ok(Self(text.to_owned()))
        } else {
            let reason = "a letter, then letters, digits, '_' or '-', at most 15 bytes";
            Err(Error::new("EINVAL", "use interface name", format!("{text:?}"), reason))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A link name as the kernel allows it: 1 to 15 bytes, no `/`, `:`, NUL or white space, not `.` or `..`.
///
/// For looking at links that others made (`eth0.100`); what wgmesh itself makes or changes is an [`InterfaceName`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LinkName(String);

impl LinkName {
    pub fn parse(text: &str) -> Result<Self> {
        let refused = |b: u8| matches!(b, b'/' | b':' | 0) || b.is_ascii_whitespace() || b == 0x0b;
        let sound = !text.is_empty() && text.len() <= 15 && text != "." && text != "..";
        if sound && !text.bytes().any(refused) {
            Ok(Self(text.to_owned()))
        } else {
            let reason = "no link can have this name";
            let object = format!("{text:?}");
            Err(Error::new("EINVAL", "look up link", object, reason))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&InterfaceName> for LinkName {
    fn from(name: &InterfaceName) -> Self {
        Self(name.0.clone())
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_narrower_than_the_kernels() {
        for text in ["wg0", "a", "mesh_home-1", "abcdefghijklmno"] {
            assert_eq!(InterfaceName::parse(text).unwrap().as_str(), text);
            assert_eq!(LinkName::parse(text).unwrap().as_str(), text);
        }
        for text in ["eth0.100", "0wg", "br@x", "é"] {
            assert!(InterfaceName::parse(text).is_err(), "{text:?}");
            assert_eq!(LinkName::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "abcdefghijklmnop", "a/b", "a b", "a:b", "a\0b", ".", "..", "a\n"] {
            assert_eq!(InterfaceName::parse(text).unwrap_err().code, "EINVAL", "{text:?}");
            assert_eq!(LinkName::parse(text).unwrap_err().code, "EINVAL", "{text:?}");
        }
    }
}
