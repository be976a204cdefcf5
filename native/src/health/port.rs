//! The sockets of [`Echo`], one on each of our mesh addresses, and the thread that reads them.

use std::collections::HashMap;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::echo::{Echo, MAX_ECHO_BYTES, Step};
use crate::error::{Error, Result};

/// Called from the thread when there is news that should not wait; once until it is taken.
pub type Notify = Box<dyn Fn() + Send + Sync>;

/// IP and UDP, of both families.
const HEADER_BYTES: [u64; 2] = [28, 48];
/// Peers whose questions are remembered until somebody takes the news; a mesh has fewer.
const MAX_ASKED: usize = 10_000;
/// Read of one socket before the other has its turn, and before the clock is looked at.
const MAX_AT_ONCE: usize = 64;

/// When something was seen of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    pub address: IpAddr,
    pub at: Instant,
}

/// What has happened since the news was taken last.
#[derive(Debug, Default)]
pub struct News {
    /// Our questions that were answered.
    pub answered: Vec<Proof>,
    /// Our questions that were not, in time.
    pub unanswered: Vec<IpAddr>,
    /// Who asked us and has got our answer.
    pub asked: Vec<Proof>,
}

/// Asks, and answers, until it is dropped.
pub struct EchoPort {
    shared: Arc<Shared>,
    waker: PipeWriter,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    sockets: Vec<(IpAddr, UdpSocket)>,
    state: Mutex<State>,
    notify: Notify,
}

#[derive(Default)]
struct State {
    echo: Echo,
    answered: Vec<Proof>,
    unanswered: Vec<IpAddr>,
    asked: HashMap<IpAddr, Instant>,
    sent_bytes: u64,
    /// A proof is told at once too.
    eager: bool,
    told: bool,
    stopping: bool,
    /// Until when the thread waits, `None` for ever.
    waits_until: Option<Instant>,
}

impl EchoPort {
    /// Binds every address, or none. The error names the one that could not be had.
    pub fn open(addresses: &[IpAddr], port: u16, notify: Notify) -> Result<Self> {
        let bind = |address: &IpAddr| {
            let place = SocketAddr::new(*address, port);
            let bound =
                UdpSocket::bind(place).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
            bound.map(|socket| (*address, socket)).map_err(|error| failed(&error, place.to_string()))
        };
        let sockets = addresses.iter().map(bind).collect::<Result<Vec<_>>>()?;
        let what = || format!("port {port}");
        let (woken, waker) = io::pipe().map_err(|error| failed(&error, what()))?;
        let shared = Arc::new(Shared { sockets, state: Mutex::default(), notify });
        let body = Arc::clone(&shared);
        let thread = thread::Builder::new().name("wg-echo".to_owned()).spawn(move || body.run(woken));
        let thread = Some(thread.map_err(|error| failed(&error, what()))?);
        Ok(Self { shared, waker, thread })
    }

    /// False when it cannot be asked this way: `from` is none of the addresses, it is being asked already, or too many are.
    pub fn ask(&self, from: IpAddr, to: SocketAddr, limit: Duration) -> bool {
        let Some((_, socket)) = self.shared.sockets.iter().find(|(address, _)| *address == from) else {
            return false;
        };
        let due = Instant::now() + limit;
        let mut state = self.shared.lock();
        let Some(question) = state.echo.ask(to.ip(), nonce(), due) else { return false };
        state.send(socket, &question, to);
        if state.waits_until.is_none_or(|until| due < until) {
            state.waits_until = Some(due);
            self.wake();
        }
        true
    }

    pub fn take_news(&self) -> News {
        let mut state = self.shared.lock();
        state.told = false;
        let asked = std::mem::take(&mut state.asked);
        News {
            answered: std::mem::take(&mut state.answered),
            unanswered: std::mem::take(&mut state.unanswered),
            asked: asked.into_iter().map(|(address, at)| Proof { address, at }).collect(),
        }
    }

    /// Whether a proof is told at once, too, and not only a question that nobody answered.
    pub fn set_eager(&self, eager: bool) {
        let mut state = self.shared.lock();
        state.eager = eager;
        let tells = eager && state.has_proof() && !std::mem::replace(&mut state.told, true);
        drop(state);
        if tells {
            (self.shared.notify)();
        }
    }

    /// All that was sent, as IP packets.
    pub fn sent_bytes(&self) -> u64 {
        self.shared.lock().sent_bytes
    }

    fn wake(&self) {
        // A full pipe is awake.
        let _full = (&self.waker).write(&[1]);
    }
}

impl Drop for EchoPort {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic would have been told by its hook.
            let _told = thread.join();
        }
    }
}

impl State {
    fn send(&mut self, socket: &UdpSocket, text: &str, to: SocketAddr) {
        self.sent_bytes += HEADER_BYTES[usize::from(to.is_ipv6())] + text.len() as u64;
        // What cannot be sent is not answered either.
        let _unanswered = socket.send_to(text.as_bytes(), to);
    }

    fn has_proof(&self) -> bool {
        !self.answered.is_empty() || !self.asked.is_empty()
    }

    fn received(&mut self, socket: &UdpSocket, data: &[u8], from: SocketAddr, now: Instant) {
        match self.echo.received(data, from.ip(), now, nonce) {
            Step::Nothing => {}
            Step::Reply(text) => self.send(socket, &text, from),
            Step::Answered(text) => {
                self.send(socket, &text, from);
                self.answered.push(Proof { address: from.ip(), at: now });
            }
            Step::Asked => {
                if self.asked.len() < MAX_ASKED || self.asked.contains_key(&from.ip()) {
                    self.asked.insert(from.ip(), now);
                }
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut woken: PipeReader) {
        while let Some(until) = self.step() {
            let mut fds = [libc::pollfd { fd: woken.as_raw_fd(), events: libc::POLLIN, revents: 0 }].to_vec();
            let sockets = self.sockets.iter().map(|(_, socket)| socket.as_raw_fd());
            fds.extend(sockets.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }));
            // SAFETY: the entries live through the call, and their number is given.
            let ready =
                unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, milliseconds(until)) };
            if ready > 0 && fds[0].revents != 0 {
                let _woken = woken.read(&mut [0; 64]);
            }
        }
    }

    /// Takes what is there and what is late. Returns how long to wait, or `None` when it is to end.
    fn step(&self) -> Option<Option<Instant>> {
        let mut state = self.lock();
        if state.stopping {
            return None;
        }
        let now = Instant::now();
        let mut left = false;
        for (_, socket) in &self.sockets {
            // One byte more: what is longer is none of ours.
            let mut data = [0; MAX_ECHO_BYTES + 1];
            for count in 0..=MAX_AT_ONCE {
                left |= count == MAX_AT_ONCE;
                if count == MAX_AT_ONCE {
                    break;
                }
                match socket.recv_from(&mut data) {
                    Ok((length, from)) => state.received(socket, &data[..length], from, now),
                    // An ICMP error of something sent before stands before what was received since.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(_) => break,
                }
            }
        }
        let late = state.echo.late(now);
        state.unanswered.extend(late);
        let is_news = !state.unanswered.is_empty() || (state.eager && state.has_proof());
        let tells = is_news && !std::mem::replace(&mut state.told, true);
        state.waits_until = if left { Some(now) } else { state.echo.next_due() };
        let until = state.waits_until;
        drop(state);
        if tells {
            (self.notify)();
        }
        Some(until)
    }
}

fn failed(error: &io::Error, what: String) -> Error {
    Error::from_io(error, "open the echo port on", what)
}

fn nonce() -> u64 {
    // Without chance from the system nothing else of the node works either.
    getrandom::u64().unwrap_or_default()
}

/// For poll(2); rounded up, so that nobody wakes just before the time.
fn milliseconds(until: Option<Instant>) -> libc::c_int {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    left.map_or(-1, |left| i32::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LIMIT: Duration = Duration::from_secs(5);

    /// Two ports on addresses of loopback, with the same number, and what tells of their news.
    fn pair() -> ([EchoPort; 2], [IpAddr; 2], u16, [mpsc::Receiver<()>; 2]) {
        let addresses = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 1])];
        let (told, news): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel()).unzip();
        let open = |index: usize, port: u16| {
            let told = told[index].clone();
            let notify = Box::new(move || told.send(()).unwrap_or_default());
            EchoPort::open(&addresses[index..=index], port, notify).unwrap()
        };
        let [asker, asked] = [open(0, 0), open(1, 0)];
        let port = asked.shared.sockets[0].1.local_addr().unwrap().port();
        ([asker, asked], addresses, port, news.try_into().unwrap())
    }

    #[test]
    fn an_answered_question_waits_to_be_taken_and_both_know_what_they_sent() {
        let ([asker, asked], [from, to], port, [_asker_news, asked_news]) = pair();
        asked.set_eager(true);
        let before = Instant::now();
        assert!(asker.ask(from, (to, port).into(), LIMIT));
        asked_news.recv_timeout(LIMIT).unwrap();
        let News { answered, unanswered, asked: none } = asker.take_news();
        assert_eq!(answered.iter().map(|proof| proof.address).collect::<Vec<_>>(), [to]);
        assert!(answered[0].at >= before && answered[0].at <= Instant::now());
        assert!(unanswered.is_empty() && none.is_empty());
        assert_eq!(asked.take_news().asked.iter().map(|proof| proof.address).collect::<Vec<_>>(), [from]);
        assert_eq!([asker.sent_bytes(), asked.sent_bytes()], [28 + 21 + 28 + 22, 28 + 38]);
        assert!(asker.take_news().answered.is_empty());
    }

    #[test]
    fn calm_proofs_tell_nobody_until_somebody_is_eager() {
        let ([asker, asked], [from, to], port, [asker_news, asked_news]) = pair();
        asked.set_eager(true);
        assert!(asker.ask(from, (to, port).into(), LIMIT));
        asked_news.recv_timeout(LIMIT).unwrap();
        assert!(asker_news.try_recv().is_err());
        asker.set_eager(true);
        asker_news.try_recv().unwrap();
        assert_eq!(asker.take_news().answered.len(), 1);
    }

    #[test]
    fn a_question_nobody_answers_is_told_of_when_it_is_late() {
        let (ports, [from, to], _, [news, _]) = pair();
        let [asker, _] = &ports;
        let silent = UdpSocket::bind((to, 0)).unwrap();
        let limit = Duration::from_millis(80);
        let before = Instant::now();
        assert!(asker.ask(from, silent.local_addr().unwrap(), limit));
        assert!(!asker.ask(from, silent.local_addr().unwrap(), limit));
        news.recv_timeout(LIMIT).unwrap();
        assert!(before.elapsed() >= limit);
        assert_eq!(asker.take_news().unanswered, [to]);
    }

    #[test]
    fn refuses_an_address_that_is_not_ours_and_names_one_that_cannot_be_had() {
        let (ports, [_, to], port, _) = pair();
        let elsewhere = IpAddr::from([192, 0, 2, 1]);
        assert!(!ports[0].ask(elsewhere, (to, port).into(), LIMIT));
        let error = EchoPort::open(&[to, elsewhere], port, Box::new(|| {})).err().unwrap().to_string();
        assert!(
            error.starts_with(&format!("EADDRINUSE: cannot open the echo port on 127.0.0.1:{port}")),
            "{error}"
        );
    }

    #[test]
    fn goes_on_after_a_port_that_refuses() {
        let ([asker, asked], [from, to], port, [news, _]) = pair();
        let closed = UdpSocket::bind((to, 0)).unwrap().local_addr().unwrap();
        assert!(asker.ask(from, closed, Duration::from_millis(50)));
        news.recv_timeout(LIMIT).unwrap();
        assert_eq!(asker.take_news().unanswered, [to]);
        asker.set_eager(true);
        assert!(asker.ask(from, (to, port).into(), LIMIT));
        news.recv_timeout(LIMIT).unwrap();
        assert_eq!(asker.take_news().answered.len(), 1);
        drop(asked);
    }
}
