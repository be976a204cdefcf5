//! Reading and writing files with key material. Checks look at the opened file, since a name may point elsewhere a
//! moment later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// No secret and no state file is longer than this.
pub const MAX_BYTES: usize = 64 * 1024;

/// What the checks of an opened file look at.
pub struct Facts {
    pub regular: bool,
    pub pipe: bool,
    /// User id of the owner.
    pub owner: u32,
    /// Permission bits, set-id and sticky included.
    pub mode: u32,
}

pub fn facts(file: &File) -> io::Result<Facts> {
    let metadata = file.metadata()?;
    Ok(Facts {
        regular: metadata.is_file(),
        pipe: metadata.file_type().is_fifo(),
        owner: metadata.uid(),
        mode: metadata.mode() & 0o7777,
    })
}

/// Whether a file of `owner` can be trusted: ours, or root's, who can do anything anyway.
pub fn trusted_owner(owner: u32) -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    owner == 0 || owner == unsafe { libc::geteuid() }
}

/// Everything up to the end, `None` when that is more than [`MAX_BYTES`]. Waits when the descriptor is a non-blocking one.
/// The buffer has its full size from the start, since growing leaves a copy behind.
pub fn read_all(file: &mut (impl Read + std::os::fd::AsRawFd)) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut buffer = Zeroizing::new(vec![0u8; MAX_BYTES + 1]);
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => {
                buffer.truncate(length);
                return Ok(Some(buffer));
            }
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_readable(file.as_raw_fd())?,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn wait_readable(fd: i32) -> io::Result<()> {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd, which outlives the call.
    if unsafe { libc::poll(&mut entry, 1, -1) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(())
}

/// Replaces a file with mode 0600 so that at any instant, a power cut included, it has the old content or the new one. The
/// temporary file has one fixed name, so that what a killed process left is overwritten by the next.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_path(path);
    write_temporary(&temporary, content).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // The first error is the one to tell; a file that cannot be removed either is overwritten next time.
        let _ = fs::remove_file(&temporary);
    })?;
    // Only this makes the rename itself survive a power cut.
    File::open(folder_of(path))?.sync_all()
}

fn write_temporary(temporary: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fill(create_new(temporary)?, content)
}

/// Makes a file with mode 0600; `AlreadyExists` when the name is taken. What cannot be written whole is removed again.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    fill(create_new(path)?, content).inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(path);
    })?;
    File::open(folder_of(path))?.sync_all()
}

/// create_new neither follows a link nor takes a file somebody else made in between.
fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn fill(mut file: File, content: &[u8]) -> io::Result<()> {
    // The umask may have taken bits away, which would lock us out at the next start.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()
}

/// `wg0.json` → `wg0.json.tmp`, in the same folder, because a rename cannot leave the file system.
pub fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
