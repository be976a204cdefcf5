//! Which of our addresses peers are answered from, when addresses or routes of the host change.
//!
//! The kernel's WireGuard asks the routes for each packet: a source that is not an address of the host any more is given up, and
//! one whose route leaves by another link than the one it was learned on. Here that is asked when something has changed, so that
//! a host that has moved to a better link is answered there, and not only after a handshake that fails.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::endpoint::{Endpoint, Source};
use super::engine::Engine;
use crate::error::Result;
use crate::link::lookup::Egress;
use crate::link::monitor::Watch;

/// A round of questions is followed by a pause of so many times its length, so that a router whose routes never rest has its
/// processor for itself.
const PAUSE: u32 = 20;

pub(super) struct Sources {
    watch: Watch,
    egress: Egress,
    /// Something has changed since the last round.
    changed: bool,
    next_round: Instant,
}

impl Sources {
    pub(super) fn open() -> Result<Self> {
        let (watch, egress) = (Watch::open()?, Egress::open()?);
        Ok(Self { watch, egress, changed: false, next_round: Instant::now() })
    }

    /// When to come back, besides when the descriptor is readable.
    pub(super) fn due(&self) -> Option<Duration> {
        self.changed.then(|| self.next_round.saturating_duration_since(Instant::now()))
    }

    /// Has every peer's source given up that is of no use any more, if something has changed. `mark`: the datagrams' firewall mark.
    pub(super) fn check(&mut self, engine: &Engine, mark: impl FnOnce() -> u32) {
        self.changed |= self.watch.take();
        let began = Instant::now();
        if !self.changed || began < self.next_round {
            return;
        }
        self.changed = false;
        let mark = mark();
        for peer in engine.all_peers() {
            if let Some(Endpoint { address, source: Some(source) }) = peer.endpoint()
                && !source.is_link_local()
                && self
                    .egress
                    .link_index(address.ip(), source.address, mark)
                    .is_ok_and(|link| link != Some(source.interface))
            {
                peer.forget_source(source);
            }
        }
        self.next_round = Instant::now() + began.elapsed() * PAUSE;
    }
}

impl Source {
    /// Then the link is part of the address.
    fn is_link_local(&self) -> bool {
        matches!(self.address, std::net::IpAddr::V6(address) if address.is_unicast_link_local())
    }
}

impl AsFd for Sources {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}
