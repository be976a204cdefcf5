//! Secrets and key pairs. The classes are handles: what they hold never becomes a JavaScript value.

use std::path::Path;

use napi::bindgen_prelude::{Buffer, Uint8Array};
use napi_derive::napi;
use zeroize::Zeroize as _;

use super::guarded;
use super::keys::PresharedKey;
use crate::error::{Error, Result};
use crate::identity::derive::Derived;
use crate::identity::hex;
use crate::identity::keys::{PrivateKey, PublicKey};
use crate::identity::seal::NONCE_BYTES;
use crate::identity::secret::Secret;
use crate::identity::state_file::NodeState;
use crate::identity::{address, client_keys, generate, prompt, qr, secret_source, strength};
use crate::os::replace;

#[napi]
pub struct MeshSecret(Derived);

impl From<Secret> for MeshSecret {
    fn from(secret: Secret) -> Self {
        Self(Derived::new(secret))
    }
}

#[napi]
impl MeshSecret {
    #[napi(factory)]
    pub fn from_text(mut text: String) -> napi::Result<Self> {
        guarded(|| {
            let secret = Secret::parse(text.as_bytes());
            text.zeroize();
            secret.map(Self::from)
        })
    }

    #[napi(factory)]
    pub fn from_file(path: String) -> napi::Result<Self> {
        guarded(|| secret_source::from_file(Path::new(&path)).map(Self::from))
    }

    #[napi(factory)]
    pub fn from_fd(fd: i32) -> napi::Result<Self> {
        guarded(|| secret_source::from_fd(fd).map(Self::from))
    }

    #[napi(factory)]
    pub fn from_prompt(question: String) -> napi::Result<Self> {
        guarded(|| Secret::parse(&prompt::read_hidden_line(&question)?).map(Self::from))
    }

    #[napi(factory)]
    pub fn from_pipe(fd: i32) -> napi::Result<Self> {
        guarded(|| Secret::exact(&replace::empty_pipe(fd)?).map(Self::from))
    }

    #[napi]
    pub fn to_pipe(&self) -> napi::Result<i32> {
        guarded(|| replace::filled_pipe(self.0.secret().as_bytes()))
    }

    #[napi]
    pub fn write_qr(&self, fd: i32, form: String) -> napi::Result<()> {
        guarded(|| qr::write(self.0.secret(), qr::Form::parse(&form)?, fd))
    }

    #[napi]
    pub fn strength_bits(&self) -> napi::Result<u32> {
        guarded(|| Ok(strength::bits(self.0.secret())))
    }

    #[napi]
    pub fn parameters(&self) -> napi::Result<MeshParameters> {
        guarded(|| Ok(MeshParameters::of(&self.0)))
    }

    #[napi]
    pub fn infohash(&self, hour: i64) -> napi::Result<String> {
        guarded(|| Ok(hex::encode(&self.0.infohash(hour))))
    }

    #[napi]
    pub fn mesh_ipv4(&self, public_key: String, nonce: u32) -> napi::Result<String> {
        guarded(|| Ok(address::mesh_ipv4(&self.0, &PublicKey::parse(&public_key)?, nonce).to_string()))
    }

    #[napi]
    pub fn mesh_ipv4_in(&self, public_key: String, subnet: String, nonce: u32) -> napi::Result<String> {
        guarded(|| {
            let (key, subnet) = (PublicKey::parse(&public_key)?, address::OperatorSubnet::parse(&subnet)?);
            Ok(address::mesh_ipv4_in(&self.0, &key, subnet, nonce).to_string())
        })
    }

    #[napi]
    pub fn mesh_ipv6(&self, public_key: String) -> napi::Result<String> {
        guarded(|| Ok(address::mesh_ipv6(&self.0, &PublicKey::parse(&public_key)?).to_string()))
    }

    #[napi]
    pub fn seal(&self, nonce: Uint8Array, plaintext: Uint8Array) -> napi::Result<Buffer> {
        guarded(|| Ok(self.0.sealer().seal(&fixed_nonce(&nonce)?, &plaintext).into()))
    }

    #[napi]
    pub fn open(&self, nonce: Uint8Array, ciphertext: Uint8Array) -> napi::Result<Option<Buffer>> {
        guarded(|| Ok(self.0.sealer().open(&fixed_nonce(&nonce)?, &ciphertext).map(Buffer::from)))
    }
}

impl MeshSecret {
    /// For the other bindings.
    pub(crate) fn derived(&self) -> &Derived {
        &self.0
    }
}

fn fixed_nonce(nonce: &[u8]) -> Result<[u8; NONCE_BYTES]> {
    nonce.try_into().map_err(|_| {
        Error::new("EINVAL", "use", "the nonce", format!("{} bytes, {NONCE_BYTES} are needed", nonce.len()))
    })
}

#[napi(object)]
pub struct MeshParameters {
    pub network_id: String,
    pub mesh_id: String,
    pub mesh_subnet: String,
    pub mesh_ipv6_prefix: String,
    pub multicast_group: String,
    pub gossip_port: u32,
    pub probe_port: u32,
    pub rendezvous_id: String,
}

impl MeshParameters {
    fn of(mesh: &Derived) -> Self {
        let prefix: Vec<String> = mesh.ipv6_prefix().chunks(2).map(hex::encode).collect();
        Self {
            network_id: hex::encode(&mesh.network_id()),
            mesh_id: mesh.mesh_id(),
            mesh_subnet: format!("10.{}.0.0/16", mesh.subnet()[0]),
            // Four digits a group, as the Go peer prints it.
            mesh_ipv6_prefix: format!("{}::/64", prefix.join(":")),
            multicast_group: mesh.multicast_group().to_string(),
            gossip_port: mesh.gossip_port().into(),
            probe_port: mesh.probe_port().into(),
            rendezvous_id: hex::encode(&mesh.rendezvous_id()),
        }
    }
}

#[napi]
pub fn generate_secret_uri() -> napi::Result<String> {
    guarded(|| generate::secret_uri().map(|uri| uri.to_string()))
}

#[napi]
pub struct NodeIdentity(NodeState);

#[napi]
impl NodeIdentity {
    #[napi(factory)]
    pub fn load(path: String) -> napi::Result<Self> {
        guarded(|| NodeState::load(Path::new(&path)).map(Self))
    }

    #[napi(getter)]
    pub fn created(&self) -> bool {
        self.0.created()
    }

    #[napi(getter)]
    pub fn public_key(&self) -> napi::Result<String> {
        guarded(|| Ok(self.0.public_key().text()))
    }

    #[napi(getter)]
    pub fn mesh_ip(&self) -> Option<String> {
        self.0.mesh_ipv4().map(str::to_owned)
    }

    #[napi(getter)]
    pub fn mesh_ipv6(&self) -> Option<String> {
        self.0.mesh_ipv6().map(str::to_owned)
    }

    #[napi]
    pub fn save(&mut self, mesh_ip: String, mesh_ipv6: Option<String>) -> napi::Result<()> {
        guarded(|| self.0.save(&mesh_ip, mesh_ipv6.as_deref()))
    }

    #[napi]
    pub fn client_preshared_key(&self, public_key: String) -> napi::Result<PresharedKey> {
        guarded(|| {
            let client = PublicKey::parse(&public_key)?;
            Ok(client_keys::preshared_key(self.0.private_key(), &client).into())
        })
    }

    #[napi]
    pub fn export_client_preshared_key(&self, public_key: String) -> napi::Result<String> {
        guarded(|| {
            let client = PublicKey::parse(&public_key)?;
            Ok(client_keys::preshared_key(self.0.private_key(), &client).text().to_string())
        })
    }
}

impl NodeIdentity {
    /// For the WireGuard bindings.
    pub(crate) fn private_key(&self) -> &PrivateKey {
        self.0.private_key()
    }
}
