//! Which preshared key each peer was given through this device, to tell whether it still has that one. What the kernel, an engine or
//! wireguard-go shows is compared here and goes no further: JavaScript learns that a key is another, never which.

use std::collections::HashMap;

use subtle::ConstantTimeEq as _;

use super::device::{PeerChange, PeerState};
use crate::identity::keys::{PresharedKey, PublicKey};

/// All zeros: none.
#[derive(Default)]
pub struct SetKeys(HashMap<PublicKey, PresharedKey>);

impl SetKeys {
    /// Before they are applied. One that the device refuses counts as well: what it has is another then.
    pub fn note(&mut self, changes: &[PeerChange]) {
        for change in changes {
            match change {
                PeerChange::Remove(peer) => {
                    self.0.remove(peer);
                }
                PeerChange::Set(settings) => match &settings.preshared_key {
                    Some(key) => {
                        self.0.insert(settings.public_key, key.clone());
                    }
                    // A peer that is made anew without one has none.
                    None if settings.reset => {
                        self.0.insert(settings.public_key, PresharedKey([0; 32]));
                    }
                    None => {}
                },
            }
        }
    }

    /// All peers are gone.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Somebody else gave the peer another key, or took it away. False for one that was given none here.
    pub fn is_changed(&self, peer: &PeerState) -> bool {
        self.0.get(&peer.public_key).is_some_and(|set| !bool::from(set.0.ct_eq(&peer.preshared_key.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wireguard::device::PeerSettings;

    fn set(peer: u8, key: Option<u8>, reset: bool) -> PeerChange {
        let preshared_key = key.map(|byte| PresharedKey([byte; 32]));
        PeerChange::Set(PeerSettings { reset, preshared_key, ..PeerSettings::new(PublicKey([peer; 32])) })
    }

    fn has(peer: u8, key: u8) -> PeerState {
        PeerState { preshared_key: PresharedKey([key; 32]), ..PeerState::new(PublicKey([peer; 32])) }
    }

    #[test]
    fn another_key_is_noticed_and_the_one_that_was_given_is_not() {
        let mut keys = SetKeys::default();
        keys.note(&[set(1, Some(7), false), set(2, Some(7), false), set(3, None, false)]);
        assert!(!keys.is_changed(&has(1, 7)));
        assert!(keys.is_changed(&has(1, 8)) && keys.is_changed(&has(2, 0)));
        assert!(!keys.is_changed(&has(3, 9)), "it was given none here");
        assert!(!keys.is_changed(&has(4, 9)), "a peer of somebody else");
        keys.note(&[set(1, Some(8), false)]);
        assert!(!keys.is_changed(&has(1, 8)));
    }

    #[test]
    fn what_was_given_goes_with_the_peer() {
        let mut keys = SetKeys::default();
        keys.note(&[set(1, Some(7), false), set(2, Some(7), false)]);
        keys.note(&[PeerChange::Remove(PublicKey([1; 32])), set(2, None, true)]);
        assert!(!keys.is_changed(&has(1, 8)));
        assert!(!keys.is_changed(&has(2, 0)) && keys.is_changed(&has(2, 7)));
        keys.forget();
        assert!(!keys.is_changed(&has(2, 7)));
    }
}
