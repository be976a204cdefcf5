//! Which program is started: found, trusted, and what it says it is.
//!
//! A daemon that is root runs it with all its rights, so a program that was merely *found* must be one that only root (or
//! the daemon's own user) can have put there: file and all folders above it. One that the operator *named* is his choice,
//! as long as not everybody can write to it.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::child::{Child, Plan};
use crate::error::{Error, Result};

const NAME: &str = "wireguard-go";
/// Where it is installed although `$PATH` of a service may not say so.
const USUAL_FOLDERS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/opt/homebrew/bin", "/opt/local/bin"];
/// The code of every error of this module: what the operator has to do is the same.
pub(super) const CODE: &str = "NO_WIREGUARD_GO";
/// The version of Debian 12, the oldest that was tried; versions are `0.0.<date>`.
const OLDEST: &str = "0.0.20220316";
/// How long `--version` may take: 10 ms on an idle machine.
const VERSION_PATIENCE: Duration = Duration::from_secs(5);

/// How to get it; part of every error.
const REMEDY: &str = if cfg!(target_os = "macos") {
    "install it with 'brew install wireguard-go', or 'go install golang.zx2c4.com/wireguard@latest'"
} else {
    "install it with 'apt install wireguard-go', or 'go install golang.zx2c4.com/wireguard@latest'"
};

fn refused(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::new(CODE, "use", path.display().to_string(), format!("{reason}; {REMEDY}"))
}

/// The program to start, checked; nothing but itself was run. `chosen` is the operator's path.
pub(super) fn find(chosen: Option<&Path>) -> Result<PathBuf> {
    let program = match chosen {
        Some(path) => named(path)?,
        None => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            look_up(&path, &USUAL_FOLDERS.map(Path::new))?
        }
    };
    check_version(&program)?;
    Ok(program)
}

/// A path the operator gave.
fn named(path: &Path) -> Result<PathBuf> {
    if !path.is_absolute() {
        return Err(refused(path, "it must be an absolute path"));
    }
    let metadata = fs::metadata(path).map_err(|error| refused(path, error))?;
    check_file(path, &metadata)?;
    if metadata.mode() & 0o002 != 0 {
        return Err(refused(path, "everybody can write to it"));
    }
    Ok(path.to_owned())
}

/// The first executable file of that name in the folders of `$PATH` and the usual ones. When it cannot be trusted the search
/// ends with an error: taking another one silently would not be what the operator sees in his shell.
fn look_up(path: &OsStr, usual: &[&Path]) -> Result<PathBuf> {
    let folders = std::env::split_paths(path).chain(usual.iter().map(|folder| folder.to_path_buf()));
    for folder in folders.filter(|folder| folder.is_absolute()) {
        let candidate = folder.join(NAME);
        let Ok(metadata) = fs::metadata(&candidate) else { continue };
        if check_file(&candidate, &metadata).is_err() {
            continue;
        }
        let real = fs::canonicalize(&candidate).map_err(|error| refused(&candidate, error))?;
        check_trusted(&real)?;
        return Ok(real);
    }
    Err(Error::new(CODE, "find", NAME, format!("it is not in $PATH; {REMEDY}")))
}

fn check_file(path: &Path, metadata: &Metadata) -> Result<()> {
    if !metadata.is_file() {
        return Err(refused(path, "it is not a file"));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(refused(path, "it is not executable"));
    }
    Ok(())
}

/// That nobody but root and this process's user could have put it there. `path` has no symbolic links.
fn check_trusted(path: &Path) -> Result<()> {
    // SAFETY: it has no preconditions.
    let own = unsafe { libc::geteuid() };
    for part in path.ancestors() {
        let metadata = fs::symlink_metadata(part).map_err(|error| refused(path, error))?;
        let what = if part == path { "it".to_owned() } else { format!("the folder {}", part.display()) };
        let escape = "if you trust it all the same, name it with --wireguard-go";
        if metadata.uid() != 0 && metadata.uid() != own {
            let owner = metadata.uid();
            return Err(refused(path, format!("{what} belongs to user {owner}, not to root: {escape}")));
        }
        // What lies in a sticky folder (/tmp) can be replaced by its owner only.
        let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
        if metadata.mode() & 0o022 != 0 && !sticky {
            return Err(refused(path, format!("others than its owner can write to {what}: {escape}")));
        }
    }
    Ok(())
}

/// Runs `--version`, which changes nothing.
fn check_version(program: &Path) -> Result<()> {
    let (sender, lines) = mpsc::channel();
    let plan = Plan {
        program: program.to_owned(),
        arguments: vec!["--version".into()],
        environment: vec![("WG_PROCESS_FOREGROUND", "1".into())],
    };
    let on_line = Box::new(move |line| drop(sender.send(line)));
    let mut child = Child::start(plan, on_line, Box::new(|_| {})).map_err(|error| refused(program, error))?;
    let ending = match child.wait(VERSION_PATIENCE) {
        Some(ending) => ending,
        None => {
            child.end(Duration::ZERO);
            let seconds = VERSION_PATIENCE.as_secs();
            return Err(refused(program, format!("it did not tell its version within {seconds} s")));
        }
    };
    let first_line = lines.try_iter().next();
    match version(first_line.as_deref().unwrap_or_default()) {
        Some(version) if is_new_enough(version) => Ok(()),
        Some(version) => Err(refused(program, format!("version {version} is older than {OLDEST}"))),
        None if !ending.success => Err(refused(program, format!("asked for its version, {ending}"))),
        None => Err(refused(program, "it is not wireguard-go")),
    }
}

/// From `wireguard-go v0.0.20220316`.
fn version(first_line: &str) -> Option<&str> {
    let version = first_line.strip_prefix("wireguard-go v")?;
    let word = version.split_whitespace().next()?;
    word.starts_with(|c: char| c.is_ascii_digit()).then_some(word)
}

fn is_new_enough(version: &str) -> bool {
    numbers(version) >= numbers(OLDEST)
}

/// `0.0.20220316-dirty` → 0, 0, 20220316.
fn numbers(version: &str) -> Vec<u64> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    version.split('.').map(|part| digits(part).parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;
    use std::ffi::OsString;
    use std::os::unix::fs::{chown, symlink};

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn script(folder: &TemporaryFolder, body: &str) -> PathBuf {
        let path = folder.join(NAME);
        write(&path, &format!("#!/bin/sh\n{body}\n"), 0o755);
        path
    }

    fn reason(result: Result<PathBuf>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.code, CODE);
        assert!(error.reason.contains("install it with '"), "{error}");
        error.to_string()
    }

    #[test]
    fn a_named_program_must_say_that_it_is_wireguard_go() {
        let folder = TemporaryFolder::new();
        let good = script(&folder, "echo 'wireguard-go v0.0.20250522'; echo; echo Userspace");
        assert_eq!(find(Some(&good)).unwrap(), good);
        let found = |body: &str| reason(find(Some(&script(&folder, body))));
        assert!(found("echo hello").contains("it is not wireguard-go"));
        assert!(found("echo wireguard-go v0.0.20180531").contains("older than 0.0.20220316"));
        assert!(found("echo broken >&2; exit 127").contains("status 127, last it said: broken"));
        assert!(reason(find(Some(Path::new("/nonesuch")))).contains("No such file"));
        assert!(reason(find(Some(Path::new("wireguard-go")))).contains("absolute"));
        assert!(reason(find(Some(folder.path()))).contains("not a file"));
        let text = folder.join("text");
        write(&text, "not a program", 0o644);
        assert!(reason(find(Some(&text))).contains("not executable"));
        write(&text, "not a program", 0o755);
        assert!(reason(find(Some(&text))).contains("asked for its version, it ended with status 127"));
        fs::set_permissions(&good, fs::Permissions::from_mode(0o757)).unwrap();
        assert!(reason(find(Some(&good))).contains("everybody can write"));
    }

    #[test]
    fn a_program_that_does_not_answer_is_ended() {
        let folder = TemporaryFolder::new();
        let hangs = script(&folder, "exec sleep 60");
        assert!(reason(find(Some(&hangs))).contains("did not tell its version"));
    }

    #[test]
    fn what_is_found_must_be_roots_all_the_way_up() {
        let folder = TemporaryFolder::new();
        let (bin, other) = (folder.join("bin"), folder.join("other"));
        for path in [&bin, &other] {
            fs::create_dir(path).unwrap();
        }
        let program = bin.join(NAME);
        let search = |folders: &[&Path]| look_up(&std::env::join_paths(folders).unwrap(), &[]);
        assert!(reason(search(&[&bin])).contains("not in $PATH"));
        write(&program, "", 0o755);
        let real = fs::canonicalize(&program).unwrap();
        assert_eq!(search(&[Path::new("relative"), &other, &bin]).unwrap(), real);
        assert_eq!(look_up(&OsString::new(), &[&bin]).unwrap(), real, "in a usual folder");
        symlink(&program, other.join(NAME)).unwrap();
        assert_eq!(search(&[&other]).unwrap(), real, "where the link leads to counts");

        write(&program, "", 0o775);
        assert!(reason(search(&[&bin])).contains("others than its owner can write to it"));
        write(&program, "", 0o755);
        fs::set_permissions(&bin, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(reason(search(&[&other])).contains("can write to the folder"));
        fs::set_permissions(&bin, fs::Permissions::from_mode(0o755)).unwrap();
        // SAFETY: it has no preconditions.
        if unsafe { libc::geteuid() } == 0 {
            chown(&program, Some(4711), None).unwrap();
            assert!(reason(search(&[&bin])).contains("belongs to user 4711, not to root"));
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for (text, enough) in [
            ("0.0.20220316", true),
            ("0.0.20250522", true),
            ("0.0.20230223-dirty", true),
            ("0.1.0", true),
            ("1.0", true),
            ("0.0.20220315", false),
            ("0.0.9", false),
        ] {
            assert_eq!(is_new_enough(text), enough, "{text}");
        }
        assert_eq!(version("wireguard-go v0.0.20220316"), Some("0.0.20220316"));
        for other in ["", "wireguard-go", "amneziawg-go v0.2.13", "wireguard-go vx"] {
            assert_eq!(version(other), None, "{other}");
        }
    }
}
