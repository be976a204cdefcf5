//! Asking for a line on the terminal without showing it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The controlling terminal, whatever the standard streams point to.
const TERMINAL: &str = "/dev/tty";
/// A terminal in line mode holds no longer line (N_TTY_BUF_SIZE on Linux).
const MAX_LINE_BYTES: usize = 4096;
/// Signals that would end or stop the process with the echo still off.
const SIGNALS: [i32; 7] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Writes `question` to the terminal and reads one line, without its newline, echo off. Blocks until the line is there. The
/// terminal is restored on every way out; a signal that comes meanwhile takes effect after that, and asking goes on when the
/// process is continued.
///
/// Errors: `ENXIO` without a terminal, `EINTR` when a signal ended it that the process survives. Not for two threads at once.
pub fn read_hidden_line(question: &str) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |error: io::Error| Error::from_io(&error, "ask on", TERMINAL);
    let mut terminal = OpenOptions::new().read(true).write(true).open(TERMINAL).map_err(failed)?;
    loop {
        match ask_once(&mut terminal, question).map_err(failed)? {
            Answer::Line(line) => return Ok(line),
            Answer::Signal(signal) => {
                // SAFETY: raise with a valid signal number; the previous handlers are back in place.
                unsafe { libc::raise(signal) };
                if !matches!(signal, libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) {
                    return Err(Error::from_errno(libc::EINTR, "ask on", TERMINAL));
                }
            }
        }
    }
}

enum Answer {
    Line(Zeroizing<Vec<u8>>),
    Signal(i32),
}

fn ask_once(terminal: &mut File, question: &str) -> io::Result<Answer> {
    let signals = CaughtSignals::new()?;
    let _echo = EchoOff::new(terminal.as_raw_fd())?;
    terminal.write_all(question.as_bytes())?;

    let mut line = Zeroizing::new(vec![0u8; MAX_LINE_BYTES]);
    let mut length = 0;
    while length < line.len() {
        if let Some(signal) = signals.wait_for(terminal.as_raw_fd())? {
            terminal.write_all(b"\n")?;
            return Ok(Answer::Signal(signal));
        }
        let count = terminal.read(&mut line[length..])?;
        length += count;
        if count == 0 || line[length - 1] == b'\n' {
            break;
        }
    }
    // The newline that was typed was not shown either.
    terminal.write_all(b"\n")?;
    line.truncate(length);
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(Answer::Line(line))
}

/// The terminal without echo, until dropped.
struct EchoOff {
    fd: RawFd,
    saved: libc::termios,
}

impl EchoOff {
    fn new(fd: RawFd) -> io::Result<Self> {
        let mut saved = MaybeUninit::uninit();
        // SAFETY: tcgetattr fills the struct when it returns 0.
        let saved = unsafe {
            check(libc::tcgetattr(fd, saved.as_mut_ptr()))?;
            saved.assume_init()
        };
        let mut hidden = saved;
        hidden.c_lflag &= !(libc::ECHO | libc::ECHONL);
        hidden.c_lflag |= libc::ICANON | libc::ISIG;
        // SAFETY: a valid descriptor and a struct that the kernel filled. TCSAFLUSH drops what was typed before the question.
        unsafe { check(libc::tcsetattr(fd, libc::TCSAFLUSH, &hidden))? };
        Ok(Self { fd, saved })
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        // SAFETY: as above. TCSANOW keeps what was typed for the next reader.
        unsafe { libc::tcsetattr(self.fd, libc::TCSANOW, &self.saved) };
    }
}

/// The writing end of the pipe of the [`CaughtSignals`] in force.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Handlers that note a signal in a pipe, until dropped. A pipe rather than EINTR, because any thread may be the one the
/// signal is delivered to.
struct CaughtSignals {
    reader: io::PipeReader,
    _writer: io::PipeWriter,
    saved: Vec<(i32, libc::sigaction)>,
}

impl CaughtSignals {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        SIGNAL_PIPE.store(writer.as_raw_fd(), Ordering::SeqCst);
        let mut caught = Self { reader, _writer: writer, saved: Vec::with_capacity(SIGNALS.len()) };
        for signal in SIGNALS {
            // SAFETY: all-zero is a valid sigaction; the handler calls write(2) alone, which is async-signal-safe.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                let mut previous: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = note_signal as extern "C" fn(i32) as libc::sighandler_t;
                action.sa_flags = libc::SA_RESTART;
                libc::sigemptyset(&mut action.sa_mask);
                check(libc::sigaction(signal, &action, &mut previous))?;
                caught.saved.push((signal, previous));
            }
        }
        Ok(caught)
    }

    /// Waits until there is something to read on `fd`, or gives the signal that came first.
    fn wait_for(&self, fd: RawFd) -> io::Result<Option<i32>> {
        let pipe = self.reader.as_raw_fd();
        let highest = fd.max(pipe);
        // select, because poll of macOS does not know terminals; its sets end at FD_SETSIZE.
        if highest as usize >= libc::FD_SETSIZE {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        loop {
            let mut ready = MaybeUninit::uninit();
            // SAFETY: FD_ZERO initialises the set; both descriptors are open and under FD_SETSIZE.
            let (count, signalled) = unsafe {
                libc::FD_ZERO(ready.as_mut_ptr());
                libc::FD_SET(fd, ready.as_mut_ptr());
                libc::FD_SET(pipe, ready.as_mut_ptr());
                let nothing = std::ptr::null_mut();
                let count =
                    libc::select(highest + 1, ready.as_mut_ptr(), nothing, nothing, std::ptr::null_mut());
                (count, libc::FD_ISSET(pipe, ready.as_ptr()))
            };
            if count < 0 {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            if !signalled {
                return Ok(None);
            }
            let mut signal = [0u8];
            (&self.reader).read_exact(&mut signal)?;
            return Ok(Some(signal[0].into()));
        }
    }
}

impl Drop for CaughtSignals {
    fn drop(&mut self) {
        for (signal, previous) in &self.saved {
            // SAFETY: puts back what sigaction gave.
            unsafe { libc::sigaction(*signal, previous, std::ptr::null_mut()) };
        }
        SIGNAL_PIPE.store(-1, Ordering::SeqCst);
    }
}

extern "C" fn note_signal(signal: i32) {
    let byte = signal as u8;
    // SAFETY: write(2) of one byte, the numbers of SIGNALS are that small. The pipe is open as long as this handler is set,
    // and never full, so the write succeeds and leaves the errno of the interrupted code alone.
    unsafe { libc::write(SIGNAL_PIPE.load(Ordering::SeqCst), (&raw const byte).cast(), 1) };
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
