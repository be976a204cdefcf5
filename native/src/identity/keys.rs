//! Key newtypes. Private material is zeroised when dropped and never printed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::{Error, Result};

/// A WireGuard public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Standard base64 of exactly 32 bytes, canonical form only.
    pub fn parse(text: &str) -> Result<Self> {
        // Three bytes for every four characters: one more than the key has.
        let mut bytes = [0u8; 33];
        let length = STANDARD.decode_slice(text, &mut bytes).unwrap_or_default();
        let key = <[u8; 32]>::try_from(&bytes[..length]).map(Self);
        key.map_err(|_| Error::new("EINVAL", "read public key", text, "not base64 of 32 bytes"))
    }

    /// The 44-character text that is hashed, compared and sent.
    pub fn text(&self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// A WireGuard private key, clamped by its users (X25519).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PrivateKey(pub [u8; 32]);

/// A WireGuard preshared key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PresharedKey(pub [u8; 32]);

impl PrivateKey {
    /// Standard base64 of exactly 32 bytes. `None` rather than an error, which could not show what it is about.
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = Self([0; 32]);
        decode(text, &mut key.0)?;
        Some(key)
    }

    /// The form of the state file.
    pub fn text(&self) -> Zeroizing<String> {
        text_of(&self.0)
    }

    /// A new key from the system's random source.
    pub fn generate() -> Result<Self> {
        let mut key = Self([0; 32]);
        fill_random(&mut key.0)?;
        key.0[0] &= 248;
        key.0[31] = (key.0[31] & 127) | 64;
        Ok(key)
    }

    pub fn public_key(&self) -> PublicKey {
        let secret = x25519_dalek::StaticSecret::from(self.0);
        PublicKey(x25519_dalek::PublicKey::from(&secret).to_bytes())
    }
}

impl PresharedKey {
    /// The form of configuration files.
    pub fn text(&self) -> Zeroizing<String> {
        text_of(&self.0)
    }

    /// As [`PrivateKey::parse`].
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = Self([0; 32]);
        decode(text, &mut key.0)?;
        Some(key)
    }

    /// A new key from the system's random source.
    pub fn generate() -> Result<Self> {
        let mut key = Self([0; 32]);
        fill_random(&mut key.0)?;
        Ok(key)
    }
}

/// Base64 of exactly 32 bytes, straight into its place: a plain array on the way would stay on the stack.
fn decode(text: &str, into: &mut [u8; 32]) -> Option<()> {
    // Three bytes for every four characters: one more than the key has.
    let mut bytes = Zeroizing::new([0u8; 33]);
    let length = STANDARD.decode_slice(text, bytes.as_mut()).ok()?;
    (length == into.len()).then(|| into.copy_from_slice(&bytes[..length]))
}

/// Base64 of a key that is secret.
pub(super) fn text_of(key: &[u8; 32]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(44));
    STANDARD.encode_string(key, &mut text);
    text
}

fn fill_random(bytes: &mut [u8; 32]) -> Result<()> {
    getrandom::fill(bytes)
        .map_err(|error| Error::new("EIO", "read", "the system's random source", error.to_string()))
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey([redacted])")
    }
}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pair_survives_its_text_and_does_not_print() {
        let key = PrivateKey::generate().unwrap();
        let again = PrivateKey::parse(&key.text()).unwrap();
        assert_eq!(key.0, again.0);
        assert_eq!(PublicKey::parse(&key.public_key().text()).unwrap(), again.public_key());
        assert_eq!(format!("{key:?}"), "PrivateKey([redacted])");
        assert_eq!((key.0[0] & 7, key.0[31] & 0xc0), (0, 0x40), "clamped");
    }

    /// RFC 7748 section 6.1.
    #[test]
    fn public_key_is_x25519_of_the_base_point() {
        let key = PrivateKey::parse("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=").unwrap();
        assert_eq!(key.public_key().text(), "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=");
    }

    #[test]
    fn only_canonical_base64_of_32_bytes_is_a_key() {
        let good = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
        assert!(PublicKey::parse(good).is_ok());
        // The last two are other spellings of the same bytes: spare bits set, padding left out.
        for bad in ["", "AAAA", &good[1..], &good.replace('/', "_"), &good.replace("mo=", "mp="), &good[..43]]
        {
            assert!(PublicKey::parse(bad).is_err() && PrivateKey::parse(bad).is_none(), "{bad}");
        }
    }
}
