//! WireGuard interfaces: one [`device::Device`] seam, three implementations.

pub mod beside;
pub mod device;
mod difference;
#[cfg(target_os = "linux")]
pub mod embedded;
pub(crate) mod events;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod json;
#[cfg(target_os = "linux")]
pub mod kernel;
mod port;
pub mod process;
pub mod set_keys;

use crate::error::{Error, Result};
use crate::link::name::InterfaceName;
use crate::os::underlay::Underlay;
use device::Device;
use process::{ProcessDevice, ProcessOptions};

/// What moves the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Kernel,
    Embedded,
    WireguardGo,
}

impl Kind {
    pub fn parse(text: &str) -> Result<Self> {
        let reason = "not kernel, embedded or wireguard-go";
        let known = [Self::Kernel, Self::Embedded, Self::WireguardGo].into_iter().find(|k| k.text() == text);
        known.ok_or_else(|| Error::new("EINVAL", "use backend", format!("{text:?}"), reason))
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Embedded => "embedded",
            Self::WireguardGo => "wireguard-go",
        }
    }

    /// Creates or adopts the interface; see `WireGuardDevice.open` in index.d.ts for the errors. `options` are those of
    /// wireguard-go; the embedded one looks at the number of threads. `underlay` is what embedded binds to: the others listen on
    /// every address.
    pub fn open(
        self,
        name: &InterfaceName,
        mtu: u16,
        options: ProcessOptions,
        underlay: Underlay,
    ) -> Result<Box<dyn Device>> {
        #[cfg(not(target_os = "linux"))]
        let _every_address = underlay;
        match self {
            #[cfg(target_os = "linux")]
            Self::Kernel => Ok(Box::new(kernel::KernelDevice::open(name, mtu)?)),
            #[cfg(target_os = "linux")]
            Self::Embedded => {
                Ok(Box::new(embedded::EmbeddedDevice::open(name, mtu, options.threads, underlay)?))
            }
            Self::WireguardGo => Ok(Box::new(ProcessDevice::open(name, mtu, options)?)),
            #[cfg(not(target_os = "linux"))]
            Self::Kernel | Self::Embedded => {
                Err(Error::new("ENOTSUP", "use backend", self.text(), "it exists on Linux only"))
            }
        }
    }
}
