//! Rights of this process, on macOS.

use std::io;

use crate::error::{Error, Result};

/// No core dump, which would hold the keys. Other processes of the same user cannot read this one's memory without the rights
/// of a debugger, which the system asks for.
pub fn set_non_dumpable() -> Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads one struct.
    match unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) } {
        0 => Ok(()),
        _ => Err(Error::from_io(&io::Error::last_os_error(), "forbid", "core dumps")),
    }
}

/// macOS has no capabilities: root has all, others none. `EINVAL` for a name that cannot be one.
pub fn has_capability(name: &str) -> Result<bool> {
    if !name.starts_with("CAP_") {
        let reason = "there is none of that name";
        return Err(Error::new("EINVAL", "look up capability", format!("{name:?}"), reason));
    }
    // SAFETY: it has no preconditions.
    Ok(unsafe { libc::geteuid() } == 0)
}
