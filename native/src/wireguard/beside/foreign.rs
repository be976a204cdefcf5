//! The port of a WireGuard that is not ours, opened when it is wanted; where there are no raw sockets for it, it cannot be.

use std::sync::Arc;

use super::{Handler, Port};
use crate::error::Result;

/// Nothing until it is opened.
#[derive(Default)]
pub struct ForeignPort {
    #[cfg(target_os = "linux")]
    raw: Option<super::raw::RawPort>,
}

#[cfg(target_os = "linux")]
impl ForeignPort {
    /// `EPERM` without CAP_NET_RAW. Again replaces the handler.
    pub fn open(&mut self, name: &str, handler: Handler) -> Result<Arc<dyn Port>> {
        if let Some(raw) = &self.raw {
            raw.set_handler(handler);
            return Ok(raw.port());
        }
        let raw = super::raw::RawPort::open(name, handler)?;
        Ok(self.raw.insert(raw).port())
    }

    /// What WireGuard was found to have: a port (0 for none) and, when that was read too, its mark.
    pub fn follow(&self, port: u16, fwmark: Option<u32>) -> Result<()> {
        match (&self.raw, fwmark) {
            (None, _) => Ok(()),
            (Some(raw), Some(fwmark)) => raw.follow(port, fwmark),
            (Some(raw), None) => raw.follow_port(port),
        }
    }

    /// Ends its thread.
    pub fn close(&mut self) {
        self.raw = None;
    }
}

#[cfg(not(target_os = "linux"))]
impl ForeignPort {
    pub fn open(&mut self, name: &str, _handler: Handler) -> Result<Arc<dyn Port>> {
        let reason = "this system delivers no UDP to raw sockets";
        Err(crate::error::Error::new("ENOTSUP", "open the raw sockets for", name, reason))
    }

    pub fn follow(&self, _port: u16, _fwmark: Option<u32>) -> Result<()> {
        Ok(())
    }

    pub fn close(&mut self) {}
}
