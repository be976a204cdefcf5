//! Keys as handles: what they hold never becomes a JavaScript value.

use std::path::Path;

use napi_derive::napi;
use zeroize::Zeroize as _;

use super::guarded;
use super::identity::MeshSecret;
use crate::error::Result;
use crate::identity::key_file::{self, StoredKey};
use crate::identity::keys;

#[napi]
pub struct PrivateKey(keys::PrivateKey);

#[napi]
impl PrivateKey {
    #[napi(factory)]
    pub fn generate() -> napi::Result<Self> {
        guarded(|| keys::PrivateKey::generate().map(Self))
    }

    #[napi(factory)]
    pub fn from_file(path: String) -> napi::Result<Self> {
        guarded(|| key_file::from_file(Path::new(&path)).map(Self))
    }

    #[napi(factory)]
    pub fn from_fd(fd: i32) -> napi::Result<Self> {
        guarded(|| key_file::from_fd(fd).map(Self))
    }

    #[napi(factory)]
    pub fn from_text(text: String) -> napi::Result<Self> {
        guarded(|| from_text(text).map(Self))
    }

    #[napi(getter)]
    pub fn public_key(&self) -> napi::Result<String> {
        guarded(|| Ok(self.0.public_key().text()))
    }

    #[napi]
    pub fn save(&self, path: String) -> napi::Result<()> {
        guarded(|| key_file::save(&self.0, Path::new(&path)))
    }
}

impl PrivateKey {
    /// For the WireGuard bindings.
    pub(crate) fn key(&self) -> &keys::PrivateKey {
        &self.0
    }
}

#[napi]
pub struct PresharedKey(keys::PresharedKey);

#[napi]
impl PresharedKey {
    #[napi(factory)]
    pub fn generate() -> napi::Result<Self> {
        guarded(|| keys::PresharedKey::generate().map(Self))
    }

    #[napi(factory)]
    pub fn derive(secret: &MeshSecret, label: Option<String>) -> napi::Result<Self> {
        guarded(|| match label {
            Some(label) => secret.derived().preshared_key_for(&label).map(Self),
            None => Ok(Self(secret.derived().preshared_key())),
        })
    }

    #[napi(factory)]
    pub fn from_file(path: String) -> napi::Result<Self> {
        guarded(|| key_file::from_file(Path::new(&path)).map(Self))
    }

    #[napi(factory)]
    pub fn from_fd(fd: i32) -> napi::Result<Self> {
        guarded(|| key_file::from_fd(fd).map(Self))
    }

    #[napi(factory)]
    pub fn from_text(text: String) -> napi::Result<Self> {
        guarded(|| from_text(text).map(Self))
    }

    #[napi]
    pub fn save(&self, path: String) -> napi::Result<()> {
        guarded(|| key_file::save(&self.0, Path::new(&path)))
    }
}

impl From<keys::PresharedKey> for PresharedKey {
    fn from(key: keys::PresharedKey) -> Self {
        Self(key)
    }
}

impl PresharedKey {
    /// For the WireGuard bindings.
    pub(crate) fn key(&self) -> &keys::PresharedKey {
        &self.0
    }
}

/// Our copy of the text is zeroised; JavaScript's is not ours to touch.
fn from_text<K: StoredKey>(mut text: String) -> Result<K> {
    let key = key_file::from_text(&text);
    text.zeroize();
    key
}

/// A key pair as text: for a device that this machine only sets up.
#[napi(object)]
pub struct KeyPair {
    pub private_key: String,
    pub public_key: String,
}

#[napi]
pub fn generate_key_pair() -> napi::Result<KeyPair> {
    guarded(|| {
        let key = keys::PrivateKey::generate()?;
        Ok(KeyPair { private_key: key.text().to_string(), public_key: key.public_key().text() })
    })
}
