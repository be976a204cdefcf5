//! A link that must not outlive the process that left it: between the two programs of an execve(2) nobody can catch a signal, so a
//! process of its own watches. It is a fork that makes system calls alone, on what was made ready before.

use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// What whoever takes the link over needs: the end of a pipe, not inherited unless it is made so, and the watching process.
#[derive(Debug, Clone, Copy)]
pub struct LinkGuard {
    pub fd: RawFd,
    pub pid: i32,
}

/// Ample for a process that has one message to send.
const END_TIME: Duration = Duration::from_secs(5);

/// Linux without close_range(2) has every number tried.
const MOST_TRIED: RawFd = 65_536;

/// linux/rtnetlink.h and linux/netlink.h.
const RTM_DELLINK: u16 = 17;
const NLM_F_REQUEST: u16 = 1;
const MESSAGE_BYTES: usize = 32;

/// From now on the link of that index is removed when every descriptor of the pipe's end is closed, by whatever ends their processes,
/// unless [`end`] has kept it. Needs CAP_NET_ADMIN for that.
pub fn start(index: u32) -> Result<LinkGuard> {
    let failed = |error: io::Error| Error::from_io(&error, "guard", format!("link {index}"));
    let (reader, writer) = io::pipe().map_err(failed)?;
    // SAFETY: no memory is involved.
    let socket =
        unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
    if socket < 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    // SAFETY: it was opened just now and is nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let message = removal(index);
    let pid = fork_deaf(|| watch(reader.as_raw_fd(), socket.as_raw_fd(), &message)).map_err(failed)?;
    Ok(LinkGuard { fd: writer.into_raw_fd(), pid })
}

/// Ends the guard, the link kept or removed, and closes its descriptor. `EBADF` for one that is not open, `ETIMEDOUT` when another process
/// holds it too.
pub fn end(guard: LinkGuard, keep_link: bool) -> Result<()> {
    let failed = |error: io::Error| Error::from_io(&error, "end", format!("the guard {}", guard.pid));
    // SAFETY: fcntl with integer arguments alone.
    if unsafe { libc::fcntl(guard.fd, libc::F_GETFD) } < 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    // SAFETY: it is open, and the caller gives it away.
    let mut pipe = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(guard.fd) });
    if keep_link {
        pipe.write_all(b"k").map_err(failed)?;
    }
    drop(pipe);
    reap(guard.pid).map_err(failed)
}

fn reap(pid: i32) -> io::Result<()> {
    let deadline = Instant::now() + END_TIME;
    loop {
        // SAFETY: no status is asked for.
        match unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) } {
            0 if Instant::now() >= deadline => return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
            0 => std::thread::sleep(Duration::from_millis(1)),
            // It is no child of this process: then it is somebody else's to reap.
            _ => return Ok(()),
        }
    }
}

/// A child that no signal ends but SIGKILL: one that is sent to the whole group is what it is there for. It must neither allocate nor
/// lock: other threads of the parent may have held any lock.
fn fork_deaf(child: impl FnOnce() -> std::convert::Infallible) -> io::Result<i32> {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset fills `all`, pthread_sigmask `before`; the child runs nothing but `child`.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let pid = libc::fork();
        if pid == 0 {
            child();
        }
        let outcome = if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) };
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
        outcome
    }
}

/// Runs in the child.
fn watch(pipe: RawFd, socket: RawFd, message: &[u8; MESSAGE_BYTES]) -> std::convert::Infallible {
    close_others(pipe, socket);
    let mut byte = 0_u8;
    // SAFETY: one byte is read into one byte, the message is sent from where it lies; _exit runs nothing of the parent's.
    unsafe {
        loop {
            match libc::read(pipe, (&raw mut byte).cast(), 1) {
                1 => libc::_exit(0),
                0 => break,
                _ if io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
                _ => break,
            }
        }
        libc::send(socket, message.as_ptr().cast(), message.len(), 0);
        libc::_exit(1)
    }
}

/// What the parent has open, its sockets and locks, must not live on here.
fn close_others(one: RawFd, other: RawFd) {
    let (first, second) = (one.min(other), one.max(other));
    for (from, to) in [(0, first - 1), (first + 1, second - 1), (second + 1, RawFd::MAX)] {
        if from > to {
            continue;
        }
        // SAFETY: closing touches no memory; nothing of Rust's runs in this process that owns them.
        unsafe {
            if libc::syscall(libc::SYS_close_range, from as u32, to as u32, 0_u32) != 0 {
                for fd in from..=to.min(MOST_TRIED) {
                    libc::close(fd);
                }
            }
        }
    }
}

/// nlmsghdr and ifinfomsg, in the machine's byte order.
fn removal(index: u32) -> [u8; MESSAGE_BYTES] {
    let mut message = [0; MESSAGE_BYTES];
    message[0..4].copy_from_slice(&(MESSAGE_BYTES as u32).to_ne_bytes());
    message[4..6].copy_from_slice(&RTM_DELLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message[20..24].copy_from_slice(&index.to_ne_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_ends_when_it_is_told_to_and_leaves_no_process() {
        // No link has this index; what is tested with links is in the mesh tests.
        for keep in [true, false] {
            let guard = start(0x7fff_fff0).unwrap();
            end(guard, keep).unwrap();
            // SAFETY: signal 0 only asks whether the process is there.
            assert_eq!(unsafe { libc::kill(guard.pid, 0) }, -1);
            // Not its old number, which another thread may have by now.
            assert_eq!(end(LinkGuard { fd: -1, ..guard }, keep).unwrap_err().code, "EBADF");
        }
    }

    #[test]
    fn a_signal_does_not_end_it() {
        let guard = start(0x7fff_fff0).unwrap();
        // SAFETY: it is a child of this process.
        unsafe { libc::kill(guard.pid, libc::SIGTERM) };
        std::thread::sleep(Duration::from_millis(50));
        // SAFETY: no status is asked for.
        assert_eq!(unsafe { libc::waitpid(guard.pid, std::ptr::null_mut(), libc::WNOHANG) }, 0);
        end(guard, true).unwrap();
    }
}
