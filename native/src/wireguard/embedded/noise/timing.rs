//! The constants of section 6.1, and what else is counted in seconds.

use std::time::Duration;

/// How long things take and last. Values other than the default make no WireGuard: they are for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Age of a session at which its initiator, when it sends, makes a new one.
    pub rekey_after_time: Duration,
    /// Age of a session at which nothing goes through it any more.
    pub reject_after_time: Duration,
    /// Time between two attempts at a handshake.
    pub rekey_timeout: Duration,
    /// Up to this much is added to [`Self::rekey_timeout`] by chance, so that two sides that began together do not go on so.
    pub rekey_jitter: Duration,
    /// Attempts before giving up: REKEY_ATTEMPT_TIME (90 s) of them.
    pub handshake_attempts: u32,
    /// Silence after received data before an empty message tells that we are there.
    pub keepalive_timeout: Duration,
    /// Messages sent at which the sender makes a new session.
    pub rekey_after_messages: u64,
    /// Messages at which nothing goes through a session any more.
    pub reject_after_messages: u64,
}

impl Timing {
    /// What devices that are opened from now on go by.
    pub fn for_new_devices() -> Self {
        #[cfg(feature = "test-exports")]
        if let Some(timing) = *FOR_TESTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return timing;
        }
        Self::default()
    }

    /// Sets it, so that a test sees many new sessions in seconds; `None` sets the default again.
    #[cfg(feature = "test-exports")]
    pub fn set_for_new_devices(timing: Option<Self>) {
        *FOR_TESTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = timing;
    }
}

#[cfg(feature = "test-exports")]
static FOR_TESTS: std::sync::Mutex<Option<Timing>> = std::sync::Mutex::new(None);

impl Default for Timing {
    fn default() -> Self {
        Self {
            rekey_after_time: Duration::from_secs(120),
            reject_after_time: Duration::from_secs(180),
            rekey_timeout: Duration::from_secs(5),
            rekey_jitter: Duration::from_millis(333),
            handshake_attempts: 18,
            keepalive_timeout: Duration::from_secs(10),
            rekey_after_messages: 1 << 60,
            reject_after_messages: u64::MAX - (1 << 13),
        }
    }
}
