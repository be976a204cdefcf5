//! UDP → engine → TUN.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::MutexGuard;

use super::super::effects::Effects;
use super::super::incoming::Opened;
use super::super::lock;
use super::super::shared::Shared;
use super::super::tun::TunWriter;
use super::super::udp::{Received, Receiver, Sender, Socket, Sockets};
use super::super::wake::Interest;
use super::{Lead, end};

/// What the leader reads with.
pub(in super::super) struct IncomingLead {
    receiver: Receiver,
    /// The socket to look at first is the IPv6 one.
    ipv6_first: bool,
}

/// Messages received together, and what became of them.
pub(in super::super) struct IncomingJob {
    received: Received,
    /// One for each message.
    opened: Vec<Opened>,
    packets: Vec<Range<usize>>,
}

/// What each thread has for itself.
struct Hands {
    sender: Sender,
    writer: TunWriter,
    effects: Effects,
}

impl IncomingLead {
    pub(in super::super) fn new() -> Self {
        Self { receiver: Receiver::new(), ipv6_first: false }
    }

    /// Fills a job with what waits. True when there may be more.
    fn fill(&mut self, shared: &Shared, pair: [Option<&Socket>; 2], job: &mut IncomingJob) -> bool {
        job.received.messages.clear();
        for ipv6 in [self.ipv6_first, !self.ipv6_first] {
            let Some(socket) = pair[usize::from(ipv6)] else { continue };
            // An error is a message that was not there: waiting comes next.
            let more = self.receiver.receive(socket, &mut job.received, &shared.events).unwrap_or(false);
            if more || !job.received.messages.is_empty() {
                // Under load the other one gets its turn.
                self.ipv6_first = ipv6 != more;
                return more;
            }
        }
        false
    }
}

impl IncomingJob {
    pub(in super::super) fn new() -> Self {
        Self { received: Received::new(), opened: Vec::new(), packets: Vec::new() }
    }

    /// The first step, at any time.
    fn open(&mut self, shared: &Shared) {
        let Received { buffer, messages } = &mut self.received;
        self.opened.resize_with(self.opened.len().max(messages.len()), Opened::default);
        for (message, opened) in messages.iter().zip(&mut self.opened) {
            let datagrams = &mut buffer[message.start..message.start + message.length];
            shared.engine.open(message.from, datagrams, message.datagram_size, opened);
        }
    }

    /// The second step: in the order of arrival.
    fn deliver(&mut self, shared: &Shared, hands: &mut Hands) {
        let Received { buffer, messages } = &mut self.received;
        self.packets.clear();
        for (message, opened) in messages.iter().zip(&mut self.opened) {
            let datagrams = &mut buffer[message.start..message.start + message.length];
            shared.engine.accept(datagrams, opened, &mut hands.effects);
            for stranger in opened.strangers.drain(..) {
                shared.gate.hear(&datagrams[stranger], message.from.address);
            }
            let place = |packet: &Range<usize>| packet.start + message.start..packet.end + message.start;
            self.packets.extend(opened.packets.iter().map(place));
        }
        hands.writer.write(&shared.tun, buffer, &self.packets, &shared.events);
        shared.carry_out(&mut hands.effects, &mut hands.sender);
    }
}

/// What a thread of this direction does until the device stops.
pub(in super::super) fn incoming(shared: &Shared) {
    let mut hands = Hands { sender: Sender::new(), writer: TunWriter::new(), effects: Effects::default() };
    loop {
        let mut lead = lock(&shared.incoming.lead);
        loop {
            if shared.stopping() || lead.ended {
                return;
            }
            match step(shared, lead, &mut hands) {
                Some(still) => lead = still,
                None => break,
            }
        }
    }
}

/// One job. Returns the lead unless it was handed on.
fn step<'a>(
    shared: &Shared,
    mut lead: MutexGuard<'a, Lead<IncomingLead>>,
    hands: &mut Hands,
) -> Option<MutexGuard<'a, Lead<IncomingLead>>> {
    let direction = &shared.incoming;
    let mut job = direction.pool.take(IncomingJob::new)?;
    // Looked up each time: the port may have changed.
    let sockets = shared.sockets();
    let pair = [sockets.as_deref().and_then(Sockets::ipv4), sockets.as_deref().and_then(Sockets::ipv6)];
    let more = lead.reader.fill(shared, pair, &mut job);
    if job.received.messages.is_empty() {
        direction.pool.put(job);
        let interests = pair.map(|socket| socket.map(|socket| (socket.as_fd(), Interest::Readable)));
        let waited: io::Result<()> =
            if more { Ok(()) } else { lead.wait(&direction.pool, &direction.wake, interests) };
        if let Err(error) = waited {
            let reason = format!("{} cannot receive any more: {error}", shared.tun.name());
            end(shared, direction, &mut lead, &reason);
            return None;
        }
        return Some(lead);
    }
    lead.idle = false;
    let ticket = direction.order.ticket();
    // Nobody is woken for what one thread does alone.
    let lead = (!more).then_some(lead);
    job.open(shared);
    ticket.finish(job, |mut job| {
        job.deliver(shared, hands);
        direction.pool.put(job);
    });
    lead
}
