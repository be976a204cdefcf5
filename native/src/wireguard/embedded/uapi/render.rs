//! Answers, as text.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::Subject;

/// The answer to a get operation, with the secret keys: the socket is root's alone, as the kernel's interface is.
pub(super) fn device(subject: &impl Subject) -> Zeroizing<String> {
    let peers = subject.peers();
    let networks: usize = peers.iter().map(|(peer, _)| peer.allowed_ips.len()).sum();
    // Large enough not to grow, which would leave copies of the keys behind.
    let mut text = Zeroizing::new(String::with_capacity(512 + peers.len() * 512 + networks * 64));
    if let Some(key) = subject.private_key() {
        line_hex(&mut text, "private_key", &key.0);
    }
    line(&mut text, "listen_port", subject.port());
    let fwmark = subject.fwmark();
    if fwmark != 0 {
        line(&mut text, "fwmark", fwmark);
    }
    for (peer, preshared_key) in &peers {
        line_hex(&mut text, "public_key", &peer.public_key.0);
        if let Some(key) = preshared_key {
            line_hex(&mut text, "preshared_key", &key.0);
        }
        line(&mut text, "protocol_version", 1);
        if let Some(endpoint) = peer.endpoint {
            line(&mut text, "endpoint", endpoint);
        }
        line(&mut text, "last_handshake_time_sec", peer.last_handshake_ms / 1000);
        line(&mut text, "last_handshake_time_nsec", peer.last_handshake_ms % 1000 * 1_000_000);
        line(&mut text, "tx_bytes", peer.tx_bytes);
        line(&mut text, "rx_bytes", peer.rx_bytes);
        line(&mut text, "persistent_keepalive_interval", peer.keepalive_seconds);
        for network in &peer.allowed_ips {
            line(&mut text, "allowed_ip", format_args!("{}/{}", network.address, network.prefix));
        }
    }
    text.push_str(&status(0));
    text
}

/// The end of every answer: 0, or an errno value.
pub(super) fn status(errno: i32) -> String {
    format!("errno={}\n\n", -errno)
}

fn line(text: &mut String, key: &str, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _infallible = writeln!(text, "{key}={value}");
}

fn line_hex(text: &mut String, key: &str, bytes: &[u8]) {
    text.push_str(key);
    text.push('=');
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text.push('\n');
}
