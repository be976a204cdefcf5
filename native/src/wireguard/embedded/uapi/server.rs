//! The socket, its clients, and what they ask for.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::super::shared::Shared;
use super::super::wake::{Interest, wait};
use super::apply::apply;
use super::parse::{Refusal, Request, parse};
use super::render;
use crate::error::{Error, Result};
use crate::link::name::InterfaceName;

/// Where wg(8) looks, nowhere else.
const DIRECTORY: &str = "/var/run/wireguard";
/// A request of 5,000 peers with 10 networks each has about 3 MB.
const MAX_REQUEST: usize = 8 << 20;
/// The longest line there can be is a key's.
const MAX_LINE: usize = 256;
/// How long a client may take for one request, and for taking its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose the socket is.
pub(in super::super) enum Claim {
    Ours(Listener),
    Theirs(PathBuf),
}

/// The listening socket; its file goes with it.
pub(in super::super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Device and inode of our file: another's in its place is not removed.
    identity: (u64, u64),
}

impl Listener {
    /// Binds the socket, in place of one left behind by a process that is gone.
    pub(in super::super) fn claim(name: &InterfaceName) -> Result<Claim> {
        Self::claim_in(Path::new(DIRECTORY), name)
    }

    fn claim_in(directory: &Path, name: &InterfaceName) -> Result<Claim> {
        let path = directory.join(format!("{name}.sock"));
        let failed = |e: io::Error| Error::from_io(&e, "listen on", path.display().to_string());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        if let Ok(metadata) = fs::symlink_metadata(&path) {
            if !metadata.file_type().is_socket() {
                return Err(Error::new("EEXIST", "listen on", path.display().to_string(), "not a socket"));
            }
            if UnixStream::connect(&path).is_ok() {
                return Ok(Claim::Theirs(path));
            }
        }
        let socket = bind_over(&path).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let metadata = fs::symlink_metadata(&path).map_err(failed)?;
        Ok(Claim::Ours(Self { socket, path, identity: (metadata.dev(), metadata.ino()) }))
    }
}

/// Binds to a name of our own, closes it to others, and then renames: nobody can connect before, and no dead file stays.
fn bind_over(path: &Path) -> io::Result<UnixListener> {
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let _absent = fs::remove_file(&temporary);
    let bound = UnixListener::bind(&temporary).and_then(|socket| {
        fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600))?;
        fs::rename(&temporary, path)?;
        Ok(socket)
    });
    if bound.is_err() {
        let _absent = fs::remove_file(&temporary);
    }
    bound
}

impl Drop for Listener {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.identity);
        if ours {
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Serves clients one after the other until the device stops: all are root's, and each has little time.
pub(in super::super) fn serve(listener: Listener, shared: &Shared) {
    while !shared.stopping() {
        match listener.socket.accept() {
            // A client that went away or broke the rules is gone; that is no failure of ours.
            Ok((client, _)) => {
                drop(Client { stream: client, shared, rest: Zeroizing::new(Vec::new()) }.serve())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let waited = wait(&shared.uapi, [Some((listener.socket.as_fd(), Interest::Readable))], None);
                if waited.is_err() {
                    return;
                }
            }
            // Out of descriptors or memory: give the process a moment.
            Err(_) => drop(wait(&shared.uapi, [], Some(Duration::from_millis(100)))),
        }
    }
}

struct Client<'a> {
    stream: UnixStream,
    shared: &'a Shared,
    /// Read, but not yet used.
    rest: Zeroizing<Vec<u8>>,
}

impl Client<'_> {
    /// Answers requests until the client has no more.
    fn serve(mut self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        while let Some(request) = self.next_request()? {
            let text = std::str::from_utf8(&request).map_err(|_| Refusal(libc::EPROTO));
            match text.and_then(parse) {
                Ok(Request::Get) => self.answer(&render::device(self.shared))?,
                Ok(Request::Set(set)) => {
                    let errno = apply(self.shared, set).err().map_or(0, |refusal| refusal.0);
                    self.answer(&render::status(errno))?;
                }
                Err(Refusal(errno)) => {
                    self.answer(&render::status(errno))?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The bytes before the next empty line; `None` at the end.
    fn next_request(&mut self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let deadline = Instant::now() + PATIENCE;
        let mut searched = 0;
        loop {
            if let Some(at) = self.rest[searched..].windows(2).position(|pair| pair == b"\n\n") {
                let end = searched + at + 1;
                let request = Zeroizing::new(self.rest[..end].to_vec());
                let after = Zeroizing::new(self.rest[end + 1..].to_vec());
                self.rest = after;
                return Ok(Some(request));
            }
            searched = self.rest.len().saturating_sub(1);
            let line = self.rest.iter().rev().position(|b| *b == b'\n').unwrap_or(self.rest.len());
            if self.rest.len() > MAX_REQUEST || line > MAX_LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut chunk = Zeroizing::new([0u8; 4096]);
            match self.stream.read(&mut chunk[..]) {
                Ok(0) => return Ok(None),
                Ok(length) => self.keep(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Interest::Readable, deadline)?
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Appends what was read, without leaving copies of keys behind when the buffer grows.
    fn keep(&mut self, bytes: &[u8]) {
        if self.rest.capacity() < self.rest.len() + bytes.len() {
            let mut larger = Zeroizing::new(Vec::with_capacity((self.rest.len() + bytes.len()) * 2));
            larger.extend_from_slice(&self.rest);
            self.rest = larger;
        }
        self.rest.extend_from_slice(bytes);
    }

    fn answer(&mut self, text: &str) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Interest::Writable, deadline)?
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait(&self, interest: Interest, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.shared.stopping() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        wait(&self.shared.uapi, [Some((self.stream.as_fd(), interest))], Some(left)).map(|_| ())
    }
}

#[cfg(test)]
mod tests;
