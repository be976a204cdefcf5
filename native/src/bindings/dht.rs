//! A node of the DHT. Calls tell what they find as JSON texts through one callback each; the face makes promises of them.

use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::{AsyncTask, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Task};
use napi_derive::napi;
use serde_json::json;

use super::guarded;
use crate::dht::{Answer, Engine, Event, Request, Settings};
use crate::error::{Error, Result};
use crate::identity::hex;

/// Far more than anybody needs to begin with.
const MAX_BOOTSTRAP: usize = 100;

/// Complete: the face fills in what is left out.
#[napi(object)]
pub struct DhtSettings {
    pub address: String,
    pub port: u32,
    pub fwmark: u32,
    pub bootstrap: Vec<String>,
    pub server: bool,
    pub request_timeout_ms: u32,
}

impl TryFrom<DhtSettings> for Settings {
    type Error = Error;

    fn try_from(given: DhtSettings) -> Result<Self> {
        let refused = |reason: String| Error::new("EINVAL", "open", "the DHT", reason);
        if given.bootstrap.len() > MAX_BOOTSTRAP {
            return Err(refused(format!("more than {MAX_BOOTSTRAP} bootstrap nodes")));
        }
        let literal = |text: &String| match text.parse::<SocketAddrV4>() {
            Ok(address) if address.port() != 0 => Ok(address),
            _ => Err(refused(format!("bootstrap node {text:?} is no IPv4 address with a port"))),
        };
        let timeout_ms = u64::from(given.request_timeout_ms);
        if !(50..=60_000).contains(&timeout_ms) {
            return Err(refused(format!("a request timeout of {timeout_ms} ms is not in 50..60000")));
        }
        Ok(Self {
            address: given
                .address
                .parse()
                .map_err(|_| refused(format!("{:?} is no IPv4 address", given.address)))?,
            port: port(given.port, "open")?,
            fwmark: given.fwmark,
            bootstrap: given.bootstrap.iter().map(literal).collect::<Result<_>>()?,
            server: given.server,
            request_timeout: Duration::from_millis(timeout_ms),
        })
    }
}

#[napi]
pub struct DhtNode(Arc<Mutex<Option<Engine>>>);

#[napi]
impl DhtNode {
    #[napi(factory)]
    pub fn open(settings: DhtSettings) -> napi::Result<Self> {
        guarded(|| Ok(Self(Arc::new(Mutex::new(Some(Engine::open(&settings.try_into()?)?))))))
    }

    #[napi]
    pub fn lookup(&self, info_hash: String, callback: Function<'_, String, ()>) -> napi::Result<()> {
        self.call(move || Ok(Request::Lookup(id(&info_hash)?)), callback)
    }

    #[napi]
    pub fn announce(
        &self,
        info_hash: String,
        port_number: u32,
        callback: Function<'_, String, ()>,
    ) -> napi::Result<()> {
        let request = move || match port(port_number, "announce in")? {
            0 => Err(Error::new("EINVAL", "announce in", "the DHT", "nobody listens on port 0")),
            port => Ok(Request::Announce(id(&info_hash)?, port)),
        };
        self.call(request, callback)
    }

    #[napi]
    pub fn nodes(&self, callback: Function<'_, String, ()>) -> napi::Result<()> {
        self.call(|| Ok(Request::Nodes), callback)
    }

    #[napi]
    pub fn status(&self, callback: Function<'_, String, ()>) -> napi::Result<()> {
        self.call(|| Ok(Request::Status), callback)
    }

    #[napi]
    pub fn close(&self) -> AsyncTask<Closing> {
        AsyncTask::new(Closing(lock(&self.0).take()))
    }
}

impl DhtNode {
    fn call(
        &self,
        request: impl FnOnce() -> Result<Request>,
        callback: Function<'_, String, ()>,
    ) -> napi::Result<()> {
        // Not weak: somebody waits for the answer. A node without calls does not keep the process alive.
        let callback = callback.build_threadsafe_function().build()?;
        guarded(|| {
            let request = request()?;
            let sink = Box::new(move |event: Event| {
                // Refused only when the process is ending.
                callback.call(text(&event), ThreadsafeFunctionCallMode::NonBlocking);
            });
            match lock(&self.0).as_ref() {
                Some(engine) => engine.call(request, sink),
                None => Err(Error::new("EBADF", "ask", "the DHT", "it was closed")),
            }
        })
    }
}

fn lock(slot: &Mutex<Option<Engine>>) -> MutexGuard<'_, Option<Engine>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn port(number: u32, operation: &'static str) -> Result<u16> {
    u16::try_from(number)
        .map_err(|_| Error::new("EINVAL", operation, "the DHT", format!("no port can be {number}")))
}

/// 40 hex digits.
fn id(text: &str) -> Result<[u8; 20]> {
    let refused = || Error::new("EINVAL", "ask", "the DHT", format!("{text:?} is not 40 hex digits"));
    if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(refused());
    }
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).map_err(|_| refused())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| refused())?;
    }
    Ok(bytes)
}

/// `{"peers": […]}`, `{"error": "CODE: …"}`, or what the call resolves to: `{"value": …}`.
fn text(event: &Event) -> String {
    let value = match event {
        Event::Peers(peers) => {
            json!({ "peers": peers.iter().map(SocketAddrV4::to_string).collect::<Vec<_>>() })
        }
        Event::Failed(error) => json!({ "error": error.to_string() }),
        Event::Answer(Answer::Done) => json!({ "value": null }),
        Event::Answer(Answer::Nodes(records)) => json!({ "value": hex::encode(records) }),
        Event::Answer(Answer::Status(status)) => json!({ "value": {
            "id": hex::encode(&status.id),
            "port": status.local.port(),
            "nodes": status.nodes,
            "publicAddress": status.public.map(|address| address.to_string()),
            "server": status.server,
        } }),
    };
    value.to_string()
}

/// Joins the threads on libuv's pool.
pub struct Closing(Option<Engine>);

impl Task for Closing {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        guarded(|| {
            self.0 = None;
            Ok(())
        })
    }

    fn resolve(&mut self, _env: Env, output: ()) -> napi::Result<()> {
        Ok(output)
    }
}
