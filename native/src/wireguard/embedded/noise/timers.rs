//! When a peer has something to do although nothing comes or goes (section 6), as the kernel does it. Deadlines only: nobody looks at a
//! peer before its next one.

use std::time::Duration;

use super::time::Time;
use super::timing::Timing;

/// The deadlines of one peer.
#[derive(Default)]
pub struct Timers {
    /// To try the handshake again.
    retry: Option<Time>,
    /// To answer data with an empty message, should nothing else go.
    keepalive: Option<Time>,
    /// More data came while that deadline stood.
    keepalive_again: bool,
    /// To make a new session, since nothing came back for what was sent.
    silence: Option<Time>,
    /// The next persistent keepalive.
    persistent: Option<Time>,
    /// To forget all keys.
    erase: Option<Time>,
    /// Attempts at a handshake, since the first or since it was last wanted anew.
    attempts: u32,
    /// State of a generator for [`Timing::rekey_jitter`], which needs no secret.
    jitter: u64,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    RetryHandshake,
    /// No answer after all attempts: what waits is dropped.
    GiveUp,
    NewHandshake,
    Keepalive,
    EraseKeys,
}

impl Timers {
    pub fn new(seed: u64) -> Self {
        Self { jitter: seed | 1, ..Self::default() }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Time> {
        [self.retry, self.keepalive, self.silence, self.persistent, self.erase].into_iter().flatten().min()
    }

    /// Takes one thing that is due; to be called until there is none.
    pub fn due(&mut self, now: Time, timing: &Timing) -> Option<Due> {
        let passed = |deadline: &mut Option<Time>| deadline.take_if(|deadline| *deadline <= now).is_some();
        if passed(&mut self.erase) {
            return Some(Due::EraseKeys);
        }
        if passed(&mut self.retry) {
            if self.attempts >= timing.handshake_attempts {
                self.keepalive = None;
                self.erase.get_or_insert(now + timing.reject_after_time * 3);
                return Some(Due::GiveUp);
            }
            return Some(Due::RetryHandshake);
        }
        if passed(&mut self.silence) {
            return Some(Due::NewHandshake);
        }
        if passed(&mut self.keepalive) {
            if std::mem::take(&mut self.keepalive_again) {
                self.keepalive = Some(now + timing.keepalive_timeout);
            }
            return Some(Due::Keepalive);
        }
        passed(&mut self.persistent).then_some(Due::Keepalive)
    }

    /// Forgets all deadlines.
    pub fn clear(&mut self) {
        *self = Self { jitter: self.jitter, ..Self::default() };
    }

    // ---- what happened -----------------------------------------------------------------------------------------------

    /// A packet was sent, not only a keepalive.
    pub fn data_sent(&mut self, now: Time, timing: &Timing) {
        if self.silence.is_none() {
            let jitter = self.jitter(timing);
            self.silence = Some(now + timing.keepalive_timeout + timing.rekey_timeout + jitter);
        }
    }

    /// A packet was received, not only a keepalive.
    pub fn data_received(&mut self, now: Time, timing: &Timing) {
        match self.keepalive {
            Some(_) => self.keepalive_again = true,
            None => self.keepalive = Some(now + timing.keepalive_timeout),
        }
    }

    /// Anything authentic was sent. `persistent`: the interval of persistent keepalives, if any.
    pub fn sent(&mut self, now: Time, persistent: Option<Duration>) {
        self.keepalive = None;
        self.keepalive_again = false;
        self.traversed(now, persistent);
    }

    /// Anything authentic was received.
    pub fn received(&mut self, now: Time, persistent: Option<Duration>) {
        self.silence = None;
        self.traversed(now, persistent);
    }

    fn traversed(&mut self, now: Time, persistent: Option<Duration>) {
        if let Some(interval) = persistent {
            self.persistent = Some(now + interval);
        }
    }

    /// Persistent keepalive was turned on, or its interval changed (`Some`), or it was turned off.
    pub fn set_persistent(&mut self, first: Option<Time>) {
        self.persistent = first;
    }

    /// A handshake is wanted for a new reason: attempts are counted anew.
    pub fn handshake_wanted(&mut self) {
        self.attempts = 0;
    }

    /// An initiation was sent.
    pub fn initiated(&mut self, now: Time, timing: &Timing) {
        self.attempts = self.attempts.saturating_add(1);
        let jitter = self.jitter(timing);
        self.retry = Some(now + timing.rekey_timeout + jitter);
    }

    /// A handshake is wanted, and whoever keeps the time is to begin it.
    pub fn begin(&mut self, now: Time) {
        self.attempts = 0;
        self.retry = Some(now);
    }

    /// A handshake is wanted, but a message of one was sent at `sent`: time to see what became of that.
    pub fn retry_by(&mut self, sent: Time, timing: &Timing) {
        if self.retry.is_none() {
            let jitter = self.jitter(timing);
            self.retry = Some(sent + timing.rekey_timeout + jitter);
        }
    }

    /// Keys of a session were made.
    pub fn derived(&mut self, now: Time, timing: &Timing) {
        self.erase = Some(now + timing.reject_after_time * 3);
    }

    /// Both sides have a new session.
    pub fn completed(&mut self) {
        self.retry = None;
        self.attempts = 0;
    }

    /// 0..=rekey_jitter
    fn jitter(&mut self, timing: &Timing) -> Duration {
        // xorshift64
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        let limit = u64::try_from(timing.rekey_jitter.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.jitter % limit.saturating_add(1).max(1))
    }
}
