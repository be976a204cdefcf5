//! Tells when links, addresses or routes change: the messages of a routing socket.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::thread::JoinHandle;
use std::time::Instant;

use super::table;
use crate::error::{Error, Result};
pub use crate::link::changes::Changes;
use crate::link::changes::DEBOUNCE;

/// A thread that waits for changes; dropped, it ends and is joined.
pub struct Monitor {
    /// Written once, to end the thread.
    stop: io::PipeWriter,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// `callback` runs on the monitor's thread, [`DEBOUNCE`] after the first change of a burst.
    pub fn start(callback: impl Fn(Changes) + Send + 'static) -> Result<Self> {
        let failed = |error: io::Error| Error::from_io(&error, "watch", "the network");
        let socket = routing_socket().map_err(failed)?;
        let (stopped, stop) = io::pipe().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("wgmesh-netmon".to_owned())
            .spawn(move || run(&mut std::fs::File::from(socket), &stopped, callback))
            .map_err(failed)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // The thread holds the other end, so this can fail only when it has ended.
        let _ended = self.stop.write_all(&[1]);
        if let Some(thread) = self.thread.take() {
            // The thread panics only if the callback does, and then there is nobody left to tell.
            let _reported = thread.join();
        }
    }
}

fn routing_socket() -> io::Result<OwnedFd> {
    // SAFETY: socket(2) and fcntl(2) with constants; the new descriptor has no other owner.
    unsafe {
        let fd = libc::socket(libc::PF_ROUTE, libc::SOCK_RAW, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let owned = OwnedFd::from_raw_fd(fd);
        if libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) != 0
            || libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) != 0
        {
            return Err(io::Error::last_os_error());
        }
        Ok(owned)
    }
}

fn run(socket: &mut std::fs::File, stopped: &io::PipeReader, callback: impl Fn(Changes)) {
    let mut buffer = vec![0; 64 * 1024];
    let mut pending = Changes::NONE;
    let mut tell_at: Option<Instant> = None;
    loop {
        let timeout_ms = tell_at.map_or(-1, |at| {
            let left = at.saturating_duration_since(Instant::now());
            left.as_micros().div_ceil(1000) as libc::c_int
        });
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut entries = [entry(socket.as_raw_fd()), entry(stopped.as_raw_fd())];
        // SAFETY: the array lives through the call and its length is given.
        unsafe { libc::poll(entries.as_mut_ptr(), 2, timeout_ms) };
        if entries[1].revents != 0 {
            return;
        }
        drain(socket, &mut buffer, &mut pending);
        if pending == Changes::NONE {
            continue;
        }
        let now = Instant::now();
        if *tell_at.get_or_insert(now + DEBOUNCE) <= now {
            callback(std::mem::take(&mut pending));
            tell_at = None;
        }
    }
}

/// Reads all messages that wait.
fn drain(socket: &mut std::fs::File, buffer: &mut [u8], pending: &mut Changes) {
    loop {
        match socket.read(buffer) {
            Ok(0) => return,
            Ok(length) => table::types(&buffer[..length]).for_each(|kind| note(pending, kind)),
            // More came than the socket holds, so some were lost.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => *pending = Changes::ALL,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn note(pending: &mut Changes, kind: u8) {
    match i32::from(kind) {
        libc::RTM_IFINFO => pending.link = true,
        libc::RTM_NEWADDR | libc::RTM_DELADDR => pending.address = true,
        libc::RTM_ADD | libc::RTM_DELETE | libc::RTM_CHANGE => pending.route = true,
        _ => {}
    }
}
