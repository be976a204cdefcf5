//! AES-256-GCM under the gossip key (PROTOCOL.md section 3).

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};

use super::derive::DerivedKey;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;
/// Bytes of the tag at the end of every sealed text.
pub const TAG_BYTES: usize = 16;

/// Seals and opens under one key. The key schedule is zeroised when dropped (feature `zeroize` of the cipher).
pub struct Sealer(Aes256Gcm);

impl Sealer {
    pub fn new(key: &DerivedKey) -> Self {
        Self(Aes256Gcm::new((&**key).into()))
    }

    /// Ciphertext with the tag appended. A nonce must never be used for two texts.
    pub fn seal(&self, nonce: &[u8; NONCE_BYTES], plaintext: &[u8]) -> Vec<u8> {
        self.0
            .encrypt(&Nonce::from(*nonce), plaintext)
            .expect("a text in memory is shorter than the 64 GiB limit")
    }

    /// The text, or `None` when the tag does not fit: another key, another nonce, or a changed ciphertext.
    pub fn open(&self, nonce: &[u8; NONCE_BYTES], ciphertext: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(&Nonce::from(*nonce), ciphertext).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{pseudo_random_bytes, section};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
    }

    #[test]
    fn vectors_envelopes() {
        let mut sealed_count = 0;
        for entry in section("envelopes") {
            let sealer = Sealer::new(&DerivedKey::new(unhex(entry.text("gossip_key_hex"))));
            if !entry.has("plaintext") || !entry.has("nonce_hex") {
                continue;
            }
            let nonce = unhex(entry.text("nonce_hex"));
            let wire: Value = serde_json::from_str(entry.text("wire")).unwrap();
            let expected = STANDARD.decode(wire["ciphertext"].as_str().unwrap()).unwrap();
            let plaintext = entry.text("plaintext").as_bytes();
            assert_eq!(sealer.seal(&nonce, plaintext), expected, "{}", entry.text("what"));
            assert_eq!(sealer.open(&nonce, &expected).as_deref(), Some(plaintext), "{}", entry.text("what"));
            sealed_count += 1;
        }
        assert!(sealed_count > 0);
    }

    #[test]
    fn nothing_else_opens() {
        let sealer = Sealer::new(&DerivedKey::new([7; 32]));
        let sealed = sealer.seal(&[1; 12], b"hello");
        assert_eq!(sealed.len(), 5 + TAG_BYTES);
        assert_eq!(sealer.open(&[2; 12], &sealed), None);
        assert_eq!(Sealer::new(&DerivedKey::new([8; 32])).open(&[1; 12], &sealed), None);
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(sealer.open(&[1; 12], &changed), None);
        }
        for seed in 0..5_000 {
            assert_eq!(sealer.open(&[1; 12], &pseudo_random_bytes(seed, 64)), None);
        }
    }
}
