//! The handshake, Noise_IKpsk2: one message there, one back (sections 5.4.2 and 5.4.3).
//!
//! MACs are not part of it: see [`super::cookie`].

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::hash::{Secret, SymmetricState};
use super::message::{INITIATION_LENGTH, Kind, RESPONSE_LENGTH, TAG, bytes_at, index_at};
use super::session::Agreed;
use super::timestamp::Timestamp;

pub type Initiation = [u8; INITIATION_LENGTH];
pub type Response = [u8; RESPONSE_LENGTH];

/// Our long-lived key pair.
pub struct StaticKeys {
    private: StaticSecret,
    pub public: [u8; 32],
}

impl StaticKeys {
    pub fn new(private: &[u8; 32]) -> Self {
        let mut clamped = Zeroizing::new(*private);
        // As X25519 uses it (RFC 7748, section 5), so that it is shown as the kernel shows it.
        clamped[0] &= 248;
        clamped[31] = clamped[31] & 127 | 64;
        let private = StaticSecret::from(*clamped);
        let public = PublicKey::from(&private).to_bytes();
        Self { private, public }
    }

    /// A copy of the private key, clamped.
    pub fn private(&self) -> Secret {
        Zeroizing::new(self.private.to_bytes())
    }
}

/// The points of low order, as u-coordinates: those of order 1, 2 and 4, of order 8, and the first ones once more as numbers that were
/// not reduced.
const LOW_ORDER: [[u8; 32]; 7] = {
    const fn near_prime(last: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        bytes[0] = last;
        bytes[31] = 0x7f;
        bytes
    }
    let mut one = [0; 32];
    one[0] = 1;
    let eight = [
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
            0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
            0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ],
    ];
    [[0; 32], one, eight[0], eight[1], near_prime(0xec), near_prime(0xed), near_prime(0xee)]
};

/// Whether everybody would know a secret agreed on with this key.
pub fn is_low_order(public: &[u8; 32]) -> bool {
    let mut coordinate = *public;
    // X25519 leaves the highest bit out.
    coordinate[31] &= 0x7f;
    LOW_ORDER.contains(&coordinate)
}

/// `None` with a key of low order.
fn agree(private: &StaticSecret, public: &[u8; 32]) -> Option<Secret> {
    let shared = private.diffie_hellman(&PublicKey::from(*public));
    shared.was_contributory().then(|| Zeroizing::new(*shared.as_bytes()))
}

fn ephemeral(random: &Secret) -> (StaticSecret, [u8; 32]) {
    let private = StaticSecret::from(**random);
    let public = PublicKey::from(&private).to_bytes();
    (private, public)
}

/// The peer, as far as a handshake needs it.
pub struct PeerKeys {
    public: [u8; 32],
    /// What both long-lived keys agree on.
    shared: Secret,
}

impl PeerKeys {
    /// Takes about 0.05 ms. `None` for a key of low order.
    pub fn new(own: &StaticKeys, public: [u8; 32]) -> Option<Self> {
        let shared = agree(&own.private, &public)?;
        Some(Self { public, shared })
    }
}

/// An initiation of ours that waits for its response.
pub struct Initiated {
    pub local_index: u32,
    ephemeral: StaticSecret,
    state: SymmetricState,
}

impl Initiated {
    /// Begins; `random` is 32 random bytes. `None` only for a peer whose key is of low order.
    pub fn new(
        own: &StaticKeys,
        peer: &PeerKeys,
        local_index: u32,
        timestamp: Timestamp,
        random: &Secret,
    ) -> Option<(Self, Initiation)> {
        let mut message = [0; INITIATION_LENGTH];
        message[..4].copy_from_slice(&Kind::Initiation.header());
        message[4..8].copy_from_slice(&local_index.to_le_bytes());
        let mut state = SymmetricState::new(&peer.public);
        let (private, public) = ephemeral(random);
        message[8..40].copy_from_slice(&public);
        state.mix_ephemeral(&public);
        let key = state.mix_key(&*agree(&private, &peer.public)?);
        state.seal(&key, &own.public, &mut message[40..88]);
        let key = state.mix_key(&peer.shared);
        state.seal(&key, timestamp.bytes(), &mut message[88..116]);
        Some((Self { local_index, ephemeral: private, state }, message))
    }

    /// Takes the response to it; `None` when that is not authentic, and then the true one may still come.
    pub fn finish(&self, own: &StaticKeys, preshared: &[u8; 32], message: &Response) -> Option<Agreed> {
        let mut state = self.state.clone();
        let theirs: [u8; 32] = bytes_at(message, 12);
        state.mix_ephemeral(&theirs);
        state.mix_shared(&*agree(&self.ephemeral, &theirs)?);
        state.mix_shared(&*agree(&own.private, &theirs)?);
        let key = state.mix_preshared(preshared);
        state.open(&key, &message[44..44 + TAG], &mut []).then_some(())?;
        let [sending, receiving] = state.split();
        let remote_index = index_at(message, 4);
        Some(Agreed { local_index: self.local_index, remote_index, initiator: true, sending, receiving })
    }
}

/// An initiation from somebody who claims to be the owner of a key.
pub struct Claim {
    pub public: [u8; 32],
    ephemeral: [u8; 32],
    remote_index: u32,
    state: SymmetricState,
    timestamp: [u8; Timestamp::LENGTH + TAG],
}

impl Claim {
    /// Reads who it claims to be from; `None` when it was not made for us.
    pub fn read(own: &StaticKeys, message: &Initiation) -> Option<Self> {
        let mut state = SymmetricState::new(&own.public);
        let ephemeral: [u8; 32] = bytes_at(message, 8);
        state.mix_ephemeral(&ephemeral);
        let key = state.mix_key(&*agree(&own.private, &ephemeral)?);
        let mut public = [0; 32];
        state.open(&key, &message[40..88], &mut public).then_some(())?;
        let timestamp = bytes_at(message, 88);
        Some(Self { public, ephemeral, remote_index: index_at(message, 4), state, timestamp })
    }

    /// Checks that it is from that peer, and when it was made. Whether that is new is for the caller to say.
    pub fn verify(mut self, peer: &PeerKeys) -> Option<(Verified, Timestamp)> {
        let key = self.state.mix_key(&peer.shared);
        let mut timestamp = [0; Timestamp::LENGTH];
        self.state.open(&key, &self.timestamp, &mut timestamp).then_some(())?;
        let Self { public, ephemeral, remote_index, state, .. } = self;
        Some((Verified { public, ephemeral, remote_index, state }, Timestamp::from_bytes(timestamp)))
    }
}

/// An authentic initiation.
pub struct Verified {
    public: [u8; 32],
    ephemeral: [u8; 32],
    remote_index: u32,
    state: SymmetricState,
}

impl Verified {
    /// Answers it; `random` is 32 random bytes. `None` when the other side's ephemeral key is of low order.
    pub fn respond(
        self,
        preshared: &[u8; 32],
        local_index: u32,
        random: &Secret,
    ) -> Option<(Agreed, Response)> {
        let Self { public: peer, ephemeral: theirs, remote_index, mut state } = self;
        let mut message = [0; RESPONSE_LENGTH];
        message[..4].copy_from_slice(&Kind::Response.header());
        message[4..8].copy_from_slice(&local_index.to_le_bytes());
        message[8..12].copy_from_slice(&remote_index.to_le_bytes());
        let (private, public) = ephemeral(random);
        message[12..44].copy_from_slice(&public);
        state.mix_ephemeral(&public);
        state.mix_shared(&*agree(&private, &theirs)?);
        state.mix_shared(&*agree(&private, &peer)?);
        let key = state.mix_preshared(preshared);
        state.seal(&key, &[], &mut message[44..44 + TAG]);
        let [receiving, sending] = state.split();
        Some((Agreed { local_index, remote_index, initiator: false, sending, receiving }, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random_bytes;

    /// Against the arithmetic itself: all that is listed, and nothing else that is small or near the prime.
    #[test]
    fn keys_of_low_order_are_those_that_agree_on_zero() {
        let private = StaticSecret::from([0x77; 32]);
        let mut keys: Vec<[u8; 32]> = LOW_ORDER.to_vec();
        for n in 0..=255 {
            keys.extend([[0, 0], [0xff, 0x7f], [0xff, 0xff]].map(|[fill, last]| {
                let mut key = [fill; 32];
                (key[0], key[31]) = (n, last);
                key
            }));
            keys.push(random_bytes(n.into(), 32).try_into().expect("32 bytes"));
        }
        for key in keys {
            assert_eq!(is_low_order(&key), agree(&private, &key).is_none(), "{key:02x?}");
        }
        assert!(LOW_ORDER.iter().all(is_low_order));
    }
}
