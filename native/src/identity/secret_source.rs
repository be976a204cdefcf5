//! Where a secret, or a key, is read from without ever becoming a JavaScript string (row B4).

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::private_file::{self, Facts, MAX_BYTES};
use super::secret::Secret;
use crate::error::{Error, Result};

/// Code of the errors that say a file may not hold a secret.
const REFUSED: &str = "SECRET_FILE";

/// Where systemd puts the credentials of a unit (systemd.exec(5)).
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Reads a file that only its owner, us or root, can read or write. A link is followed: what counts is the file at its end.
/// A pipe is read too, so that a shell's process substitution works; it blocks until its writer is done.
///
/// Errors: those of open(2), `SECRET_FILE` for a file others can read or change, or that is over 64 KiB, and those of
/// [`Secret::parse`].
pub fn from_file(path: &Path) -> Result<Secret> {
    Secret::parse(&read_file(path, REFUSED)?)
}

/// Reads a descriptor to its end and leaves it open. Blocks until the writer closes its side, at most 64 KiB.
pub fn from_fd(fd: i32) -> Result<Secret> {
    Secret::parse(&read_fd(fd, REFUSED)?)
}

/// The content of a private file; `refused` is the code for one that is not private, or too long.
pub(super) fn read_file(path: &Path, refused: &str) -> Result<Zeroizing<Vec<u8>>> {
    let object = path.display().to_string();
    let failed = |error: std::io::Error| Error::from_io(&error, "read", object.clone());
    let mut file = File::open(path).map_err(failed)?;
    let facts = private_file::facts(&file).map_err(failed)?;
    if let Some(reason) = objection(&facts, is_credential(path)) {
        return Err(Error::new(refused, "read", object, reason));
    }
    within_limit(private_file::read_all(&mut file).map_err(failed)?, &object, refused)
}

/// What a descriptor has up to its end; it stays open.
pub(super) fn read_fd(fd: i32, refused: &str) -> Result<Zeroizing<Vec<u8>>> {
    let object = format!("descriptor {fd}");
    // A negative number is no descriptor at all, and std aborts on it.
    if fd < 0 {
        return Err(Error::from_errno(libc::EBADF, "read", object));
    }
    // SAFETY: the File is never dropped, so it does not close a descriptor that belongs to the caller; a number that is not
    // open gives EBADF on reading.
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    let content =
        private_file::read_all(&mut *file).map_err(|error| Error::from_io(&error, "read", object.clone()))?;
    within_limit(content, &object, refused)
}

fn within_limit(
    content: Option<Zeroizing<Vec<u8>>>,
    object: &str,
    refused: &str,
) -> Result<Zeroizing<Vec<u8>>> {
    content.ok_or_else(|| Error::new(refused, "read", object, format!("longer than {MAX_BYTES} bytes")))
}

/// Why a file with these facts may not hold a secret.
fn objection(facts: &Facts, credential: bool) -> Option<String> {
    if !facts.regular && !facts.pipe {
        return Some("not a regular file or pipe".to_owned());
    }
    if !private_file::trusted_owner(facts.owner) {
        return Some(format!("it belongs to user {}, not to the one that runs wgmesh or root", facts.owner));
    }
    // systemd grants a service user its credential through an ACL, which shows as the group's read bit.
    let forbidden = if credential { 0o026 } else { 0o066 };
    if facts.mode & forbidden != 0 {
        return Some(format!("its mode {:04o} lets others read or write it; chmod 600 it", facts.mode));
    }
    None
}

/// Whether the file lies in the folder of this unit's credentials, links resolved.
fn is_credential(path: &Path) -> bool {
    let folder = std::env::var_os(CREDENTIALS_VARIABLE).and_then(|folder| std::fs::canonicalize(folder).ok());
    match (folder, std::fs::canonicalize(path)) {
        (Some(folder), Ok(path)) => path.starts_with(folder),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    fn write(path: &Path, mode: u32, content: &[u8]) {
        std::fs::write(path, content).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_private_file_is_read_also_through_a_link() {
        let folder = TemporaryFolder::new();
        let (path, link) = (folder.join("secret"), folder.join("link"));
        write(&path, 0o400, b" wgmesh://v1/0123456789abcdef\n");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(from_file(&path).unwrap().as_bytes(), b"0123456789abcdef");
        assert_eq!(from_file(&link).unwrap().as_bytes(), b"0123456789abcdef");
    }

    #[test]
    fn what_others_can_reach_is_refused() {
        let folder = TemporaryFolder::new();
        let path = folder.join("secret");
        for mode in [0o640, 0o604, 0o620, 0o602, 0o666] {
            write(&path, mode, b"0123456789abcdef");
            let error = from_file(&path).unwrap_err();
            assert_eq!(error.code, "SECRET_FILE", "{mode:o}");
            assert!(error.to_string().contains("secret: its mode 0"), "{error}");
        }
        assert_eq!(from_file(folder.path()).unwrap_err().code, "SECRET_FILE");
        assert_eq!(from_file(&folder.join("missing")).unwrap_err().code, "ENOENT");
        write(&path, 0o600, b"0123456789abcdef/0123456789abcdef");
        assert_eq!(from_file(&path.join("below")).unwrap_err().code, "ENOTDIR");
    }

    #[test]
    fn strangers_are_not_trusted_and_credentials_may_be_group_readable() {
        let facts = |owner, mode| Facts { regular: true, pipe: false, owner, mode };
        // SAFETY: as in `trusted_owner`.
        let stranger = unsafe { libc::geteuid() } + 1;
        assert!(objection(&facts(stranger, 0o600), false).unwrap().contains("belongs to user"));
        assert!(objection(&facts(0, 0o440), true).is_none());
        assert!(objection(&facts(0, 0o440), false).is_some());
        assert!(objection(&facts(0, 0o444), true).is_some() && objection(&facts(0, 0o460), true).is_some());
    }

    #[test]
    fn the_size_limit_holds_for_files_and_descriptors() {
        let folder = TemporaryFolder::new();
        let path = folder.join("secret");
        write(&path, 0o600, &vec![b'x'; MAX_BYTES]);
        assert_eq!(from_file(&path).unwrap().as_bytes().len(), MAX_BYTES);
        write(&path, 0o600, &vec![b'x'; MAX_BYTES + 1]);
        assert_eq!(from_file(&path).unwrap_err().code, "SECRET_FILE");
        assert_eq!(from_fd(File::open(&path).unwrap().as_raw_fd()).unwrap_err().code, "SECRET_FILE");
    }

    #[test]
    fn a_pipe_is_read_to_its_end_and_stays_open() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        // Non-blocking, as Node may leave standard input.
        // SAFETY: sets a flag of a descriptor this test owns.
        unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        let thread = std::thread::spawn(move || {
            for part in [&b"01234567"[..], b"89abcdef", b"\n"] {
                writer.write_all(part).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        assert_eq!(from_fd(reader.as_raw_fd()).unwrap().as_bytes(), b"0123456789abcdef");
        assert_eq!(
            from_fd(reader.as_raw_fd()).unwrap_err().code,
            "SECRET_SHORT",
            "open still, and at its end"
        );
        thread.join().unwrap();
        assert_eq!(from_fd(-1).unwrap_err().code, "EBADF");
    }
}
