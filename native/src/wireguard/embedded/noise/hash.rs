//! BLAKE2s in its three roles, and the symmetric state of a Noise handshake built on it (section 5.4).

use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, KeyInit, Mac, Update};
use blake2::{Blake2s256, Blake2sMac, Digest};
use hmac::SimpleHmac;
use zeroize::Zeroizing;

use super::key::Key;
use super::message::TAG;

const CONSTRUCTION: &[u8] = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
const IDENTIFIER: &[u8] = b"WireGuard v1 zx2c4 Jason@zx2c4.com";

/// A secret of 32 bytes, zeroised when dropped.
pub type Secret = Zeroizing<[u8; 32]>;

pub fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Blake2s256::new();
    parts.iter().for_each(|part| Digest::update(&mut state, part));
    state.finalize().into()
}

/// Keyed BLAKE2s with 16 bytes of output. The key has at most 32 bytes.
pub fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut state = Blake2sMac::<U16>::new_from_slice(key).expect("keys of MACs have 16 or 32 bytes");
    parts.iter().for_each(|part| Update::update(&mut state, part));
    state.finalize_fixed().into()
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> Secret {
    let mut state = <SimpleHmac<Blake2s256> as KeyInit>::new_from_slice(key).expect("any length will do");
    parts.iter().for_each(|part| Mac::update(&mut state, part));
    let mut output = Secret::default();
    state.finalize_into((&mut *output).into());
    output
}

/// KDF of section 5.4: `N` secrets from a key and some input, as HKDF makes them.
fn derive<const N: usize>(key: &[u8; 32], input: &[u8]) -> [Secret; N] {
    let extracted = hmac(key, &[input]);
    let mut outputs: [Secret; N] = std::array::from_fn(|_| Secret::default());
    for n in 0..N {
        let number = [n as u8 + 1];
        let output = match n {
            0 => hmac(&extracted, &[&number]),
            _ => hmac(&extracted, &[&outputs[n - 1][..], &number]),
        };
        *outputs[n] = *output;
    }
    outputs
}

/// What both sides of a handshake keep in step: a chaining key that everything agreed on goes into, and a hash of everything
/// sent.
#[derive(Clone)]
pub struct SymmetricState {
    chaining_key: Secret,
    hash: [u8; 32],
}

impl SymmetricState {
    /// The state before the first message to the responder who has this key.
    pub fn new(responder: &[u8; 32]) -> Self {
        let chaining_key = hash(&[CONSTRUCTION]);
        let identified = hash(&[&chaining_key, IDENTIFIER]);
        Self { chaining_key: Zeroizing::new(chaining_key), hash: hash(&[&identified, responder]) }
    }

    pub fn mix_hash(&mut self, data: &[u8]) {
        self.hash = hash(&[&self.hash, data]);
    }

    /// Takes in a public key that is sent in clear.
    pub fn mix_ephemeral(&mut self, public: &[u8; 32]) {
        self.mix_hash(public);
        self.mix_shared(public);
    }

    /// Takes in a secret that no key follows from yet.
    pub fn mix_shared(&mut self, shared: &[u8; 32]) {
        let [chaining_key] = derive(&self.chaining_key, shared);
        self.chaining_key = chaining_key;
    }

    /// Takes in a secret; the key is for the next field.
    pub fn mix_key(&mut self, shared: &[u8; 32]) -> Key {
        let [chaining_key, key] = derive(&self.chaining_key, shared);
        self.chaining_key = chaining_key;
        Key::new(&key)
    }

    /// Takes in the preshared key, all zeros where there is none; the key is for the next field.
    pub fn mix_preshared(&mut self, preshared: &[u8; 32]) -> Key {
        let [chaining_key, mixed, key] = derive(&self.chaining_key, preshared);
        self.chaining_key = chaining_key;
        self.mix_hash(&*mixed);
        Key::new(&key)
    }

    /// Writes a field, sealed: `plain`, and then the tag.
    pub fn seal(&mut self, key: &Key, plain: &[u8], field: &mut [u8]) {
        let (body, tag) = field.split_at_mut(plain.len());
        body.copy_from_slice(plain);
        tag[..TAG].copy_from_slice(&key.seal(0, &self.hash, body));
        self.mix_hash(field);
    }

    /// Opens a field; false when it is not authentic, and then the state is of no more use.
    pub fn open(&mut self, key: &Key, field: &[u8], plain: &mut [u8]) -> bool {
        let mut copy = [0u8; 64];
        let copy = &mut copy[..field.len()];
        copy.copy_from_slice(field);
        let opened = key.open(0, &self.hash, copy);
        if opened {
            plain.copy_from_slice(&copy[..plain.len()]);
            self.mix_hash(field);
        }
        opened
    }

    /// The keys of the session: what the initiator sends with, what the responder sends with.
    pub fn split(self) -> [Key; 2] {
        let [first, second] = derive(&self.chaining_key, &[]);
        [Key::new(&first), Key::new(&second)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 7693, appendix B.
    #[test]
    fn the_hash_is_blake2s() {
        let expected = "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982";
        assert_eq!(hex(&hash(&[b"a", b"", b"bc"])), expected);
    }

    /// From the test vectors of the BLAKE2 package (keyed, key 00…1f), whose output has 32 bytes: an output of 16 is no prefix of
    /// it, so the length must be part of the parameters.
    #[test]
    fn the_mac_is_keyed_blake2s_of_16_bytes() {
        let key: [u8; 32] = std::array::from_fn(|i| i as u8);
        let full = <blake2::Blake2sMac256 as KeyInit>::new_from_slice(&key).expect("a key").finalize_fixed();
        assert_eq!(hex(&full), "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49");
        assert_ne!(mac(&key, &[]), full[..16]);
    }

    /// The two constants every handshake begins with, as other implementations have them precomputed.
    #[test]
    fn a_handshake_begins_with_the_known_constants() {
        let chaining_key = hash(&[CONSTRUCTION]);
        assert_eq!(hex(&chaining_key), "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36");
        let identified = hash(&[&chaining_key, IDENTIFIER]);
        assert_eq!(hex(&identified), "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3");
        let state = SymmetricState::new(&[7; 32]);
        assert_eq!((*state.chaining_key, state.hash), (chaining_key, hash(&[&identified, &[7; 32]])));
    }

    /// HKDF (RFC 5869) with BLAKE2s in place of SHA-2, against the crate `hkdf`.
    #[test]
    fn derivation_is_hkdf() {
        let expected = hkdf::SimpleHkdf::<Blake2s256>::new(Some(&[3; 32]), b"input");
        let mut bytes = [0u8; 96];
        expected.expand(&[], &mut bytes).expect("three blocks");
        let outputs: [Secret; 3] = derive(&[3; 32], b"input");
        assert_eq!(outputs.each_ref().map(|output| output.to_vec()).concat(), bytes);
    }
}
