//! Waiting for descriptors, and ending such a wait from another thread.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// An eventfd: `wake` makes the thread that waits on it return at once, or its next wait if it is not waiting now.
pub(crate) struct Wake(OwnedFd);

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers; the descriptor it returns is owned by nobody else.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(crate) fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the buffer is the eight bytes an eventfd wants. It fails only when the counter is full, which means awake.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Takes back all earlier `wake` calls.
    pub(crate) fn drain(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the buffer is the eight bytes an eventfd gives; without a pending wake it returns EAGAIN.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

impl AsRawFd for Wake {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// What a wait is for.
#[derive(Clone, Copy)]
pub(crate) enum Interest {
    Readable,
    Writable,
}

/// Waits until one of the descriptors is ready, `wake` is called, or the time is over (`None` waits for ever).
///
/// Returns the readiness of each descriptor in order: poll(2) `revents`, 0 when it is not ready; `None` when the time is over.
/// A wake is taken back.
pub(crate) fn wait<const N: usize>(
    wake: &Wake,
    descriptors: [Option<(BorrowedFd<'_>, Interest)>; N],
    timeout: Option<Duration>,
) -> io::Result<Option<[i16; N]>> {
    const { assert!(N < 8) };
    let mut fds = [libc::pollfd { fd: -1, events: 0, revents: 0 }; 8];
    fds[0] = libc::pollfd { fd: wake.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    for (slot, descriptor) in fds[1..].iter_mut().zip(descriptors) {
        if let Some((fd, interest)) = descriptor {
            *slot = pollfd(fd, interest);
        }
    }
    // SAFETY: `fds` outlives the call and holds at least N + 1 entries.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), (N + 1) as libc::nfds_t, milliseconds(timeout)) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(Some([0; N])) } else { Err(error) };
    }
    if fds[0].revents != 0 {
        wake.drain();
    }
    Ok((ready > 0).then(|| std::array::from_fn(|i| fds[i + 1].revents)))
}

/// Waits until a descriptor is ready, or the time is over; nothing else ends it.
pub(crate) fn ready(fd: BorrowedFd<'_>, interest: Interest, timeout: Duration) {
    let mut waiting = pollfd(fd, interest);
    // SAFETY: one live entry.
    unsafe { libc::poll(&raw mut waiting, 1, milliseconds(Some(timeout))) };
}

fn pollfd(fd: BorrowedFd<'_>, interest: Interest) -> libc::pollfd {
    let events = match interest {
        Interest::Readable => libc::POLLIN,
        Interest::Writable => libc::POLLOUT,
    };
    libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }
}

/// Rounded up, so that nobody wakes just before the time.
fn milliseconds(timeout: Option<Duration>) -> libc::c_int {
    timeout.map_or(-1, |t| i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX))
}
