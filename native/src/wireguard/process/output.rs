//! What the child prints, as lines an operator can read.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Bytes of a line that are kept.
const LINE_BYTES: usize = 500;
/// Lines passed on in one window; further ones are counted.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Keys are 44 characters in base64 and 64 in hex: words as long are not shown, whatever they are.
const LONGEST_WORD: usize = 40;

/// Calls back for every line until the end of the output.
pub(super) fn each_line(mut source: impl Read, mut on_line: impl FnMut(String)) {
    let mut line = Vec::with_capacity(LINE_BYTES);
    let mut buffer = [0u8; 4096];
    loop {
        let length = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for byte in &buffer[..length] {
            if *byte == b'\n' {
                tell(&mut line, &mut on_line);
            } else if line.len() < LINE_BYTES {
                line.push(*byte);
            }
        }
    }
    tell(&mut line, &mut on_line);
}

fn tell(line: &mut Vec<u8>, on_line: &mut impl FnMut(String)) {
    let text = readable(&String::from_utf8_lossy(line));
    line.clear();
    if !text.is_empty() {
        on_line(text);
    }
}

/// Without control characters, the prefix of wireguard-go's log (`ERROR: (wg0) 2026/11/21 13:45:47 `), and long words.
fn readable(line: &str) -> String {
    let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let hidden = |word: &str| {
        let longest =
            word.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c))).map(str::len).max();
        longest.unwrap_or(0) > LONGEST_WORD && !word.starts_with('/')
    };
    let words: Vec<&str> =
        without_prefix(&plain).split_whitespace().map(|w| if hidden(w) { "[redacted]" } else { w }).collect();
    words.join(" ")
}

fn without_prefix(line: &str) -> &str {
    let mut parts = line.splitn(5, ' ');
    let mut next = || parts.next().unwrap_or_default();
    let (level, name, date, time, rest) = (next(), next(), next(), next(), next());
    let is_prefix = matches!(level, "ERROR:" | "DEBUG:" | "INFO:")
        && name.starts_with('(')
        && name.ends_with(')')
        && date.len() == 10
        && time.len() == 8;
    if is_prefix { rest } else { line }
}

/// Lets a few lines a minute pass, so that a child that talks without end floods nobody.
pub(super) struct Limiter {
    since: Instant,
    passed: u32,
    held_back: u32,
}

impl Limiter {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, passed: 0, held_back: 0 }
    }

    /// The line as it is to be told, with how many were held back before it; `None` for one that is held back.
    pub(super) fn admit(&mut self, line: &str, now: Instant) -> Option<String> {
        if now.duration_since(self.since) >= WINDOW {
            self.since = now;
            self.passed = 0;
        }
        if self.passed == LINES {
            self.held_back += 1;
            return None;
        }
        self.passed += 1;
        match std::mem::take(&mut self.held_back) {
            0 => Some(line.to_owned()),
            count => Some(format!("{line} ({count} lines before it left out)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        each_line(text, |line| found.push(line));
        found
    }

    #[test]
    fn lines_lose_their_prefix_and_what_is_not_text() {
        let text = b"ERROR: (wg0) 2026/11/21 13:45:47 Failed to create TUN device: invalid argument\n\n\x1b[31mred\tone\xff";
        assert_eq!(lines(text), ["Failed to create TUN device: invalid argument", "[31mred one\u{fffd}"]);
        assert_eq!(lines(b"ERROR: x"), ["ERROR: x"]);
    }

    #[test]
    fn what_could_be_a_key_is_not_shown() {
        let base64 = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
        let hex = "ab".repeat(32);
        assert_eq!(lines(format!("key {base64}, {hex}\n").as_bytes()), ["key [redacted] [redacted]"]);
        assert_eq!(lines(b"listen unix /var/run/wireguard/some-long-name.sock: in use").len(), 1);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        assert_eq!(lines(&b"word ".repeat(100_000))[0].len(), LINE_BYTES - 1);
    }

    #[test]
    fn a_flood_is_held_back_and_counted() {
        let start = Instant::now();
        let mut limiter = Limiter::new(start);
        let passed = (0..100).filter(|_| limiter.admit("line", start).is_some()).count();
        assert_eq!(passed, LINES as usize);
        let next = limiter.admit("line", start + WINDOW);
        assert_eq!(next.as_deref(), Some("line (80 lines before it left out)"));
        assert_eq!(limiter.admit("line", start + WINDOW).as_deref(), Some("line"));
    }
}
