//! The sessions of a peer: the one that is used, the one before it, and the one that the other side has yet to prove.

use std::sync::Arc;

use super::session::Session;

/// As the kernel keeps them: a responder may not send with a new session before the initiator did, since only that shows that the
/// response arrived (section 6.2 has the replay it would allow); the previous one is kept for what is still on its way.
#[derive(Default)]
pub struct Sessions {
    current: Option<Arc<Session>>,
    previous: Option<Arc<Session>>,
    next: Option<Arc<Session>>,
}

/// Sessions that are of no more use.
pub type Gone = [Option<Arc<Session>>; 2];

impl Sessions {
    /// The one to send with.
    pub fn current(&self) -> Option<&Arc<Session>> {
        self.current.as_ref()
    }

    /// A session whose response we got: used from now on.
    pub fn begin_as_initiator(&mut self, session: Arc<Session>) -> Gone {
        let current = self.current.replace(session);
        // The other side may have begun to use the one we answered for, and ours only when it hears of it.
        match self.next.take() {
            Some(next) => [self.previous.replace(next), current],
            None => [std::mem::replace(&mut self.previous, current), None],
        }
    }

    /// A session that we answered for: used once something comes through it.
    pub fn begin_as_responder(&mut self, session: Arc<Session>) -> Gone {
        [self.next.replace(session), self.previous.take()]
    }

    /// Something authentic came through this session. `Some` when that proves that the other side has it, too.
    pub fn confirm(&mut self, session: &Arc<Session>) -> Option<Gone> {
        let next = self.next.take_if(|next| Arc::ptr_eq(next, session))?;
        let current = self.current.replace(next);
        Some([std::mem::replace(&mut self.previous, current), None])
    }

    pub fn clear(&mut self) -> impl Iterator<Item = Arc<Session>> + use<> {
        [self.current.take(), self.previous.take(), self.next.take()].into_iter().flatten()
    }
}
