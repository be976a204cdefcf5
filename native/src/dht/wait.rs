//! Waiting for a future on a thread, within a time limit, until somebody cancels it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Why a wait ended without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Late,
    Cancelled,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The value of the future, if it comes before `until`. Who sets `cancelled` also unparks the thread.
pub fn wait<T>(future: impl Future<Output = T>, until: Instant, cancelled: &AtomicBool) -> Result<T, Ended> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if cancelled.load(Ordering::Acquire) {
            return Err(Ended::Cancelled);
        }
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Ok(value);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Ended::Late);
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[test]
    fn value_time_limit_and_cancelling() {
        let never = AtomicBool::new(false);
        assert_eq!(wait(ready(7), soon(), &never), Ok(7));
        assert_eq!(wait(pending::<()>(), soon(), &never), Err(Ended::Late));
        assert_eq!(wait(ready(7), soon(), &AtomicBool::new(true)), Err(Ended::Cancelled));
    }

    #[test]
    fn a_waiting_thread_hears_of_the_cancelling() {
        let cancelled = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&cancelled);
        let until = Instant::now() + Duration::from_secs(600);
        let waiting = thread::spawn(move || wait(pending::<()>(), until, &seen));
        cancelled.store(true, Ordering::Release);
        waiting.thread().unpark();
        assert_eq!(waiting.join().expect("it returns"), Err(Ended::Cancelled));
    }
}
