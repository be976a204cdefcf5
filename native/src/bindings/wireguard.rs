//! WireGuard interfaces. Long calls run on libuv's pool; a mutex makes the calls on one device take turns.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use napi::bindgen_prelude::{AsyncTask, Buffer, ClassInstance, Function, ToNapiValue, TypeName};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Status, Task};
use napi_derive::napi;

use super::guarded;
use super::identity::NodeIdentity;
use super::keys::{PresharedKey, PrivateKey};
use crate::error::{Error, Result};
use crate::identity::keys;
use crate::link::addresses;
use crate::link::name::InterfaceName;
use crate::memory::scrub_stack;
use crate::os::underlay::Underlay;
use crate::wireguard::beside::{self, Port};
use crate::wireguard::device::Device;
use crate::wireguard::process::{self, Leftover, ProcessOptions};
use crate::wireguard::set_keys::SetKeys;
use crate::wireguard::{Kind, json};

/// What not every backend needs.
#[napi(object)]
#[derive(Default)]
pub struct OpenOptions {
    pub program: Option<String>,
    pub child_record: Option<String>,
    pub threads: Option<u32>,
    pub addresses: Option<Vec<String>>,
}

/// A buffer of 64 KiB goes with each; nobody has use for more.
const MOST_THREADS: u32 = 64;

impl OpenOptions {
    fn checked(self, name: &InterfaceName) -> Result<ProcessOptions> {
        let threads = match self.threads {
            None => None,
            Some(wish @ 1..=MOST_THREADS) => Some(wish as u16),
            Some(wish) => {
                let reason = format!("{wish} threads are not 1..{MOST_THREADS}");
                return Err(Error::new("EINVAL", "open", name.as_str(), reason));
            }
        };
        let (program, record) = (self.program.map(Into::into), self.child_record.map(Into::into));
        Ok(ProcessOptions { program, record, threads })
    }
}

#[napi]
pub struct WireGuardDevice {
    kind: Kind,
    name: String,
    index: u32,
    adopted: bool,
    slot: Arc<Slot>,
    /// Outside of the slot, so that sending waits for no other call.
    port: OnceLock<Arc<dyn Port>>,
}

/// Datagrams that wait for JavaScript at most.
const DATAGRAM_QUEUE: usize = 256;

/// A datagram that came to WireGuard's port and is not WireGuard's.
#[napi(object)]
pub struct BesideDatagram {
    pub data: Buffer,
    /// IPv4 addresses in IPv6 form as IPv4.
    pub host: String,
    pub port: u32,
}

/// What became of such datagrams.
#[napi(object)]
pub struct BesideCounters {
    pub received: i64,
    pub dropped: i64,
    pub sent: i64,
    pub send_errors: i64,
}

impl From<beside::Datagram> for BesideDatagram {
    fn from(datagram: beside::Datagram) -> Self {
        let from = datagram.from;
        let host = from.ip().to_canonical().to_string();
        Self { data: datagram.data.into(), host, port: from.port().into() }
    }
}

/// The device, or nothing once it was closed.
struct Slot {
    name: String,
    device: Mutex<Option<Box<dyn Device>>>,
    /// Only ever locked while the device is.
    keys: Mutex<SetKeys>,
}

impl Slot {
    /// Waits for a call that is under way.
    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Device>>> {
        // A call that panicked (a bug, reported as such) leaves a device that can at least be closed.
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, SetKeys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, operation: &'static str, call: impl FnOnce(&mut dyn Device) -> Result<T>) -> Result<T> {
        match self.lock().as_mut() {
            Some(device) => call(device.as_mut()),
            None => Err(Error::new("EBADF", operation, &self.name, "the device was closed")),
        }
    }
}

#[napi]
impl WireGuardDevice {
    #[napi(factory)]
    pub fn open(kind: String, name: String, mtu: u32, options: Option<OpenOptions>) -> napi::Result<Self> {
        guarded(|| {
            let kind = Kind::parse(&kind)?;
            let name = InterfaceName::parse(&name)?;
            let mtu = u16::try_from(mtu)
                .map_err(|_| Error::new("EINVAL", "open", name.as_str(), format!("no MTU can be {mtu}")))?;
            let options = options.unwrap_or_default();
            let underlay = Underlay::parse(0, options.addresses.as_deref().unwrap_or_default())?;
            let device = kind.open(&name, mtu, options.checked(&name)?, underlay)?;
            // Not always the one that was asked for: macOS numbers its tunnels.
            let name = device.name().clone();
            Ok(Self {
                kind,
                name: name.to_string(),
                index: device.index(),
                adopted: device.adopted(),
                slot: Arc::new(Slot {
                    name: name.to_string(),
                    device: Mutex::new(Some(device)),
                    keys: Mutex::default(),
                }),
                port: OnceLock::new(),
            })
        })
    }

    #[napi(getter)]
    pub fn kind(&self) -> &'static str {
        self.kind.text()
    }

    #[napi(getter)]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    #[napi(getter)]
    pub fn index(&self) -> u32 {
        self.index
    }

    #[napi(getter)]
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    #[napi]
    pub fn listen_port(&self) -> napi::Result<u32> {
        guarded(|| self.slot.with("read", |device| device.listen_port()).map(u32::from))
    }

    #[napi]
    pub fn reset(&self) -> AsyncTask<Call<()>> {
        let index = self.index;
        let slot = Arc::clone(&self.slot);
        self.later("reset", move |device| {
            slot.keys().forget();
            device.reset()?;
            addresses::flush(index, device.name().as_str())
        })
    }

    /// The face gives exactly one of the two keys.
    #[napi]
    pub fn configure(
        &self,
        private_key: Option<ClassInstance<'_, PrivateKey>>,
        identity: Option<ClassInstance<'_, NodeIdentity>>,
        listen_port: u32,
        fwmark: u32,
    ) -> napi::Result<()> {
        guarded(|| {
            let invalid = |reason: String| Error::new("EINVAL", "configure", &self.name, reason);
            let port =
                u16::try_from(listen_port).map_err(|_| invalid(format!("no port can be {listen_port}")))?;
            let key = match (&private_key, &identity) {
                (Some(key), None) => key.key(),
                (None, Some(identity)) => identity.private_key(),
                _ => return Err(invalid("it takes a privateKey or an identity, one of them".to_owned())),
            };
            let configured = self.slot.with("configure", |device| device.configure(key, port, fwmark));
            scrub_stack();
            configured
        })
    }

    #[napi]
    pub fn up(&self) -> napi::Result<()> {
        guarded(|| self.slot.with("set up", |device| device.up()))
    }

    /// `presharedKey` of a change is a place in `preshared_keys`.
    #[napi]
    pub fn apply(
        &self,
        changes_json: Buffer,
        preshared_keys: Vec<ClassInstance<'_, PresharedKey>>,
    ) -> AsyncTask<Call<String>> {
        let preshared_keys: Vec<keys::PresharedKey> =
            preshared_keys.iter().map(|handle| handle.key().clone()).collect();
        let slot = Arc::clone(&self.slot);
        self.later("change the peers of", move |device| {
            let (changes, mut refused) = json::changes(&changes_json, &preshared_keys)?;
            slot.keys().note(&changes);
            let failures = device.apply(changes)?;
            refused.extend(failures.into_iter().map(json::Refused::from));
            Ok(json::refused(&refused))
        })
    }

    #[napi]
    pub fn read(&self) -> AsyncTask<Call<String>> {
        let slot = Arc::clone(&self.slot);
        self.later("read", move |device| Ok(json::state(&device.read()?, &slot.keys())))
    }

    /// The face takes it where it can be had, while no other call is under way.
    #[napi]
    pub fn read_at_once(&self) -> napi::Result<Option<String>> {
        guarded(|| {
            self.slot.with("read", |device| {
                Ok(device.read_at_once()?.map(|state| json::state(&state, &self.slot.keys())))
            })
        })
    }

    #[napi]
    pub fn on_event(&self, callback: Function<'_, String, ()>) -> napi::Result<()> {
        // Weak: a device alone does not keep the process alive.
        let callback = callback.build_threadsafe_function().weak::<true>().build()?;
        guarded(|| {
            let handler = Arc::new(move |event| {
                // Refused only when the process is ending.
                callback.call(json::event(&event), ThreadsafeFunctionCallMode::NonBlocking);
            });
            self.slot.with("watch", |device| {
                device.on_event(handler);
                Ok(())
            })
        })
    }

    /// One for the life of the device; the face passes on to its listeners.
    #[napi]
    pub fn on_datagram(&self, callback: Function<'_, BesideDatagram, ()>) -> napi::Result<()> {
        let callback =
            callback.build_threadsafe_function().weak::<true>().max_queue_size::<DATAGRAM_QUEUE>().build()?;
        guarded(|| {
            let handler = Arc::new(move |datagram: beside::Datagram| {
                callback.call(datagram.into(), ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
            });
            let port = self.slot.with("listen beside", |device| device.open_port(handler))?;
            // A second handler replaced the first, on the same port.
            let _same = self.port.set(port);
            Ok(())
        })
    }

    #[napi]
    pub fn send_datagram(&self, host: String, port: u32, data: Buffer) -> napi::Result<bool> {
        guarded(|| {
            let invalid = |reason| Error::new("EINVAL", "send beside", &self.name, reason);
            let ip: IpAddr = host.parse().map_err(|_| invalid(format!("{host:?} is no IP address")))?;
            let port = u16::try_from(port).ok().filter(|port| *port != 0);
            let port = port.ok_or_else(|| invalid("its port is not in 1..65535".to_owned()))?;
            let to = SocketAddr::new(ip.to_canonical(), port);
            Ok(self.port.get().is_some_and(|way| way.send(&data, to)))
        })
    }

    #[napi]
    pub fn datagram_counters(&self) -> BesideCounters {
        let counters = self.port.get().map(|port| port.counters()).unwrap_or_default();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        BesideCounters {
            received: number(counters.received),
            dropped: number(counters.dropped),
            sent: number(counters.sent),
            send_errors: number(counters.send_errors),
        }
    }

    #[napi]
    pub fn close(&self, remove: bool) -> napi::Result<()> {
        guarded(|| {
            let mut open = self.slot.lock();
            // This object may stay until it is collected; the keys must not.
            self.slot.keys().forget();
            open.take().map_or(Ok(()), |mut device| device.close(remove))
        })
    }
}

impl WireGuardDevice {
    fn later<T: Answer>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&mut dyn Device) -> Result<T> + Send + 'static,
    ) -> AsyncTask<Call<T>> {
        AsyncTask::new(Call { slot: Arc::clone(&self.slot), operation, body: Some(Box::new(body)) })
    }
}

type Body<T> = Box<dyn FnOnce(&mut dyn Device) -> Result<T> + Send>;

/// One call on libuv's pool.
pub struct Call<T> {
    slot: Arc<Slot>,
    operation: &'static str,
    body: Option<Body<T>>,
}

/// What a call may resolve to.
pub trait Answer: Send + 'static + ToNapiValue + TypeName {}
impl<T: Send + 'static + ToNapiValue + TypeName> Answer for T {}

impl<T: Answer> Task for Call<T> {
    type Output = T;
    type JsValue = T;

    fn compute(&mut self) -> napi::Result<T> {
        let result = guarded(|| match self.body.take() {
            Some(body) => self.slot.with(self.operation, body),
            None => Err(Error::new("INTERNAL", self.operation, &self.slot.name, "the call ran twice")),
        });
        // The thread is libuv's, and goes on.
        scrub_stack();
        result
    }

    fn resolve(&mut self, _env: Env, output: T) -> napi::Result<T> {
        Ok(output)
    }
}

/// The process that was ended, or null.
#[napi]
pub fn end_leftover_child(record: String) -> napi::Result<Option<i32>> {
    guarded(|| match process::end_leftover(Path::new(&record))? {
        Leftover::Ended(pid) => Ok(Some(pid)),
        Leftover::None | Leftover::Gone => Ok(None),
    })
}
