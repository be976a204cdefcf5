//! A backup: one JSON document with the files of a node as its parts. It is read and written here, since one of the parts is the
//! identity, whose private key must not become a JavaScript value (row B4).

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use zeroize::Zeroizing;

use super::members::{Members, pretty_json};
use super::password::Password;
use super::private_file;
use super::state_file::{self, Content};
use crate::error::{Error, Result};
use crate::os::output::write_all;

/// Tells a backup from other JSON.
const FORMAT: &str = "wgmesh-backup";
/// A reader refuses what is newer.
pub const VERSION: u32 = 1;
/// The part with the key pair.
const IDENTITY: &str = "identity";
/// A cache of 1,000 peers with 100 networks each takes 5 MB; sealed text a third more.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// The base64 of salt, nonce and tag: 60 bytes.
const SHORTEST_SEALED: usize = 80;

/// Public facts about the backup, and its parts. Zeroised when dropped.
pub struct Backup {
    facts: Members,
    parts: Members,
}

/// What may be known of the part `identity`.
pub struct IdentityFacts {
    pub public_key: String,
    pub mesh_ipv4: Option<String>,
    pub mesh_ipv6: Option<String>,
}

impl Backup {
    /// An empty one. `facts` is a JSON object. Errors: `EINVAL`.
    pub fn new(facts: &str) -> Result<Self> {
        let facts = serde_json::from_str(facts)
            .map_err(|_| Error::new("EINVAL", "make", "a backup", "the facts are no JSON object"))?;
        Ok(Self { facts, parts: Members::default() })
    }

    /// Reads a backup; a sealed one needs its password.
    ///
    /// Errors: those of open(2); `BACKUP_SEALED` without a password, `BACKUP_PASSWORD` with a wrong one, `BACKUP_DAMAGED`,
    /// `BACKUP_VERSION`, `STATE_PERMISSIONS` for one that is not sealed and that others can read or change: whoever writes it chooses the
    /// identity of the node.
    pub fn read(path: &Path, password: Option<&Password>) -> Result<Self> {
        let object = path.display().to_string();
        let content = read_bounded(path)?;
        if !is_sealed(&content.bytes) {
            if let Some(reason) = content.objection {
                return Err(Error::new("STATE_PERMISSIONS", "read", object, reason));
            }
            return Self::parse(&content.bytes, &object);
        }
        let Some(password) = password else {
            return Err(Error::new("BACKUP_SEALED", "read", object, "it is sealed with a password"));
        };
        match password.open(&content.bytes) {
            Some(text) => Self::parse(&text, &object),
            None => {
                let reason = "the password does not open it, or it is damaged";
                Err(Error::new("BACKUP_PASSWORD", "read", object, reason))
            }
        }
    }

    /// The facts as a JSON object.
    pub fn facts(&self) -> Result<String> {
        text_of(&self.facts)
    }

    /// The names of the parts, in their order.
    pub fn parts(&self) -> Vec<String> {
        self.parts.names().map(str::to_owned).collect()
    }

    /// Adds a part; text that is a JSON object stands in the backup as that. Errors: `EINVAL` for `identity`.
    pub fn add_text(&mut self, name: &str, text: &str) -> Result<()> {
        refuse_identity(name)?;
        let value = match serde_json::from_str::<Members>(text) {
            Ok(_) => RawValue::from_string(text.trim().to_owned()).map_err(|_| damaged(name, "no JSON"))?,
            Err(_) => to_raw_value(text).expect("any text can be written as JSON"),
        };
        self.parts.set(name, value);
        Ok(())
    }

    /// Adds a state file as the part `identity`. False when the file does not exist. Errors: `STATE_DAMAGED`, `STATE_UNREADABLE`,
    /// `STATE_PERMISSIONS`.
    pub fn add_identity(&mut self, path: &Path) -> Result<bool> {
        let Some(content) = state_file::read(path)? else { return Ok(false) };
        let json = content.members.to_json();
        let text = std::str::from_utf8(&json).expect("JSON is UTF-8");
        let value = RawValue::from_string(text.to_owned()).expect("it was written as JSON");
        self.parts.set(IDENTITY, value);
        Ok(true)
    }

    /// The text of a part, `None` when there is none of that name. Errors: `EINVAL` for `identity`.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        refuse_identity(name)?;
        let Some(value) = self.parts.raw(name) else { return Ok(None) };
        Ok(Some(serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned())))
    }

    /// What may be known of the part `identity`, checked as the state file is. Errors: `BACKUP_DAMAGED`.
    pub fn identity(&self) -> Result<Option<IdentityFacts>> {
        let Some(content) = self.identity_content()? else { return Ok(None) };
        Ok(Some(IdentityFacts {
            public_key: content.public_key.text(),
            mesh_ipv4: content.mesh_ipv4,
            mesh_ipv6: content.mesh_ipv6,
        }))
    }

    /// Writes the part `identity` as a new file with mode 0600. Errors: `EINVAL` without that part, `BACKUP_DAMAGED`, `STATE_WRITE`, also
    /// for a name that is taken.
    pub fn write_identity(&self, path: &Path) -> Result<()> {
        let Some(content) = self.identity_content()? else {
            return Err(Error::new(
                "EINVAL",
                "write",
                path.display().to_string(),
                "the backup has no identity",
            ));
        };
        private_file::create(path, &content.members.to_json())
            .map_err(|error| state_file::cannot_write(path, &error.to_string()))
    }

    /// Writes the backup with mode 0600, whole or not at all, in place of what was there. Errors: `STATE_WRITE`.
    pub fn write(&self, path: &Path, password: Option<&Password>) -> Result<()> {
        private_file::replace(path, &self.document(password)?)
            .map_err(|error| state_file::cannot_write(path, &error.to_string()))
    }

    /// Writes the backup to a descriptor, which stays open. Errors: those of write(2).
    pub fn print(&self, fd: i32, password: Option<&Password>) -> Result<()> {
        write_all(fd, &self.document(password)?, &format!("descriptor {fd}"))
    }

    fn document(&self, password: Option<&Password>) -> Result<Zeroizing<Vec<u8>>> {
        let json = pretty_json(self);
        let mut text = match password {
            None => json,
            Some(password) => Zeroizing::new(password.seal(&json)?.into_bytes()),
        };
        text.push(b'\n');
        Ok(text)
    }

    fn parse(json: &[u8], object: &str) -> Result<Self> {
        let mut facts: Members = serde_json::from_slice(json).map_err(|error| {
            // serde_json's own message may quote what it read.
            damaged(object, &format!("not a JSON object (line {}, column {})", error.line(), error.column()))
        })?;
        if !facts.text("format").is_ok_and(|format| format.is_some_and(|format| format.as_str() == FORMAT)) {
            return Err(damaged(object, "it is no backup of wgmesh"));
        }
        let version = facts.raw("version").and_then(|text| text.parse::<u32>().ok());
        match version {
            Some(1..=VERSION) => {}
            Some(newer) if newer > VERSION => {
                let reason = format!("it has version {newer}, and this wgmesh reads up to {VERSION}");
                return Err(Error::new("BACKUP_VERSION", "read", object, reason));
            }
            _ => return Err(damaged(object, "its version is no number")),
        }
        let parts = facts
            .raw("parts")
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| damaged(object, "it has no parts"))?;
        for name in ["format", "version", "parts"] {
            facts.remove(name);
        }
        let backup = Self { facts, parts };
        backup.identity().map_err(|error| damaged(object, &error.reason))?;
        Ok(backup)
    }

    fn identity_content(&self) -> Result<Option<Content>> {
        let Some(value) = self.parts.raw(IDENTITY) else { return Ok(None) };
        Content::parse(value.as_bytes()).map(Some).map_err(|reason| damaged(IDENTITY, &reason))
    }
}

impl Serialize for Backup {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", FORMAT)?;
        map.serialize_entry("version", &VERSION)?;
        for (name, value) in self.facts.entries() {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("parts", &self.parts)?;
        map.end()
    }
}

/// Whether the file is sealed. Errors: those of open(2); `BACKUP_DAMAGED` for what can be neither, so that nobody is asked for its password.
pub fn sealed(path: &Path) -> Result<bool> {
    let content = read_bounded(path)?.bytes;
    let sealed = is_sealed(&content);
    if sealed && !may_be_base64(&content) {
        return Err(damaged(&path.display().to_string(), "it is neither JSON nor sealed"));
    }
    Ok(sealed)
}

/// Of at least salt, nonce and tag.
fn may_be_base64(content: &[u8]) -> bool {
    let of_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let letters = content.iter().filter(|byte| of_base64(byte)).count();
    letters >= SHORTEST_SEALED && content.iter().all(|byte| of_base64(byte) || byte.is_ascii_whitespace())
}

/// JSON begins with a brace, base64 never has one.
fn is_sealed(content: &[u8]) -> bool {
    content.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{')
}

struct Raw {
    bytes: Zeroizing<Vec<u8>>,
    /// Why it may not steer a node unless it is sealed.
    objection: Option<String>,
}

fn read_bounded(path: &Path) -> Result<Raw> {
    let object = path.display().to_string();
    let failed = |error: std::io::Error| Error::from_io(&error, "read", object.clone());
    let file = File::open(path).map_err(failed)?;
    let facts = private_file::facts(&file).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len().min(MAX_BYTES);
    // The buffer has its size from the start, since growing leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(damaged(&object, "it is longer than 32 MiB"));
    }
    let objection = if !private_file::trusted_owner(facts.owner) {
        Some(format!("it belongs to user {}, not to the one that runs wgmesh or root", facts.owner))
    } else if facts.regular && facts.mode & 0o066 != 0 {
        Some(format!("its mode {:04o} lets others read or write it; chmod 600 it", facts.mode))
    } else {
        None
    };
    Ok(Raw { bytes, objection })
}

fn text_of(members: &Members) -> Result<String> {
    let json = members.to_json();
    Ok(std::str::from_utf8(&json).expect("JSON is UTF-8").to_owned())
}

fn refuse_identity(name: &str) -> Result<()> {
    if name != IDENTITY {
        return Ok(());
    }
    Err(Error::new(
        "EINVAL",
        "use",
        "the identity",
        "it stays in native memory; only its file is read and written",
    ))
}

fn damaged(object: &str, reason: &str) -> Error {
    Error::new("BACKUP_DAMAGED", "read", object, reason)
}

#[cfg(test)]
#[path = "backup/tests.rs"]
mod tests;
