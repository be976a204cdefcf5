//! Rights of this process.

use std::io;

use crate::error::{Error, Result};

/// Capabilities by number, from `CAP_CHOWN` = 0 on (linux/capability.h).
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Version 3 of the header of capget(2): 64 capabilities.
const CAPGET_VERSION: u32 = 0x2008_0522;

/// `prctl(PR_SET_DUMPABLE, 0)`: no core dump, and no ptrace or /proc/<pid>/mem by the same user.
pub fn set_non_dumpable() -> Result<()> {
    // SAFETY: prctl with integer arguments alone.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } == 0 {
        return Ok(());
    }
    Err(Error::from_io(&io::Error::last_os_error(), "forbid", "core dumps"))
}

/// Whether the effective set of the calling thread has the capability. `EINVAL` for an unknown name.
pub fn has_capability(name: &str) -> Result<bool> {
    let number = CAPABILITIES.iter().position(|known| *known == name).ok_or_else(|| {
        Error::new("EINVAL", "look up capability", format!("{name:?}"), "there is none of that name")
    })?;
    Ok(effective_capabilities()? >> number & 1 == 1)
}

/// The effective set, one bit a capability. By capget rather than from /proc, which a unit may hide.
fn effective_capabilities() -> Result<u64> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Default)]
    struct Sets {
        effective: u32,
        _permitted: u32,
        _inheritable: u32,
    }
    let mut header = Header { version: CAPGET_VERSION, pid: 0 };
    let mut sets = [Sets::default(), Sets::default()];
    // SAFETY: the structs of capget(2); version 3 fills two of the second.
    if unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) } != 0 {
        return Err(Error::from_io(&io::Error::last_os_error(), "read", "the capabilities"));
    }
    Ok(u64::from(sets[1].effective) << 32 | u64::from(sets[0].effective))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_the_one_proc_shows() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        let shown = u64::from_str_radix(line.trim(), 16).unwrap();
        assert_eq!(effective_capabilities().unwrap(), shown);
        assert_eq!(has_capability("CAP_NET_ADMIN").unwrap(), shown >> 12 & 1 == 1);
        assert_eq!(has_capability("CAP_NET_FUN").unwrap_err().code, "EINVAL");
    }

    /// Stays in force for the other tests of this process, which need no core dump.
    #[test]
    fn the_process_is_not_dumpable_afterwards() {
        set_non_dumpable().unwrap();
        // SAFETY: prctl with integer arguments alone.
        assert_eq!(unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) }, 0);
    }

    #[test]
    fn names_stand_at_their_numbers() {
        let numbers =
            [("CAP_CHOWN", 0), ("CAP_NET_BIND_SERVICE", 10), ("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13)];
        for (name, number) in
            numbers.into_iter().chain([("CAP_SYS_ADMIN", 21), ("CAP_CHECKPOINT_RESTORE", 40)])
        {
            assert_eq!(CAPABILITIES[number], name);
        }
    }
}
