//! The threads that move packets.

use std::any::Any;
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gotatun::packet::Packet;

use super::effects::Effects;
use super::engine::Inbox;
use super::events::Events;
use super::shared::Shared;
use super::tun::TunWriter;
use super::udp::{Receiver, Sender, Socket, Sockets};
use super::wake::{Interest, wait};
use crate::wireguard::device::DeviceEvent;

/// How often timers run while there is something to time. The protocol counts in seconds.
const TICK: Duration = Duration::from_millis(250);
/// How old the known MTU may be before padding takes a new one into account.
const MTU_INTERVAL: Duration = Duration::from_secs(4);
/// Datagrams collected before they are sent: two full frames of the kernel.
const FLUSH_AT: usize = 92;
/// Frames read before that at most; many may be for nobody.
const FRAMES: usize = 128;

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

/// TUN → engine → UDP.
pub(super) fn outgoing(shared: &Shared) {
    let mut reader = shared.tun.reader();
    let mut sender = Sender::new();
    let mut effects = Effects::default();
    let mut packets: Vec<Packet> = Vec::with_capacity(128);
    while !shared.stopping() {
        let mut idle = false;
        for _ in 0..FRAMES {
            match reader.read(&mut packets) {
                Ok(()) => shared.engine.outgoing(&mut packets, &mut effects),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => idle = true,
                Err(error) => {
                    lost(shared, &error);
                    return;
                }
            }
            if idle || effects.datagrams.len() >= FLUSH_AT {
                break;
            }
        }
        shared.carry_out(&mut effects, &mut sender, &shared.outgoing);
        if idle {
            let tun = (shared.tun.as_fd(), Interest::Readable);
            if let Err(error) = wait(&shared.outgoing, [Some(tun)], None) {
                lost(shared, &error);
                return;
            }
        }
    }
}

/// The TUN descriptor is of no use any more: the interface was deleted.
fn lost(shared: &Shared, error: &io::Error) {
    let reason = format!("the interface {} cannot be read any more: {error}", shared.tun.name());
    shared.events.emit(DeviceEvent::Failed(reason));
}

/// UDP → engine → TUN.
pub(super) fn incoming(shared: &Shared) {
    let mut flow = Incoming {
        shared,
        writer: shared.tun.writer(),
        receiver: Receiver::new(),
        sender: Sender::new(),
        inbox: Inbox::default(),
        effects: Effects::default(),
    };
    while !shared.stopping() {
        // Looked up each time: the port may have changed.
        let sockets = shared.sockets();
        let pair = [sockets.as_deref().map(Sockets::ipv4), sockets.as_deref().and_then(Sockets::ipv6)];
        let received: usize = pair.iter().flatten().map(|socket| flow.receive(socket)).sum();
        if received > 0 {
            continue;
        }
        let interests = pair.map(|socket| socket.map(|socket| (socket.as_fd(), Interest::Readable)));
        if let Err(error) = wait(&shared.incoming, interests, None) {
            let reason = format!("{} cannot receive any more: {error}", shared.tun.name());
            shared.events.emit(DeviceEvent::Failed(reason));
            return;
        }
    }
}

struct Incoming<'a> {
    shared: &'a Shared,
    writer: TunWriter<'a>,
    receiver: Receiver,
    sender: Sender,
    inbox: Inbox,
    effects: Effects,
}

impl Incoming<'_> {
    /// Takes one batch from the socket through to the TUN device; how many messages it was. An error is a message that was
    /// not there: waiting comes next.
    fn receive(&mut self, socket: &Socket) -> usize {
        let Self { shared, writer, receiver, sender, inbox, effects } = self;
        let result = receiver.receive(socket, |message| {
            shared.engine.incoming(message.from, message.bytes, message.datagram_size, inbox, effects);
            writer.write(&mut effects.packets);
            shared.carry_out(effects, sender, &shared.incoming);
        });
        result.unwrap_or(0)
    }
}

/// Handshakes to repeat, keepalives, sessions to end; asleep while there are none.
pub(super) fn timers(shared: &Shared) {
    let mut sender = Sender::new();
    let mut effects = Effects::default();
    let mut mtu_read = Instant::now();
    while !shared.stopping() {
        let busy = shared.engine.tick(&mut effects);
        // What a tick begins is timed by the next one, which comes anyway.
        effects.wake_timers = false;
        shared.carry_out(&mut effects, &mut sender, &shared.timers);
        if mtu_read.elapsed() >= MTU_INTERVAL {
            mtu_read = Instant::now();
            shared.tun.mtu().into_iter().for_each(|mtu| shared.engine.set_mtu(mtu));
        }
        if let Err(error) = wait(&shared.timers, [], busy.then_some(TICK)) {
            let reason = format!("{} cannot keep time any more: {error}", shared.tun.name());
            shared.events.emit(DeviceEvent::Failed(reason));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
