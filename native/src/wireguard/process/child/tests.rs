use super::*;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::fd::IntoRawFd as _;

fn shell(script: &str) -> Plan {
    Plan {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("PATH", "/usr/bin:/bin".into())],
    }
}

fn start(script: &str) -> (Child, Receiver<String>, Receiver<Ending>) {
    let (line, lines) = mpsc::channel();
    let (end, ends) = mpsc::channel();
    let on_line = Box::new(move |text| drop(line.send(text)));
    let child = Child::start(shell(script), on_line, Box::new(move |ending| drop(end.send(ending)))).unwrap();
    (child, lines, ends)
}

/// The state letter of /proc/<pid>/stat; `None` when there is no such process.
fn process_state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn an_end_of_its_own_is_told_with_status_and_last_line() {
    let (child, lines, ends) = start("echo one; echo two >&2; exit 3");
    let ending = ends.recv_timeout(LIMIT).unwrap();
    assert_eq!(ending.to_string(), "it ended with status 3, last it said: two");
    assert_eq!(lines.iter().take(2).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(child.ended(), Some(ending));
    assert_eq!(process_state(child.pid()), None, "it was waited for");
}

#[test]
fn a_kill_is_told_as_a_failure() {
    let (child, _, ends) = start("exec sleep 60");
    child.kill();
    assert_eq!(ends.recv_timeout(LIMIT).unwrap().to_string(), "it ended with signal 9");
}

#[test]
fn an_end_that_was_asked_for_is_no_failure_and_leaves_no_zombie() {
    let (mut child, _, ends) = start("exec sleep 60");
    let ending = child.end(LIMIT).unwrap();
    assert_eq!(ending.how, "signal 15");
    assert_eq!(process_state(child.pid()), None);
    assert!(ends.recv().is_err(), "nothing was told");
}

#[test]
fn a_child_that_ignores_term_is_killed_after_the_deadline() {
    let (mut child, lines, _) = start("trap '' TERM; echo ready; while :; do sleep 1; done");
    assert_eq!(lines.recv_timeout(LIMIT).unwrap(), "ready");
    let began = Instant::now();
    let ending = child.end(Duration::from_millis(100)).unwrap();
    assert_eq!(ending.how, "signal 9");
    assert!(began.elapsed() >= Duration::from_millis(100));
}

#[test]
fn what_it_started_goes_with_it() {
    let (mut child, lines, _) = start("sleep 60 & echo $!; wait");
    let grandchild: i32 = lines.recv_timeout(LIMIT).unwrap().parse().unwrap();
    assert!(process_state(grandchild).is_some());
    child.end(LIMIT).unwrap();
    let began = Instant::now();
    // Its parent is gone, so whoever takes in orphans reaps it.
    while !matches!(process_state(grandchild), None | Some('Z')) {
        assert!(began.elapsed() < LIMIT);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_gets_a_clean_environment_no_descriptors_no_core_and_a_group_of_its_own() {
    // One without O_CLOEXEC, as a careless library would leave it.
    let leaked = fs::File::open("/proc/self/status").unwrap();
    // SAFETY: fcntl on a descriptor of ours.
    unsafe { libc::fcntl(leaked.as_raw_fd(), libc::F_SETFD, 0) };
    let leaked = leaked.into_raw_fd();
    let script = "ls /proc/self/fd | wc -l; env | cut -d= -f1 | sort | tr '\\n' ' '; echo; ulimit -c; pwd; \
                  cut -d' ' -f5 /proc/$$/stat; echo $$";
    let (child, lines, ends) = start(script);
    ends.recv_timeout(LIMIT).unwrap();
    let seen: Vec<String> = lines.try_iter().collect();
    // Standard ones, and the folder that ls reads; PATH, and PWD that sh itself sets.
    assert_eq!(seen[..4], ["4", "PATH PWD", "0", "/"], "{seen:?}");
    assert_eq!(seen[4], seen[5], "leads its group");
    assert_eq!(seen[5], child.pid().to_string());
    // SAFETY: opened above, and nobody else's.
    unsafe { libc::close(leaked) };
}

#[test]
fn a_program_that_is_not_there_is_an_error_and_leaves_no_thread() {
    let plan = Plan { program: "/nonesuch".into(), arguments: vec![], environment: vec![] };
    let result = Child::start(plan, Box::new(|_| {}), Box::new(|_| {}));
    assert_eq!(result.err().unwrap().kind(), io::ErrorKind::NotFound);
}

/// The guardian thread is what PR_SET_PDEATHSIG is tied to: the child dies when the process does, however it ends.
#[test]
fn it_dies_with_this_process() {
    let own = std::env::current_exe().unwrap();
    if std::env::var_os("WGMESH_TEST_CHILD_OF").is_some() {
        let (child, _, _) = start("exec sleep 60");
        println!("pid={}", child.pid());
        std::mem::forget(child);
        // SAFETY: the harshest end there is.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
    let name = "wireguard::process::child::tests::it_dies_with_this_process";
    let output = Command::new(own)
        .args([name, "--exact", "--nocapture"])
        .env("WGMESH_TEST_CHILD_OF", "yes")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let pid = text.split("pid=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    let began = Instant::now();
    while !matches!(process_state(pid.parse().unwrap()), None | Some('Z')) {
        assert!(began.elapsed() < LIMIT, "{text}");
        thread::sleep(Duration::from_millis(5));
    }
}
