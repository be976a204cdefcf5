//! Clock and chance, as a seam: in tests both are what the test says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use super::noise::{Secret, Time};

pub(super) trait World: Send + Sync {
    fn now(&self) -> Time;
    /// Wall time since 1970, which may go anywhere.
    fn unix(&self) -> Duration;
    /// Fills with unpredictable bytes.
    fn random(&self, bytes: &mut [u8]);

    fn random_secret(&self) -> Secret {
        let mut secret = Zeroizing::new([0; 32]);
        self.random(&mut *secret);
        secret
    }
}

/// The machine we run on.
pub(super) struct Machine;

impl World for Machine {
    fn now(&self) -> Time {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the struct is ours. It cannot fail: every Linux that Node runs on has this clock.
        unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
        Time::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }

    fn unix(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn random(&self, bytes: &mut [u8]) {
        // No key may come from anything less, so without it this thread ends, which is reported.
        getrandom::fill(bytes).expect("the system's random source");
    }
}
