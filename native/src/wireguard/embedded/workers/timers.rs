//! Handshakes to repeat, keepalives, sessions to end.

use super::super::effects::Effects;
use super::super::shared::Shared;
use super::super::udp::Sender;
use super::super::wake::wait;
use crate::wireguard::device::DeviceEvent;

/// Sleeps until the next deadline of all peers, for ever while there is none.
pub(in super::super) fn timers(shared: &Shared) {
    let mut sender = Sender::new();
    let mut effects = Effects::default();
    while !shared.stopping() {
        let next = shared.engine.tick(&mut effects);
        // What a tick begins is part of what it returns.
        effects.wake_timers = false;
        shared.carry_out(&mut effects, &mut sender);
        if let Err(error) = wait(&shared.timers, [], next) {
            let reason = format!("{} cannot keep time any more: {error}", shared.tun.name());
            shared.events.emit(DeviceEvent::Failed(reason));
            return;
        }
    }
}
