//! What the threads of a device share, and every change that can be made to it, by its owner or over the UAPI socket.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use super::batch::Run;
use super::effects::Effects;
use super::engine::Engine;
use super::events::Events;
use super::noise::Timing;
use super::own_key::Limits;
use super::peer::Peer;
use super::tun::Tun;
use super::udp::{Outlet, Piece, Sender, Sockets};
use super::wake::Wake;
use super::workers::{Direction, IncomingJob, IncomingLead, OutgoingJob, OutgoingLead};
use super::{lock, read, write};
use crate::error::{Error, Result};
use crate::identity::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::os::underlay::Underlay;
use crate::wireguard::beside::{Gate, is_ours};
use crate::wireguard::device::{AllowedIp, DeviceState, PeerChange, PeerFailure, PeerState};

pub(super) struct Shared {
    pub engine: Engine,
    pub tun: Tun,
    pub events: Events,
    /// For datagrams that are not WireGuard's.
    pub gate: Gate,
    /// Set before the threads are woken for the last time.
    pub stopping: AtomicBool,
    pub outgoing: Direction<OutgoingLead, OutgoingJob>,
    pub incoming: Direction<IncomingLead, IncomingJob>,
    pub timers: Wake,
    pub uapi: Wake,
    /// Peers whose waiting packets are to be sent, in the turn of the outgoing direction.
    flushes: Mutex<Vec<Arc<Peer>>>,
    /// `None` until a port is set.
    sockets: RwLock<Option<Arc<Sockets>>>,
    control: Mutex<Control>,
    /// Its mark is that of no change yet: the one that counts is in `control`.
    underlay: Underlay,
}

/// Guards all changes, so that they come one at a time.
struct Control {
    fwmark: u32,
}

impl Shared {
    /// `threads`: for each direction. `underlay`: the addresses its sockets use.
    pub(super) fn new(tun: Tun, mtu: u16, threads: usize, underlay: Underlay) -> std::io::Result<Self> {
        Ok(Self {
            engine: Engine::new(mtu, Limits::default(), Timing::for_new_devices()),
            tun,
            events: Events::default(),
            gate: Gate::default(),
            stopping: AtomicBool::new(false),
            outgoing: Direction::new(OutgoingLead::new(mtu), threads)?,
            incoming: Direction::new(IncomingLead::new(), threads)?,
            timers: Wake::new()?,
            uapi: Wake::new()?,
            flushes: Mutex::default(),
            sockets: RwLock::new(None),
            control: Mutex::new(Control { fwmark: underlay.fwmark }),
            underlay,
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
        self.gate.set_handler(None);
        self.outgoing.stop();
        self.incoming.stop();
        self.timers.wake();
        self.uapi.wake();
    }

    /// Sends pieces in order; what cannot be sent is lost.
    pub(super) fn send(&self, sockets: &Sockets, sender: &mut Sender, pieces: &[Piece<'_>]) {
        let forget = |source| self.engine.forget_source(source);
        let outlet = Outlet { events: &self.events, link: self.tun.name().as_str(), forget: &forget };
        sender.send(sockets, outlet, pieces);
    }

    /// Sends a datagram that is not WireGuard's from its port; whether the kernel took it.
    pub(super) fn send_beside(&self, data: &[u8], to: SocketAddr) -> bool {
        let sent = is_ours(data) && self.sockets().is_some_and(|sockets| sockets.send_one(data, &to).is_ok());
        self.gate.count_sent(sent)
    }

    /// Peers whose waiting packets are to be sent now, at most `limit` of them.
    pub(super) fn take_flushes(&self, limit: usize) -> Vec<Arc<Peer>> {
        let mut flushes = lock(&self.flushes);
        let count = flushes.len().min(limit);
        flushes.drain(..count).collect()
    }

    /// Sends datagrams, emits events, has waiting packets sent, wakes the timers.
    pub(super) fn carry_out(&self, effects: &mut Effects, sender: &mut Sender) {
        if !effects.datagrams.is_empty() {
            if let Some(sockets) = self.sockets() {
                let pieces: Vec<Piece<'_>> = effects
                    .datagrams
                    .iter()
                    .map(|datagram| (datagram.to, Run::single(&datagram.bytes)))
                    .collect();
                self.send(&sockets, sender, &pieces);
            }
            effects.datagrams.clear();
        }
        effects.events.drain(..).for_each(|event| self.events.emit(event));
        if !effects.flush.is_empty() {
            lock(&self.flushes).append(&mut effects.flush);
            self.outgoing.wake.wake();
        }
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

    /// `None` takes the key away.
    pub(super) fn set_private_key(&self, key: Option<&PrivateKey>) {
        self.change(|_, effects| match key {
            Some(key) => self.engine.set_private_key(key, effects),
            None => self.engine.clear_private_key(effects),
        });
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
        self.carry_out(&mut effects, &mut Sender::new());
        result
    }

    fn bind(&self, port: u16, fwmark: u32) -> Result<()> {
        let satisfied = |sockets: Arc<Sockets>| port == 0 || sockets.port() == port;
        if self.sockets().is_some_and(satisfied) {
            return Ok(());
        }
        let sockets = Arc::new(Sockets::bind(port, Underlay { fwmark, ..self.underlay })?);
        *write(&self.sockets) = Some(sockets);
        // A new beginning: the routes choose the source of what comes first.
        self.engine.forget_sources();
        // It waits on the old ones.
        self.incoming.wake.wake();
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

    pub(super) fn peer_count(&self) -> usize {
        self.engine.all_peers().len()
    }

    pub(super) fn fwmark(&self) -> u32 {
        lock(&self.control).fwmark
    }

    pub(super) fn peers(&self) -> Vec<(PeerState, Option<PresharedKey>)> {
        self.engine.peers()
    }
}
