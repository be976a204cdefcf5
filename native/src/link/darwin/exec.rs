//! The one place where `ifconfig` and `route` are run.

use std::process::{Command, Output, Stdio};

use super::args::Call;
use crate::error::{Error, Result};

/// Runs a call to its end, a few ms, with an empty environment and nothing to read.
///
/// Both programs have ended with 0 after an error on some versions of macOS, so what they say counts, too. Errors: the errno
/// they name (`EEXIST`, `ESRCH`, `ENODEV`, `EPERM`, …), else `EIO`, with their words.
pub fn run(call: &Call, operation: &'static str, object: &str) -> Result<()> {
    let mut command = Command::new(call.program);
    command.args(&call.arguments).env_clear().current_dir("/").stdin(Stdio::null());
    let output = command.output().map_err(|error| Error::from_io(&error, operation, object))?;
    match complaint(&output) {
        None => Ok(()),
        Some(words) => Err(Error::new(code(&words), operation, object, words)),
    }
}

/// What the program says is wrong, on one line; `None` when nothing is.
fn complaint(output: &Output) -> Option<String> {
    let text = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let known = code(&words) != "EIO";
    if output.status.success() && !known {
        return None;
    }
    Some(if words.is_empty() { output.status.to_string() } else { words.chars().take(300).collect() })
}

/// The errno behind strerror(3)'s words.
fn code(words: &str) -> &'static str {
    let known = [
        ("File exists", "EEXIST"),
        ("not in table", "ESRCH"),
        ("No such process", "ESRCH"),
        ("does not exist", "ENODEV"),
        ("bad address", "EINVAL"),
        ("bad value", "EINVAL"),
        ("Can't assign requested address", "EADDRNOTAVAIL"),
        ("Operation not permitted", "EPERM"),
        ("must be root", "EPERM"),
        ("permission denied", "EPERM"),
        ("Network is unreachable", "ENETUNREACH"),
        ("Invalid argument", "EINVAL"),
    ];
    known.iter().find(|(text, _)| words.contains(text)).map_or("EIO", |(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<()> {
        let call = Call { program: "/bin/sh", arguments: vec!["-c".to_owned(), script.to_owned()] };
        run(&call, "add route to", "utun4")
    }

    #[test]
    fn silence_is_success() {
        shell("exit 0").unwrap();
        shell("echo add net 10.0.0.0: gateway utun4").unwrap();
    }

    #[test]
    fn an_error_counts_whatever_the_status() {
        for (script, code) in [
            ("echo 'route: writing to routing socket: File exists' >&2", "EEXIST"),
            ("echo 'route: writing to routing socket: not in table' >&2; exit 1", "ESRCH"),
            ("echo 'ifconfig: interface utun4 does not exist' >&2; exit 1", "ENODEV"),
            (
                "echo 'ifconfig: ioctl (SIOCDIFADDR): Can'\\''t assign requested address'; exit 1",
                "EADDRNOTAVAIL",
            ),
            ("echo 'route: must be root to alter routing table'; exit 77", "EPERM"),
            ("echo something new; exit 1", "EIO"),
            ("exit 3", "EIO"),
        ] {
            let error = shell(script).unwrap_err();
            assert_eq!((error.code.as_str(), error.object.as_str()), (code, "utun4"), "{script}");
        }
        assert!(shell("exit 3").unwrap_err().reason.contains('3'));
    }

    #[test]
    fn the_environment_is_empty() {
        // PWD and the like are the shell's own.
        shell("test -z \"$HOME$USER$CARGO\"").unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let call = Call { program: "/nonesuch/ifconfig", arguments: vec![] };
        assert_eq!(run(&call, "set up", "utun4").unwrap_err().code, "ENOENT");
    }
}
