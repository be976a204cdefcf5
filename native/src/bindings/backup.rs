//! Backups and the passwords that seal them. Both are handles: neither a key nor a password becomes a JavaScript value.

use std::path::Path;

use napi_derive::napi;

use super::guarded;
use crate::identity::backup::{self, Backup};
use crate::identity::password::Password;

#[napi(js_name = "BackupPassword")]
pub struct BackupPassword(Password);

#[napi]
impl BackupPassword {
    #[napi(factory)]
    pub fn from_file(path: String) -> napi::Result<Self> {
        guarded(|| Password::from_file(Path::new(&path)).map(Self))
    }

    #[napi(factory)]
    pub fn from_fd(fd: i32) -> napi::Result<Self> {
        guarded(|| Password::from_fd(fd).map(Self))
    }

    #[napi(factory)]
    pub fn from_prompt(question: String, again: Option<String>) -> napi::Result<Self> {
        guarded(|| Password::from_prompt(&question, again.as_deref()).map(Self))
    }
}

#[napi(object)]
pub struct BackupIdentity {
    pub public_key: String,
    pub mesh_ip: Option<String>,
    pub mesh_ipv6: Option<String>,
}

#[napi(js_name = "NodeBackup")]
pub struct NodeBackup(Backup);

#[napi]
impl NodeBackup {
    #[napi(factory)]
    pub fn create(facts: String) -> napi::Result<Self> {
        guarded(|| Backup::new(&facts).map(Self))
    }

    #[napi(factory)]
    pub fn read(path: String, password: Option<&BackupPassword>) -> napi::Result<Self> {
        guarded(|| Backup::read(Path::new(&path), password.map(|password| &password.0)).map(Self))
    }

    #[napi]
    pub fn is_sealed(path: String) -> napi::Result<bool> {
        guarded(|| backup::sealed(Path::new(&path)))
    }

    #[napi(getter)]
    pub fn facts(&self) -> napi::Result<String> {
        guarded(|| self.0.facts())
    }

    #[napi(getter)]
    pub fn parts(&self) -> Vec<String> {
        self.0.parts()
    }

    #[napi]
    pub fn add_text(&mut self, name: String, text: String) -> napi::Result<()> {
        guarded(|| self.0.add_text(&name, &text))
    }

    #[napi]
    pub fn add_identity(&mut self, path: String) -> napi::Result<bool> {
        guarded(|| self.0.add_identity(Path::new(&path)))
    }

    #[napi]
    pub fn text(&self, name: String) -> napi::Result<Option<String>> {
        guarded(|| self.0.text(&name))
    }

    #[napi]
    pub fn identity(&self) -> napi::Result<Option<BackupIdentity>> {
        guarded(|| {
            Ok(self.0.identity()?.map(|facts| BackupIdentity {
                public_key: facts.public_key,
                mesh_ip: facts.mesh_ipv4,
                mesh_ipv6: facts.mesh_ipv6,
            }))
        })
    }

    #[napi]
    pub fn write_identity(&self, path: String) -> napi::Result<()> {
        guarded(|| self.0.write_identity(Path::new(&path)))
    }

    #[napi]
    pub fn write(&self, path: String, password: Option<&BackupPassword>) -> napi::Result<()> {
        guarded(|| self.0.write(Path::new(&path), password.map(|password| &password.0)))
    }

    #[napi]
    pub fn print(&self, fd: i32, password: Option<&BackupPassword>) -> napi::Result<()> {
        guarded(|| self.0.print(fd, password.map(|password| &password.0)))
    }
}
