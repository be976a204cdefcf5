//! Fuzz target: what people type, files hold and strangers send about identities.

use super::address::OperatorSubnet;
use super::derive::{Derived, DerivedKey};
use super::keys::{PrivateKey, PublicKey};
use super::seal::{NONCE_BYTES, Sealer, TAG_BYTES};
use super::secret::{MIN_BYTES, Secret};
use super::state_file::fuzzing::state_file;
use super::strength;
use crate::fuzzing::input::Input;
use crate::link::network::Network;

/// What begins with a byte that names the reader.
pub fn identity(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => secret(input.rest()),
        1 => state_file(input.rest()),
        2 => sealed(&mut input),
        _ => text(input.rest()),
    }
}

/// A secret is part of what was typed, long enough, and everything can be derived from it.
fn secret(typed: &[u8]) {
    let Ok(secret) = Secret::parse(typed) else {
        return;
    };
    let bytes = secret.as_bytes();
    assert!(bytes.len() >= MIN_BYTES && typed.windows(bytes.len()).any(|window| window == bytes));
    assert!(strength::bits(&secret) <= 8 * 256);
    let same = Secret::parse(typed).map(Derived::new).map(|mesh| mesh.network_id());
    assert_eq!(same, Ok(Derived::new(secret).network_id()));
}

/// Nothing opens but what was sealed under the key and nonce and was not changed.
fn sealed(input: &mut Input<'_>) {
    let sealer = Sealer::new(&DerivedKey::new([7; 32]));
    let (nonce, change_at, change) = ([input.byte(); NONCE_BYTES], input.u16(), input.byte());
    let bytes = input.rest();
    assert_eq!(sealer.open(&nonce, bytes), None, "a text that nobody sealed opens");
    let mut message = sealer.seal(&nonce, bytes);
    assert_eq!(message.len(), bytes.len() + TAG_BYTES);
    let at = usize::from(change_at) % message.len();
    message[at] ^= change;
    let expected = (change == 0).then_some(bytes);
    assert_eq!(sealer.open(&nonce, &message).as_deref(), expected);
}

/// Keys have one text each; a network is what its own text says.
fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(key.text(), text);
    }
    if let Some(key) = PrivateKey::parse(text) {
        assert_eq!(key.text().as_str(), text);
    }
    let network = Network::parse(text);
    if let Ok(network) = network {
        assert_eq!(Network::parse(&network.to_string()), Ok(network));
    }
    if OperatorSubnet::parse(text).is_ok() {
        assert!(network.is_ok_and(|network| network.address.is_ipv4() && network.prefix <= 30));
    }
}
