//! The question to a peer as datagrams, between nodes of ours: three in place of a TCP connection's ten. Pure: (datagram, now) -> what
//! to send.
//!
//! ```text
//!   asker ── "ask a" ──► asked        a, b: 16 hexadecimal digits by chance
//!   asker ◄─ "yes a b" ─ asked        proves both directions to the asker,
//!   asker ── "seen b" ─► asked        and this to the one that was asked
//! ```
//!
//! It goes to the UDP port of the same number as the probe listener's, from mesh address to mesh address. Who answers nothing is asked by
//! the line protocol of PROTOCOL.md section 11.2 next, as a Go node is from the start.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The longest is a `yes`.
pub const MAX_ECHO_BYTES: usize = 38;
/// Longer than an asker waits: an answer that was not acknowledged by then never is.
const KEEP: Duration = Duration::from_secs(5);
/// Questions under way, in each direction. More at once are asked by the line protocol.
const MAX_OPEN: usize = 1_024;

/// What a datagram calls for.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Part of no question under way.
    Nothing,
    /// To be sent back to where the datagram came from.
    Reply(String),
    /// The sender has answered our question; it is to be told.
    Answered(String),
    /// The sender has got our answer to its own question.
    Asked,
}

struct Question {
    nonce: u64,
    due: Instant,
}

struct Answer {
    nonce: u64,
    at: Instant,
}

/// Questions under way, at most one an address in each direction.
#[derive(Default)]
pub struct Echo {
    asked: HashMap<IpAddr, Question>,
    told: HashMap<IpAddr, Answer>,
}

enum Message {
    Ask(u64),
    Yes(u64, u64),
    Seen(u64),
}

impl Echo {
    /// The datagram that asks; `None` while this address is being asked, or too many are.
    pub fn ask(&mut self, to: IpAddr, nonce: u64, due: Instant) -> Option<String> {
        if self.asked.len() >= MAX_OPEN || self.asked.contains_key(&to) {
            return None;
        }
        self.asked.insert(to, Question { nonce, due });
        Some(format!("ask {nonce:016x}\n"))
    }

    /// @param nonce by chance, for the answer to a question.
    pub fn received(&mut self, data: &[u8], from: IpAddr, now: Instant, nonce: impl FnOnce() -> u64) -> Step {
        match parse(data) {
            Some(Message::Ask(theirs)) => self.answer(theirs, from, now, nonce()),
            Some(Message::Yes(ours, theirs)) => match self.asked.get(&from) {
                Some(question) if question.nonce == ours => {
                    self.asked.remove(&from);
                    Step::Answered(format!("seen {theirs:016x}\n"))
                }
                _ => Step::Nothing,
            },
            Some(Message::Seen(ours)) => match self.told.get(&from) {
                Some(answer) if answer.nonce == ours && now.duration_since(answer.at) < KEEP => {
                    self.told.remove(&from);
                    Step::Asked
                }
                _ => Step::Nothing,
            },
            None => Step::Nothing,
        }
    }

    /// When the first question is late, `None` when none is under way.
    pub fn next_due(&self) -> Option<Instant> {
        self.asked.values().map(|question| question.due).min()
    }

    /// Whose answer is late at `now`; they are asked no longer.
    pub fn late(&mut self, now: Instant) -> Vec<IpAddr> {
        self.asked.extract_if(|_, question| question.due <= now).map(|(address, _)| address).collect()
    }

    fn answer(&mut self, theirs: u64, from: IpAddr, now: Instant, nonce: u64) -> Step {
        if self.told.len() >= MAX_OPEN && !self.told.contains_key(&from) {
            self.told.retain(|_, answer| now.duration_since(answer.at) < KEEP);
            if self.told.len() >= MAX_OPEN {
                return Step::Nothing;
            }
        }
        self.told.insert(from, Answer { nonce, at: now });
        Step::Reply(format!("yes {theirs:016x} {nonce:016x}\n"))
    }
}

fn parse(data: &[u8]) -> Option<Message> {
    let text = std::str::from_utf8(data).ok()?.strip_suffix('\n')?;
    let (word, nonces) = text.split_once(' ')?;
    match word {
        "ask" => Some(Message::Ask(nonce(nonces)?)),
        "seen" => Some(Message::Seen(nonce(nonces)?)),
        "yes" => {
            let (ours, theirs) = nonces.split_once(' ')?;
            Some(Message::Yes(nonce(ours)?, nonce(theirs)?))
        }
        _ => None,
    }
}

/// Lower case alone, no sign: one text for each number.
fn nonce(text: &str) -> Option<u64> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 16 && text.bytes().all(is_digit)).then(|| u64::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(1_200);

    fn peer(number: u16) -> IpAddr {
        IpAddr::from([10, 0, (number >> 8) as u8, number as u8])
    }

    fn reply(step: Step) -> String {
        match step {
            Step::Reply(text) | Step::Answered(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn three_datagrams_prove_both_directions_to_both() {
        let now = Instant::now();
        let (mut asker, mut asked) = (Echo::default(), Echo::default());
        let ask = asker.ask(peer(2), 0xa1, now + LIMIT).unwrap();
        assert_eq!(ask, "ask 00000000000000a1\n");
        let yes = reply(asked.received(ask.as_bytes(), peer(1), now, || 0xb2));
        assert_eq!(yes, "yes 00000000000000a1 00000000000000b2\n");
        assert_eq!(yes.len(), MAX_ECHO_BYTES);
        let seen = asker.received(yes.as_bytes(), peer(2), now, || unreachable!());
        assert_eq!(seen, Step::Answered("seen 00000000000000b2\n".to_owned()));
        assert_eq!(asked.received(reply(seen).as_bytes(), peer(1), now, || unreachable!()), Step::Asked);
        assert_eq!(asker.next_due(), None);
    }

    #[test]
    fn proofs_count_once_and_only_from_whom_they_are_due() {
        let now = Instant::now();
        let mut echo = Echo::default();
        echo.ask(peer(2), 1, now + LIMIT).unwrap();
        let yes = b"yes 0000000000000001 0000000000000009\n";
        assert_eq!(echo.received(yes, peer(3), now, || 0), Step::Nothing);
        assert!(matches!(echo.received(yes, peer(2), now, || 0), Step::Answered(_)));
        assert_eq!(echo.received(yes, peer(2), now, || 0), Step::Nothing);

        reply(echo.received(b"ask 0000000000000005\n", peer(2), now, || 7));
        let seen = b"seen 0000000000000007\n";
        assert_eq!(echo.received(seen, peer(3), now, || 0), Step::Nothing);
        assert_eq!(echo.received(b"seen 0000000000000008\n", peer(2), now, || 0), Step::Nothing);
        assert_eq!(echo.received(seen, peer(2), now, || 0), Step::Asked);
        assert_eq!(echo.received(seen, peer(2), now, || 0), Step::Nothing);
    }

    #[test]
    fn an_acknowledgement_that_comes_too_late_is_none() {
        let now = Instant::now();
        let mut echo = Echo::default();
        reply(echo.received(b"ask 0000000000000005\n", peer(2), now, || 7));
        assert_eq!(echo.received(b"seen 0000000000000007\n", peer(2), now + KEEP, || 0), Step::Nothing);
    }

    #[test]
    fn whatever_else_comes_is_dropped() {
        let mut echo = Echo::default();
        for text in [
            "",
            "\n",
            "ping\n",
            "ask 0000000000000001",
            "ask 0000000000000001\n\n",
            "ask 000000000000001\n",
            "ask 00000000000000001\n",
            "ask 000000000000000A\n",
            "ask +000000000000001\n",
            "ask  000000000000001\n",
            "yes 0000000000000001\n",
            "yes 0000000000000001 0000000000000001\n",
            "seen 0000000000000001 \n",
            "seen 0000000000000001\n",
        ] {
            let step = echo.received(text.as_bytes(), peer(1), Instant::now(), || 1);
            assert_eq!(step, Step::Nothing, "{text:?}");
        }
        assert_eq!(echo.received(&[0xff; 21], peer(1), Instant::now(), || 1), Step::Nothing);
    }

    #[test]
    fn one_question_an_address_until_it_is_answered_or_late() {
        let now = Instant::now();
        let mut echo = Echo::default();
        assert!(echo.ask(peer(2), 1, now + LIMIT).is_some());
        assert_eq!(echo.ask(peer(2), 2, now + LIMIT), None);
        assert!(echo.ask(peer(3), 3, now + 2 * LIMIT).is_some());
        assert_eq!(echo.next_due(), Some(now + LIMIT));
        assert!(echo.late(now).is_empty());
        assert_eq!(echo.late(now + LIMIT), [peer(2)]);
        let yes = b"yes 0000000000000001 0000000000000009\n";
        assert_eq!(echo.received(yes, peer(2), now + LIMIT, || 0), Step::Nothing);
        assert!(echo.ask(peer(2), 4, now + 3 * LIMIT).is_some());
        assert_eq!(echo.next_due(), Some(now + 2 * LIMIT));
    }

    #[test]
    fn both_directions_have_an_end_and_old_answers_make_room() {
        let now = Instant::now();
        let mut echo = Echo::default();
        for number in 0..MAX_OPEN as u16 {
            assert!(echo.ask(peer(number), 1, now).is_some());
            reply(echo.received(b"ask 0000000000000001\n", peer(number), now, || 1));
        }
        let one_more = peer(MAX_OPEN as u16);
        assert_eq!(echo.ask(one_more, 1, now), None);
        let ask = b"ask 0000000000000001\n";
        assert_eq!(echo.received(ask, one_more, now, || 1), Step::Nothing);
        reply(echo.received(ask, peer(0), now, || 2));
        reply(echo.received(ask, one_more, now + KEEP, || 1));
    }
}
