//! TAI64N timestamps: what keeps old initiations from being taken again (section 5.1).

use std::time::Duration;

use super::time::Time;

/// TAI64 of the Unix epoch: 2^62, and the ten leap seconds there were before it.
const EPOCH: u64 = (1 << 62) + 10;
/// Nanoseconds below this power of two (17 ms) are cleared, so that a stamp tells little of when exactly we looked at the clock; as
/// the kernel does. One step is less than the 20 ms that have to be between two initiations.
const STEP: u32 = 1 << 24;
const SECOND: u32 = 1_000_000_000;

/// Ordered as time is; the default is before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp([u8; Self::LENGTH]);

impl Timestamp {
    pub const LENGTH: usize = 12;

    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    pub fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The stamp of an instant, `unix` being the time since the epoch, but later than `last` in any case.
    pub fn after(last: Self, unix: Duration) -> Self {
        let stamp = Self::new(EPOCH.saturating_add(unix.as_secs()), unix.subsec_nanos() / STEP * STEP);
        if stamp > last { stamp } else { last.next() }
    }

    fn new(seconds: u64, nanos: u32) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&seconds.to_be_bytes());
        bytes[8..].copy_from_slice(&nanos.to_be_bytes());
        Self(bytes)
    }

    fn next(self) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.0;
        let seconds = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        match u32::from_be_bytes([i, j, k, l]).saturating_add(STEP) {
            nanos if nanos < SECOND => Self::new(seconds, nanos),
            _ => Self::new(seconds.saturating_add(1), 0),
        }
    }
}

/// Wall time that only goes forward: after the clock was set back it goes on from where it was, else peers would refuse our
/// initiations until the clock is there again.
#[derive(Default)]
pub struct ForwardClock {
    /// Wall time of the boot: the latest there ever was.
    boot: Duration,
}

impl ForwardClock {
    /// `unix`: what the clock says at `now`.
    pub fn read(&mut self, now: Time, unix: Duration) -> Duration {
        let up = now.since(Time::default());
        self.boot = self.boot.max(unix.saturating_sub(up));
        self.boot.saturating_add(up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// D. J. Bernstein's example: 1992-06-02 08:07:09 TAI is 4000 0000 2a2b 2c2d, and UTC was 26 s behind then; a stamp leaves
    /// those leap seconds out that came after 1970, as other implementations do.
    #[test]
    fn a_stamp_is_tai64n_of_unix_time_with_ten_leap_seconds() {
        let unix = Duration::new(0x2a2b_2c2d - 10, 999_999_999);
        let stamp = Timestamp::after(Timestamp::default(), unix);
        assert_eq!(stamp.bytes()[..8], 0x4000_0000_2a2b_2c2d_u64.to_be_bytes());
        let nanos = u32::from_be_bytes(*stamp.bytes().last_chunk().expect("12 bytes"));
        assert!(nanos < SECOND && SECOND - nanos < 2 * STEP && nanos.trailing_zeros() >= 24, "{nanos:#x}");
    }

    #[test]
    fn a_stamp_is_later_than_the_one_before_even_when_the_clock_is_not() {
        let mut last = Timestamp::default();
        for unix in [seconds(100), seconds(100), seconds(50), Duration::ZERO, seconds(100), seconds(101)] {
            for _ in 0..70 {
                let stamp = Timestamp::after(last, unix);
                assert!(stamp > last, "{stamp:?} after {last:?}");
                let nanos = u32::from_be_bytes(*stamp.bytes().last_chunk().expect("12 bytes"));
                assert!(nanos < SECOND);
                last = stamp;
            }
        }
    }

    #[test]
    fn wall_time_does_not_go_back() {
        let mut clock = ForwardClock::default();
        let at = |up| Time::default() + seconds(up);
        assert_eq!(clock.read(at(10), seconds(1000)), seconds(1000));
        assert_eq!(clock.read(at(20), seconds(500)), seconds(1010), "set back: goes on from where it was");
        assert_eq!(clock.read(at(30), seconds(5000)), seconds(5000), "set forward: follows");
        assert_eq!(clock.read(at(40), Duration::ZERO), seconds(5010), "before 1970");
    }
}
