//! A netlink socket for one blocking request at a time.
//!
//! What is guaranteed: answers belong to the request (sequence numbers), a request never waits for more than
//! [`ANSWER_TIMEOUT`] between two answers, a listing that changed while it was read is read again, and the buffers,
//! which may hold keys, are zeroised.

use std::io::IoSlice;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use netlink_packet_core::{
    NLA_HEADER_SIZE, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
    NetlinkBuffer, NlasIterator,
};
use netlink_sys::{Socket, SocketAddr};

use crate::error::Error;
use crate::memory;

/// The kernel fills datagrams of up to 32 KiB when the reader offers that much; less room means more calls, and for
/// objects that do not fit, an error.
const RECEIVE_BYTES: usize = 64 * 1024;

/// Longer than any answer the kernel was seen to take (deleting a link waits for grace periods and for the rtnl lock).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a listing is read again because it changed meanwhile.
const INTERRUPTED_RETRIES: usize = 10;

/// linux/netlink.h; not exported by netlink-packet-core.
const NETLINK_HEADER_LEN: usize = 16;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// What the kernel, or the socket, said no with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetlinkError {
    pub errno: i32,
    /// The kernel's own words (extended acknowledgement), where it has some.
    pub words: Option<String>,
}

impl NetlinkError {
    fn last() -> Self {
        Self::from_io(&std::io::Error::last_os_error())
    }

    fn from_io(error: &std::io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        Self { errno, words: None }
    }

    fn errno(errno: i32) -> Self {
        Self { errno, words: None }
    }

    /// `CODE: cannot <operation> <object>: <reason>`
    pub fn because(&self, operation: &'static str, object: impl Into<String>) -> Error {
        let mut error = Error::from_errno(self.errno, operation, object);
        if let Some(words) = &self.words {
            error.reason = format!("{} ({words})", error.reason);
        }
        error
    }
}

type Outcome<T> = Result<T, NetlinkError>;

pub struct NetlinkSocket {
    socket: Socket,
    sequence: u32,
    buffer: Wiped,
}

/// How an exchange ended.
#[derive(PartialEq, Eq)]
enum End {
    Complete,
    /// The listing is not of one moment: the objects changed while they were listed.
    Interrupted,
}

impl NetlinkSocket {
    /// `protocol` is one of `netlink_sys::protocols`. Takes some 10 µs.
    pub fn open(protocol: isize) -> Outcome<Self> {
        let io = |error: std::io::Error| NetlinkError::from_io(&error);
        let mut socket = Socket::new(protocol).map_err(io)?;
        socket.bind_auto().map_err(io)?;
        // A connected netlink socket takes messages of the kernel alone.
        socket.connect(&SocketAddr::new(0, 0)).map_err(io)?;
        socket.set_cap_ack(true).map_err(io)?;
        socket.set_ext_ack(true).map_err(io)?;
        set_receive_timeout(&socket)?;
        Ok(Self { socket, sequence: 0, buffer: Wiped(vec![0; RECEIVE_BYTES]) })
    }

    /// Makes the kernel refuse listings whose filters it does not know, and honour those it does (Linux 4.20).
    pub fn set_strict(&self) -> Outcome<()> {
        let result = self.socket.set_netlink_get_strict_chk(true);
        result.map_err(|error| NetlinkError::from_io(&error))
    }

    /// Sends a request that is answered by success or an error.
    pub fn command(&mut self, kind: u16, flags: u16, body: &[u8]) -> Outcome<()> {
        self.command_of(kind, flags, body, &[])
    }

    /// The same with a body of two parts, of which the second is not copied.
    pub fn command_of(&mut self, kind: u16, flags: u16, body: &[u8], rest: &[u8]) -> Outcome<()> {
        let ignore = &mut |_, _: &[u8]| ControlFlow::Continue(());
        self.exchange_of(kind, flags | NLM_F_ACK, body, rest, ignore)?;
        Ok(())
    }

    /// Asks for one object; `parse` gets the message type and payload of the answer.
    pub fn get<T>(
        &mut self,
        kind: u16,
        body: &[u8],
        parse: impl Fn(u16, &[u8]) -> Option<T>,
    ) -> Outcome<Option<T>> {
        let mut found = None;
        self.exchange(kind, NLM_F_ACK, body, &mut |kind, payload| {
            found = found.take().or_else(|| parse(kind, payload));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Asks for a listing; `parse` gets each message of it, in order.
    pub fn dump<T>(
        &mut self,
        kind: u16,
        body: &[u8],
        parse: impl Fn(u16, &[u8]) -> Option<T>,
    ) -> Outcome<Vec<T>> {
        for _ in 0..INTERRUPTED_RETRIES {
            let mut found = Vec::new();
            let end = self.exchange(kind, NLM_F_DUMP, body, &mut |kind, payload| {
                found.extend(parse(kind, payload));
                ControlFlow::Continue(())
            })?;
            if end == End::Complete {
                return Ok(found);
            }
        }
        Err(NetlinkError { errno: libc::EBUSY, words: Some("it kept changing while it was read".to_owned()) })
    }

    /// The first message of a listing. Takes the socket, since one whose listing was abandoned answers EBUSY.
    pub fn dump_first<T>(
        mut self,
        kind: u16,
        body: &[u8],
        parse: impl Fn(u16, &[u8]) -> Option<T>,
    ) -> Outcome<Option<T>> {
        let mut found = None;
        self.exchange(kind, NLM_F_DUMP, body, &mut |kind, payload| {
            found = parse(kind, payload);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    fn exchange(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        each: &mut dyn FnMut(u16, &[u8]) -> ControlFlow<()>,
    ) -> Outcome<End> {
        self.exchange_of(kind, flags, body, &[], each)
    }

    fn exchange_of(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        rest: &[u8],
        each: &mut dyn FnMut(u16, &[u8]) -> ControlFlow<()>,
    ) -> Outcome<End> {
        self.sequence = self.sequence.wrapping_add(1);
        self.send(kind, flags | NLM_F_REQUEST, body, rest)?;
        let mut end = End::Complete;
        loop {
            let length = self.receive()?;
            if let Progress::Over = read_datagram(&self.buffer.0[..length], self.sequence, &mut end, each)? {
                return Ok(end);
            }
        }
    }

    fn send(&self, kind: u16, flags: u16, body: &[u8], rest: &[u8]) -> Outcome<()> {
        let mut message = Wiped(vec![0; NETLINK_HEADER_LEN + body.len()]);
        let Wiped(message) = &mut message;
        let mut header = NetlinkBuffer::new(&mut message[..]);
        header.set_length((NETLINK_HEADER_LEN + body.len() + rest.len()) as u32);
        header.set_message_type(kind);
        header.set_flags(flags);
        header.set_sequence_number(self.sequence);
        message[NETLINK_HEADER_LEN..].copy_from_slice(body);
        // strace shows requests of one part in words, which is how tests see what is written.
        if rest.is_empty() {
            return retry(|| self.socket.send(message, 0)).map(|_| ());
        }
        let parts = [IoSlice::new(message), IoSlice::new(rest)];
        retry(|| send_parts(self.socket.as_raw_fd(), &parts)).map(|_| ())
    }

    /// One datagram into the buffer; its length.
    fn receive(&mut self) -> Outcome<usize> {
        let Self { socket, buffer: Wiped(buffer), .. } = self;
        let length = retry(|| socket.recv(&mut &mut buffer[..], libc::MSG_TRUNC))?;
        if length > buffer.len() {
            return Err(NetlinkError::errno(libc::EMSGSIZE));
        }
        Ok(length)
    }
}

/// One message of several parts.
fn send_parts(socket: RawFd, parts: &[IoSlice<'_>]) -> std::io::Result<usize> {
    // SAFETY: all zeros is a message of no parts to nobody; `IoSlice` has the form of an iovec.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len() as _;
    // SAFETY: the parts live through the call and are only read.
    let sent = unsafe { libc::sendmsg(socket, &raw const message, 0) };
    usize::try_from(sent).map_err(|_| std::io::Error::last_os_error())
}

/// Bytes that may hold keys.
struct Wiped(Vec<u8>);

impl Drop for Wiped {
    fn drop(&mut self) {
        memory::wipe(&mut self.0);
    }
}

fn retry(mut call: impl FnMut() -> std::io::Result<usize>) -> Outcome<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // What a receive timeout looks like.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(NetlinkError::errno(libc::ETIMEDOUT));
            }
            result => return result.map_err(|error| NetlinkError::from_io(&error)),
        }
    }
}

fn set_receive_timeout(socket: &Socket) -> Outcome<()> {
    let timeout = libc::timeval { tv_sec: ANSWER_TIMEOUT.as_secs() as libc::time_t, tv_usec: 0 };
    // SAFETY: the option value is a timeval that lives through the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const timeout).cast(),
            size_of::<libc::timeval>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(NetlinkError::last()) }
}

/// The messages of one datagram that answer the request `sequence`; a late answer to an earlier one is passed over.
struct Answers<'a> {
    rest: &'a [u8],
    sequence: u32,
}

impl<'a> Answers<'a> {
    fn new(datagram: &'a [u8], sequence: u32) -> Self {
        Self { rest: datagram, sequence }
    }
}

impl<'a> Iterator for Answers<'a> {
    type Item = Outcome<NetlinkBuffer<&'a [u8]>>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let Ok(message) = NetlinkBuffer::new_checked(self.rest) else {
                self.rest = &[];
                return Some(Err(NetlinkError::errno(libc::EBADMSG)));
            };
            let step = (message.length() as usize).next_multiple_of(4);
            self.rest = self.rest.get(step..).unwrap_or_default();
            if message.sequence_number() == self.sequence {
                return Some(Ok(message));
            }
        }
        None
    }
}

/// Whether an exchange needs another datagram.
#[derive(PartialEq, Eq)]
enum Progress {
    Going,
    Over,
}

/// Hands out the messages of one datagram, up to the one that ends the exchange.
fn read_datagram(
    datagram: &[u8],
    sequence: u32,
    end: &mut End,
    each: &mut dyn FnMut(u16, &[u8]) -> ControlFlow<()>,
) -> Outcome<Progress> {
    for answer in Answers::new(datagram, sequence) {
        let answer = answer?;
        if answer.flags() & NLM_F_DUMP_INTR != 0 {
            *end = End::Interrupted;
        }
        match answer.message_type() {
            NLMSG_NOOP => {}
            NLMSG_DONE | NLMSG_ERROR => return verdict(&answer).map(|()| Progress::Over),
            kind => {
                if each(kind, answer.payload()).is_break() {
                    return Ok(Progress::Over);
                }
            }
        }
    }
    Ok(Progress::Going)
}

/// What a listing in these datagrams says, as [`NetlinkSocket::dump`] reads it; for the fuzz target.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn listing<'a, T>(
    datagrams: impl Iterator<Item = &'a [u8]>,
    sequence: u32,
    parse: impl Fn(&[u8]) -> Option<T>,
) -> Outcome<Vec<T>> {
    let (mut end, mut found) = (End::Complete, Vec::new());
    for datagram in datagrams {
        let progress = read_datagram(datagram, sequence, &mut end, &mut |_, payload| {
            found.extend(parse(payload));
            ControlFlow::Continue(())
        })?;
        if progress == Progress::Over {
            break;
        }
    }
    Ok(found)
}

/// Reads an NLMSG_ERROR (0 is success) or NLMSG_DONE (which may carry the error that ended a listing).
fn verdict(message: &NetlinkBuffer<&[u8]>) -> Outcome<()> {
    let payload = message.payload();
    let Some((code, rest)) = payload.split_first_chunk::<4>() else {
        // An old kernel's NLMSG_DONE is empty; an error without a code is none the kernel sends.
        return match message.message_type() {
            NLMSG_DONE => Ok(()),
            _ => Err(NetlinkError::errno(libc::EBADMSG)),
        };
    };
    let errno = i32::from_ne_bytes(*code).wrapping_neg();
    if errno == 0 {
        return Ok(());
    }
    Err(NetlinkError { errno, words: kernel_words(message, rest) })
}

/// The text of the extended acknowledgement, which follows the copy of the request's header in an NLMSG_ERROR.
fn kernel_words(message: &NetlinkBuffer<&[u8]>, rest: &[u8]) -> Option<String> {
    if message.flags() & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let skip = match message.message_type() {
        NLMSG_DONE => 0,
        _ if message.flags() & NLM_F_CAPPED != 0 => NETLINK_HEADER_LEN,
        _ => NetlinkBuffer::new_checked(rest).ok()?.length() as usize,
    };
    let attributes = rest.get(skip.next_multiple_of(NLA_HEADER_SIZE)..)?;
    let text = NlasIterator::new(attributes)
        .map_while(|nla| nla.ok())
        .find(|nla| nla.kind() == NLMSGERR_ATTR_MSG)?;
    let text = String::from_utf8_lossy(text.value());
    Some(text.trim_end_matches('\0').to_owned())
}

mod batch;
#[cfg(test)]
mod tests;

pub use batch::Message;
