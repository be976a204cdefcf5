//! Offloads of the kernel that may turn out not to work while they are in use.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::events::Events;
use crate::wireguard::device::DeviceEvent;

/// One way of handing the kernel many packets at once. It is in use until the kernel refuses it; from then on packets go one by
/// one, which costs speed and nothing else.
pub(super) struct Offload {
    /// What an operator reads about it, as "UDP_SEGMENT (sending many datagrams in one call)".
    name: &'static str,
    on: AtomicBool,
    #[cfg(any(test, feature = "test-exports"))]
    fault: std::sync::atomic::AtomicI32,
}

impl Offload {
    pub(super) fn new(name: &'static str, on: bool) -> Self {
        Self {
            name,
            on: AtomicBool::new(on),
            #[cfg(any(test, feature = "test-exports"))]
            fault: std::sync::atomic::AtomicI32::new(0),
        }
    }

    pub(super) fn on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Makes a call that uses the offload.
    pub(super) fn attempt<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        #[cfg(any(test, feature = "test-exports"))]
        if let Some(error) = self.injected() {
            return Err(error);
        }
        call()
    }

    /// Goes on without it, and says so once.
    pub(super) fn give_up(&self, error: &io::Error, link: &str, events: &Events) {
        if self.on.swap(false, Ordering::Relaxed) {
            let text = format!(
                "{link} goes on without {}, since the kernel refused it: {error}; packets pass more slowly until the device is \
                 opened again",
                self.name
            );
            events.emit(DeviceEvent::Notice(text));
        }
    }
}

/// Failures on purpose, for tests: of one offload, or of all with a name.
#[cfg(any(test, feature = "test-exports"))]
pub mod faults {
    use std::sync::Mutex;

    use super::super::lock;
    use super::*;

    /// Beginning of a name, and an errno.
    static INJECTED: Mutex<Option<(String, i32)>> = Mutex::new(None);

    /// Makes all attempts to use offloads whose name begins so fail with this errno, 0 for no more failures.
    #[cfg(feature = "test-exports")]
    pub fn inject(name: &str, errno: i32) {
        *lock(&INJECTED) = (errno != 0).then(|| (name.to_owned(), errno));
    }

    impl Offload {
        #[cfg(test)]
        pub(in super::super) fn inject(&self, errno: i32) {
            self.fault.store(errno, Ordering::Relaxed);
        }

        pub(super) fn injected(&self) -> Option<io::Error> {
            let everywhere =
                lock(&INJECTED).as_ref().filter(|(name, _)| self.name.starts_with(name)).map(|i| i.1);
            let errno = everywhere.unwrap_or(self.fault.load(Ordering::Relaxed));
            (errno != 0).then(|| io::Error::from_raw_os_error(errno))
        }
    }
}
