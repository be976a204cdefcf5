//! Where a device's events go.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::device::{DeviceEvent, EventHandler};

/// How many events wait for a handler.
const BACKLOG: usize = 64;

/// Hands events to the handler; before there is one they wait.
#[derive(Default)]
pub struct Events {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handler: Option<EventHandler>,
    waiting: Vec<DeviceEvent>,
}

impl Events {
    pub fn set_handler(&self, handler: EventHandler) {
        let waiting = {
            let mut state = lock(&self.state);
            state.handler = Some(handler.clone());
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(|event| handler(event));
    }

    pub fn emit(&self, event: DeviceEvent) {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a handler that panicked left behind is a list of events, which is never half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_happened_before_there_was_a_handler_is_told_to_it_in_order() {
        let events = Events::default();
        for n in 0..BACKLOG + 5 {
            events.emit(DeviceEvent::Notice(n.to_string()));
        }
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        events.set_handler(Arc::new(move |event| lock(&sink).push(event)));
        events.emit(DeviceEvent::Notice("later".to_owned()));
        let heard = lock(&heard);
        assert_eq!(heard.len(), BACKLOG + 1);
        assert_eq!(heard[0], DeviceEvent::Notice("0".to_owned()));
        assert_eq!(heard[BACKLOG], DeviceEvent::Notice("later".to_owned()));
    }
}
