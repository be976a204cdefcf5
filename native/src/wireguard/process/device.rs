//! wireguard-go as the daemon sees it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::child::{Child, Ending, Plan};
use super::naming::{Naming, check_rights, check_tun};
use super::output::Limiter;
use super::record::{self, Record};
use super::uapi::{self, Client};
use super::{ProcessOptions, program, text};
use crate::error::{Error, Result};
use crate::identity::keys::{PrivateKey, PublicKey};
use crate::link::links;
use crate::link::name::{InterfaceName, LinkName};
use crate::wireguard::beside::{ForeignPort, Handler, Port};
use crate::wireguard::device::{Device, DeviceEvent, DeviceState, EventHandler, PeerChange, PeerFailure};
use crate::wireguard::events::Events;
use crate::wireguard::{difference, port};

/// From its start to its first answer: 20 ms on an idle machine.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// From the link being up to its UDP sockets: wireguard-go hears of the link by netlink or a routing socket.
const UP_PATIENCE: Duration = Duration::from_secs(10);
/// From SIGTERM to SIGKILL. It removes its peers one after the other: 1,000 take it 0.2 s.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at whether something has happened.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Peers in one request, so that none takes long.
const PEERS_A_REQUEST: usize = 256;

/// A WireGuard interface that lives in a wireguard-go started by this process. It ends with `close`, when it is dropped, or
/// with this process, however that ends.
pub struct ProcessDevice {
    name: InterfaceName,
    index: u32,
    events: Arc<Events>,
    port: ForeignPort,
    /// `None` after `close`.
    running: Option<Running>,
}

struct Running {
    child: Child,
    client: Client,
    files: Files,
    /// Set once its sockets are open: from then on a port is bound when it is set.
    bound: bool,
    /// The port to bind when the link comes up.
    wanted_port: u16,
}

/// What must be removed at the end, as the child does not, or not when it is killed.
struct Files {
    socket: PathBuf,
    record: Option<PathBuf>,
    /// Where the child writes the name it got; see [`Naming`].
    name: Option<PathBuf>,
}

impl Files {
    fn remove(&self) -> Result<()> {
        let results = [
            uapi::remove_dead(&self.socket),
            self.record.as_deref().map_or(Ok(()), record::remove),
            self.name.as_deref().map_or(Ok(()), record::remove),
        ];
        results.into_iter().collect()
    }
}

impl ProcessDevice {
    /// Starts wireguard-go with the interface `name`, down. `mtu` 0 leaves 1420.
    ///
    /// All that can be checked is checked before anything is changed. Errors: `NO_WIREGUARD_GO` (not found, not to be trusted,
    /// or not wireguard-go), `EPERM`, `ENOENT` (no /dev/net/tun), `EEXIST` and `NOT_WIREGUARD` (the name is taken), `EBUSY`
    /// (another process serves its UAPI socket), `CHILD_FAILED` (it ended, with what it said, or did not answer).
    pub fn open(name: &InterfaceName, mtu: u16, options: ProcessOptions) -> Result<Self> {
        check_rights(name)?;
        let naming = Naming::of(name);
        check_name(&naming)?;
        let program = program::find(options.program.as_deref())?;
        check_tun(name)?;
        uapi::make_directory()?;

        let events = Arc::new(Events::default());
        let child = start(&program, &naming, options.threads, &events)
            .map_err(|error| Error::from_io(&error, "start", program.display().to_string()))?;
        let (name, client) = match ready(&child, &naming) {
            Ok(ready) => ready,
            Err(error) => {
                drop(child);
                if let Some(name) = naming.learn() {
                    uapi::remove_dead(&uapi::socket_path(name.as_str()))?;
                }
                naming.forget();
                return Err(error);
            }
        };
        let files = Files { socket: client.path.clone(), record: options.record, name: naming.file };
        let mut device = Self { name, index: 0, events, port: ForeignPort::default(), running: None };
        device.running = Some(Running { child, client, files, bound: false, wanted_port: 0 });
        // From here on an error ends the child by dropping the device.
        device.write_down(&program)?;
        let link = links::require(&LinkName::from(&device.name), "open")?;
        device.index = link.index;
        if mtu != 0 && link.mtu != u32::from(mtu) {
            links::set_mtu(link.index, device.name.as_str(), mtu)?;
        }
        Ok(device)
    }

    fn write_down(&self, program: &Path) -> Result<()> {
        let running = self.running()?;
        let Some(path) = &running.files.record else { return Ok(()) };
        Record::of(running.child.pid(), program, &running.client.path)?.save(path)
    }

    fn running(&self) -> Result<&Running> {
        let closed = || Error::new("ENODEV", "use", self.name.as_str(), "the device was closed");
        self.running.as_ref().ok_or_else(closed)
    }

    fn running_mut(&mut self) -> Result<&mut Running> {
        let closed = || Error::new("ENODEV", "use", self.name.as_str(), "the device was closed");
        self.running.as_mut().ok_or_else(closed)
    }

    /// Speaks with the child, and says what became of it when it is gone. One that does not answer is of no use any more: it
    /// is killed, which is told as its failure.
    fn ask<T>(&self, operation: &'static str, call: impl FnOnce(&Client) -> Result<T>) -> Result<T> {
        let running = self.running()?;
        call(&running.client).map_err(|error| {
            if error.code == "ETIMEDOUT" {
                self.events.emit(DeviceEvent::Notice(format!("{}, so it is ended", error.reason)));
                running.child.kill();
            }
            match running.child.ended() {
                Some(ending) => gone(&ending, operation, self.name.as_str()),
                None => error,
            }
        })
    }

    /// The datagrams beside it are those of the port it has now, with its mark.
    fn follow(&self) -> Result<()> {
        if !self.running()?.bound {
            return self.port.follow(0, None);
        }
        let state = self.ask("read", Client::state)?;
        self.port.follow(state.listen_port, Some(state.fwmark))
    }

    /// The port its sockets have, 0 when it has none.
    fn bound_port(&self) -> Result<u16> {
        self.ask("read", Client::state).map(|state| state.listen_port)
    }

    /// wireguard-go opens its sockets when it hears that the link is up, and tells nobody when it cannot. So it is let open them
    /// on any port first, and then told which, which it answers.
    fn bind_wanted(&mut self) -> Result<()> {
        let deadline = Instant::now() + UP_PATIENCE;
        while self.bound_port()? == 0 {
            if Instant::now() >= deadline {
                let reason = "wireguard-go opened no UDP socket although the link is up";
                return Err(Error::new("ETIMEDOUT", "set up", self.name.as_str(), reason));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let running = self.running_mut()?;
        running.bound = true;
        let wanted = running.wanted_port;
        if wanted == 0 { Ok(()) } else { self.bind(wanted) }
    }

    fn bind(&self, port: u16) -> Result<()> {
        let told = self.ask("configure", |client| client.tell(&text::set_port(port), "configure"));
        told.map_err(|error| match error.code.as_str() {
            "EADDRINUSE" => Error::from_errno(libc::EADDRINUSE, "bind UDP port", port.to_string()),
            _ => error,
        })
    }

    fn send(&self, steps: &[difference::Step]) -> Result<()> {
        let request = text::set_peers(steps.iter());
        self.ask("change the peers of", |client| client.tell(&request, "change the peers of"))
    }
}

fn gone(ending: &Ending, operation: &'static str, name: &str) -> Error {
    Error::new("ENODEV", operation, name, format!("wireguard-go is gone: {ending}"))
}

/// That neither the link nor the socket is another's; a socket nobody listens on any more is removed.
fn check_name(naming: &Naming) -> Result<()> {
    let Some(name) = &naming.known else { return Ok(()) };
    if let Some(link) = links::get(&LinkName::from(name))? {
        let is_tunnel = matches!(link.kind.as_str(), "wireguard" | "tun");
        let code = if is_tunnel { "EEXIST" } else { "NOT_WIREGUARD" };
        let kind = if link.kind.is_empty() { "hardware" } else { &link.kind };
        let reason = format!("a link of that name exists ({kind}), and wireguard-go makes its own");
        return Err(Error::new(code, "use", name.as_str(), reason));
    }
    let socket = uapi::socket_path(name.as_str());
    if uapi::is_served(&socket) {
        let reason = "another process serves it, such as a wireguard-go in another network namespace";
        return Err(Error::new("EBUSY", "use", socket.display().to_string(), reason));
    }
    uapi::remove_dead(&socket)
}

fn start(
    program: &Path,
    naming: &Naming,
    threads: Option<u16>,
    events: &Arc<Events>,
) -> std::io::Result<Child> {
    naming.forget();
    let mut environment = vec![("WG_PROCESS_FOREGROUND", "1".into()), ("LOG_LEVEL", "error".into())];
    environment.extend(naming.file.as_ref().map(|file| ("WG_TUN_NAME_FILE", file.into())));
    environment.extend(threads.map(|threads| ("GOMAXPROCS", threads.to_string().into())));
    let arguments = vec!["--foreground".into(), naming.argument.clone().into()];
    let plan = Plan { program: program.to_owned(), arguments, environment };
    let (notices, failures) = (Arc::clone(events), Arc::clone(events));
    let limiter = Mutex::new(Limiter::new(Instant::now()));
    let on_line = move |line: String| {
        let admitted = limiter.lock().ok().and_then(|mut limiter| limiter.admit(&line, Instant::now()));
        if let Some(line) = admitted {
            notices.emit(DeviceEvent::Notice(format!("wireguard-go: {line}")));
        }
    };
    let on_end =
        move |ending: Ending| failures.emit(DeviceEvent::Failed(format!("wireguard-go is gone: {ending}")));
    Child::start(plan, Box::new(on_line), Box::new(on_end))
}

/// Waits for its first answer.
fn ready(child: &Child, naming: &Naming) -> Result<(InterfaceName, Client)> {
    let failed = |reason: String| Error::new("CHILD_FAILED", "start", "wireguard-go", reason);
    let deadline = Instant::now() + START_PATIENCE;
    let mut last = "it told no interface name".to_owned();
    while Instant::now() < deadline {
        if let Some(name) = naming.learn() {
            let client = Client { path: uapi::socket_path(name.as_str()), pid: child.pid() };
            match client.state() {
                Ok(_) => return Ok((name, client)),
                // There is no socket yet, or one nobody listens on yet.
                Err(error) if matches!(error.code.as_str(), "ENOENT" | "ECONNREFUSED") => {
                    last = error.to_string()
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(ending) = child.wait(LOOK_AGAIN) {
            return Err(failed(ending.to_string()));
        }
    }
    Err(failed(format!("no answer within {} s: {last}", START_PATIENCE.as_secs())))
}

impl Device for ProcessDevice {
    fn name(&self) -> &InterfaceName {
        &self.name
    }

    fn index(&self) -> u32 {
        self.index
    }

    /// Never: the interface begins with its process.
    fn adopted(&self) -> bool {
        false
    }

    fn listen_port(&mut self) -> Result<u16> {
        let running = self.running()?;
        if !running.bound {
            return Ok(running.wanted_port);
        }
        let port = self.bound_port()?;
        self.port.follow(port, None)?;
        Ok(port)
    }

    fn reset(&mut self) -> Result<()> {
        self.ask("reset", |client| client.tell(&text::remove_all_peers(), "reset"))
    }

    fn configure(&mut self, private_key: &PrivateKey, listen_port: u16, fwmark: u32) -> Result<()> {
        let bound = if self.running()?.bound { self.bound_port()? } else { 0 };
        let satisfied = bound != 0 && (listen_port == 0 || listen_port == bound);
        if !satisfied && listen_port != 0 {
            port::check_free(listen_port)
                .map_err(|error| Error::from_io(&error, "bind UDP port", listen_port.to_string()))?;
        }
        let request = text::set_key_and_mark(private_key, fwmark);
        self.ask("configure", |client| client.tell(&request, "configure"))?;
        let running = self.running_mut()?;
        running.wanted_port = listen_port;
        if running.bound && !satisfied {
            self.bind(listen_port)?;
        }
        self.follow()
    }

    fn up(&mut self) -> Result<()> {
        links::set_up(self.index, self.name.as_str())?;
        if !self.running()?.bound {
            self.bind_wanted()?;
        }
        self.follow()
    }

    fn apply(&mut self, changes: Vec<PeerChange>) -> Result<Vec<PeerFailure>> {
        let present = match difference::needs_present(&changes) {
            true => difference::present(&self.read()?.peers),
            false => Vec::new(),
        };
        let holder = || PrivateKey::generate().map(|key| key.public_key());
        let steps = difference::plan(changes, &present, holder)?;
        let mut failures: Vec<PeerFailure> = Vec::new();
        for batch in steps.chunks(PEERS_A_REQUEST) {
            match self.send(batch) {
                Ok(()) => continue,
                Err(error) if concerns_the_device(&error) => return Err(error),
                Err(_) => {}
            }
            // Each alone (each can be done twice), so that a bad one stops nothing but itself.
            for step in batch {
                match self.send(std::slice::from_ref(step)) {
                    Ok(()) => {}
                    Err(error) if concerns_the_device(&error) => return Err(error),
                    Err(error) => {
                        text::concerned(step).into_iter().for_each(|key| note(&mut failures, key, &error));
                    }
                }
            }
        }
        Ok(failures)
    }

    fn read(&mut self) -> Result<DeviceState> {
        let bound = self.running()?.bound;
        let mut state = self.ask("read", Client::state)?;
        if !bound {
            state.listen_port = self.running()?.wanted_port;
        }
        self.port.follow(if bound { state.listen_port } else { 0 }, Some(state.fwmark))?;
        Ok(state)
    }

    fn on_event(&mut self, handler: EventHandler) {
        self.events.set_handler(handler);
    }

    fn open_port(&mut self, handler: Handler) -> Result<Arc<dyn Port>> {
        let port = self.port.open(self.name.as_str(), handler)?;
        self.follow()?;
        Ok(port)
    }

    /// The interface goes whatever `remove` says. Takes some 10 ms; 2 s when the child has to be killed.
    fn close(&mut self, _remove: bool) -> Result<()> {
        self.port.close();
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.end()
    }
}

impl Running {
    fn end(&mut self) -> Result<()> {
        let pid = self.child.pid();
        if self.child.end(END_PATIENCE).is_none() {
            let reason = "it hangs in the kernel, where no signal reaches it";
            return Err(Error::new("EBUSY", "end wireguard-go,", format!("process {pid}"), reason));
        }
        self.files.remove()
    }
}

impl Drop for ProcessDevice {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ended = self.close(true);
    }
}

fn concerns_the_device(error: &Error) -> bool {
    !matches!(error.code.as_str(), "EINVAL" | "EPROTO" | "EIO" | "E71" | "EADDRNOTAVAIL")
}

/// The first failure of each peer counts.
fn note(failures: &mut Vec<PeerFailure>, public_key: PublicKey, error: &Error) {
    if !failures.iter().any(|failure| failure.public_key == public_key) {
        let reason = format!("{}: cannot set peer {}: {}", error.code, public_key.text(), error.reason);
        failures.push(PeerFailure { public_key, reason });
    }
}
