//! Private and preshared keys in files of their own, in the form of `wg genkey` and `wg genpsk`: base64 and a line feed.
//! They are read with the care of secrets, and never written over.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::keys::{PresharedKey, PrivateKey, text_of};
use super::{private_file, secret_source};
use crate::error::{Error, Result};

/// Code of the errors that say a file may not hold a key.
const REFUSED: &str = "KEY_FILE";

/// A key that may stand in a file of its own.
pub trait StoredKey: Sized {
    /// As it is called in errors.
    const WHAT: &'static str;
    fn parse(text: &str) -> Option<Self>;
    fn bytes(&self) -> &[u8; 32];
}

impl StoredKey for PrivateKey {
    const WHAT: &'static str = "private key";
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
    fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl StoredKey for PresharedKey {
    const WHAT: &'static str = "preshared key";
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
    fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Reads a file that only its owner, us or root, can read or write; a pipe too.
///
/// Errors: those of open(2), `KEY_FILE` for a file others can read or change, `EINVAL` for what is no key.
pub fn from_file<K: StoredKey>(path: &Path) -> Result<K> {
    let content = secret_source::read_file(path, REFUSED)?;
    parse(&content, &path.display().to_string())
}

/// Reads a descriptor to its end and leaves it open. Blocks until the writer closes its side.
pub fn from_fd<K: StoredKey>(fd: i32) -> Result<K> {
    let content = secret_source::read_fd(fd, REFUSED)?;
    parse(&content, &format!("descriptor {fd}"))
}

/// A key as text of a caller. White space around it does not count. The error shows nothing of it.
pub fn from_text<K: StoredKey>(text: &str) -> Result<K> {
    parse(text.as_bytes(), "the text")
}

fn parse<K: StoredKey>(content: &[u8], source: &str) -> Result<K> {
    let text = std::str::from_utf8(content.trim_ascii()).ok();
    let key = text.and_then(K::parse).filter(|key| key.bytes() != &[0; 32]);
    key.ok_or_else(|| {
        let object = format!("{} from {source}", K::WHAT);
        Error::new(
            "EINVAL",
            "read",
            object,
            "not base64 of 32 bytes, or all zeros, which WireGuard takes for none",
        )
    })
}

/// Makes the file, 0600, with its name and content on the disk when this returns. `EEXIST` when something of that name is
/// there, a dangling link included: a key is never written over.
pub fn save<K: StoredKey>(key: &K, path: &Path) -> Result<()> {
    let mut content = Zeroizing::new(String::with_capacity(45));
    content.push_str(&text_of(key.bytes()));
    content.push('\n');
    private_file::create(path, content.as_bytes()).map_err(|error| {
        let object = path.display().to_string();
        match error.kind() {
            io::ErrorKind::AlreadyExists => Error::new(
                "EEXIST",
                "write",
                object,
                "it exists, and a key is never written over; move it away",
            ),
            _ => Error::from_io(&error, "write", object),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_saved_key_is_private_and_comes_back() {
        let folder = TemporaryFolder::new();
        let path = folder.join("key");
        let key = PrivateKey::generate().unwrap();
        save(&key, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read(&path).unwrap().len(), 45, "as wg genkey writes it");
        assert_eq!(from_file::<PrivateKey>(&path).unwrap().0, key.0);

        let preshared = PresharedKey::generate().unwrap();
        let path = folder.join("psk");
        save(&preshared, &path).unwrap();
        assert_eq!(from_file::<PresharedKey>(&path).unwrap().0, preshared.0);
    }

    #[test]
    fn nothing_is_written_over_or_through_a_link() {
        let folder = TemporaryFolder::new();
        let key = PrivateKey::generate().unwrap();
        let (path, link) = (folder.join("key"), folder.join("link"));
        symlink(folder.join("elsewhere"), &link).unwrap();
        std::fs::write(&path, "precious").unwrap();
        for taken in [&path, &link] {
            let error = save(&key, taken).unwrap_err();
            assert_eq!(error.code, "EEXIST");
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        assert!(!folder.join("elsewhere").exists());
        assert_eq!(save(&key, &folder.join("no/folder")).unwrap_err().code, "ENOENT");
    }

    #[test]
    fn what_others_can_read_and_what_is_no_key_is_refused() {
        let folder = TemporaryFolder::new();
        let path = folder.join("key");
        save(&PrivateKey::generate().unwrap(), &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = from_file::<PrivateKey>(&path).unwrap_err();
        assert_eq!(error.code, "KEY_FILE");
        assert!(error.to_string().contains("chmod 600"), "{error}");

        let zeros = text_of(&[0; 32]);
        for bad in ["", "AAAA", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo", zeros.as_str(), "\u{e9}"] {
            for error in
                [from_text::<PrivateKey>(bad).unwrap_err(), from_text::<PresharedKey>(bad).unwrap_err()]
            {
                assert_eq!(error.code, "EINVAL");
                assert!(bad.is_empty() || !error.to_string().contains(bad), "{error}");
            }
        }
        assert!(from_text::<PrivateKey>(" dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\r\n").is_ok());
    }
}
