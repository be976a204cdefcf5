//! From packets to messages: what is decided in order, and what any thread may do after that.

use std::net::IpAddr;
use std::sync::Arc;

use super::effects::Effects;
use super::endpoint::{Endpoint, Source};
use super::engine::Engine;
use super::noise::Session;
use super::peer::Peer;
use super::read;

/// Packets of one destination, laid out as messages.
pub(super) trait Batch {
    /// The destination address inside of the tunnel, the same for all packets; `None` when there are no packets.
    fn destination(&self) -> Option<IpAddr>;
    /// How many messages there are.
    fn count(&self) -> usize;
    /// Bytes of all messages, with header, padding and tag: what is counted as sent.
    fn wire_bytes(&self) -> usize;
    /// The packets without header, padding and tag, in order: those that wait for a session are copied.
    fn packets(&self) -> impl Iterator<Item = &[u8]>;
}

/// What a batch is sealed with and where it goes.
pub(super) struct Plan {
    pub session: Arc<Session>,
    pub first_counter: u64,
    pub to: Endpoint,
}

impl Plan {
    /// Seals the batch's messages in place, in the order of its packets: each is 16 bytes of room for the header, the packet
    /// padded with zeros (`noise::message::padded`), 16 bytes of room for the tag. Takes no lock and allocates nothing.
    pub(super) fn seal<'a>(&self, messages: impl Iterator<Item = &'a mut [u8]>) {
        for (counter, message) in (self.first_counter..).zip(messages) {
            self.session.seal(counter, message);
        }
    }

    /// False once the peer was removed or its session taken away: what was sealed since must not be sent. To be asked right
    /// before sending.
    pub(super) fn live(&self) -> bool {
        !self.session.ended()
    }
}

impl Engine {
    /// Finds the peer and takes counters for the batch, which must go on in the order of these calls. `None` when nothing is to
    /// be sealed: nobody has the address, or the packets were kept until there is a session.
    pub(super) fn plan(&self, batch: &impl Batch, effects: &mut Effects) -> Option<Plan> {
        let destination = batch.destination()?;
        let peer = read(&self.peers).route(destination).cloned()?;
        peer.tunnel(&self.context, self.context.world.now(), effects).plan(batch)
    }

    /// Takes the packets that waited for the peer's session, in order with those of [`Self::plan`], so under the same turn, which is how
    /// none that came later overtakes them: until this was called `plan` adds to them. `add` gets each packet, to lay it out as a
    /// message. `None` when there is nothing to send.
    pub(super) fn flush(
        &self,
        peer: &Arc<Peer>,
        effects: &mut Effects,
        add: impl FnMut(&[u8]),
    ) -> Option<Plan> {
        peer.tunnel(&self.context, self.context.world.now(), effects).flush(add)
    }

    /// A datagram could not be sent from this source (EINVAL, ENETUNREACH, EADDRNOTAVAIL): no peer is sent to from it any more.
    /// The datagram may be sent again without.
    pub(super) fn forget_source(&self, source: Source) {
        self.all_peers().iter().for_each(|peer| peer.forget_source(source));
    }

    /// Leaves all sources to the kernel, until the peers are heard of again.
    pub(super) fn forget_sources(&self) {
        for peer in self.all_peers() {
            if let Some(Endpoint { source: Some(source), .. }) = peer.endpoint() {
                peer.forget_source(source);
            }
        }
    }
}
