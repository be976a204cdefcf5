//! Proofs of who speaks.

use napi::bindgen_prelude::{Buffer, Uint8Array};
use napi_derive::napi;

use super::guarded;
use super::identity::NodeIdentity;
use crate::identity::keys::PublicKey;
use crate::identity::proof::Prover;

#[napi]
pub struct MessageProver(Prover);

#[napi]
impl MessageProver {
    #[napi(constructor)]
    pub fn new(identity: &NodeIdentity) -> Self {
        Self(Prover::new(identity.private_key()))
    }

    #[napi]
    pub fn prove(&self, peer: String, kind: String, payload: Uint8Array) -> napi::Result<Option<Buffer>> {
        guarded(|| {
            let proof = self.0.prove(&PublicKey::parse(&peer)?, &kind, &payload);
            Ok(proof.map(|proof| proof.to_vec().into()))
        })
    }

    #[napi]
    pub fn verify(
        &self,
        peer: String,
        kind: String,
        payload: Uint8Array,
        proof: Uint8Array,
    ) -> napi::Result<bool> {
        guarded(|| Ok(self.0.verify(&PublicKey::parse(&peer)?, &kind, &payload, &proof)))
    }
}
