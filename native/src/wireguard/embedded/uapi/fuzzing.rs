//! Fuzz target: UAPI text.

use std::cell::{Cell, RefCell};

use super::Subject;
use super::apply::apply;
use super::parse::{Request, parse};
use super::render;
use crate::error::Result;
use crate::identity::hex;
use crate::identity::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::wireguard::device::{AllowedIp, DeviceEvent, PeerChange, PeerFailure, PeerState};
use crate::wireguard::embedded::effects::Effects;
use crate::wireguard::embedded::engine::Engine;
use crate::wireguard::embedded::noise::Timing;
use crate::wireguard::embedded::own_key::Limits;

/// Lines of an answer that say how things are and cannot be set.
const READ_ONLY: [&str; 5] =
    ["last_handshake_time_sec=", "last_handshake_time_nsec=", "tx_bytes=", "rx_bytes=", "errno="];

/// Requests of any text, one after the other, are refused or carried out. What a device then answers, asked of a new device,
/// makes the same one: so it is whole, and every line of it can be read. No event shows a key that is secret.
pub fn uapi(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let first = Twin::new();
    for request in text.split("\n\n") {
        let Ok(Request::Set(set)) = parse(request) else { continue };
        let secrets = secrets_of(&set);
        let _any_errno = apply(&first, set);
        for event in first.events.take() {
            let shown = format!("{event:?}");
            assert!(!secrets.iter().any(|secret| shown.contains(secret)), "an event shows a key: {shown}");
        }
    }
    let answer = render::device(&first);

    let second = Twin::new();
    match parse(&settable(&answer)) {
        Ok(Request::Set(set)) => {
            assert!(apply(&second, set).is_ok(), "its own answer is refused:\n{}", *answer)
        }
        _ => panic!("its own answer cannot be read:\n{}", *answer),
    }
    assert_eq!(settable(&render::device(&second)), settable(&answer));
}

/// The secret keys of a request, as hex and as base64; those of zeros are none.
fn secrets_of(set: &super::parse::SetRequest) -> Vec<String> {
    let preshared = set.peers.iter().filter_map(|peer| peer.settings.preshared_key.as_ref()).map(|key| key.0);
    let all = set.private_key.iter().map(|key| key.0).chain(preshared);
    // A key that is somebody's public key, too, may be shown as that.
    let public: Vec<_> = set.peers.iter().map(|peer| peer.settings.public_key.0).collect();
    all.filter(|bytes| !public.contains(bytes))
        .flat_map(|bytes| [hex::encode(&bytes), PublicKey(bytes).text()])
        .collect()
}

/// An answer as a request: what can only be read is left out.
fn settable(answer: &str) -> String {
    let lines = answer.lines().filter(|line| !line.is_empty());
    let kept = lines.filter(|line| !READ_ONLY.iter().any(|prefix| line.starts_with(prefix)));
    std::iter::once("set=1").chain(kept).flat_map(|line| [line, "\n"]).collect()
}

/// A device without sockets and TUN.
struct Twin {
    engine: Engine,
    port: Cell<u16>,
    fwmark: Cell<u32>,
    events: RefCell<Vec<DeviceEvent>>,
}

impl Twin {
    fn new() -> Self {
        Self {
            engine: Engine::new(1420, Limits::default(), Timing::default()),
            port: Cell::new(0),
            fwmark: Cell::new(0),
            events: RefCell::default(),
        }
    }
}

impl Subject for Twin {
    fn private_key(&self) -> Option<PrivateKey> {
        self.engine.private_key()
    }

    fn port(&self) -> u16 {
        self.port.get()
    }

    fn fwmark(&self) -> u32 {
        self.fwmark.get()
    }

    fn peers(&self) -> Vec<(PeerState, Option<PresharedKey>)> {
        self.engine.peers()
    }

    fn set_private_key(&self, key: Option<&PrivateKey>) {
        match key {
            Some(key) => self.engine.set_private_key(key, &mut Effects::default()),
            None => self.engine.clear_private_key(&mut Effects::default()),
        }
    }

    fn set_port(&self, port: u16) -> Result<()> {
        // Any port will do, the one it has as well.
        if port != 0 {
            self.port.set(port);
        }
        Ok(())
    }

    fn set_fwmark(&self, fwmark: u32) -> Result<()> {
        self.fwmark.set(fwmark);
        Ok(())
    }

    fn apply(&self, changes: Vec<PeerChange>) -> Vec<PeerFailure> {
        self.engine.apply(changes, &mut Effects::default())
    }

    fn disallow(&self, key: &PublicKey, networks: &[AllowedIp]) {
        self.engine.disallow(key, networks);
    }

    fn clear(&self) {
        self.engine.clear();
    }

    fn emit(&self, event: DeviceEvent) {
        self.events.borrow_mut().push(event);
    }
}
