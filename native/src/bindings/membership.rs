//! What the members of a mesh sign, and the secret a mesh moves to.

use std::path::Path;

use napi::bindgen_prelude::{Buffer, Uint8Array};
use napi_derive::napi;

use super::guarded;
use super::identity::MeshSecret;
use crate::error::{Error, Result};
use crate::identity::membership::{self, MAC_BYTES};
use crate::identity::secret::Secret;
use crate::identity::{generate, kept_secret};

#[napi]
pub struct Membership(membership::Membership);

#[napi]
impl Membership {
    #[napi(constructor)]
    pub fn new(secret: &MeshSecret) -> Self {
        Self(membership::Membership::new(secret.derived()))
    }

    #[napi]
    pub fn token(&self, key: String, hour: i64) -> napi::Result<Buffer> {
        guarded(|| Ok(self.0.token(key.as_bytes(), hour).to_vec().into()))
    }

    #[napi]
    pub fn is_token(&self, key: String, token: Uint8Array, hour: i64) -> napi::Result<bool> {
        guarded(|| Ok(self.0.is_token(key.as_bytes(), &token, hour)))
    }

    #[napi]
    pub fn sign_rotation(&self, commitment: Uint8Array, grace: i64, at: i64) -> napi::Result<Buffer> {
        guarded(|| Ok(self.0.sign_rotation(&fixed(&commitment)?, grace, at).to_vec().into()))
    }

    #[napi]
    pub fn is_rotation(
        &self,
        commitment: Uint8Array,
        grace: i64,
        at: i64,
        signature: Uint8Array,
    ) -> napi::Result<bool> {
        guarded(|| Ok(self.0.is_rotation(&fixed(&commitment)?, grace, at, &signature)))
    }

    #[napi]
    pub fn sign_abort(&self, commitment: Uint8Array, at: i64) -> napi::Result<Buffer> {
        guarded(|| Ok(self.0.sign_abort(&fixed(&commitment)?, at).to_vec().into()))
    }

    #[napi]
    pub fn is_abort(&self, commitment: Uint8Array, at: i64, signature: Uint8Array) -> napi::Result<bool> {
        guarded(|| Ok(self.0.is_abort(&fixed(&commitment)?, at, &signature)))
    }
}

/// SHA-256 of the secret.
#[napi]
pub fn secret_commitment(secret: &MeshSecret) -> napi::Result<Buffer> {
    guarded(|| Ok(membership::commitment(secret.derived().secret()).to_vec().into()))
}

#[napi]
pub fn generate_secret() -> napi::Result<MeshSecret> {
    guarded(|| Ok(Secret::parse(generate::secret_uri()?.as_bytes())?.into()))
}

#[napi]
pub fn save_secret(secret: &MeshSecret, path: String) -> napi::Result<()> {
    guarded(|| kept_secret::save(secret.derived().secret(), Path::new(&path)))
}

#[napi]
pub fn load_kept_secret(path: String) -> napi::Result<MeshSecret> {
    guarded(|| kept_secret::load(Path::new(&path)).map(MeshSecret::from))
}

fn fixed(commitment: &[u8]) -> Result<[u8; MAC_BYTES]> {
    commitment.try_into().map_err(|_| {
        let found = format!("{} bytes, {MAC_BYTES} are needed", commitment.len());
        Error::new("EINVAL", "use", "the commitment", found)
    })
}
