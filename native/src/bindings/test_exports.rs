//! Derived keys as text, for the vector tests. Only in a build with the feature `test-exports`, which is never released.

use napi_derive::napi;

use super::guarded;
use super::identity::MeshSecret;
use crate::identity::hex;

/// Named as in `vectors.json`; all lowercase hex.
#[napi(object)]
pub struct DerivedForTests {
    #[napi(js_name = "gossip_key_hex")]
    pub gossip_key: String,
    #[napi(js_name = "wg_psk_hex")]
    pub preshared_key: String,
    #[napi(js_name = "membership_key_hex")]
    pub membership_key: String,
    #[napi(js_name = "epoch_seed_hex")]
    pub epoch_seed: String,
    #[napi(js_name = "mesh_subnet_hex")]
    pub subnet: String,
    #[napi(js_name = "mesh_prefix_v6_hex")]
    pub ipv6_prefix: String,
    #[napi(js_name = "multicast_id_hex")]
    pub multicast_id: String,
}

#[napi]
pub fn derived_for_tests(secret: &MeshSecret) -> napi::Result<DerivedForTests> {
    guarded(|| {
        let mesh = secret.derived();
        Ok(DerivedForTests {
            gossip_key: hex::encode(mesh.gossip_key().as_slice()),
            preshared_key: hex::encode(&mesh.preshared_key().0),
            membership_key: hex::encode(mesh.membership_key().as_slice()),
            epoch_seed: hex::encode(mesh.epoch_seed().as_slice()),
            subnet: hex::encode(&mesh.subnet()),
            ipv6_prefix: hex::encode(&mesh.ipv6_prefix()),
            multicast_id: hex::encode(&mesh.multicast_id()),
        })
    })
}

/// Panics, to show that a panic reaches JavaScript as an error.
#[napi]
pub fn panic_for_tests() -> napi::Result<()> {
    guarded(|| panic!("on purpose"))
}
