//! Who speaks: a proof that a message of the mesh comes from the holder of a WireGuard key.
//!
//! All members share the gossip key, so that key says "a member", not which one. Between two nodes of ours a message carries
//! HMAC-SHA256 under the X25519 secret of the two static keys, over the message's type, a zero byte and the payload. Only the
//! two can make it, so what one shows the other is worth nothing to a third.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::keys::{PrivateKey, PublicKey};

/// Bytes of a proof.
pub const PROOF_BYTES: usize = 32;
/// Agreed secrets kept, since agreeing costs some 50 µs: a full store of peers, twice.
const MAX_SECRETS: usize = 2_048;

/// Makes and checks proofs for one private key. The agreed secrets are zeroised when dropped.
pub struct Prover {
    private: StaticSecret,
    secrets: Mutex<HashMap<PublicKey, Zeroizing<[u8; 32]>>>,
}

impl Prover {
    pub fn new(private: &PrivateKey) -> Self {
        Self { private: StaticSecret::from(private.0), secrets: Mutex::default() }
    }

    /// The proof for `peer`; `None` for a key of low order, with which everybody would know the secret.
    pub fn prove(&self, peer: &PublicKey, kind: &str, payload: &[u8]) -> Option<[u8; PROOF_BYTES]> {
        Some(self.mac(peer, kind, payload)?.finalize().into_bytes().into())
    }

    /// Whether `peer` made the proof, compared in constant time.
    pub fn verify(&self, peer: &PublicKey, kind: &str, payload: &[u8], proof: &[u8]) -> bool {
        self.mac(peer, kind, payload).is_some_and(|mac| mac.verify_slice(proof).is_ok())
    }

    fn mac(&self, peer: &PublicKey, kind: &str, payload: &[u8]) -> Option<Hmac<Sha256>> {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if !secrets.contains_key(peer) {
            let agreed = self.private.diffie_hellman(&x25519_dalek::PublicKey::from(peer.0));
            if !agreed.was_contributory() {
                return None;
            }
            if secrets.len() >= MAX_SECRETS {
                secrets.clear();
            }
            secrets.insert(*peer, Zeroizing::new(agreed.to_bytes()));
        }
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&secrets[peer][..]).expect("HMAC takes keys of any length");
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(payload);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> [(Prover, PublicKey); 2] {
        [(); 2].map(|()| {
            let key = PrivateKey::generate().unwrap();
            (Prover::new(&key), key.public_key())
        })
    }

    /// The key pairs and the shared secret of RFC 7748 section 6.1; the MAC from Python's hmac.
    #[test]
    fn is_hmac_under_the_shared_secret() {
        let alice = PrivateKey::parse("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=").unwrap();
        let bob = PublicKey::parse("3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=").unwrap();
        let proof = Prover::new(&alice).prove(&bob, "HELLO", b"{}").unwrap();
        let hex: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "1febefec360b8a411632997c562037a88d3d846c90dede70550da0a7bba6277d");
    }

    #[test]
    fn only_the_two_can_make_it_and_for_this_message_only() {
        let [(alice, alice_key), (bob, bob_key)] = pair();
        let [(mallory, mallory_key), _] = pair();
        let proof = alice.prove(&bob_key, "HELLO", b"payload").unwrap();
        assert!(bob.verify(&alice_key, "HELLO", b"payload", &proof));
        assert!(!bob.verify(&alice_key, "GOODBYE", b"payload", &proof));
        assert!(!bob.verify(&alice_key, "HELLO", b"payloae", &proof));
        assert!(!bob.verify(&alice_key, "HELLO\0p", b"ayload", &proof));
        assert!(!bob.verify(&alice_key, "HELLO", b"payload", &proof[..31]));
        assert!(!bob.verify(&mallory_key, "HELLO", b"payload", &proof));
        let forged = mallory.prove(&bob_key, "HELLO", b"payload").unwrap();
        assert!(!bob.verify(&alice_key, "HELLO", b"payload", &forged));
    }

    #[test]
    fn a_key_of_low_order_proves_nothing() {
        let [(alice, _), _] = pair();
        let zero = PublicKey([0; 32]);
        assert!(alice.prove(&zero, "HELLO", b"").is_none());
        assert!(!alice.verify(&zero, "HELLO", b"", &[0; PROOF_BYTES]));
    }

    #[test]
    fn the_secrets_kept_are_bounded() {
        let [(alice, _), _] = pair();
        for index in 0..=MAX_SECRETS as u32 {
            let mut key = [9; 32];
            key[..4].copy_from_slice(&index.to_le_bytes());
            alice.prove(&PublicKey(key), "HELLO", b"");
        }
        assert!(alice.secrets.lock().unwrap().len() <= MAX_SECRETS);
    }
}
