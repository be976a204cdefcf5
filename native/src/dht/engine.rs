//! The engine on the crate `mainline`.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_core::Stream;
use mainline::async_dht::AsyncDht;
use mainline::{Dht, Id};

use super::marked::MarkedSocket;
use super::pace::Pace;
use super::records;
use super::wait::{Ended, wait};
use crate::error::{Error, Result};

/// Calls at once; each has a thread.
const MAX_CALLS: usize = 16;
/// A call only waits and hands on.
const STACK_BYTES: usize = 256 * 1024;
/// The Go peer's limit. Answers are told as they come, so a long traversal delays nobody.
const LOOKUP_LIMIT: Duration = Duration::from_secs(30);
/// The nodes nearest to the id are to be found first.
const ANNOUNCE_LIMIT: Duration = Duration::from_secs(20);
const NODES_LIMIT: Duration = Duration::from_secs(10);
/// The crate's thread looks for requests every 50 ms; more only on a machine that is very busy.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// A look-up that has told so many answers is over: more would only fill memory. One has 2,048 bytes at most.
const MAX_ANSWERS: usize = 256;
/// How long `close` waits for the socket to be closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
const CLOSE_LOOK: Duration = Duration::from_millis(5);

/// How an engine is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    pub address: Ipv4Addr,
    /// 0 for any free one.
    pub port: u16,
    /// `SO_MARK` of all that is sent, 0 for none.
    pub fwmark: u32,
    /// Whom to ask first. An engine without waits to be asked: it is the first node of a network.
    pub bootstrap: Vec<SocketAddrV4>,
    /// Answers from the start. Else it only asks, and answers once it has found itself reachable for a while.
    pub server: bool,
    /// How long one node may take to answer; a look-up waits that long for dead nodes.
    pub request_timeout: Duration,
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Who has announced itself for this id.
    Lookup([u8; 20]),
    /// We have, with this port.
    Announce([u8; 20], u16),
    /// Nodes worth knowing again.
    Nodes,
    Status,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub id: [u8; 20],
    pub local: SocketAddrV4,
    /// Nodes that have answered and are not stale.
    pub nodes: usize,
    /// What most nodes of the last look-up called us.
    pub public: Option<SocketAddrV4>,
    /// Whether it answers questions.
    pub server: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// Records as in [`records`].
    Nodes(Vec<u8>),
    Status(Status),
}

/// What a call tells: any number of `Peers`, then one of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// What one node answered.
    Peers(Vec<SocketAddrV4>),
    Answer(Answer),
    Failed(Error),
}

/// Takes the events of one call, on the call's thread.
pub type Sink = Box<dyn FnMut(Event) + Send>;

/// A running node. Dropped, it is closed.
pub struct Engine {
    dht: Option<AsyncDht>,
    local: SocketAddrV4,
    pace: Option<Arc<Pace>>,
    cancelled: Arc<AtomicBool>,
    calls: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Binds the socket and starts the crate's thread; asks nobody yet that is not in `bootstrap`.
    pub fn open(settings: &Settings) -> Result<Self> {
        let object = format!("{}:{}", settings.address, settings.port);
        let (bound, port, marked) =
            place(settings).map_err(|e| Error::from_io(&e, "open the DHT on", &object))?;
        let mut builder = Dht::builder();
        builder
            .bind_address(bound)
            .port(port)
            .bootstrap(&settings.bootstrap)
            .request_timeout(settings.request_timeout);
        if settings.server {
            builder.server_mode();
        }
        let dht =
            builder.build().map_err(|error| Error::from_io(&error, "open the DHT on", object))?.as_async();
        let cancelled = Arc::new(AtomicBool::new(false));
        let until = Instant::now() + ANSWER_LIMIT;
        let local = match wait(dht.info(), until, &cancelled) {
            Ok(info) => marked.map_or(Ok(info.local_addr()), |marked| marked.replace(info.local_addr()))?,
            Err(_) => return Err(Error::new("ETIMEDOUT", "open", "the DHT", "its thread does not answer")),
        };
        let pace = Pace::of(local).map(Arc::new);
        Ok(Self { dht: Some(dht), local, pace, cancelled, calls: Mutex::new(Vec::new()) })
    }

    /// Starts a call; its end is told through the sink.
    ///
    /// Errors: `EBADF` when it was closed, `EAGAIN` when too many calls are under way.
    pub fn call(&self, request: Request, sink: Sink) -> Result<()> {
        let refused = |code, reason: &str| Error::new(code, "ask", "the DHT", reason);
        let dht = self.dht.clone().ok_or_else(|| refused("EBADF", "it was closed"))?;
        let mut calls = self.lock();
        calls.retain(|call| !call.is_finished());
        if calls.len() >= MAX_CALLS {
            return Err(refused("EAGAIN", "too many calls are under way"));
        }
        let (pace, cancelled) = (self.pace.clone(), Arc::clone(&self.cancelled));
        let call = Call { dht, local: self.local, pace, cancelled, sink };
        let thread = thread::Builder::new()
            .name("wgmesh-dht".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || call.run(request))
            .map_err(|error| Error::from_io(&error, "ask", "the DHT"))?;
        calls.push(thread);
        Ok(())
    }

    /// Ends all calls, joins their threads, and returns once the socket is closed. Takes up to 0.1 s.
    pub fn close(&mut self) {
        let Some(dht) = self.dht.take() else { return };
        self.cancelled.store(true, Ordering::Release);
        let calls = std::mem::take(&mut *self.lock());
        for call in calls {
            call.thread().unpark();
            // It cannot panic: see `Call::run`.
            let _ = call.join();
        }
        // The last handle: the crate's thread ends when it sees that.
        drop(dht);
        if let Some(pace) = self.pace.take() {
            pace.hurry();
        }
        wait_until_unbound(self.local);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where the crate binds its socket, and the one that takes its place then.
fn place(settings: &Settings) -> io::Result<(Ipv4Addr, u16, Option<MarkedSocket>)> {
    let Settings { address, port, fwmark, .. } = *settings;
    if fwmark != 0 {
        return Ok((Ipv4Addr::LOCALHOST, 0, Some(MarkedSocket::bind(address, port, fwmark)?)));
    }
    // The crate panics instead of telling why, when its thread ends before it is first asked.
    drop(UdpSocket::bind((address, port))?);
    Ok((address, port, None))
}

/// The crate keeps the handle of its thread to itself. That the thread is over shows when the socket it owns is gone.
fn wait_until_unbound(local: SocketAddrV4) {
    let until = Instant::now() + CLOSE_LIMIT;
    while UdpSocket::bind(local).is_err() && Instant::now() < until {
        thread::sleep(CLOSE_LOOK);
    }
}

/// One call on its thread.
struct Call {
    dht: AsyncDht,
    local: SocketAddrV4,
    pace: Option<Arc<Pace>>,
    cancelled: Arc<AtomicBool>,
    sink: Sink,
}

impl Call {
    fn run(mut self, request: Request) {
        let pace = self.pace.clone();
        let _busy = pace.as_deref().map(Pace::busy);
        // The crate panics in whoever asks it after its own thread has ended.
        let ended = catch_unwind(AssertUnwindSafe(|| self.answer(request)))
            .unwrap_or_else(|_| Err(Error::new("INTERNAL", "ask", "the DHT", "its thread has ended")));
        let event = match ended {
            Ok(answer) => Event::Answer(answer),
            Err(error) => Event::Failed(error),
        };
        let _ = catch_unwind(AssertUnwindSafe(|| (self.sink)(event)));
    }

    fn answer(&mut self, request: Request) -> Result<Answer> {
        match request {
            Request::Lookup(id) => self.lookup(id.into()),
            Request::Announce(id, port) => self.announce(id.into(), port),
            Request::Nodes => self.nodes(),
            Request::Status => self.status().map(Answer::Status),
        }
    }

    fn lookup(&mut self, id: Id) -> Result<Answer> {
        let until = Instant::now() + LOOKUP_LIMIT;
        let mut peers = self.dht.get_peers(id);
        for _ in 0..MAX_ANSWERS {
            let Some(found) = self.wait("look up in", next(&mut peers), until)? else { break };
            let mut told = HashSet::new();
            let usable: Vec<_> =
                found.into_iter().filter(|peer| records::is_usable(*peer) && told.insert(*peer)).collect();
            if !usable.is_empty() {
                (self.sink)(Event::Peers(usable));
            }
        }
        Ok(Answer::Done)
    }

    fn announce(&mut self, id: Id, port: u16) -> Result<Answer> {
        let until = Instant::now() + ANNOUNCE_LIMIT;
        // An announcement joins the look-up for its id that is under way, and takes the tokens from its answers. Alone it would
        // ask by BEP 44's `get`, which not every node knows.
        let _look_up = self.dht.get_peers(id);
        match self.wait("announce in", self.dht.announce_peer(id, Some(port)), until)? {
            Ok(_) => Ok(Answer::Done),
            Err(error) => Err(Error::new("ENOENT", "announce in", "the DHT", error.to_string())),
        }
    }

    /// Nodes that others name and that have answered us: a claim alone could be an invention.
    fn nodes(&mut self) -> Result<Answer> {
        let until = Instant::now() + NODES_LIMIT;
        let own: Id = self.status()?.id.into();
        let live: HashSet<_> = self.live()?.into_iter().collect();
        let mut found = HashSet::new();
        let mut bytes = Vec::new();
        for target in [own, Id::random()] {
            for node in self.wait("list the nodes of", self.dht.find_node(target), until)? {
                let address = node.address();
                let counts = live.contains(&address) && records::is_usable(address) && found.insert(address);
                if counts && found.len() <= records::MAX_RECORDS {
                    records::write(node.id().as_bytes(), address, &mut bytes);
                }
            }
        }
        Ok(Answer::Nodes(bytes))
    }

    fn status(&mut self) -> Result<Status> {
        let info = self.wait("ask", self.dht.info(), Instant::now() + ANSWER_LIMIT)?;
        Ok(Status {
            id: *info.id().as_bytes(),
            local: self.local,
            nodes: self.live()?.len(),
            public: info.public_address(),
            server: info.server_mode(),
        })
    }

    fn live(&self) -> Result<Vec<SocketAddrV4>> {
        let texts = self.wait("ask", self.dht.to_bootstrap(), Instant::now() + ANSWER_LIMIT)?;
        Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
    }

    fn wait<T>(&self, operation: &'static str, future: impl Future<Output = T>, until: Instant) -> Result<T> {
        wait(future, until, &self.cancelled).map_err(|ended| match ended {
            Ended::Late => Error::new("ETIMEDOUT", operation, "the DHT", "no answer in time"),
            Ended::Cancelled => Error::new("ECANCELED", operation, "the DHT", "it was closed"),
        })
    }
}

/// The next item of a stream.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}
