//! Who may send to whom, how much, and where to: decides for each frame, does no I/O.
//!
//! An address becomes that of an end only when it gave back what was sent to it (a cookie), so whoever writes
//! somebody else's address into his packets sends that one nothing but a challenge that is no longer than what he sent himself.
//! What comes from an address that is not known yet goes to the other end all the same: nothing waits for the challenge.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::frame::{CONTROL, Cookie, Frame, HEADER, Kind, Token, control};
use crate::rate::Bucket;
use crate::wireguard::embedded::endpoint::Endpoint;

/// Between two challenges of one end.
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(50);
/// Bytes that may come at once beyond the rate: a tenth of a second, and a full buffer of TCP at least.
const MIN_BURST_BYTES: u64 = 256 * 1024;
const MIN_BURST_PACKETS: u64 = 256;

/// Of payload and frame header, both directions together; at least 1 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub bytes_per_second: u64,
    pub packets_per_second: u64,
}

struct Allowance {
    bytes: Bucket,
    packets: Bucket,
}

impl Allowance {
    fn new(limits: Limits, now: Instant) -> Self {
        Self {
            bytes: bucket(limits.bytes_per_second, MIN_BURST_BYTES, now),
            packets: bucket(limits.packets_per_second, MIN_BURST_PACKETS, now),
        }
    }

    /// Another rate, and its burst at once.
    fn set_byte_rate(&mut self, bytes_per_second: u64, now: Instant) {
        self.bytes = bucket(bytes_per_second, MIN_BURST_BYTES, now);
    }

    fn take(&mut self, bytes: usize, now: Instant) -> bool {
        self.packets.take(1, now) && self.bytes.take(bytes as u64, now)
    }
}

fn bucket(rate: u64, burst: u64, now: Instant) -> Bucket {
    Bucket::new(rate, burst.max(rate / 10), now)
}

struct End {
    token: Token,
    /// Where it was proven to be.
    address: Option<Endpoint>,
    /// The last address that was asked, what for, and when.
    asked: Option<(Endpoint, Cookie, Instant)>,
}

struct Session {
    ends: [End; 2],
    allowance: Allowance,
    last_frame: Instant,
    packets: u64,
    bytes: u64,
    dropped: u64,
}

/// A session as others may see it: without its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    pub id: u32,
    /// Forwarded.
    pub packets: u64,
    pub bytes: u64,
    /// Not forwarded: beyond a limit, or the other end was not there yet.
    pub dropped: u64,
    pub idle: Duration,
    /// Which ends are there.
    pub connected: [bool; 2],
}

/// What is to be done with a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Drop,
    /// Put the token in and send it there.
    Forward {
        to: Endpoint,
        token: Token,
    },
    /// Send this back to where it came from.
    Reply([u8; CONTROL]),
    /// Both.
    ForwardAndReply {
        to: Endpoint,
        token: Token,
        reply: [u8; CONTROL],
    },
}

/// Why a session cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A token is another end's, or both are the same.
    TokenInUse,
    Full,
}

pub struct Sessions {
    sessions: HashMap<u32, Session>,
    ends: HashMap<Token, (u32, usize)>,
    allowance: Allowance,
    max: usize,
    idle: Duration,
    next_id: u32,
    pub forwarded_packets: u64,
    pub forwarded_bytes: u64,
    pub dropped_packets: u64,
    /// Datagrams without a token that is known.
    pub strangers: u64,
}

impl Sessions {
    /// `limits`: of all sessions together. A session without frames for `idle` ends.
    pub fn new(limits: Limits, max: usize, idle: Duration, now: Instant) -> Self {
        Self {
            sessions: HashMap::new(),
            ends: HashMap::new(),
            allowance: Allowance::new(limits, now),
            max,
            idle,
            next_id: 1,
            forwarded_packets: 0,
            forwarded_bytes: 0,
            dropped_packets: 0,
            strangers: 0,
        }
    }

    pub fn add(&mut self, tokens: [Token; 2], limits: Limits, now: Instant) -> Result<u32, Refusal> {
        if tokens[0] == tokens[1] || tokens.iter().any(|token| self.ends.contains_key(token)) {
            return Err(Refusal::TokenInUse);
        }
        if self.sessions.len() >= self.max {
            return Err(Refusal::Full);
        }
        // After four thousand million sessions numbers come again; one that lives is passed over.
        while self.sessions.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let ends = tokens.map(|token| End { token, address: None, asked: None });
        for (side, token) in tokens.into_iter().enumerate() {
            self.ends.insert(token, (id, side));
        }
        let allowance = Allowance::new(limits, now);
        let session = Session { ends, allowance, last_frame: now, packets: 0, bytes: 0, dropped: 0 };
        self.sessions.insert(id, session);
        Ok(id)
    }

    /// `all`: of all together; `each`: of each session there is.
    pub fn set_byte_rates(&mut self, all: u64, each: u64, now: Instant) {
        self.allowance.set_byte_rate(all, now);
        for session in self.sessions.values_mut() {
            session.allowance.set_byte_rate(each, now);
        }
    }

    /// Whether there was one of that number.
    pub fn remove(&mut self, id: u32) -> bool {
        let Some(session) = self.sessions.remove(&id) else { return false };
        for end in session.ends {
            self.ends.remove(&end.token);
        }
        true
    }

    /// Ends sessions that nobody uses.
    pub fn expire(&mut self, now: Instant) {
        let over = |session: &Session| now.saturating_duration_since(session.last_frame) >= self.idle;
        let ids: Vec<u32> = self.sessions.iter().filter(|(_, s)| over(s)).map(|(id, _)| *id).collect();
        for id in ids {
            self.remove(id);
        }
    }

    /// `random` makes a cookie.
    pub fn accept(
        &mut self,
        frame: &Frame<'_>,
        from: Endpoint,
        now: Instant,
        random: impl FnOnce() -> Cookie,
    ) -> Verdict {
        let Some((id, side)) = self.ends.get(&frame.token).copied() else {
            self.strangers += 1;
            return Verdict::Drop;
        };
        let Some(session) = self.sessions.get_mut(&id) else { return Verdict::Drop };
        session.last_frame = now;
        let length = HEADER + frame.payload.len();
        if !session.allowance.take(length, now) || !self.allowance.take(length, now) {
            session.dropped += 1;
            self.dropped_packets += 1;
            return Verdict::Drop;
        }
        let [first, second] = &mut session.ends;
        let (end, other) = if side == 0 { (first, second) } else { (second, first) };
        match frame.kind {
            Kind::Data => {
                let challenge = end.challenge(from, length, now, random);
                match (other.address, challenge) {
                    (None, challenge) => {
                        session.dropped += 1;
                        self.dropped_packets += 1;
                        challenge.map_or(Verdict::Drop, Verdict::Reply)
                    }
                    (Some(to), challenge) => {
                        session.packets += 1;
                        session.bytes += length as u64;
                        self.forwarded_packets += 1;
                        self.forwarded_bytes += length as u64;
                        let token = other.token;
                        match challenge {
                            None => Verdict::Forward { to, token },
                            Some(reply) => Verdict::ForwardAndReply { to, token, reply },
                        }
                    }
                }
            }
            Kind::Hello if end.is_at(from) => {
                // The local address that it reaches us by may be another one by now.
                end.address = Some(from);
                Verdict::Reply(control(Kind::Alive, frame.token, Cookie::default()))
            }
            Kind::Hello => end.challenge(from, length, now, random).map_or(Verdict::Drop, Verdict::Reply),
            Kind::Answer => match end.asked {
                Some((asked, cookie, _)) if asked.address == from.address && cookie == frame.cookie() => {
                    end.address = Some(from);
                    end.asked = None;
                    Verdict::Reply(control(Kind::Alive, frame.token, Cookie::default()))
                }
                _ => Verdict::Drop,
            },
            Kind::Challenge | Kind::Alive => Verdict::Drop,
        }
    }

    pub fn states(&self, now: Instant) -> Vec<SessionState> {
        let state = |(id, session): (&u32, &Session)| SessionState {
            id: *id,
            packets: session.packets,
            bytes: session.bytes,
            dropped: session.dropped,
            idle: now.saturating_duration_since(session.last_frame),
            connected: [session.ends[0].address.is_some(), session.ends[1].address.is_some()],
        };
        let mut states: Vec<SessionState> = self.sessions.iter().map(state).collect();
        states.sort_by_key(|state| state.id);
        states
    }
}

impl End {
    fn is_at(&self, from: Endpoint) -> bool {
        self.address.is_some_and(|known| known.address == from.address)
    }

    /// A challenge for an address that is new, unless the frame was shorter than it, or one was sent just now.
    fn challenge(
        &mut self,
        from: Endpoint,
        length: usize,
        now: Instant,
        random: impl FnOnce() -> Cookie,
    ) -> Option<[u8; CONTROL]> {
        if self.is_at(from) || length < CONTROL {
            return None;
        }
        let just_now = |asked: Instant| now.saturating_duration_since(asked) < CHALLENGE_INTERVAL;
        if self.asked.is_some_and(|(_, _, at)| just_now(at)) {
            return None;
        }
        // The same address is asked the same again: an answer that is late counts too.
        let cookie = match self.asked {
            Some((asked, cookie, _)) if asked.address == from.address => cookie,
            _ => random(),
        };
        self.asked = Some((from, cookie, now));
        Some(control(Kind::Challenge, self.token, cookie))
    }
}

#[cfg(test)]
mod tests;
