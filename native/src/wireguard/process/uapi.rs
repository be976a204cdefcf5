//! The client of the UAPI socket of one wireguard-go.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::text::{self, Answer, Text};
use crate::error::{Error, Result};
use crate::os::socket::peer_credentials;
use crate::wireguard::device::DeviceState;

/// Where wireguard-go listens and wg(8) looks, on every system.
pub(super) const DIRECTORY: &str = "/var/run/wireguard";
/// How long one request may take. A thousand peers take some 50 ms.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// A listing of 5,000 peers with 10 networks each has about 4 MB.
const MAX_ANSWER: usize = 64 << 20;

pub(super) fn socket_path(interface: &str) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{interface}.sock"))
}

/// Makes the folder, closed to others.
pub(super) fn make_directory() -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(DIRECTORY);
    made.map_err(|error| Error::from_io(&error, "make", DIRECTORY))
}

/// Whether a process listens on the socket.
pub(super) fn is_served(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// Removes a socket that nobody listens on; anything else stays.
pub(super) fn remove_dead(path: &Path) -> Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if !is_socket || is_served(path) {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::from_io(&error, "remove", path.display().to_string()))
        }
        _ => Ok(()),
    }
}

/// Speaks to one process and to no other.
pub(super) struct Client {
    pub path: PathBuf,
    pub pid: i32,
}

impl Client {
    /// Sends a request, and returns the answer when its errno is 0.
    ///
    /// Errors: `ETIMEDOUT`; `EPROTO`; the errno of the answer, such as `EADDRINUSE`; those of connect(2). A connection a
    /// request: nothing is left half said when one fails.
    pub(super) fn ask(&self, request: &Text, operation: &'static str) -> Result<Answer> {
        let failed = |error: io::Error| match error.kind() {
            // What a socket's own time limit is told as.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                let reason = format!("wireguard-go did not answer within {} s", PATIENCE.as_secs());
                Error::new("ETIMEDOUT", operation, self.object(), reason)
            }
            _ => Error::from_io(&error, operation, self.object()),
        };
        let mut stream = self.connect(operation)?;
        let answer = exchange(&mut stream, request).map_err(failed)?;
        match text::errno(answer.text()?) {
            Some(0) => Ok(answer),
            Some(errno) => Err(Error::from_errno(errno, operation, self.object())),
            None => Err(Error::new("EPROTO", operation, self.object(), "the answer was cut")),
        }
    }

    pub(super) fn tell(&self, request: &Text, operation: &'static str) -> Result<()> {
        self.ask(request, operation).map(drop)
    }

    pub(super) fn state(&self) -> Result<DeviceState> {
        text::state(self.ask(&text::get(), "read")?.text()?)
    }

    /// Connects, and makes sure who is at the other end before a key is sent there.
    fn connect(&self, operation: &'static str) -> Result<UnixStream> {
        let stream = UnixStream::connect(&self.path);
        let stream = stream.map_err(|error| Error::from_io(&error, operation, self.object()))?;
        let peer = peer_credentials(stream.as_raw_fd());
        let peer = peer.map_err(|error| Error::from_io(&error, operation, self.object()))?;
        if peer.pid != self.pid {
            let reason = format!(
                "process {} listens there, not the wireguard-go that was started ({}); is that a wrapper without exec?",
                peer.pid, self.pid
            );
            return Err(Error::new("EBUSY", operation, self.object(), reason));
        }
        Ok(stream)
    }

    fn object(&self) -> String {
        self.path.display().to_string()
    }
}

fn exchange(stream: &mut UnixStream, request: &Text) -> io::Result<Answer> {
    let deadline = Instant::now() + PATIENCE;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Answer::new();
    let mut piece = Zeroizing::new([0u8; 16 * 1024]);
    while !answer.is_whole() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece[..]) {
            Ok(0) => break,
            Ok(length) => answer.push(&mut piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if answer.len() > MAX_ANSWER {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;
    use std::os::unix::net::UnixListener;
    use std::thread;

    /// A server that reads one request and says `answer`.
    fn serve(path: &Path, answer: &'static str) -> thread::JoinHandle<String> {
        let listener = UnixListener::bind(path).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            let mut byte = [0];
            while !request.ends_with("\n\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(char::from(byte[0]));
            }
            stream.write_all(answer.as_bytes()).unwrap();
            request
        })
    }

    fn ask(answer: &'static str) -> (Result<Answer>, String) {
        let folder = TemporaryFolder::new();
        let path = folder.join("wg9.sock");
        let server = serve(&path, answer);
        let client = Client { path, pid: std::process::id() as i32 };
        (client.ask(&text::set_port(7), "configure"), server.join().unwrap())
    }

    #[test]
    fn a_request_and_its_answer() {
        let (answer, request) = ask("errno=0\n\n");
        assert!(answer.is_ok());
        assert_eq!(request, "set=1\nlisten_port=7\n\n");
    }

    #[test]
    fn an_errno_is_an_error_with_its_name() {
        let error = ask("errno=-98\n\n").0.err().unwrap();
        assert_eq!((error.code.as_str(), error.operation), ("EADDRINUSE", "configure"));
        assert_eq!(ask("errno=-22\n\n").0.err().unwrap().code, "EINVAL");
        assert_eq!(ask("listen_port=1\n").0.err().unwrap().reason, "the answer was cut");
    }

    #[test]
    fn no_key_is_told_to_another_process() {
        let folder = TemporaryFolder::new();
        let path = folder.join("wg9.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let client = Client { path, pid: 1 };
        let error = client.tell(&text::set_port(7), "configure").unwrap_err();
        assert_eq!(error.code, "EBUSY");
        assert!(error.reason.contains("not the wireguard-go that was started"), "{error}");
    }

    #[test]
    fn a_socket_is_removed_only_when_nobody_listens() {
        let folder = TemporaryFolder::new();
        let path = folder.join("wg9.sock");
        remove_dead(&path).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        remove_dead(&path).unwrap();
        assert!(is_served(&path));
        drop(listener);
        assert!(path.exists() && !is_served(&path));
        remove_dead(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "not a socket").unwrap();
        remove_dead(&path).unwrap();
        assert!(path.exists());
    }
}
