//! The two MACs of handshake messages, and cookies: how a responder under load makes sure that an address is the sender's own
//! before it computes anything expensive (sections 5.4.4 and 5.4.7).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hash::{Secret, hash, mac};
use super::message::{COOKIE_REPLY_LENGTH, Kind, MACS, bytes_at};
use super::time::Time;

const LABEL_MAC1: &[u8] = b"mac1----";
const LABEL_COOKIE: &[u8] = b"cookie--";
const MAC: usize = 16;
const NONCE: usize = 24;
/// How long the responder's secret is used.
const SECRET_MAX_AGE: Duration = Duration::from_secs(120);
/// The sender gives a cookie up that much earlier, for the time it spent on the way.
const SECRET_LATENCY: Duration = Duration::from_secs(5);

type Cookie = Zeroizing<[u8; MAC]>;

/// What both sides compute from the public key of the side that checks.
struct Keys {
    mac1: [u8; 32],
    cookie: [u8; 32],
}

impl Keys {
    fn new(checker: &[u8; 32]) -> Self {
        Self { mac1: hash(&[LABEL_MAC1, checker]), cookie: hash(&[LABEL_COOKIE, checker]) }
    }
}

fn split(message: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (before, macs) = message.split_at(message.len() - MACS);
    (before, &macs[..MAC], &macs[MAC..])
}

/// The checking side: our own key's.
pub struct CookieChecker {
    keys: Keys,
    /// Drawn when it is first needed, and anew when it is old.
    secret: Option<(Secret, Time)>,
}

impl CookieChecker {
    pub fn new(own_public: &[u8; 32]) -> Self {
        Self { keys: Keys::new(own_public), secret: None }
    }

    /// Whether the sender of a handshake message knows our public key: all who do not are not answered at all.
    pub fn has_mac1(&self, message: &[u8]) -> bool {
        let (before, mac1, _) = split(message);
        mac(&self.keys.mac1, &[before]).ct_eq(mac1).into()
    }

    /// Whether the message carries the cookie we gave to its address.
    pub fn has_mac2(&self, message: &[u8], from: SocketAddr, now: Time) -> bool {
        let Some(cookie) = self.cookie(from, now) else {
            return false;
        };
        let (before, mac1, mac2) = split(message);
        mac(&*cookie, &[before, mac1]).ct_eq(mac2).into()
    }

    /// The reply that gives `from` its cookie. `random` fills with random bytes.
    pub fn reply(
        &mut self,
        message: &[u8],
        from: SocketAddr,
        now: Time,
        random: impl Fn(&mut [u8]),
    ) -> [u8; COOKIE_REPLY_LENGTH] {
        if !self.has_secret(now) {
            let mut secret = Secret::default();
            random(&mut *secret);
            self.secret = Some((secret, now));
        }
        let cookie = self.cookie(from, now).expect("the secret was just made");
        let mut nonce = XNonce::default();
        random(&mut nonce);
        let (_, mac1, _) = split(message);
        let mut sealed = *cookie;
        let tag = XChaCha20Poly1305::new(&self.keys.cookie.into())
            .encrypt_inout_detached(&nonce, mac1, sealed.as_mut_slice().into())
            .expect("16 bytes are not too many");
        let mut reply = [0; COOKIE_REPLY_LENGTH];
        reply[..4].copy_from_slice(&Kind::CookieReply.header());
        // The sender index of the message.
        reply[4..8].copy_from_slice(&message[4..8]);
        reply[8..32].copy_from_slice(&nonce);
        reply[32..48].copy_from_slice(&sealed);
        reply[48..].copy_from_slice(&tag);
        reply
    }

    fn has_secret(&self, now: Time) -> bool {
        self.secret.as_ref().is_some_and(|(_, made)| now.since(*made) < SECRET_MAX_AGE)
    }

    fn cookie(&self, from: SocketAddr, now: Time) -> Option<Cookie> {
        let (secret, _) = self.secret.as_ref().filter(|_| self.has_secret(now))?;
        let port = from.port().to_be_bytes();
        let cookie = match from.ip() {
            IpAddr::V4(ip) => mac(&**secret, &[&ip.octets(), &port]),
            IpAddr::V6(ip) => mac(&**secret, &[&ip.octets(), &port]),
        };
        Some(Zeroizing::new(cookie))
    }
}

/// The sending side: towards one peer.
pub struct MacWriter {
    keys: Keys,
    /// Of the last message: a cookie reply must be the answer to it.
    last_mac1: Option<[u8; MAC]>,
    cookie: Option<(Cookie, Time)>,
}

impl MacWriter {
    pub fn new(peer_public: &[u8; 32]) -> Self {
        Self { keys: Keys::new(peer_public), last_mac1: None, cookie: None }
    }

    /// Writes both MACs at the end of a handshake message.
    pub fn write(&mut self, message: &mut [u8], now: Time) {
        let (before, macs) = message.split_at_mut(message.len() - MACS);
        let (mac1, mac2) = macs.split_at_mut(MAC);
        let first = mac(&self.keys.mac1, &[before]);
        mac1.copy_from_slice(&first);
        self.last_mac1 = Some(first);
        self.cookie = self.cookie.take().filter(|(_, got)| now.since(*got) < SECRET_MAX_AGE - SECRET_LATENCY);
        match &self.cookie {
            Some((cookie, _)) => mac2.copy_from_slice(&mac(&**cookie, &[before, mac1])),
            None => mac2.fill(0),
        }
    }

    /// Takes the cookie from the reply to the last message; false when it is none.
    pub fn take_reply(&mut self, reply: &[u8], now: Time) -> bool {
        let Some(last_mac1) = self.last_mac1 else {
            return false;
        };
        let nonce = XNonce::from(bytes_at::<NONCE>(reply, 8));
        let mut cookie: Cookie = Zeroizing::new(bytes_at(reply, 32));
        let tag = bytes_at::<MAC>(reply, 48).into();
        let opened = XChaCha20Poly1305::new(&self.keys.cookie.into()).decrypt_inout_detached(
            &nonce,
            &last_mac1,
            cookie.as_mut_slice().into(),
            &tag,
        );
        if opened.is_err() {
            return false;
        }
        // One reply a message: a second one would be a copy.
        self.last_mac1 = None;
        self.cookie = Some((cookie, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::INITIATION_LENGTH;
    use super::*;

    const KEY: [u8; 32] = [9; 32];

    fn at(seconds: u64) -> Time {
        Time::default() + Duration::from_secs(seconds)
    }

    fn from(text: &str) -> SocketAddr {
        text.parse().expect("address")
    }

    fn written(writer: &mut MacWriter, seconds: u64) -> [u8; INITIATION_LENGTH] {
        let mut message = [0x5a; INITIATION_LENGTH];
        writer.write(&mut message, at(seconds));
        message
    }

    #[test]
    fn mac1_proves_knowledge_of_the_key() {
        let checker = CookieChecker::new(&KEY);
        let message = written(&mut MacWriter::new(&KEY), 0);
        assert!(checker.has_mac1(&message));
        assert!(!CookieChecker::new(&[8; 32]).has_mac1(&message));
        for at in [0, 100, 116, 131] {
            let mut changed = message;
            changed[at] ^= 1;
            assert!(!checker.has_mac1(&changed), "byte {at}");
        }
    }

    #[test]
    fn a_cookie_counts_from_its_address_and_for_two_minutes() {
        let (mut checker, mut writer) = (CookieChecker::new(&KEY), MacWriter::new(&KEY));
        let here = from("192.0.2.1:7");
        let message = written(&mut writer, 0);
        assert!(!checker.has_mac2(&message, here, at(0)));
        let reply = checker.reply(&message, here, at(0), |bytes| bytes.fill(3));
        assert_eq!(reply[4..8], message[4..8]);
        assert!(writer.take_reply(&reply, at(1)));
        let message = written(&mut writer, 2);
        assert!(checker.has_mac1(&message) && checker.has_mac2(&message, here, at(2)));
        for elsewhere in ["192.0.2.2:7", "192.0.2.1:8", "[2001:db8::1]:7"] {
            assert!(!checker.has_mac2(&message, from(elsewhere), at(2)), "{elsewhere}");
        }
        assert!(checker.has_mac2(&message, here, at(119)));
        assert!(!checker.has_mac2(&message, here, at(120)), "the secret is too old");
        let without = written(&mut writer, 116);
        assert_eq!(without[132..], [0; 16], "the sender has given it up before");
    }

    #[test]
    fn a_new_secret_is_drawn_when_the_old_one_is_old() {
        let mut checker = CookieChecker::new(&KEY);
        let here = from("[2001:db8::1]:7");
        let mut writer = MacWriter::new(&KEY);
        for (second, byte) in [(0, 1), (60, 2), (130, 3)] {
            let message = written(&mut writer, second);
            let reply = checker.reply(&message, here, at(second), |bytes| bytes.fill(byte));
            assert!(writer.take_reply(&reply, at(second)));
        }
        let secret = checker.secret.as_ref().map(|(secret, _)| **secret);
        assert_eq!(secret, Some([3; 32]));
        assert!(checker.has_mac2(&written(&mut writer, 131), here, at(131)));
    }

    #[test]
    fn only_the_reply_to_the_last_message_is_taken_and_once() {
        let (mut checker, mut writer) = (CookieChecker::new(&KEY), MacWriter::new(&KEY));
        let here = from("192.0.2.1:7");
        let mut first = [1; INITIATION_LENGTH];
        writer.write(&mut first, at(0));
        let late = checker.reply(&first, here, at(0), |bytes| bytes.fill(1));
        let second = written(&mut writer, 0);
        assert!(!writer.take_reply(&late, at(0)), "the message before");
        let reply = checker.reply(&second, here, at(0), |bytes| bytes.fill(2));
        for i in 8..COOKIE_REPLY_LENGTH {
            let mut changed = reply;
            changed[i] ^= 1;
            assert!(!writer.take_reply(&changed, at(0)), "byte {i}");
        }
        assert!(writer.take_reply(&reply, at(0)));
        assert!(!writer.take_reply(&reply, at(0)), "again");
        assert!(!MacWriter::new(&KEY).take_reply(&reply, at(0)), "nothing was sent");
    }
}
