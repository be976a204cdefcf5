//! How one process becomes, or makes, another without leaking anything into it: descriptors, terminal stops, a secret.

use std::ffi::CString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{FromRawFd as _, IntoRawFd as _, OwnedFd};

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Standard input, output and error come before.
const FIRST_OTHER: i32 = 3;

/// Linux without close_range(2), and macOS, have every number tried; nobody opens more before a start.
const MOST_TRIED: i32 = 65_536;

/// No program that is started from here on inherits a descriptor, but for the standard streams and those its starter names.
/// It covers descriptors that this process inherited itself, which nobody here has ever heard of.
pub fn keep_descriptors() {
    if close_range_on_exec() {
        return;
    }
    for fd in FIRST_OTHER..MOST_TRIED {
        // SAFETY: a number that is not open gives EBADF.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// close_range(2) with CLOSE_RANGE_CLOEXEC: Linux 5.11. False where there is none.
fn close_range_on_exec() -> bool {
    #[cfg(target_os = "linux")]
    {
        const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;
        // SAFETY: it changes flags of descriptors, nothing of memory.
        unsafe {
            libc::syscall(libc::SYS_close_range, FIRST_OTHER as u32, u32::MAX, CLOSE_RANGE_CLOEXEC) == 0
        }
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// A daemon has no terminal that could stop it: SIGTTIN, SIGTTOU and SIGTSTP are ignored.
pub fn ignore_terminal_stops() -> Result<()> {
    for signal in [libc::SIGTTIN, libc::SIGTTOU, libc::SIGTSTP] {
        // SAFETY: SIG_IGN runs no code.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(Error::from_io(&io::Error::last_os_error(), "ignore", format!("signal {signal}")));
        }
    }
    Ok(())
}

/// The process becomes `program`, with these arguments (the first is its name) and this environment (`NAME=value`); of its
/// descriptors it keeps `kept` (name the standard streams too: a host such as Node.js marks them to be closed). Returns only when that
/// failed: nothing has changed then, but that `kept` are inherited from now on.
pub fn replace_process(program: &str, arguments: &[String], environment: &[String], kept: &[i32]) -> Error {
    match prepared(program, arguments, environment, kept) {
        Err(error) => error,
        Ok((program_text, arguments, environment)) => {
            let (arguments, environment) = (pointers(&arguments), pointers(&environment));
            // SAFETY: three NUL-terminated strings or arrays of them, ended by a null pointer, that outlive the call.
            unsafe { libc::execve(program_text.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
            Error::from_io(&io::Error::last_os_error(), "run", program)
        }
    }
}

type Texts = Vec<CString>;

fn prepared(
    program: &str,
    arguments: &[String],
    environment: &[String],
    kept: &[i32],
) -> Result<(CString, Texts, Texts)> {
    let texts = (c_string(program)?, c_strings(arguments)?, c_strings(environment)?);
    keep_descriptors();
    for &fd in kept {
        // SAFETY: a number that is not open gives EBADF.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } != 0 {
            return Err(Error::from_io(&io::Error::last_os_error(), "keep", format!("descriptor {fd}")));
        }
    }
    Ok(texts)
}

fn c_strings(texts: &[String]) -> Result<Texts> {
    texts.iter().map(|text| c_string(text)).collect()
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new("EINVAL", "use", "an argument", "it holds a NUL"))
}

fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// A pipe that holds these bytes and whose writer is gone, so that they can be read once, and from nowhere else. The descriptor is
/// the caller's, and not inherited. `EAGAIN` for more than a pipe holds (64 KiB, 4 KiB for a user with many of them).
pub fn filled_pipe(bytes: &[u8]) -> Result<i32> {
    let failed = |error: io::Error| Error::from_io(&error, "fill", "a pipe");
    let (reader, mut writer) = io::pipe().map_err(failed)?;
    set_non_blocking(&writer).map_err(failed)?;
    writer.write_all(bytes).map_err(failed)?;
    Ok(OwnedFd::from(reader).into_raw_fd())
}

fn set_non_blocking(writer: &io::PipeWriter) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    // SAFETY: fcntl with integer arguments alone, on a descriptor that is open.
    match unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// What [`filled_pipe`] was given. Closes the descriptor. `EBADF`, and `EINVAL` for a descriptor that is none of a pipe.
pub fn empty_pipe(fd: i32) -> Result<Zeroizing<Vec<u8>>> {
    let object = || format!("descriptor {fd}");
    let mut facts = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: fills one struct; a number that is not open gives EBADF.
    if unsafe { libc::fstat(fd, facts.as_mut_ptr()) } != 0 {
        return Err(Error::from_io(&io::Error::last_os_error(), "read", object()));
    }
    // SAFETY: fstat filled it.
    if unsafe { facts.assume_init() }.st_mode & libc::S_IFMT != libc::S_IFIFO {
        return Err(Error::new("EINVAL", "read", object(), "it is no pipe"));
    }
    // SAFETY: it is open, and the caller gave it away.
    let pipe = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // Room from the start: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024 + 1));
    pipe.take(64 * 1024).read_to_end(&mut bytes).map_err(|error| Error::from_io(&error, "read", object()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn a_filled_pipe_gives_its_bytes_once() {
        let fd = filled_pipe(b"  0123456789abcdef? ").unwrap();
        assert_eq!(empty_pipe(fd).unwrap().as_slice(), b"  0123456789abcdef? ");
        // Closed by the reading; the number may have been used again by another test, but never for this pipe.
        assert_eq!(filled_pipe(&vec![0; 1 << 21]).unwrap_err().code, "EAGAIN");
    }

    #[test]
    fn only_a_pipe_is_emptied() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(empty_pipe(file.as_raw_fd()).unwrap_err().code, "EINVAL");
        assert_eq!(empty_pipe(-1).unwrap_err().code, "EBADF");
    }

    #[test]
    fn a_program_that_is_not_there_changes_nothing() {
        let (reader, _writer) = io::pipe().unwrap();
        let error = replace_process("/does/not/exist", &["x".into()], &[], &[reader.as_raw_fd()]);
        assert_eq!(error.code, "ENOENT");
        assert_eq!(replace_process("a\0b", &[], &[], &[]).code, "EINVAL");
        assert_eq!(replace_process("/does/not/exist", &[], &[], &[-1]).code, "EBADF");
    }
}
