//! What the threads of a device share, and every change that can be made to it, by its owner or over the UAPI socket.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use super::effects::Effects;
use super::engine::Engine;
use super::events::Events;
use super::own_key::Limits;
use super::tun::Tun;
use super::udp::{Sender, Sockets};
use super::wake::Wake;
use super::{lock, read, write};
use crate::error::{Error, Result};
use crate::identity::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::wireguard::device::{AllowedIp, DeviceState, PeerChange, PeerFailure, PeerState};

pub(super) struct Shared {
    pub engine: Engine,
    pub tun: Tun,
    pub events: Events,
    /// Set before the threads are woken for the last time.
    pub stopping: AtomicBool,
    pub outgoing: Wake,
    pub incoming: Wake,
    pub timers: Wake,
    pub uapi: Wake,
    /// Of whoever makes a change and sends what follows from it.
    changing: Wake,
    /// `None` until a port is set.
    sockets: RwLock<Option<Arc<Sockets>>>,
    control: Mutex<Control>,
}

/// Guards all changes, so that they come one at a time.
struct Control {
    fwmark: u32,
}

impl Shared {
    pub(super) fn new(tun: Tun, mtu: u16) -> std::io::Result<Self> {
        Ok(Self {
            engine: Engine::new(mtu, Limits::default()),
            tun,
            events: Events::default(),
            stopping: AtomicBool::new(false),
            outgoing: Wake::new()?,
            incoming: Wake::new()?,
            timers: Wake::new()?,
            uapi: Wake::new()?,
            changing: Wake::new()?,
            sockets: RwLock::new(None),
            control: Mutex::new(Control { fwmark: 0 }),
        })
    }

    pub(super) fn sockets(&self) -> Option<Arc<Sockets>> {
        read(&self.sockets).clone()
    }

    pub(super) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Tells all threads to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        [&self.outgoing, &self.incoming, &self.timers, &self.uapi].into_iter().for_each(Wake::wake);
    }

    /// Sends datagrams, emits events, wakes the timers. The packets are the caller's.
    pub(super) fn carry_out(&self, effects: &mut Effects, sender: &mut Sender, wake: &Wake) {
        if !effects.datagrams.is_empty() {
            if let Some(sockets) = self.sockets() {
                sender.send(&sockets, &effects.datagrams, wake);
            }
            effects.datagrams.clear();
        }
        effects.events.drain(..).for_each(|event| self.events.emit(event));
        if std::mem::take(&mut effects.wake_timers) {
            self.timers.wake();
        }
    }

    // ---- changes -----------------------------------------------------------------------------------------------------

    /// Sets key, port and mark. A port that is taken is found out before anything changes; what is set already changes
    /// nothing.
    pub(super) fn configure(&self, key: &PrivateKey, port: u16, fwmark: u32) -> Result<()> {
        self.change(|control, effects| {
            self.bind(port, fwmark)?;
            self.mark(control, fwmark)?;
            self.engine.set_private_key(key, effects);
            Ok(())
        })
    }

    pub(super) fn set_private_key(&self, key: &PrivateKey) {
        self.change(|_, effects| self.engine.set_private_key(key, effects));
    }

    /// Binds another port, 0 for any.
    pub(super) fn set_port(&self, port: u16) -> Result<()> {
        self.change(|control, _| self.bind(port, control.fwmark))
    }

    pub(super) fn set_fwmark(&self, fwmark: u32) -> Result<()> {
        self.change(|control, _| self.mark(control, fwmark))
    }

    fn mark(&self, control: &mut Control, fwmark: u32) -> Result<()> {
        if let Some(sockets) = self.sockets() {
            sockets
                .set_fwmark(fwmark)
                .map_err(|e| Error::from_io(&e, "set fwmark of", self.tun.name().as_str()))?;
        }
        control.fwmark = fwmark;
        Ok(())
    }

    pub(super) fn apply(&self, changes: Vec<PeerChange>) -> Vec<PeerFailure> {
        self.change(|_, effects| self.engine.apply(changes, effects))
    }

    pub(super) fn disallow(&self, key: &PublicKey, networks: &[AllowedIp]) {
        self.change(|_, _| self.engine.disallow(key, networks));
    }

    pub(super) fn clear(&self) {
        self.change(|_, _| self.engine.clear());
    }

    /// Makes a change under the lock, and carries out what follows from it without.
    fn change<T>(&self, change: impl FnOnce(&mut Control, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let result = change(&mut lock(&self.control), &mut effects);
        self.carry_out(&mut effects, &mut Sender::new(), &self.changing);
        result
    }

    fn bind(&self, port: u16, fwmark: u32) -> Result<()> {
        let satisfied = |sockets: Arc<Sockets>| port == 0 || sockets.port() == port;
        if self.sockets().is_some_and(satisfied) {
            return Ok(());
        }
        let sockets = Arc::new(Sockets::bind(port, fwmark)?);
        *write(&self.sockets) = Some(sockets);
        // It waits on the old ones.
        self.incoming.wake();
        Ok(())
    }

    // ---- state -------------------------------------------------------------------------------------------------------

    pub(super) fn port(&self) -> u16 {
        self.sockets().map_or(0, |sockets| sockets.port())
    }

    pub(super) fn state(&self) -> DeviceState {
        DeviceState {
            public_key: self.engine.public_key(),
            listen_port: self.port(),
            fwmark: lock(&self.control).fwmark,
            peers: self.engine.peers().into_iter().map(|(state, _)| state).collect(),
        }
    }

    pub(super) fn fwmark(&self) -> u32 {
        lock(&self.control).fwmark
    }

    pub(super) fn peers(&self) -> Vec<(PeerState, Option<PresharedKey>)> {
        self.engine.peers()
    }
}
