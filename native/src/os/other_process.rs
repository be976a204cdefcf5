//! A process that is not a child of this one: known by its number *and* its start, so that another process which got the
//! number later is never taken for it.

use std::io;
use std::time::{Duration, Instant};

/// Between two looks at whether it has ended, where the kernel cannot tell.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// When the process with that number started, as a text that no other process with this number has; `None` when there is none.
/// Changes with the boot.
#[cfg(target_os = "linux")]
pub fn start_of(pid: i32) -> io::Result<Option<String>> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let stat = match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        // ESRCH: it ended between opening and reading.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(ticks(&stat).map(|ticks| format!("{}:{ticks}", boot.trim())))
}

/// Field 22 of /proc/<pid>/stat (proc(5)), the start in clock ticks after boot.
#[cfg(target_os = "linux")]
fn ticks(stat: &str) -> Option<&str> {
    // The name, field 2, may hold anything, spaces and parentheses too.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(22 - 3)
}

#[cfg(not(target_os = "linux"))]
pub fn start_of(pid: i32) -> io::Result<Option<String>> {
    // SAFETY: all-zero is a valid proc_bsdinfo, and the length given is its own.
    let (length, info) = unsafe {
        let mut info: libc::proc_bsdinfo = std::mem::zeroed();
        let size = size_of::<libc::proc_bsdinfo>() as libc::c_int;
        let length = libc::proc_pidinfo(pid, libc::PROC_PIDTBSDINFO, 0, (&raw mut info).cast(), size);
        (length, info)
    };
    if length <= 0 {
        return match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            error => Err(error),
        };
    }
    let is_zombie = info.pbi_status == libc::SZOMB;
    Ok((!is_zombie).then(|| format!("{}.{:06}", info.pbi_start_tvsec, info.pbi_start_tvusec)))
}

/// A process that ran when it was opened.
pub struct OtherProcess {
    pid: i32,
    start: String,
    /// Names the process whatever becomes of its number.
    #[cfg(target_os = "linux")]
    descriptor: std::os::fd::OwnedFd,
}

impl OtherProcess {
    /// The process of that number when it has that start; `None` when it is gone or another.
    pub fn open(pid: i32, start: &str) -> io::Result<Option<Self>> {
        // 1 is the system's, and 0 and below are groups.
        if pid <= 1 {
            return Ok(None);
        }
        #[cfg(target_os = "linux")]
        let descriptor = match pidfd(pid) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            result => result?,
        };
        let process = Self {
            pid,
            start: start.to_owned(),
            #[cfg(target_os = "linux")]
            descriptor,
        };
        // After the descriptor: what it names is what was looked at.
        Ok((process.is_it()? && process.runs()?).then_some(process))
    }

    /// Whether the process with that number is this one: a zombie is it, too.
    fn is_it(&self) -> io::Result<bool> {
        Ok(start_of(self.pid)?.is_some_and(|start| start == self.start))
    }

    /// True while any thread of it runs. A process whose first thread is a zombie may have others, which hold its files open.
    #[cfg(target_os = "linux")]
    fn runs(&self) -> io::Result<bool> {
        use std::os::fd::AsRawFd as _;
        let mut entry = libc::pollfd { fd: self.descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which lives through the call; it does not wait.
        match unsafe { libc::poll(&mut entry, 1, 0) } {
            -1 => Err(io::Error::last_os_error()),
            ended => Ok(ended == 0),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn runs(&self) -> io::Result<bool> {
        self.is_it()
    }

    /// No error when it has ended meanwhile.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        // SAFETY: pidfd_send_signal(2) without further information.
        let result = unsafe {
            use std::os::fd::AsRawFd as _;
            let none = std::ptr::null::<libc::siginfo_t>();
            libc::syscall(libc::SYS_pidfd_send_signal, self.descriptor.as_raw_fd(), signal, none, 0)
        };
        #[cfg(not(target_os = "linux"))]
        // SAFETY: kill with integers alone.
        let result = match self.runs()? {
            true => unsafe { libc::kill(self.pid, signal) },
            false => 0,
        };
        match result {
            0 => Ok(()),
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
                error => Err(error),
            },
        }
    }

    /// True when it has ended within the limit.
    pub fn wait(&self, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        while self.runs()? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(true)
    }
}

/// pidfd_open(2), Linux 5.3.
#[cfg(target_os = "linux")]
fn pidfd(pid: i32) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: integers alone; a non-negative result is a descriptor that is ours alone.
    match unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } {
        -1 => Err(io::Error::last_os_error()),
        fd => Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd as i32) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_start_names_one_process() {
        let own = std::process::id() as i32;
        let start = start_of(own).unwrap().unwrap();
        assert_eq!(start_of(own).unwrap(), Some(start.clone()));
        assert!(OtherProcess::open(own, &start).unwrap().is_some());
        assert!(OtherProcess::open(own, &format!("{start}0")).unwrap().is_none());
        assert!(OtherProcess::open(1, &start).unwrap().is_none());
        assert_eq!(start_of(i32::MAX).unwrap(), None);
        assert!(OtherProcess::open(i32::MAX, &start).unwrap().is_none());
    }

    #[test]
    fn a_process_is_signalled_and_its_end_seen() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id() as i32;
        let process = OtherProcess::open(pid, &start_of(pid).unwrap().unwrap()).unwrap().unwrap();
        assert!(!process.wait(Duration::ZERO).unwrap());
        process.signal(libc::SIGTERM).unwrap();
        // A zombie has ended, although nobody waited for it yet.
        assert!(process.wait(Duration::from_secs(20)).unwrap());
        assert!(OtherProcess::open(pid, "x").unwrap().is_none());
        child.wait().unwrap();
        process.signal(libc::SIGTERM).unwrap();
    }

    #[test]
    fn the_start_is_found_behind_any_name() {
        let fields = (4..=30).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(ticks(&format!("7 (a) b (c)) S {fields}")), Some("22"));
        assert_eq!(ticks("7"), None);
    }
}
