//! Handshakes to repeat, keepalives, sessions to end, sources to give up.

use std::os::fd::AsFd;

use super::super::effects::Effects;
use super::super::shared::Shared;
use super::super::sources::Sources;
use super::super::udp::Sender;
use super::super::wake::{Interest, wait};
use crate::wireguard::device::DeviceEvent;

/// Sleeps until the next deadline of all peers, for ever while there is none.
pub(in super::super) fn timers(shared: &Shared) {
    let mut sender = Sender::new();
    let mut effects = Effects::default();
    // Without, sources are given up when a handshake fails.
    let mut sources = Sources::open().ok();
    while !shared.stopping() {
        if let Some(sources) = &mut sources {
            sources.check(&shared.engine, || shared.fwmark());
        }
        let next = shared.engine.tick(&mut effects);
        // What a tick begins is part of what it returns.
        effects.wake_timers = false;
        shared.carry_out(&mut effects, &mut sender);
        let next = [next, sources.as_ref().and_then(Sources::due)].into_iter().flatten().min();
        let changes = sources.as_ref().map(|sources| (sources.as_fd(), Interest::Readable));
        if let Err(error) = wait(&shared.timers, [changes], next) {
            let reason = format!("{} cannot keep time any more: {error}", shared.tun.name());
            shared.events.emit(DeviceEvent::Failed(reason));
            return;
        }
    }
}
