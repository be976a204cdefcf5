//! The embedded device as the daemon sees it.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use super::shared::Shared;
use super::tun::Tun;
use super::uapi::{Claim, Listener};
use super::{uapi, workers};
use crate::error::{Error, Result};
use crate::identity::keys::PrivateKey;
use crate::link::name::InterfaceName;
use crate::os::underlay::Underlay;
use crate::wireguard::beside::{Counters, Handler, Port};
use crate::wireguard::device::{Device, DeviceEvent, DeviceState, EventHandler, PeerChange, PeerFailure};

/// The MTU when none is asked for: 1500 less the overhead of WireGuard over IPv6.
const DEFAULT_MTU: u16 = 1420;
/// Read at once; more of them take longer than the detour over another thread.
const FEW_PEERS: usize = 100;

/// A WireGuard interface that lives in this process, with threads of its own: up to four for each direction, or as many as are
/// asked for; one for the timers, one for the UAPI socket. It ends with `close`, when it is dropped,
/// or with the process, however that ends.
pub struct EmbeddedDevice {
    name: InterfaceName,
    index: u32,
    /// `None` after `close`.
    running: Option<Running>,
}

struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl EmbeddedDevice {
    /// Creates the TUN interface `name`, down, and its UAPI socket. `mtu` 0 leaves 1420; `threads` `None` takes one for
    /// each core in each direction, four at most. `underlay`: the addresses it listens on and sends from.
    ///
    /// Another process that holds the UAPI socket (a node of another network namespace, say) is no error: the device then has
    /// none and says so with a [`DeviceEvent::Notice`]. Errors: `EEXIST` (the name belongs to a WireGuard or TUN link),
    /// `NOT_WIREGUARD` (it belongs to another kind of link), `ENOENT` (no /dev/net/tun), `EPERM`.
    pub fn open(name: &InterfaceName, mtu: u16, threads: Option<u16>, underlay: Underlay) -> Result<Self> {
        let mtu = if mtu == 0 { DEFAULT_MTU } else { mtu };
        let tun = Tun::create(name, mtu)?;
        let index = tun.index();
        let started = |e: std::io::Error| Error::from_io(&e, "start", name.as_str());
        let threads = workers::threads(threads);
        let shared = Arc::new(Shared::new(tun, mtu, threads, underlay).map_err(started)?);
        let mut running =
            Running { shared: Arc::clone(&shared), threads: Vec::with_capacity(2 * threads + 2) };
        for _ in 0..threads {
            running.threads.push(workers::spawn(&shared, "outgoing", workers::outgoing).map_err(started)?);
            running.threads.push(workers::spawn(&shared, "incoming", workers::incoming).map_err(started)?);
        }
        running.threads.push(workers::spawn(&shared, "timers", workers::timers).map_err(started)?);
        if let Some(listener) = listen(name, &shared) {
            let serve = move |shared: &Shared| uapi::serve(listener, shared);
            running.threads.push(workers::spawn(&shared, "uapi", serve).map_err(started)?);
        }
        Ok(Self { name: name.clone(), index, running: Some(running) })
    }

    fn shared(&self) -> Result<&Shared> {
        self.running.as_ref().map(|running| &*running.shared).ok_or_else(|| self.closed())
    }

    fn closed(&self) -> Error {
        Error::new("ENODEV", "use", self.name.as_str(), "the device was closed")
    }
}

/// Does not keep a closed device alive.
struct EmbeddedPort(Weak<Shared>);

impl Port for EmbeddedPort {
    fn send(&self, data: &[u8], to: SocketAddr) -> bool {
        self.0.upgrade().is_some_and(|shared| shared.send_beside(data, to))
    }

    fn counters(&self) -> Counters {
        self.0.upgrade().map(|shared| shared.gate.counters()).unwrap_or_default()
    }
}

/// The UAPI socket; without one the device works all the same, so what is wrong becomes an event.
fn listen(name: &InterfaceName, shared: &Shared) -> Option<Listener> {
    let missing = match Listener::claim(name) {
        Ok(Claim::Ours(listener)) => return Some(listener),
        Ok(Claim::Theirs(path)) => format!("another process holds {}", path.display()),
        Err(error) => error.to_string(),
    };
    let text = format!("{name} has no UAPI socket, so wg(8) does not see it: {missing}");
    shared.events.emit(DeviceEvent::Notice(text));
    None
}

impl Device for EmbeddedDevice {
    fn name(&self) -> &InterfaceName {
        &self.name
    }

    fn index(&self) -> u32 {
        self.index
    }

    /// Never: an embedded interface begins with its process.
    fn adopted(&self) -> bool {
        false
    }

    fn listen_port(&mut self) -> Result<u16> {
        Ok(self.shared()?.port())
    }

    fn reset(&mut self) -> Result<()> {
        self.shared()?.clear();
        Ok(())
    }

    fn configure(&mut self, private_key: &PrivateKey, listen_port: u16, fwmark: u32) -> Result<()> {
        self.shared()?.configure(private_key, listen_port, fwmark)
    }

    fn up(&mut self) -> Result<()> {
        self.shared()?.tun.set_up()
    }

    /// About 0.15 ms for each new peer.
    fn apply(&mut self, changes: Vec<PeerChange>) -> Result<Vec<PeerFailure>> {
        Ok(self.shared()?.apply(changes))
    }

    fn read(&mut self) -> Result<DeviceState> {
        Ok(self.shared()?.state())
    }

    /// It is all in memory: some microseconds for each peer.
    fn read_at_once(&mut self) -> Result<Option<DeviceState>> {
        let shared = self.shared()?;
        Ok((shared.peer_count() <= FEW_PEERS).then(|| shared.state()))
    }

    fn on_event(&mut self, handler: EventHandler) {
        if let Ok(shared) = self.shared() {
            shared.events.set_handler(handler);
        }
    }

    fn open_port(&mut self, handler: Handler) -> Result<Arc<dyn Port>> {
        let Some(running) = &self.running else { return Err(self.closed()) };
        running.shared.gate.set_handler(Some(handler));
        Ok(Arc::new(EmbeddedPort(Arc::downgrade(&running.shared))))
    }

    /// The interface goes whatever `remove` says. Takes a few milliseconds, most of them the kernel's.
    fn close(&mut self, _remove: bool) -> Result<()> {
        self.running = None;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop();
        for thread in self.threads.drain(..) {
            // A panic in a thread was reported when it happened.
            let _reported = thread.join();
        }
    }
}
