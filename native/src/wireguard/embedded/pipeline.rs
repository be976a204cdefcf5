//! Work on several cores whose results leave in the order in which it came.
//!
//! Threads take turns as leader of a direction: the leader reads the next job, takes a [`Ticket`] for it and, if more is
//! waiting, lets the next thread lead. The expensive part of a job is then done by many threads at once. Whoever finishes
//! the job whose turn it is hands on that job and all finished ones that follow; who finishes early leaves the job behind
//! and goes for the next one. So no job overtakes another, and nobody waits for a slower one.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

use super::lock;

/// The order of jobs.
pub(super) struct Order<J> {
    state: Mutex<Line<J>>,
}

struct Line<J> {
    /// Number of the job at the front.
    front: u64,
    jobs: VecDeque<Place<J>>,
    /// A thread is handing on what is finished.
    committing: bool,
}

enum Place<J> {
    Open,
    Finished(J),
    /// The thread that had the ticket panicked.
    GivenUp,
}

/// A job's place in the order.
pub(super) struct Ticket<'a, J> {
    order: &'a Order<J>,
    number: u64,
    used: bool,
}

impl<J> Order<J> {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(Line { front: 0, jobs: VecDeque::new(), committing: false }) }
    }

    /// The next place. Tickets must be taken in the order that counts: by one thread at a time.
    pub(super) fn ticket(&self) -> Ticket<'_, J> {
        let mut line = lock(&self.state);
        let number = line.front + line.jobs.len() as u64;
        line.jobs.push_back(Place::Open);
        Ticket { order: self, number, used: false }
    }
}

impl<J> Line<J> {
    fn put(&mut self, number: u64, place: Place<J>) {
        let at = usize::try_from(number - self.front).unwrap_or(usize::MAX);
        if let Some(slot) = self.jobs.get_mut(at) {
            *slot = place;
        }
    }

    /// The job whose turn it is, if it is finished.
    fn next(&mut self) -> Option<J> {
        loop {
            match self.jobs.front()? {
                Place::Open => return None,
                Place::GivenUp | Place::Finished(_) => {}
            }
            self.front += 1;
            if let Some(Place::Finished(job)) = self.jobs.pop_front() {
                return Some(job);
            }
        }
    }
}

impl<J> Ticket<'_, J> {
    /// Says that the job is done. Calls `commit` for it and for those after it that wait, if it is its turn.
    pub(super) fn finish(mut self, job: J, mut commit: impl FnMut(J)) {
        self.used = true;
        let order = self.order;
        let mut line = lock(&order.state);
        line.put(self.number, Place::Finished(job));
        if line.committing {
            return;
        }
        line.committing = true;
        let _released = Committing(order);
        while let Some(job) = line.next() {
            drop(line);
            commit(job);
            line = lock(&order.state);
        }
        // Given back with the same lock that saw that nothing was left, so that no finished job is overlooked.
        line.committing = false;
    }
}

impl<J> Drop for Ticket<'_, J> {
    fn drop(&mut self) {
        if !self.used {
            lock(&self.order.state).put(self.number, Place::GivenUp);
        }
    }
}

/// Lets others commit when `commit` panics.
struct Committing<'a, J>(&'a Order<J>);

impl<J> Drop for Committing<'_, J> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.state).committing = false;
        }
    }
}

/// Jobs to be used again, a bounded number of them: they own the buffers.
pub(super) struct Pool<J> {
    state: Mutex<Stock<J>>,
    returned: Condvar,
    limit: usize,
}

struct Stock<J> {
    /// The last one used is taken first: its memory is still in the caches.
    free: Vec<J>,
    /// Those in use.
    out: usize,
    closed: bool,
}

impl<J> Pool<J> {
    /// At most `limit` jobs are in use at a time.
    pub(super) fn new(limit: usize) -> Self {
        let state = Mutex::new(Stock { free: Vec::new(), out: 0, closed: false });
        Self { state, returned: Condvar::new(), limit }
    }

    /// A used job, or a new one; waits while too many are in use. `None` once the pool was closed.
    pub(super) fn take(&self, make: impl FnOnce() -> J) -> Option<J> {
        let mut stock = lock(&self.state);
        while stock.out >= self.limit && !stock.closed {
            stock = self.returned.wait(stock).unwrap_or_else(PoisonError::into_inner);
        }
        if stock.closed {
            return None;
        }
        stock.out += 1;
        let used = stock.free.pop();
        drop(stock);
        Some(used.unwrap_or_else(make))
    }

    pub(super) fn put(&self, job: J) {
        let mut stock = lock(&self.state);
        stock.free.push(job);
        stock.out = stock.out.saturating_sub(1);
        drop(stock);
        self.returned.notify_one();
    }

    /// Frees the memory of all jobs but those in use.
    pub(super) fn trim(&self) {
        let free = std::mem::take(&mut lock(&self.state).free);
        drop(free);
    }

    /// Ends all waiting: nothing is given out any more.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.returned.notify_all();
    }
}

#[cfg(test)]
mod tests;
