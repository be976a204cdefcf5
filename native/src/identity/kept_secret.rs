//! A secret in a file of the state folder: the one the mesh moves to, while the node still starts with the one before.

use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use super::private_file;
use super::secret::Secret;
use super::secret_source;
use crate::error::{Error, Result};

/// Writes the secret so that at any instant the file has its old content or the new one, mode 0600, and it belongs to whoever owns the
/// folder: root hands the secret to a daemon of a user of its own. Errors: `SECRET_WRITE`.
pub fn save(secret: &Secret, path: &Path) -> Result<()> {
    private_file::replace(path, secret.as_bytes())
        .and_then(|()| give_to_folders_owner(path))
        .map_err(|error| Error::new("SECRET_WRITE", "write", path.display().to_string(), error.to_string()))
}

/// Reads what [`save`] wrote, byte for byte. Errors: those of open(2), `SECRET_FILE`, `SECRET_SHORT`.
pub fn load(path: &Path) -> Result<Secret> {
    Secret::exact(&secret_source::read_file(path, "SECRET_FILE")?)
}

fn give_to_folders_owner(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/")).metadata()?;
    let owner = path.metadata()?.uid();
    if folder.uid() == owner { Ok(()) } else { chown(path, Some(folder.uid()), Some(folder.gid())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_saved_is_loaded_byte_for_byte_from_a_private_file() {
        let folder = TemporaryFolder::new();
        let path = folder.join("wg0.next-secret");
        for bytes in [&b" spaces are kept "[..], b"wgmesh://v1/no-uri?here", b"\xff\x00 no text at all"] {
            save(&Secret::exact(bytes).unwrap(), &path).unwrap();
            assert_eq!(load(&path).unwrap().as_bytes(), bytes);
        }
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(path.metadata().unwrap().uid(), folder.path().metadata().unwrap().uid());
    }

    #[test]
    fn what_cannot_be_written_or_read_says_so() {
        let folder = TemporaryFolder::new();
        let secret = Secret::exact(b"0123456789abcdef").unwrap();
        assert_eq!(save(&secret, &folder.join("no/such/folder")).unwrap_err().code, "SECRET_WRITE");
        assert_eq!(load(&folder.join("missing")).unwrap_err().code, "ENOENT");
        std::fs::write(folder.join("open"), b"0123456789abcdef").unwrap();
        std::fs::set_permissions(folder.join("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(load(&folder.join("open")).unwrap_err().code, "SECRET_FILE");
    }
}
