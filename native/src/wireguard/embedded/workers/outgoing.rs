//! TUN → engine → UDP.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::super::batch::Outbound;
use super::super::effects::Effects;
use super::super::lock;
use super::super::outgoing::{Batch, Plan};
use super::super::peer::Peer;
use super::super::shared::Shared;
use super::super::tun::{Tun, TunReader};
use super::super::udp::Sender;
use super::super::wake::Interest;
use super::{Lead, end};

/// Bytes in a job before it is worked on: more than one full frame of the kernel.
const ENOUGH_BYTES: usize = 64 << 10;
/// Messages in a job before it is worked on: as many small ones as go out in one call.
const ENOUGH_MESSAGES: usize = 128;
/// Destinations in a job at most.
const DESTINATIONS: usize = 16;
/// How old the known MTU may be before padding takes a new one into account.
const MTU_INTERVAL: Duration = Duration::from_secs(4);

/// What the leader reads with.
pub(in super::super) struct OutgoingLead {
    frames: TunReader,
    mtu: u16,
    mtu_read: Instant,
}

/// Packets read together, by destination.
#[derive(Default)]
pub(in super::super) struct OutgoingJob {
    parts: Vec<Part>,
    /// How many of `parts` are in use.
    used: usize,
}

struct Part {
    /// `None` for packets that waited for their peer's session.
    destination: Option<IpAddr>,
    batch: Outbound,
    plan: Option<Plan>,
}

impl OutgoingLead {
    pub(in super::super) fn new(mtu: u16) -> Self {
        Self { frames: TunReader::new(), mtu, mtu_read: Instant::now() }
    }

    /// Fills an empty job with what waits. True when there is more: then its first frame was read already.
    fn fill(&mut self, tun: &Tun, job: &mut OutgoingJob) -> io::Result<bool> {
        let (mut bytes, mut messages) = (0, 0);
        loop {
            let destination = match self.frames.read(tun) {
                Ok(Some(destination)) => destination,
                Ok(None) => continue,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            // The frame waits for the next job, or for the thread that leads then.
            if bytes >= ENOUGH_BYTES || messages >= ENOUGH_MESSAGES {
                return Ok(true);
            }
            let Some(batch) = job.batch(destination) else { return Ok(true) };
            let before = (batch.wire_bytes(), batch.count());
            self.frames.split(tun, batch, self.mtu);
            bytes += batch.wire_bytes() - before.0;
            messages += batch.count() - before.1;
        }
    }

    /// Follows the link's MTU, which others may change.
    fn follow_mtu(&mut self, shared: &Shared) {
        if self.mtu_read.elapsed() >= MTU_INTERVAL {
            self.mtu_read = Instant::now();
            if let Some(mtu) = shared.tun.mtu() {
                self.mtu = mtu;
                shared.engine.set_mtu(mtu);
            }
        }
    }
}

impl OutgoingJob {
    /// The batch for packets of this destination; `None` when there are too many destinations already.
    fn batch(&mut self, destination: IpAddr) -> Option<&mut Outbound> {
        let known = self.parts[..self.used].iter().position(|part| part.destination == Some(destination));
        match known {
            Some(at) => Some(&mut self.parts[at].batch),
            None if self.used < DESTINATIONS => Some(&mut self.add(Some(destination)).batch),
            None => None,
        }
    }

    fn add(&mut self, destination: Option<IpAddr>) -> &mut Part {
        let at = self.used;
        self.used += 1;
        if at == self.parts.len() {
            self.parts.push(Part { destination, batch: Outbound::default(), plan: None });
        }
        let part = &mut self.parts[at];
        part.destination = destination;
        part
    }

    /// Takes what waited for the peers' sessions: a first step too.
    fn flush(&mut self, shared: &Shared, peers: Vec<Arc<Peer>>, mtu: u16, effects: &mut Effects) {
        for peer in peers {
            let Part { batch, plan, .. } = self.add(None);
            *plan = shared.engine.flush(&peer, effects, |packet| batch.push(packet, mtu));
        }
    }

    fn parts(&mut self) -> impl Iterator<Item = &mut Part> {
        self.parts[..self.used].iter_mut()
    }

    /// The first step: in the order of reading.
    fn plan(&mut self, shared: &Shared, mtu: u16, effects: &mut Effects) {
        for part in self.parts().filter(|part| part.destination.is_some()) {
            part.plan = shared.engine.plan(&part.batch, effects);
        }
        // Those that had to wait behind others whose session is there.
        let peers = std::mem::take(&mut effects.flush);
        self.flush(shared, peers, mtu, effects);
    }

    /// The second step, at any time.
    fn seal(&mut self) {
        for part in self.parts() {
            if let Some(plan) = &part.plan {
                plan.seal(part.batch.messages_mut());
            }
        }
    }

    /// The third step: in the order of reading.
    fn send(&self, shared: &Shared, sender: &mut Sender) {
        let Some(sockets) = shared.sockets() else { return };
        let mut pieces = Vec::with_capacity(8);
        for part in &self.parts[..self.used] {
            if let Some(plan) = part.plan.as_ref().filter(|plan| plan.live()) {
                sockets.divide(plan.to, &part.batch, &mut pieces);
            }
        }
        shared.send(&sockets, sender, &pieces);
    }

    fn clear(&mut self) {
        for part in self.parts() {
            part.batch.clear();
            part.plan = None;
        }
        self.used = 0;
    }
}

/// What a thread of this direction does until the device stops.
pub(in super::super) fn outgoing(shared: &Shared) {
    let mut sender = Sender::new();
    let mut effects = Effects::default();
    loop {
        let mut lead = lock(&shared.outgoing.lead);
        loop {
            if shared.stopping() || lead.ended {
                return;
            }
            match step(shared, lead, &mut sender, &mut effects) {
                Some(still) => lead = still,
                None => break,
            }
        }
    }
}

/// One job. Returns the lead unless it was handed on.
fn step<'a>(
    shared: &Shared,
    mut lead: MutexGuard<'a, Lead<OutgoingLead>>,
    sender: &mut Sender,
    effects: &mut Effects,
) -> Option<MutexGuard<'a, Lead<OutgoingLead>>> {
    let direction = &shared.outgoing;
    let mut job = direction.pool.take(OutgoingJob::default)?;
    job.flush(shared, shared.take_flushes(DESTINATIONS), lead.reader.mtu, effects);
    let more = lead.reader.fill(&shared.tun, &mut job).and_then(|more| {
        if job.used == 0 && !more {
            lead.wait(&direction.pool, &direction.wake, [Some((shared.tun.as_fd(), Interest::Readable))])?;
        }
        Ok(more)
    });
    let more = match more {
        Ok(more) => more,
        Err(error) => {
            direction.pool.put(job);
            let reason = format!("the interface {} cannot be read any more: {error}", shared.tun.name());
            end(shared, direction, &mut lead, &reason);
            return None;
        }
    };
    if job.used == 0 {
        direction.pool.put(job);
        return Some(lead);
    }
    lead.idle = false;
    lead.reader.follow_mtu(shared);
    job.plan(shared, lead.reader.mtu, effects);
    let ticket = direction.order.ticket();
    // Nobody is woken for what one thread does alone.
    let lead = (!more).then_some(lead);
    job.seal();
    ticket.finish(job, |mut job| {
        job.send(shared, sender);
        job.clear();
        direction.pool.put(job);
    });
    shared.carry_out(effects, sender);
    lead
}
