//! The tunnel to one peer: gotatun's protocol state, and what it has to do with the device around it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gotatun::noise::{Tunn, TunnResult};
use gotatun::packet::{
    Packet, WgCookieReply, WgData, WgDataHeader, WgHandshakeInit, WgHandshakeResp, WgKind,
};
use gotatun::tun::MtuWatcher;

use super::effects::Effects;
use super::indices::Indices;
use super::peer::{NewProperties, Peer};
use crate::identity::keys::PresharedKey;
use crate::wireguard::device::DeviceEvent;

/// The protocol's pause between handshake attempts (REKEY_TIMEOUT of the WireGuard paper, section 6.1).
const REKEY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a peer's lock guards.
#[derive(Default)]
pub(super) struct Tunnel {
    /// `None` while the device has no key, and after removal: then nothing goes in or out.
    pub noise: Option<Tunn>,
    pub removed: bool,
    pub endpoint: Option<SocketAddr>,
    pub preshared_key: Option<PresharedKey>,
    pub keepalive_seconds: u16,
    /// Index of a session we answered for, until the other side proves that it has it too.
    pub unconfirmed: Option<u32>,
    pub last_initiation: Option<Instant>,
    /// The timer thread runs this tunnel's timers.
    pub timed: bool,
}

/// What a tunnel needs of its device.
pub(super) struct Context<'a> {
    pub indices: &'a Indices,
    pub mtu: u16,
}

/// A tunnel at work, its lock held.
pub(super) struct LockedTunnel<'a> {
    pub peer: &'a Arc<Peer>,
    pub tunnel: MutexGuard<'a, Tunnel>,
    pub context: &'a Context<'a>,
    pub effects: &'a mut Effects,
}

impl LockedTunnel<'_> {
    /// Changes properties. `fresh` tells that the peer was just made.
    ///
    /// Turning keepalive on sends one at once, as the kernel does; so does an endpoint that a keepalive was waiting for. Without
    /// a session that begins a handshake.
    pub(super) fn change(&mut self, new: NewProperties, fresh: bool) {
        let had_keepalive = self.tunnel.keepalive_seconds > 0;
        let mut moved = false;
        if let Some(key) = new.preshared_key {
            // All zeros is the protocol's way to say "none".
            self.tunnel.preshared_key = Some(key).filter(|key| key.0 != [0; 32]);
            let raw = self.tunnel.preshared_key.as_ref().map(|key| key.0);
            if let Some(noise) = &mut self.tunnel.noise {
                noise.set_preshared_key(raw);
            }
        }
        if let Some(endpoint) = new.endpoint {
            moved = self.tunnel.endpoint != Some(endpoint);
            self.tunnel.endpoint = Some(endpoint);
        }
        // Setting it again would put off the next keepalive.
        if let Some(seconds) = new.keepalive_seconds
            && seconds != self.tunnel.keepalive_seconds
        {
            self.tunnel.keepalive_seconds = seconds;
            if let Some(noise) = &mut self.tunnel.noise {
                noise.set_persistent_keepalive(Some(seconds));
            }
        }
        let waited = moved && self.tunnel.noise.as_ref().is_some_and(|noise| !noise.has_active_session());
        if self.tunnel.keepalive_seconds > 0 && (fresh || !had_keepalive || waited) {
            self.keepalive_now(moved);
        }
    }

    /// Seals packets for the peer. Without a session they wait (gotatun keeps the first 256) and a handshake begins.
    pub(super) fn seal(&mut self, packets: impl Iterator<Item = Packet>) {
        // Without an address nothing can be sent, and a handshake begun now would block one for seconds.
        if self.tunnel.endpoint.is_none() {
            return;
        }
        self.catch_up();
        let mut mtu = MtuWatcher::new(self.context.mtu);
        for packet in packets {
            let Some(noise) = &mut self.tunnel.noise else {
                return;
            };
            if let Some(message) = noise.handle_outgoing_packet(packet, Some(&mut mtu)) {
                self.send(message);
            }
        }
    }

    /// Opens data messages of one session, all from one address, appending what was inside to `opened`.
    pub(super) fn open(
        &mut self,
        from: SocketAddr,
        index: u32,
        messages: impl Iterator<Item = Packet<WgData>>,
        opened: &mut Vec<Packet>,
    ) {
        let mut authentic_bytes = 0;
        let Some(noise) = &mut self.tunnel.noise else {
            return;
        };
        for message in messages {
            let length = WgDataHeader::LEN + message.encrypted_encapsulated_packet_and_tag.len();
            if let TunnResult::WriteToTunnel(packet) = noise.handle_incoming_packet(WgKind::Data(message)) {
                authentic_bytes += length;
                if !packet.is_empty() {
                    opened.push(packet);
                }
            }
        }
        if authentic_bytes > 0 {
            self.authentic(from, authentic_bytes);
            if self.tunnel.unconfirmed == Some(index) {
                self.tunnel.unconfirmed = None;
                self.session_made();
            }
        }
    }

    pub(super) fn initiation(&mut self, from: SocketAddr, message: Packet<WgHandshakeInit>) {
        self.catch_up();
        let Some(noise) = &mut self.tunnel.noise else {
            return;
        };
        let result = noise.handle_incoming_packet(WgKind::HandshakeInit(message));
        if let TunnResult::WriteToNetwork(WgKind::HandshakeResp(response)) = result {
            self.tunnel.unconfirmed = Some(response.sender_idx.get());
            self.authentic(from, WgHandshakeInit::LEN);
            self.send(WgKind::HandshakeResp(response));
        }
    }

    pub(super) fn response(&mut self, from: SocketAddr, message: Packet<WgHandshakeResp>) {
        let Some(noise) = &mut self.tunnel.noise else {
            return;
        };
        let result = noise.handle_incoming_packet(WgKind::HandshakeResp(message));
        if let TunnResult::WriteToNetwork(confirmation) = result {
            self.authentic(from, WgHandshakeResp::LEN);
            self.send(confirmation);
            self.session_made();
        }
    }

    pub(super) fn cookie(&mut self, message: Packet<WgCookieReply>) {
        if let Some(noise) = &mut self.tunnel.noise {
            let _unusable = noise.handle_incoming_packet(WgKind::CookieReply(message));
        }
    }

    /// Something from `from` was authenticated: the peer is there now.
    fn authentic(&mut self, from: SocketAddr, bytes: usize) {
        if self.tunnel.endpoint != Some(from) {
            self.tunnel.endpoint = Some(from);
        }
        self.peer.rx_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Both sides have the session: tells it, and sends what waited for it.
    fn session_made(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.peer.last_handshake_ms.store(now.as_millis() as u64, Ordering::Relaxed);
        self.effects.events.push(DeviceEvent::Handshake(self.peer.key));
        self.effects.wake_timers = true;
        let mut mtu = MtuWatcher::new(self.context.mtu);
        let Some(noise) = &mut self.tunnel.noise else {
            return;
        };
        let waiting: Vec<WgKind> = noise.get_queued_packets(&mut mtu).collect();
        for message in waiting {
            self.send(message);
        }
    }

    /// Sends a keepalive, or begins a handshake without a session. `again`: even if one is under way, since it went elsewhere.
    fn keepalive_now(&mut self, again: bool) {
        if self.tunnel.endpoint.is_none() {
            return;
        }
        let before = self.effects.datagrams.len();
        self.catch_up();
        // The timers may have had the same thought.
        if self.effects.datagrams.len() > before {
            return;
        }
        let Some(noise) = &mut self.tunnel.noise else {
            return;
        };
        let message = if noise.has_active_session() {
            noise.handle_outgoing_packet(Packet::default(), None)
        } else {
            noise.format_handshake_initiation(again).map(WgKind::HandshakeInit)
        };
        if let Some(message) = message {
            self.send(message);
        }
    }

    /// Runs the timers. True while there is something to time: a session, a handshake, a keepalive.
    pub(super) fn tick(&mut self) -> bool {
        self.tunnel.timed = self.run_timers();
        self.tunnel.timed
    }

    fn run_timers(&mut self) -> bool {
        // Without an address there is nobody to talk to: a handshake begun now would block one for seconds.
        if self.tunnel.endpoint.is_none() {
            return false;
        }
        let Tunnel { noise: Some(noise), keepalive_seconds, last_initiation, .. } = &mut *self.tunnel else {
            return false;
        };
        let message = match noise.update_timers() {
            Ok(message) => message,
            Err(_) if *keepalive_seconds == 0 => return false,
            // gotatun gave up and waits for traffic; a keepalive is traffic, as it is in the kernel.
            Err(_) => {
                let pause = Duration::from_secs((*keepalive_seconds).into()).max(REKEY_TIMEOUT);
                let due = last_initiation.is_none_or(|at| at.elapsed() >= pause);
                due.then(|| noise.format_handshake_initiation(false)).flatten().map(WgKind::HandshakeInit)
            }
        };
        if let Some(message) = message {
            self.send(message);
        }
        true
    }

    /// Before something new begins. gotatun's clock stands still between calls of `update_timers`: where the timer thread
    /// does not make them it is set here, else what begins now would count as old.
    fn catch_up(&mut self) {
        if self.tunnel.timed {
            return;
        }
        self.tunnel.timed = true;
        self.effects.wake_timers = true;
        let Some(noise) = &mut self.tunnel.noise else {
            return;
        };
        if let Ok(Some(message)) = noise.update_timers() {
            self.send(message);
        }
    }

    fn send(&mut self, message: WgKind) {
        match &message {
            WgKind::HandshakeInit(initiation) => {
                self.context.indices.insert(initiation.sender_idx.get(), self.peer);
                self.tunnel.last_initiation = Some(Instant::now());
                self.effects.wake_timers = true;
            }
            WgKind::HandshakeResp(response) => {
                self.context.indices.insert(response.sender_idx.get(), self.peer);
                self.effects.wake_timers = true;
            }
            WgKind::CookieReply(_) | WgKind::Data(_) => {}
        }
        if let Some(endpoint) = self.tunnel.endpoint {
            let packet = Packet::from(message);
            self.peer.tx_bytes.fetch_add(packet.len() as u64, Ordering::Relaxed);
            self.effects.datagrams.push((endpoint, packet));
        }
    }
}
