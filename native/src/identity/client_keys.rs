//! The preshared keys of clients: devices that run plain WireGuard, and have a node as their gateway. They follow from the gateway's key,
//! so that none of them is stored anywhere but on the device.

use hkdf::Hkdf;
use sha2::Sha256;

use super::keys::{PresharedKey, PrivateKey, PublicKey};

const LABEL: &[u8; 20] = b"wgmesh client psk v1";

/// HKDF-SHA256 of the gateway's private key, no salt, the label and the 32 bytes of the client's public key as info.
pub fn preshared_key(gateway: &PrivateKey, client: &PublicKey) -> PresharedKey {
    let mut key = PresharedKey([0; 32]);
    Hkdf::<Sha256>::new(None, &gateway.0)
        .expand_multi_info(&[LABEL, &client.0], &mut key.0)
        .expect("at most 8160 bytes are asked for");
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hex;

    /// The expected key is what hkdfSync of node:crypto says.
    #[test]
    fn it_follows_from_both_keys() {
        let key = |gateway: u8, client: u8| {
            hex::encode(&preshared_key(&PrivateKey([gateway; 32]), &PublicKey([client; 32])).0)
        };
        assert_eq!(key(1, 2), "87da5ba2cbea9df3e45f2018370ddccd579c4d241e5902f2fb0f408cd22ab148");
        assert_ne!(key(1, 2), key(1, 3));
        assert_ne!(key(1, 2), key(2, 2));
    }
}
