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
            Err(Error::new(
                "EINVAL",
                "use interface name",
                format!("{text:?}"),
                reason,
            ))
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
