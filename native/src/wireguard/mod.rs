//! WireGuard interfaces: one [`device::Device`] seam, two implementations.

pub mod device;
pub mod embedded;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod json;
pub mod kernel;

use crate::error::{Error, Result};
use crate::link::name::InterfaceName;
use device::Device;
use embedded::EmbeddedDevice;
use kernel::KernelDevice;

/// What moves the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Kernel,
    Embedded,
}

impl Kind {
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "kernel" => Ok(Self::Kernel),
            "embedded" => Ok(Self::Embedded),
            _ => Err(Error::new("EINVAL", "use backend", format!("{text:?}"), "not kernel or embedded")),
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Embedded => "embedded",
        }
    }

    /// Creates or adopts the interface; see `WireGuardDevice.open` in index.d.ts for the errors.
    pub fn open(self, name: &InterfaceName, mtu: u16) -> Result<Box<dyn Device>> {
        match self {
            Self::Kernel => Ok(Box::new(KernelDevice::open(name, mtu)?)),
            Self::Embedded => Ok(Box::new(EmbeddedDevice::open(name, mtu)?)),
        }
    }
}
