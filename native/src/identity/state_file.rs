//! The node's identity on disk: `<iface>.json`, in the Go peer's format (PROTOCOL.md section 14).

use std::fs::OpenOptions;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use zeroize::Zeroizing;

use super::keys::{PrivateKey, PublicKey};
use super::members::Members;
use super::private_file;
use crate::error::{Error, Result};

const PUBLIC_KEY: &str = "wg_pubkey";
const PRIVATE_KEY: &str = "wg_private_key";
const MESH_IPV4: &str = "mesh_ip";
const MESH_IPV6: &str = "mesh_ipv6";

/// The key pair and pinned addresses of a node.
pub struct NodeState {
    path: PathBuf,
    created: bool,
    content: Content,
}

/// What the file says, checked.
pub(super) struct Content {
    pub(super) members: Members,
    private_key: PrivateKey,
    pub(super) public_key: PublicKey,
    pub(super) mesh_ipv4: Option<String>,
    pub(super) mesh_ipv6: Option<String>,
}

impl NodeState {
    /// Reads the file, or makes a key pair in memory when there is none: nothing is written before [`NodeState::save`].
    ///
    /// A file that is there is never replaced by a new identity, whatever is wrong with it: `STATE_DAMAGED`,
    /// `STATE_UNREADABLE` or `STATE_PERMISSIONS`, with the remedy.
    pub fn load(path: &Path) -> Result<Self> {
        let existing = read(path)?;
        let created = existing.is_none();
        let content = match existing {
            Some(content) => content,
            None => Content::new(PrivateKey::generate()?),
        };
        Ok(Self { path: path.to_owned(), created, content })
    }

    /// True when the key pair is new.
    pub fn created(&self) -> bool {
        self.created
    }

    pub fn private_key(&self) -> &PrivateKey {
        &self.content.private_key
    }

    pub fn public_key(&self) -> PublicKey {
        self.content.public_key
    }

    /// The pinned IPv4, as it stands in the file.
    pub fn mesh_ipv4(&self) -> Option<&str> {
        self.content.mesh_ipv4.as_deref()
    }

    /// The pinned IPv6, as it stands in the file.
    pub fn mesh_ipv6(&self) -> Option<&str> {
        self.content.mesh_ipv6.as_deref()
    }

    /// Pins the addresses and writes the file, unless it says the same already. Members we do not know are kept, also those
    /// that were added since it was read.
    ///
    /// Errors: `EINVAL` for what is no address, `STATE_WRITE` when the disk refuses or the file has another identity by
    /// now, and those of [`NodeState::load`] when it has been spoilt since.
    pub fn save(&mut self, mesh_ipv4: &str, mesh_ipv6: Option<&str>) -> Result<()> {
        check_address::<Ipv4Addr>(mesh_ipv4)?;
        mesh_ipv6.map_or(Ok(()), check_address::<Ipv6Addr>)?;

        let on_disk = read(&self.path)?;
        let exists = on_disk.is_some();
        let mut members = match on_disk {
            Some(content) if content.public_key != self.content.public_key => {
                return Err(cannot_write(&self.path, "it has the keys of another identity by now"));
            }
            Some(content) => content.members,
            None => std::mem::take(&mut self.content.members),
        };
        let mut changed = members.set_text(PUBLIC_KEY, &self.content.public_key.text());
        changed |= members.set_text(PRIVATE_KEY, &self.content.private_key.text());
        changed |= members.set_text(MESH_IPV4, mesh_ipv4);
        changed |= match mesh_ipv6 {
            Some(address) => members.set_text(MESH_IPV6, address),
            None => members.remove(MESH_IPV6),
        };
        let written = if changed || !exists {
            private_file::replace(&self.path, &members.to_json())
                .map_err(|error| cannot_write(&self.path, &error.to_string()))
        } else {
            Ok(())
        };
        self.content.members = members;
        written?;
        self.content.mesh_ipv4 = Some(mesh_ipv4.to_owned());
        self.content.mesh_ipv6 = mesh_ipv6.map(str::to_owned);
        Ok(())
    }
}

impl Content {
    fn new(private_key: PrivateKey) -> Self {
        let public_key = private_key.public_key();
        Self { members: Members::default(), private_key, public_key, mesh_ipv4: None, mesh_ipv6: None }
    }

    /// Reads the JSON text of a state file. The error is a reason that shows nothing of the text.
    pub(super) fn parse(json: &[u8]) -> std::result::Result<Self, String> {
        let members: Members = serde_json::from_slice(json).map_err(|error| {
            // serde_json's own message may quote what it read.
            format!("not a JSON object (line {}, column {})", error.line(), error.column())
        })?;
        let required = |name: &str| match members.text(name) {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(format!("{name} is missing")),
            Err(()) => Err(format!("{name} is not a string")),
        };
        let private_key = PrivateKey::parse(&required(PRIVATE_KEY)?)
            .ok_or_else(|| format!("{PRIVATE_KEY} is not base64 of 32 bytes"))?;
        let public_key = PublicKey::parse(&required(PUBLIC_KEY)?)
            .map_err(|_| format!("{PUBLIC_KEY} is not base64 of 32 bytes"))?;
        if public_key != private_key.public_key() {
            return Err(format!("{PUBLIC_KEY} does not belong to {PRIVATE_KEY}"));
        }
        let mesh_ipv4 = address_member::<Ipv4Addr>(&members, MESH_IPV4)?;
        let mesh_ipv6 = address_member::<Ipv6Addr>(&members, MESH_IPV6)?;
        Ok(Self { members, private_key, public_key, mesh_ipv4, mesh_ipv6 })
    }
}

/// An address member; the Go peer leaves out an empty one, so an empty one counts as missing.
fn address_member<A: FromStr>(members: &Members, name: &str) -> std::result::Result<Option<String>, String> {
    match members.text(name) {
        Ok(None) => Ok(None),
        Ok(Some(text)) if text.is_empty() => Ok(None),
        Ok(Some(text)) if text.parse::<A>().is_ok() => Ok(Some(text.to_string())),
        _ => Err(format!("{name} is not an address of its family")),
    }
}

fn check_address<A: FromStr>(text: &str) -> Result<()> {
    let reason = "not an address of its family";
    text.parse::<A>()
        .map(drop)
        .map_err(|_| Error::new("EINVAL", "pin mesh address", format!("{text:?}"), reason))
}

/// The checked content of the file, `None` when it does not exist.
pub(super) fn read(path: &Path) -> Result<Option<Content>> {
    let Some(json) = read_private(path)? else { return Ok(None) };
    let content = Content::parse(&json).map_err(|reason| {
        let remedy =
            "restore it from a backup, or move it away to get a new identity (another key and mesh address)";
        refusal("STATE_DAMAGED", path, format!("{reason}; {remedy}"))
    })?;
    Ok(Some(content))
}

fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let unreadable = |error: io::Error| {
        let remedy = "check the owner and mode of the file and its folder";
        refusal("STATE_UNREADABLE", path, format!("{}; {remedy}", error))
    };
    // A link is refused, because the rename of `save` would replace it rather than the file it points to. O_NONBLOCK keeps a
    // pipe of that name from blocking us before it is refused.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            let reason = "it is a symbolic link; put the file itself there";
            return Err(refusal("STATE_PERMISSIONS", path, reason.to_owned()));
        }
        Err(error) => return Err(unreadable(error)),
    };
    let facts = private_file::facts(&file).map_err(unreadable)?;
    let objection = if !facts.regular {
        Some("it is not a regular file; move it away".to_owned())
    } else if !private_file::trusted_owner(facts.owner) {
        Some(format!("it belongs to user {}; chown it to the user that runs wgmesh", facts.owner))
    } else if facts.mode & !0o600 != 0 {
        Some(format!("its mode is {:04o}, wider than 0600; chmod 600 it", facts.mode))
    } else {
        None
    };
    if let Some(reason) = objection {
        return Err(refusal("STATE_PERMISSIONS", path, reason));
    }
    let too_long =
        || refusal("STATE_DAMAGED", path, format!("longer than {} bytes", private_file::MAX_BYTES));
    private_file::read_all(&mut file).map_err(unreadable)?.ok_or_else(too_long).map(Some)
}

fn refusal(code: &str, path: &Path, reason: String) -> Error {
    Error::new(code, "read", path.display().to_string(), reason)
}

pub(super) fn cannot_write(path: &Path, reason: &str) -> Error {
    Error::new("STATE_WRITE", "write", path.display().to_string(), reason)
}

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
#[cfg(test)]
mod tests;
