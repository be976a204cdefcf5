//! Which counters were seen: a sliding window of bits (RFC 6479).

/// Bits kept. The kernel keeps as many; packets that are reordered by more are lost.
const BITS: u64 = 8192;
const WORD: u64 = u64::BITS as u64;
const WORDS: usize = (BITS / WORD) as usize;
/// One word is always partly in the future.
const DEPTH: u64 = BITS - WORD;

pub struct ReplayWindow {
    /// One more than the highest counter accepted.
    next: u64,
    /// A ring: bit `counter % BITS` is set once the counter was seen.
    seen: [u64; WORDS],
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self { next: 0, seen: [0; WORDS] }
    }
}

impl ReplayWindow {
    /// True the first time, for a counter below `limit`; false for one that was seen, or is too old to tell.
    #[inline]
    pub fn accept(&mut self, counter: u64, limit: u64) -> bool {
        if counter >= limit || counter.saturating_add(DEPTH) < self.next {
            return false;
        }
        if counter >= self.next {
            self.advance(counter);
        }
        let word = &mut self.seen[(counter / WORD) as usize % WORDS];
        let bit = 1 << (counter % WORD);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Makes room: words between the highest counter and this one hold what was seen a window ago.
    #[inline]
    fn advance(&mut self, counter: u64) {
        // The word of the highest counter so far is in use; before the first counter there is none.
        let fresh = self.next.div_ceil(WORD);
        let last = counter / WORD;
        if last >= fresh {
            let count = (last - fresh + 1).min(WORDS as u64);
            for word in last + 1 - count..=last {
                self.seen[word as usize % WORDS] = 0;
            }
        }
        self.next = counter + 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::wireguard::embedded::test_random::Random;

    #[test]
    fn each_counter_once() {
        let mut window = ReplayWindow::default();
        for counter in [0, 1, 5, 3, 9, 63, 64, 65, 4000, 9000] {
            assert!(window.accept(counter, u64::MAX), "{counter}");
            assert!(!window.accept(counter, u64::MAX), "{counter} again");
        }
        assert!(window.accept(9000 - DEPTH + 1, u64::MAX), "the oldest that can be told");
        assert!(!window.accept(9000 - DEPTH, u64::MAX), "too old");
    }

    #[test]
    fn the_end_of_all_counters() {
        let limit = u64::MAX - (1 << 13);
        let mut window = ReplayWindow::default();
        assert!(window.accept(limit - 1, limit));
        assert!(!window.accept(limit, limit) && !window.accept(u64::MAX, limit));
        assert!(window.accept(limit - 2, limit) && !window.accept(limit - 1, limit));
    }

    /// Any order, with jumps and repetitions, against a set.
    #[test]
    fn behaves_like_a_set_that_forgets() {
        let mut random = Random::new(3);
        for round in 0..50 {
            let (mut window, mut seen) = (ReplayWindow::default(), HashSet::new());
            let mut highest: Option<u64> = None;
            let mut centre = (round % 3) * 1000;
            for _ in 0..4000 {
                centre += match random.below(200) {
                    0 => random.below(20_000) as u64,
                    n => n as u64 % 5,
                };
                let counter = (centre + random.below(64) as u64).saturating_sub(random.below(9000) as u64);
                let known = highest.is_none_or(|highest| counter + DEPTH > highest);
                let expected = known && seen.insert(counter);
                assert_eq!(window.accept(counter, u64::MAX), expected, "{counter} after {highest:?}");
                if expected {
                    highest = highest.max(Some(counter));
                }
            }
        }
    }
}
