//! Derived keys as text, for the vector tests, and WireGuard's constants made short. Only in a build with the feature `test-exports`, which is never released.

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

/// Milliseconds, or messages; what is left out is as WireGuard has it.
#[cfg(target_os = "linux")]
#[napi(object)]
pub struct EmbeddedTimingForTests {
    pub rekey_after_ms: Option<u32>,
    pub reject_after_ms: Option<u32>,
    pub rekey_timeout_ms: Option<u32>,
    pub rekey_jitter_ms: Option<u32>,
    pub keepalive_timeout_ms: Option<u32>,
    pub rekey_after_messages: Option<u32>,
    pub reject_after_messages: Option<u32>,
}

/// Sets what embedded devices that are opened from now on go by; without an argument WireGuard's own constants again.
#[cfg(target_os = "linux")]
#[napi]
pub fn set_embedded_timing(timing: Option<EmbeddedTimingForTests>) -> napi::Result<()> {
    use std::time::Duration;

    use crate::wireguard::embedded::Timing;

    guarded(|| {
        let changed = timing.map(|timing| {
            let duration = |ms: Option<u32>, usual| ms.map_or(usual, |ms| Duration::from_millis(ms.into()));
            let usual = Timing::default();
            Timing {
                rekey_after_time: duration(timing.rekey_after_ms, usual.rekey_after_time),
                reject_after_time: duration(timing.reject_after_ms, usual.reject_after_time),
                rekey_timeout: duration(timing.rekey_timeout_ms, usual.rekey_timeout),
                rekey_jitter: duration(timing.rekey_jitter_ms, usual.rekey_jitter),
                keepalive_timeout: duration(timing.keepalive_timeout_ms, usual.keepalive_timeout),
                handshake_attempts: usual.handshake_attempts,
                rekey_after_messages: timing
                    .rekey_after_messages
                    .map_or(usual.rekey_after_messages, u64::from),
                reject_after_messages: timing
                    .reject_after_messages
                    .map_or(usual.reject_after_messages, u64::from),
            }
        });
        Timing::set_for_new_devices(changed);
        Ok(())
    })
}

/// Makes an offload of embedded devices fail from now on, each time it is used, with this errno; 0 for no more. `name` is how its
/// name begins: `UDP_SEGMENT`, `UDP_GRO`, `joined TCP`, `joined UDP`.
#[cfg(target_os = "linux")]
#[napi]
pub fn fail_embedded_offload(name: String, errno: i32) -> napi::Result<()> {
    guarded(|| {
        crate::wireguard::embedded::fail_offload(&name, errno);
        Ok(())
    })
}
