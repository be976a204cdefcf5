//! An exclusive lock on a file, held by the kernel: whatever ends the process gives it back.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::{Error, Result};

/// Held until dropped. The file stays: a lock on a file that is removed or renamed over locks nothing, since the next one
/// opens another inode.
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock, making the file (0600) when it is missing; `None` when somebody holds it, this process included.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>> {
        let failed = |error: io::Error| Error::from_io(&error, "lock", path.display().to_string());
        // A link is not followed: in a folder others may write to it could point anywhere.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .map_err(failed)?;
        // SAFETY: an open descriptor. std opens with O_CLOEXEC, so no child keeps the lock alive.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(Some(Self { _file: file }));
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            error => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    #[test]
    fn one_holder_at_a_time_and_the_file_stays() {
        let folder = TemporaryFolder::new();
        let path = folder.join("wg0.lock");
        let lock = FileLock::try_acquire(&path).unwrap().expect("nobody holds it");
        assert!(FileLock::try_acquire(&path).unwrap().is_none());
        drop(lock);
        assert!(FileLock::try_acquire(&path).unwrap().is_some());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn what_is_there_already_is_neither_cut_nor_followed() {
        let folder = TemporaryFolder::new();
        let (path, link) = (folder.join("file"), folder.join("link"));
        std::fs::write(&path, "content").unwrap();
        symlink(&path, &link).unwrap();
        assert!(FileLock::try_acquire(&path).unwrap().is_some());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "content");
        assert_eq!(FileLock::try_acquire(&link).err().unwrap().code, "ELOOP");
        assert_eq!(FileLock::try_acquire(&folder.join("missing/wg0.lock")).err().unwrap().code, "ENOENT");
        assert_eq!(FileLock::try_acquire(folder.path()).err().unwrap().code, "EISDIR");
    }
}
