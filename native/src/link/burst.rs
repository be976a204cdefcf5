//! A thread that gathers the changes of a burst and tells of them once. Where it hears of them differs by system.

use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsRawFd, RawFd};
use std::thread::JoinHandle;
use std::time::Instant;

use super::changes::{Changes, DEBOUNCE};
use crate::error::{Error, Result};

/// Where changes are heard of: a descriptor that is readable when there are some.
pub trait Source: AsRawFd + Send + 'static {
    /// Reads all that waits, and returns when nothing does.
    fn drain(&mut self, pending: &mut Changes);
}

/// A thread that waits for changes; dropped, it ends and is joined.
pub struct Monitor {
    /// Written once, to end the thread.
    stop: PipeWriter,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// `callback` runs on the monitor's thread, [`DEBOUNCE`] after the first change of a burst.
    pub(super) fn on(source: impl Source, callback: impl Fn(Changes) + Send + 'static) -> Result<Self> {
        let failed = |error: io::Error| Error::from_io(&error, "watch", "the network");
        let (stopped, stop) = io::pipe().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("wgmesh-netmon".to_owned())
            .spawn(move || run(source, &stopped, callback))
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

fn run(mut source: impl Source, stopped: &PipeReader, callback: impl Fn(Changes)) {
    let mut pending = Changes::NONE;
    let mut tell_at: Option<Instant> = None;
    loop {
        if wait(source.as_raw_fd(), stopped.as_raw_fd(), tell_at) {
            return;
        }
        source.drain(&mut pending);
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

/// Waits for changes or for `until`; true when the thread shall end.
fn wait(source: RawFd, stopped: RawFd, until: Option<Instant>) -> bool {
    let timeout_ms = until.map_or(-1, |at| {
        let left = at.saturating_duration_since(Instant::now());
        // Rounded up, or the last fraction of a millisecond would be spent spinning.
        left.as_micros().div_ceil(1000) as libc::c_int
    });
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut entries = [entry(source), entry(stopped)];
    // SAFETY: the array lives through the call and its length is given. An interrupted poll is an early return, no more.
    unsafe { libc::poll(entries.as_mut_ptr(), 2, timeout_ms) };
    entries[1].revents != 0
}
