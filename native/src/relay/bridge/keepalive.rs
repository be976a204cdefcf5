//! When a bridge says hello.

use std::time::{Duration, Instant};

/// NATs forget after 30 s at the earliest (RFC 4787 asks for two minutes); random, so that bridges do not fall into step.
const EVERY_MIN: Duration = Duration::from_secs(15);
const EVERY_SPREAD_MS: u64 = 5000;
/// Until the remote answered: after a quarter of a second, then twice as long each time, up to this.
const FIRST_AGAIN: Duration = Duration::from_millis(250);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// The next hello of a bridge.
pub(super) struct Keepalive {
    due: Instant,
    again: Duration,
}

impl Keepalive {
    /// The first is due at once.
    pub fn new(now: Instant) -> Self {
        Self { due: now, again: FIRST_AGAIN }
    }

    /// Whether one is due. Then the next one is set: soon while the remote has not answered. `chance` is any number.
    pub fn due(&mut self, answered: bool, now: Instant, chance: u64) -> bool {
        if now < self.due {
            return false;
        }
        let pause = if answered {
            self.again = FIRST_AGAIN;
            EVERY_MIN + Duration::from_millis(chance % (EVERY_SPREAD_MS + 1))
        } else {
            let again = self.again;
            self.again = (again * 2).min(AGAIN_MAX);
            again
        };
        self.due = now + pause;
        true
    }

    pub fn wait(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_hurries_until_it_is_answered_and_then_keeps_between_15_and_20_s() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start);
        let (mut now, mut pauses) = (start, Vec::new());
        for step in 0..12 {
            assert!(keepalive.due(step >= 6, now, 1000 * step) && !keepalive.due(false, now, 0));
            pauses.push(keepalive.wait(now).as_millis());
            now += keepalive.wait(now);
        }
        assert_eq!(pauses[..6], [250, 500, 1000, 2000, 4000, 5000]);
        assert!(pauses[6..].iter().all(|pause| (15_000..=20_000).contains(pause)), "{pauses:?}");
        assert_eq!(pauses[6..8], [15_000 + 6000 % 5001, 15_000 + 7000 % 5001]);
    }
}
