//! The running child, written down, so that the next start can end one that outlived a killed daemon (it should not: see
//! [`super::lifeline`]; a program with file capabilities can).

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::uapi;
use crate::error::{Error, Result};
use crate::os::other_process::{OtherProcess, start_of};

/// A record is one line; anything longer is not ours.
const MAX_BYTES: u64 = 4096;
const TERM_PATIENCE: Duration = Duration::from_secs(2);
const KILL_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub pid: i32,
    /// When it started, as [`start_of`] tells it: with the PID it names one process and no other.
    pub start: String,
    pub program: PathBuf,
    pub socket: PathBuf,
}

/// What became of a recorded child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// There was no record.
    None,
    /// The process was gone; what it left was removed.
    Gone,
    /// It ran and was ended.
    Ended(i32),
}

impl Record {
    /// Of a child that runs now.
    pub(super) fn of(pid: i32, program: &Path, socket: &Path) -> Result<Self> {
        let start =
            start_of(pid).map_err(|error| Error::from_io(&error, "look at", format!("process {pid}")))?;
        let start =
            start.ok_or_else(|| Error::from_errno(libc::ESRCH, "look at", format!("process {pid}")))?;
        Ok(Self { pid, start, program: program.to_owned(), socket: socket.to_owned() })
    }

    /// Replaces the file in one step. Not synchronised to the disk: a record is of no use after a crash of the machine.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let written = || -> io::Result<()> {
            let _absent = fs::remove_file(&temporary);
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")?;
            fs::rename(&temporary, path)
        };
        written().map_err(|error| {
            let _absent = fs::remove_file(&temporary);
            Error::from_io(&error, "write", path.display().to_string())
        })
    }

    /// `None` when there is no file. The file makes a root process end another one, so it must be ours alone.
    fn load(path: &Path) -> Result<Option<Self>> {
        let object = || path.display().to_string();
        let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(|error| Error::from_io(&error, "read", object()))?,
        };
        let metadata = file.metadata().map_err(|error| Error::from_io(&error, "read", object()))?;
        // SAFETY: it has no preconditions.
        let own = unsafe { libc::geteuid() };
        if !metadata.is_file() || metadata.mode() & 0o022 != 0 || ![0, own].contains(&metadata.uid()) {
            let reason = "others could have written it; look at it and remove it";
            return Err(Error::new("STATE_PERMISSIONS", "trust", object(), reason));
        }
        let mut text = String::new();
        let read = file.take(MAX_BYTES).read_to_string(&mut text);
        let record = read.ok().and_then(|_| serde_json::from_str(&text).ok());
        let damaged =
            || Error::new("STATE_DAMAGED", "read", object(), "it is not a record of a child; remove it");
        record.map(Some).ok_or_else(damaged)
    }
}

pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::from_io(&error, "remove", path.display().to_string()))
        }
        _ => Ok(()),
    }
}

/// Ends the child of a daemon that is gone, if it still runs, and removes its socket and the record. May take up to 7 s.
///
/// Errors: `STATE_DAMAGED`, `STATE_PERMISSIONS` (both leave the file), `EBUSY` when the process does not end.
pub fn end_leftover(path: &Path) -> Result<Leftover> {
    let Some(record) = Record::load(path)? else { return Ok(Leftover::None) };
    let ended = end(&record)?;
    // The record may name any file: only what lies where such sockets lie is touched.
    if record.socket.parent() == Some(Path::new(uapi::DIRECTORY)) {
        uapi::remove_dead(&record.socket)?;
    }
    remove(path)?;
    Ok(if ended { Leftover::Ended(record.pid) } else { Leftover::Gone })
}

/// False when no such process runs any more.
fn end(record: &Record) -> Result<bool> {
    let failed = |error: io::Error| Error::from_io(&error, "end", format!("process {}", record.pid));
    let Some(process) = OtherProcess::open(record.pid, &record.start).map_err(failed)? else {
        return Ok(false);
    };
    for (signal, patience) in [(libc::SIGTERM, TERM_PATIENCE), (libc::SIGKILL, KILL_PATIENCE)] {
        process.signal(signal).map_err(failed)?;
        if process.wait(patience).map_err(failed)? {
            return Ok(true);
        }
    }
    let reason = format!("the wireguard-go of an earlier run, {}, does not end", record.program.display());
    Err(Error::new("EBUSY", "end", format!("process {}", record.pid), reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Child, Command};

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    fn recorded(folder: &TemporaryFolder, pid: i32) -> (PathBuf, Record) {
        let record = Record::of(pid, Path::new("/usr/bin/sleep"), Path::new("/nonesuch/wg9.sock")).unwrap();
        let path = folder.join("wg9.child.json");
        record.save(&path).unwrap();
        (path, record)
    }

    #[test]
    fn a_leftover_is_ended_and_its_record_removed() {
        let folder = TemporaryFolder::new();
        let mut child = sleeper();
        let pid = child.id() as i32;
        let (path, record) = recorded(&folder, pid);
        assert_eq!(Record::load(&path).unwrap(), Some(record));
        // The test is its parent, and has to wait for it.
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        assert_eq!(end_leftover(&path).unwrap(), Leftover::Ended(pid));
        assert!(!reaper.join().unwrap().success());
        assert!(!path.exists());
        assert_eq!(end_leftover(&path).unwrap(), Leftover::None);
    }

    #[test]
    fn another_process_with_its_number_is_left_alone() {
        let folder = TemporaryFolder::new();
        let mut child = sleeper();
        let (path, mut record) = recorded(&folder, child.id() as i32);
        record.start.push('0');
        record.save(&path).unwrap();
        assert_eq!(end_leftover(&path).unwrap(), Leftover::Gone);
        assert!(child.try_wait().unwrap().is_none(), "it still runs");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_process_that_is_gone_is_gone() {
        let folder = TemporaryFolder::new();
        let mut child = sleeper();
        let (path, _) = recorded(&folder, child.id() as i32);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(end_leftover(&path).unwrap(), Leftover::Gone);
    }

    #[test]
    fn a_record_others_can_write_or_that_is_none_ends_nobody() {
        let folder = TemporaryFolder::new();
        let mut child = sleeper();
        let (path, _) = recorded(&folder, child.id() as i32);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(end_leftover(&path).unwrap_err().code, "STATE_PERMISSIONS");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{\"pid\":1}").unwrap();
        assert_eq!(end_leftover(&path).unwrap_err().code, "STATE_DAMAGED");
        let link = folder.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(end_leftover(&link).unwrap_err().code, "ELOOP");
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
