//! macOS has no firewall marks.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::error::Result;

/// None can be made.
pub enum MarkedSocket {}

impl MarkedSocket {
    /// `ENOTSUP`
    pub fn bind(_address: Ipv4Addr, _port: u16, _fwmark: u32) -> io::Result<Self> {
        Err(io::Error::from_raw_os_error(libc::ENOTSUP))
    }

    /// Never called.
    pub fn replace(self, _before: SocketAddrV4) -> Result<SocketAddrV4> {
        match self {}
    }
}
