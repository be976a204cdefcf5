//! Limits of how much happens in a second.

use std::time::{Duration, Instant};

/// Tokens that come back with time: at most `burst` at once, `rate` a second.
#[derive(Debug)]
pub struct Bucket {
    rate: u64,
    burst: u64,
    tokens: u64,
    filled_at: Instant,
}

impl Bucket {
    /// Full. `rate` is at least 1.
    pub fn new(rate: u64, burst: u64, now: Instant) -> Self {
        Self { rate: rate.max(1), burst, tokens: burst, filled_at: now }
    }

    /// Whether so many were left; then they are taken.
    pub fn take(&mut self, count: u64, now: Instant) -> bool {
        self.fill(now);
        let enough = self.tokens >= count;
        if enough {
            self.tokens -= count;
        }
        enough
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled_at);
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let grown = u128::from(nanos) * u128::from(self.rate) / 1_000_000_000;
        let grown = u64::try_from(grown).unwrap_or(u64::MAX);
        if grown == 0 {
            return;
        }
        if grown >= self.burst - self.tokens {
            (self.tokens, self.filled_at) = (self.burst, now);
        } else {
            self.tokens += grown;
            // Only the time that made whole tokens: the rest counts for the next.
            self.filled_at +=
                Duration::from_nanos((u128::from(grown) * 1_000_000_000 / u128::from(self.rate)) as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_with_time_and_never_beyond_the_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 5, start);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert!(bucket.take(5, start) && !bucket.take(1, at(99)));
        assert!(bucket.take(1, at(100)) && !bucket.take(1, at(199)));
        // The 99 ms that made no token were not forgotten.
        assert!(bucket.take(1, at(200)));
        assert!(bucket.take(5, at(60_000)) && !bucket.take(1, at(60_000)));
        // A clock that stands still or goes back gives nothing.
        assert!(!bucket.take(1, start));
    }

    #[test]
    fn a_large_bucket_in_odd_steps_gives_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(12_500_000, 100_000, start);
        let mut taken = 0u64;
        for step in 0..10_000u64 {
            while bucket.take(1452, start + Duration::from_nanos(step * 100_003)) {
                taken += 1452;
            }
        }
        assert!((12_400_000..=12_700_000).contains(&taken), "{taken}");
    }
}
