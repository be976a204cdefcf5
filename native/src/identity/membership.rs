//! What is signed with the membership key of a mesh: tokens of its members, announcements of a new secret (PROTOCOL.md
//! section 13), and their withdrawal, which is ours.
//!
//! Every text that is signed has a form of its own (`KEY|HOUR`, `HASH|GRACE|TIME`, `abort|HASH|TIME`), so that none can be
//! taken for another: a key text has 44 characters, a hash 64.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::derive::{Derived, DerivedKey, sha256};
use super::hex;
use super::secret::Secret;

/// Bytes of a token, of a signature and of a commitment.
pub const MAC_BYTES: usize = 32;

/// Makes and checks what the members of one mesh sign.
pub struct Membership(DerivedKey);

impl Membership {
    pub fn new(mesh: &Derived) -> Self {
        Self(mesh.membership_key())
    }

    /// The token of a key for one hour, floor(unix seconds / 3600). `key` is what the caller means by it: ours is the key's text.
    pub fn token(&self, key: &[u8], hour: i64) -> [u8; MAC_BYTES] {
        self.token_mac(key, hour).finalize().into_bytes().into()
    }

    /// Whether the token is that of the hour, the one before or the one after; compared in constant time.
    pub fn is_token(&self, key: &[u8], token: &[u8], hour: i64) -> bool {
        let near = [hour, hour.saturating_sub(1), hour.saturating_add(1)];
        near.into_iter().any(|hour| self.token_mac(key, hour).verify_slice(token).is_ok())
    }

    /// Signs that the mesh moves to the secret of that commitment; both times in seconds.
    pub fn sign_rotation(&self, commitment: &[u8; MAC_BYTES], grace: i64, at: i64) -> [u8; MAC_BYTES] {
        self.rotation_mac(commitment, grace, at).finalize().into_bytes().into()
    }

    pub fn is_rotation(&self, commitment: &[u8; MAC_BYTES], grace: i64, at: i64, signature: &[u8]) -> bool {
        self.rotation_mac(commitment, grace, at).verify_slice(signature).is_ok()
    }

    /// Signs that the mesh does not move to this mesh's secret after all. Only who has that secret can.
    pub fn sign_abort(&self, commitment: &[u8; MAC_BYTES], at: i64) -> [u8; MAC_BYTES] {
        self.abort_mac(commitment, at).finalize().into_bytes().into()
    }

    pub fn is_abort(&self, commitment: &[u8; MAC_BYTES], at: i64, signature: &[u8]) -> bool {
        self.abort_mac(commitment, at).verify_slice(signature).is_ok()
    }

    fn token_mac(&self, key: &[u8], hour: i64) -> Hmac<Sha256> {
        self.mac(&[key, b"|", hour.to_string().as_bytes()])
    }

    fn rotation_mac(&self, commitment: &[u8; MAC_BYTES], grace: i64, at: i64) -> Hmac<Sha256> {
        self.mac(&[format!("{}|{grace}|{at}", hex::encode(commitment)).as_bytes()])
    }

    fn abort_mac(&self, commitment: &[u8; MAC_BYTES], at: i64) -> Hmac<Sha256> {
        self.mac(&[format!("abort|{}|{at}", hex::encode(commitment)).as_bytes()])
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0[..]).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

/// What an announcement says of a secret that it does not tell: SHA-256 of it.
pub fn commitment(secret: &Secret) -> [u8; MAC_BYTES] {
    sha256(&[secret.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::section;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
            .collect()
    }

    fn of_key(text: &str) -> Membership {
        Membership(DerivedKey::new(unhex(text).try_into().unwrap()))
    }

    fn of(secret: &str) -> Membership {
        Membership::new(&Derived::new(Secret::parse(secret.as_bytes()).unwrap()))
    }

    #[test]
    fn vectors_membership_tokens() {
        for entry in section("membership_tokens") {
            let (key, hour) = (unhex(entry.text("pubkey_bytes_hex")), entry.number("hour"));
            let token = of_key(entry.text("membership_key_hex")).token(&key, hour);
            assert_eq!(hex::encode(&token), entry.text("token_hex"), "{}", entry.text("what"));
        }
    }

    #[test]
    fn vectors_membership_validity() {
        let members = of("0123456789abcdef");
        for entry in section("membership_validity") {
            let offset = if entry.has("offset_hours") { entry.number("offset_hours") } else { 0 };
            let mut token = members.token(b"key", 490_896 + offset).to_vec();
            if entry.has("length") {
                token.truncate(usize::try_from(entry.number("length")).unwrap());
            }
            assert_eq!(members.is_token(b"key", &token, 490_896), entry.flag("valid"), "{offset}");
        }
        let token = members.token(b"key", 1);
        assert!(!members.is_token(b"kez", &token, 1) && !of("another-secret-00").is_token(b"key", &token, 1));
        assert!(members.is_token(b"key", &members.token(b"key", i64::MAX), i64::MAX), "no overflow");
    }

    #[test]
    fn vectors_rotation() {
        for entry in section("rotation") {
            let members = of_key(entry.text("old_membership_key_hex"));
            let hash = commitment(&Secret::parse(entry.text("new_secret").as_bytes()).unwrap());
            assert_eq!(hex::encode(&hash), entry.text("new_secret_hash_hex"));
            let (grace, at) = (entry.number("grace_seconds"), entry.number("timestamp"));
            let signature = members.sign_rotation(&hash, grace, at);
            assert_eq!(hex::encode(&signature), entry.text("signature_hex"));
            assert!(members.is_rotation(&hash, grace, at, &signature));
            assert!(!members.is_rotation(&hash, grace + 1, at, &signature));
            assert!(!members.is_rotation(&hash, grace, at + 1, &signature));
            assert!(!members.is_rotation(&[0; 32], grace, at, &signature));
            assert!(!members.is_rotation(&hash, grace, at, &signature[..31]));
        }
    }

    #[test]
    fn an_abort_is_signed_by_the_new_secret_and_is_no_announcement() {
        let (old, new) = (of("old-secret-00000001"), of("new-secret-00000001"));
        let hash = commitment(&Secret::parse(b"new-secret-00000001").unwrap());
        let signature = new.sign_abort(&hash, 5);
        assert!(new.is_abort(&hash, 5, &signature));
        assert!(!new.is_abort(&hash, 6, &signature) && !new.is_abort(&[0; 32], 5, &signature));
        assert!(!new.is_rotation(&hash, 0, 5, &signature));
        assert!(!new.is_abort(&hash, 5, &old.sign_abort(&hash, 5)), "who lacks the new secret cannot");
    }
}
