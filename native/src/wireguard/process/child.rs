//! One child process: started without a shell, watched, ended, always waited for.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{lifeline, output};

/// Last lines that are kept for an error.
const KEPT_LINES: usize = 8;
/// How long output may still come once the process has ended: it is in the pipe already.
const LATE_OUTPUT: Duration = Duration::from_secs(1);
/// How long the kernel may take to end a process after SIGKILL; longer means that it hangs in a system call.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// What to start. The environment is these variables and no others.
pub(super) struct Plan {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(&'static str, OsString)>,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub success: bool,
    /// `status 1`, `signal 9`
    pub how: String,
    /// The last line it printed.
    pub last_line: Option<String>,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it ended with {}", self.how)?;
        match &self.last_line {
            Some(line) => write!(f, ", last it said: {line}"),
            None => Ok(()),
        }
    }
}

/// Ended, and waited for, when dropped.
pub(super) struct Child {
    pid: i32,
    shared: Arc<Shared>,
    guardian: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ended: Option<Ending>,
    /// Set before the child is told to end, so that its end is no failure.
    asked_to_end: bool,
    lines: VecDeque<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Called for each line of output, on a thread of the child's.
pub(super) type OnLine = Box<dyn FnMut(String) + Send>;
/// Called when the child ends without having been asked to, on a thread of the child's.
pub(super) type OnEnd = Box<dyn FnOnce(Ending) + Send>;

impl Child {
    /// Starts the program in a process group of its own (a Ctrl-C is the daemon's to act on), in `/`, with nothing to read.
    pub(super) fn start(plan: Plan, on_line: OnLine, on_end: OnEnd) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let (started, starting) = mpsc::channel();
        let in_thread = Arc::clone(&shared);
        let guardian = thread::Builder::new()
            .name("wg-child".to_owned())
            .spawn(move || guard(plan, &in_thread, started, on_line, on_end))?;
        match starting.recv() {
            Ok(Ok(pid)) => Ok(Self { pid, shared, guardian: Some(guardian) }),
            Ok(Err(error)) => {
                join(guardian);
                Err(error)
            }
            Err(_) => {
                join(guardian);
                Err(io::Error::other("the guardian thread panicked"))
            }
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// How it ended, once it has.
    pub(super) fn ended(&self) -> Option<Ending> {
        self.shared.lock().ended.clone()
    }

    /// Waits for its end at most so long.
    pub(super) fn wait(&self, limit: Duration) -> Option<Ending> {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        while state.ended.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.ended.clone()
    }

    /// Kills it: its end is told as that of a child that failed.
    pub(super) fn kill(&self) {
        self.signal(libc::SIGKILL);
    }

    /// Ends it by SIGTERM, after `patience` by SIGKILL, and waits for it. `None` when even that ends it not: then the kernel
    /// holds it in a system call, and the guardian thread waits on.
    pub(super) fn end(&mut self, patience: Duration) -> Option<Ending> {
        self.shared.lock().asked_to_end = true;
        self.signal(libc::SIGTERM);
        let ending = self.wait(patience).or_else(|| {
            self.signal(libc::SIGKILL);
            self.wait(KILL_PATIENCE)
        });
        if ending.is_some()
            && let Some(guardian) = self.guardian.take()
        {
            join(guardian);
        }
        ending
    }

    /// To the whole group. Under the lock: as long as the child is not waited for, nobody else can have its number.
    fn signal(&self, signal: i32) {
        let state = self.shared.lock();
        if state.ended.is_none() {
            // SAFETY: kill with integers alone.
            unsafe { libc::kill(-self.pid, signal) };
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

fn join(thread: JoinHandle<()>) {
    // A panic in a thread was reported when it happened.
    let _reported = thread.join();
}

/// The guardian thread: it starts the child, which dies with it, and stays until the child is gone.
fn guard(plan: Plan, shared: &Arc<Shared>, started: Sender<io::Result<i32>>, on_line: OnLine, on_end: OnEnd) {
    let (mut child, output, _lifeline) = match spawn(plan) {
        Ok(spawned) => spawned,
        Err(error) => return drop(started.send(Err(error))),
    };
    let pid = child.id() as i32;
    let finished = read_output(output, shared, on_line);
    // Refused only when the starter panicked, and then the child is waited for all the same.
    let _heard = started.send(Ok(pid));
    wait_without_reaping(pid);
    // What it started may hold the pipe open. The number of the group is not given away before the child is reaped.
    // SAFETY: kill with integers alone.
    unsafe { libc::kill(-pid, libc::SIGKILL) };
    // Ends when the reader thread does, or stays when something outside the group holds the pipe.
    let _ended = finished.recv_timeout(LATE_OUTPUT);

    let (ending, asked) = {
        let mut state = shared.lock();
        let status = child.wait();
        let ending = ending(status, state.lines.back().cloned());
        state.ended = Some(ending.clone());
        (ending, state.asked_to_end)
    };
    shared.changed.notify_all();
    if !asked {
        on_end(ending);
    }
}

/// The write end of the pipe whose end means that this process is gone; see [`lifeline`].
type Lifeline = Option<io::PipeWriter>;

fn spawn(plan: Plan) -> io::Result<(std::process::Child, io::PipeReader, Lifeline)> {
    let (output, input) = io::pipe()?;
    let mut command = Command::new(&plan.program);
    command
        .args(&plan.arguments)
        .env_clear()
        .envs(plan.environment)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input);
    let parent = std::process::id() as i32;
    #[cfg(target_os = "linux")]
    {
        // SAFETY: `prepare` makes only calls that are safe after fork.
        unsafe { command.pre_exec(move || lifeline::prepare(parent)) };
        Ok((command.spawn()?, output, None))
    }
    #[cfg(not(target_os = "linux"))]
    {
        use std::os::fd::AsRawFd as _;
        let (watched, held) = io::pipe()?;
        let descriptor = watched.as_raw_fd();
        // SAFETY: `prepare` makes only calls that are safe after fork.
        unsafe { command.pre_exec(move || lifeline::prepare(parent, descriptor)) };
        Ok((command.spawn()?, output, Some(held)))
    }
}

/// A thread that reads until the end of the output; the receiver hears then.
fn read_output(output: io::PipeReader, shared: &Arc<Shared>, mut on_line: OnLine) -> Receiver<()> {
    let (done, finished) = mpsc::channel();
    let shared = Arc::clone(shared);
    let reader = move || {
        output::each_line(output, |line| {
            let mut state = shared.lock();
            if state.lines.len() == KEPT_LINES {
                state.lines.pop_front();
            }
            state.lines.push_back(line.clone());
            drop(state);
            on_line(line);
        });
        drop(done);
    };
    // Without the thread the pipe is closed, and the child, which dies of that, says why by its status.
    let _unread = thread::Builder::new().name("wg-child-output".to_owned()).spawn(reader);
    finished
}

/// Blocks until the process is a zombie, and leaves it one.
fn wait_without_reaping(pid: i32) {
    loop {
        // SAFETY: all-zero is a valid siginfo_t, which the call fills.
        let result = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, libc::WEXITED | libc::WNOWAIT)
        };
        // Anything but an interruption means that there is nothing to wait for.
        if result == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

fn ending(status: io::Result<ExitStatus>, last_line: Option<String>) -> Ending {
    let how = match &status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("status {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => status.to_string(),
        },
        Err(error) => format!("a status that cannot be told ({error})"),
    };
    Ending { success: status.is_ok_and(|status| status.success()), how, last_line }
}

#[cfg(test)]
mod tests;
