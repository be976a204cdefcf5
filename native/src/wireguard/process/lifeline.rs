//! What is done in the new process between fork and exec: only calls that are safe there (signal-safety(7)), no allocation.

use std::io;

/// Descriptors a process may be left with when the kernel cannot mark a range: more would take longer than they are worth.
const MOST_DESCRIPTORS: i32 = 65_536;

/// Ties the new process to its parent, and takes from it what is not its business: open descriptors and core dumps, which
/// would hold the private key.
///
/// On Linux the process is killed when the *thread* that started it ends (PR_SET_PDEATHSIG), which a program with file
/// capabilities escapes; elsewhere by a watchdog process. `parent` is the starting process.
pub(super) fn prepare(parent: i32, #[cfg(not(target_os = "linux"))] watched: i32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    die_with_parent(parent)?;
    #[cfg(not(target_os = "linux"))]
    {
        let _ = parent;
        watchdog(watched)?;
    }
    no_core_dump()?;
    close_on_exec();
    Ok(())
}

#[cfg(target_os = "linux")]
fn die_with_parent(parent: i32) -> io::Result<()> {
    // SAFETY: prctl and getppid with integer arguments alone.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        // It may have ended before the line above.
        if libc::getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    Ok(())
}

/// Forks a process that kills this one when the other end of the pipe `watched` is closed, as the kernel does when its
/// holder dies in whatever way. It ends without a kill when this process is gone: it is another's child then.
///
/// It lives in the process group of this process, so it can be ended with it.
#[cfg(any(not(target_os = "linux"), test))]
fn watchdog(watched: i32) -> io::Result<()> {
    // SAFETY: calls that are safe after fork, on integers and one byte of the stack.
    unsafe {
        let kept = libc::getpid();
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => {}
            _ => return Ok(()),
        }
        for fd in 0..most_descriptors() {
            if fd != watched {
                libc::close(fd);
            }
        }
        let mut byte = 0u8;
        while libc::read(watched, (&raw mut byte).cast(), 1) == -1
            && io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
        {}
        if libc::getppid() == kept {
            libc::kill(kept, libc::SIGKILL);
        }
        libc::_exit(0)
    }
}

fn no_core_dump() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads one struct.
    match unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Marks every descriptor above standard error, since one that another library opened without O_CLOEXEC would be inherited.
/// Not closed at once: one of them tells the parent that exec failed.
fn close_on_exec() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: close_range(2) with integers alone. Its flag exists since Linux 5.11.
        let marked = unsafe {
            libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_uint)
        };
        if marked == 0 {
            return;
        }
    }
    for fd in 3..most_descriptors() {
        // SAFETY: a number that is no descriptor is EBADF.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

fn most_descriptors() -> i32 {
    // SAFETY: sysconf with a constant.
    let limit = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
    i32::try_from(limit).ok().filter(|n| *n > 0).unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Command, Stdio};

    /// The way of macOS, which works here, too.
    #[test]
    fn a_watchdog_kills_when_its_pipe_closes() {
        let (reader, writer) = io::pipe().unwrap();
        let watched = reader.as_raw_fd();
        let mut command = Command::new("sleep");
        command.arg("60").process_group(0).stdout(Stdio::null());
        // SAFETY: only calls that are safe after fork.
        unsafe { command.pre_exec(move || watchdog(watched)) };
        let mut child = command.spawn().unwrap();
        drop(reader);
        assert!(child.try_wait().unwrap().is_none());
        drop(writer);
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn a_watchdog_ends_with_what_it_watches() {
        let (reader, writer) = io::pipe().unwrap();
        let watched = reader.as_raw_fd();
        let mut command = Command::new("true");
        command.process_group(0).stdout(Stdio::null());
        // SAFETY: only calls that are safe after fork.
        unsafe { command.pre_exec(move || watchdog(watched)) };
        let mut child = command.spawn().unwrap();
        let group = child.id() as i32;
        assert!(child.wait().unwrap().success());
        drop(writer);
        // SAFETY: kill with signal 0 only asks.
        let alive = || unsafe { libc::kill(-group, 0) } == 0;
        for _ in 0..1000 {
            if !alive() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the watchdog is still there");
    }
}
