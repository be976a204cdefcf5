//! Where the device's events go.

use std::sync::Mutex;

use super::lock;
use crate::wireguard::device::{DeviceEvent, EventHandler};

/// How many events wait for a handler.
const BACKLOG: usize = 64;

/// Hands events to the handler; before there is one they wait.
#[derive(Default)]
pub(super) struct Events {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handler: Option<EventHandler>,
    waiting: Vec<DeviceEvent>,
}

impl Events {
    pub(super) fn set_handler(&self, handler: EventHandler) {
        let waiting = {
            let mut state = lock(&self.state);
            state.handler = Some(handler.clone());
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(|event| handler(event));
    }

    pub(super) fn emit(&self, event: DeviceEvent) {
        let handler = {
            let mut state = lock(&self.state);
            if state.handler.is_none() && state.waiting.len() < BACKLOG {
                state.waiting.push(event.clone());
            }
            state.handler.clone()
        };
        if let Some(handler) = handler {
            handler(event);
        }
    }
}
