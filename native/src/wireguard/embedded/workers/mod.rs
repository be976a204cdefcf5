//! The threads that move packets.

mod incoming;
mod outgoing;
mod timers;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, available_parallelism};
use std::time::Duration;

pub(super) use self::incoming::{IncomingJob, IncomingLead, incoming};
pub(super) use self::outgoing::{OutgoingJob, OutgoingLead, outgoing};
pub(super) use self::timers::timers;
use super::events::Events;
use super::pipeline::{Order, Pool};
use super::shared::Shared;
use super::wake::{Interest, Wake, wait};
use crate::wireguard::device::DeviceEvent;

/// More threads in one direction bring nothing: they wait for the one that reads, or the one that writes.
const MAX_THREADS: usize = 4;
/// How long a direction is without packets before its buffers are given back.
const IDLE: Duration = Duration::from_secs(5);

/// Threads for each direction: as many as were asked for, else as many as there are cores, since one could use all of them.
pub(super) fn threads(asked: Option<u16>) -> usize {
    match asked {
        Some(asked) => usize::from(asked.max(1)),
        None => available_parallelism().map_or(1, |cores| cores.get().min(MAX_THREADS)),
    }
}

/// What the threads of one direction share: who leads reads with `L`, and `J` is what they work on.
pub(super) struct Direction<L, J> {
    pub lead: Mutex<Lead<L>>,
    pub order: Order<J>,
    pub pool: Pool<J>,
    pub wake: Wake,
}

/// What only the leader uses.
pub(super) struct Lead<L> {
    pub reader: L,
    /// Nothing can be read any more: the direction has ended.
    pub ended: bool,
    /// The buffers were given back.
    idle: bool,
}

impl<L, J> Direction<L, J> {
    pub(super) fn new(reader: L, threads: usize) -> io::Result<Self> {
        Ok(Self {
            lead: Mutex::new(Lead { reader, ended: false, idle: true }),
            order: Order::new(),
            // One being handed on, one finished behind it, and one for each thread to work on.
            pool: Pool::new(threads + 2),
            wake: Wake::new()?,
        })
    }

    /// Ends all waiting; the threads then see that the device is stopping.
    pub(super) fn stop(&self) {
        self.pool.close();
        self.wake.wake();
    }
}

impl<L> Lead<L> {
    /// Waits for input, and gives buffers back when it takes long.
    fn wait<J, const N: usize>(
        &mut self,
        pool: &Pool<J>,
        wake: &Wake,
        descriptors: [Option<(std::os::fd::BorrowedFd<'_>, Interest)>; N],
    ) -> io::Result<()> {
        let ready = wait(wake, descriptors, (!self.idle).then_some(IDLE))?;
        if ready.is_none() {
            pool.trim();
            self.idle = true;
        }
        Ok(())
    }
}

/// Starts a thread whose panic becomes an event: nothing unwinds into the process.
pub(super) fn spawn(
    shared: &Arc<Shared>,
    role: &'static str,
    body: impl FnOnce(&Shared) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    // The kernel shows 15 bytes of a thread's name.
    thread::Builder::new().name(format!("wg-{role}")).spawn(move || {
        let what = format!("the {role} thread of {}", shared.tun.name());
        report_panic(&shared.events, &what, || body(&shared));
    })
}

fn report_panic(events: &Events, what: &str, body: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
        events.emit(DeviceEvent::Failed(format!("{what} ended: {}", panic_text(&*panic))));
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "panic",
    }
}

/// Ends a direction whose leader cannot read any more, and says why once.
fn end<L, J>(shared: &Shared, direction: &Direction<L, J>, lead: &mut Lead<L>, reason: &str) {
    lead.ended = true;
    direction.pool.trim();
    shared.events.emit(DeviceEvent::Failed(reason.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::super::lock;
    use super::*;

    #[test]
    fn a_panic_becomes_an_event() {
        let events = Events::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        events.set_handler(Arc::new(move |event| lock(&sink).push(event)));
        report_panic(&events, "the test thread of wg0", || panic!("peer {} is odd", 7));
        report_panic(&events, "the calm thread of wg0", || {});
        let expected = DeviceEvent::Failed("the test thread of wg0 ended: peer 7 is odd".to_owned());
        assert_eq!(*lock(&heard), [expected]);
    }
}
