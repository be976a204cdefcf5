//! The one error type: what was tried, on what, and why it failed.

use std::fmt;

/// An error with a stable code, the operation, its object and the reason.
///
/// Shown as `CODE: cannot <operation> <object>: <reason>`. `code` is an errno name (`EPERM`) or one of ours
/// (`STATE_DAMAGED`). Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub code: String,
    pub operation: &'static str,
    pub object: String,
    pub reason: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(
        code: &str,
        operation: &'static str,
        object: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self { code: code.to_owned(), operation, object: object.into(), reason: reason.into() }
    }

    /// From an errno value, with the reason a person can act on where one is known (`EPERM` → needs CAP_NET_ADMIN).
    pub fn from_errno(errno: i32, operation: &'static str, object: impl Into<String>) -> Self {
        let reason = match errno {
            libc::EPERM => "needs CAP_NET_ADMIN".to_owned(),
            _ => std::io::Error::from_raw_os_error(errno).to_string(),
        };
        Self::new(&errno_name(errno), operation, object, reason)
    }

    pub fn from_io(error: &std::io::Error, operation: &'static str, object: impl Into<String>) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::from_errno(errno, operation, object),
            None => Self::new("EIO", operation, object, error.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot {} {}: {}", self.code, self.operation, self.object, self.reason)
    }
}

impl std::error::Error for Error {}

/// The symbolic name of an errno value, or `E<number>`.
pub fn errno_name(errno: i32) -> String {
    let name = match errno {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::EINTR => "EINTR",
        libc::EIO => "EIO",
        libc::ENXIO => "ENXIO",
        libc::EBADF => "EBADF",
        libc::EAGAIN => "EAGAIN",
        libc::ENOMEM => "ENOMEM",
        libc::EACCES => "EACCES",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::ENODEV => "ENODEV",
        libc::ENOTDIR => "ENOTDIR",
        libc::EISDIR => "EISDIR",
        libc::EINVAL => "EINVAL",
        libc::EMFILE => "EMFILE",
        libc::ENOSPC => "ENOSPC",
        libc::EROFS => "EROFS",
        libc::ELOOP => "ELOOP",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENOTCONN => "ENOTCONN",
        libc::ENOTSOCK => "ENOTSOCK",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::ERANGE => "ERANGE",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::EADDRINUSE => "EADDRINUSE",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::ENETDOWN => "ENETDOWN",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::ENOBUFS => "ENOBUFS",
        libc::EMSGSIZE => "EMSGSIZE",
        libc::EPROTOTYPE => "EPROTOTYPE",
        libc::ENOSYS => "ENOSYS",
        libc::ESRCH => "ESRCH",
        _ => return format!("E{errno}"),
    };
    name.to_owned()
}
