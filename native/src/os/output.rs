//! Writing to a descriptor that others opened, such as standard output.

use std::os::fd::RawFd;

use crate::error::{Error, Result};

/// Writes all of it; the descriptor stays open. Waits where it is non-blocking, as Node.js makes the pipes that it has looked at: a
/// reader is often slower. `object` names what is written. Errors: those of write(2).
pub fn write_all(fd: RawFd, mut bytes: &[u8], object: &str) -> Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length are those of a live slice.
        let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        if let Ok(count) = usize::try_from(written) {
            bytes = &bytes[count..];
            continue;
        }
        let error = std::io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EAGAIN) => wait_until_writable(fd),
            _ => return Err(Error::from_io(&error, "write", object)),
        }
    }
    Ok(())
}

fn wait_until_writable(fd: RawFd) {
    let mut entry = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, as told. Whatever it returns, the next write says what is wrong.
    unsafe { libc::poll(&raw mut entry, 1, 1000) };
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _};
    use std::os::fd::AsRawFd as _;
    use std::thread;

    use super::*;

    #[test]
    fn waits_for_a_reader_that_is_slower_than_a_pipe_is_long() {
        let (mut reader, writer) = io::pipe().unwrap();
        // SAFETY: fcntl with integer arguments alone, on a descriptor that is open.
        assert_eq!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }, 0);
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
        let expected = sent.clone();
        let writing = thread::spawn(move || write_all(writer.as_raw_fd(), &sent, "bytes"));
        let mut received = Vec::new();
        reader.read_to_end(&mut received).unwrap();
        writing.join().unwrap().unwrap();
        assert!(received == expected);
    }

    #[test]
    fn a_descriptor_that_cannot_be_written_is_an_error() {
        assert_eq!(
            write_all(-1, b"x", "a byte").unwrap_err().to_string(),
            "EBADF: cannot write a byte: Bad file descriptor (os error 9)"
        );
    }
}
