//! Tells when links, addresses or routes change.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::thread::JoinHandle;
use std::time::Instant;

use netlink_packet_core::NetlinkBuffer;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::changes::{Changes, DEBOUNCE};
use super::{addresses, links, routes};
use crate::error::{Error, Result};

/// linux/rtnetlink.h, RTMGRP_*: LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE.
const GROUPS: u32 = LINK_GROUP | 0x10 | 0x40 | 0x100 | 0x400;
const LINK_GROUP: u32 = 0x1;
/// The kernel fills datagrams of up to 32 KiB.
const RECEIVE_BYTES: usize = 64 * 1024;

impl Changes {
    fn add_message(&mut self, kind: u16) {
        match kind {
            links::RTM_NEWLINK | links::RTM_DELLINK => self.link = true,
            addresses::RTM_NEWADDR | addresses::RTM_DELADDR => self.address = true,
            routes::RTM_NEWROUTE | routes::RTM_DELROUTE => self.route = true,
            _ => {}
        }
    }

    pub(super) fn add_datagram(&mut self, mut rest: &[u8]) {
        while let Ok(message) = NetlinkBuffer::new_checked(rest) {
            self.add_message(message.message_type());
            let step = (message.length() as usize).next_multiple_of(4);
            rest = rest.get(step..).unwrap_or_default();
        }
    }
}

/// Changes of addresses and routes for somebody who waits for descriptors himself: it is readable when there are some.
pub struct Watch {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Watch {
    pub fn open() -> Result<Self> {
        let socket = listen(GROUPS & !LINK_GROUP)?;
        Ok(Self { socket, buffer: vec![0; RECEIVE_BYTES] })
    }

    /// Whether there were changes since the last call.
    pub fn take(&mut self) -> bool {
        let mut changes = Changes::NONE;
        drain(&self.socket, &mut self.buffer, &mut changes);
        changes != Changes::NONE
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the socket has it open for as long as it lives.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }
}

fn listen(groups: u32) -> Result<Socket> {
    let failed = |error: std::io::Error| Error::from_io(&error, "watch", "the network");
    let mut socket = Socket::new(NETLINK_ROUTE).map_err(failed)?;
    socket.bind(&SocketAddr::new(0, groups)).map_err(failed)?;
    socket.set_non_blocking(true).map_err(failed)?;
    Ok(socket)
}

/// A thread that waits for changes; dropped, it ends and is joined.
pub struct Monitor {
    /// An eventfd; written once, to end the thread.
    stop: File,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// `callback` runs on the monitor's thread, [`DEBOUNCE`] after the first change of a burst.
    pub fn start(callback: impl Fn(Changes) + Send + 'static) -> Result<Self> {
        Self::start_on(listen(GROUPS)?, callback)
    }

    fn start_on(socket: Socket, callback: impl Fn(Changes) + Send + 'static) -> Result<Self> {
        let failed = |error: std::io::Error| Error::from_io(&error, "watch", "the network");
        // SAFETY: eventfd takes two numbers; a non-negative result is a descriptor that is ours alone.
        let stop = match unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) } {
            -1 => return Err(failed(std::io::Error::last_os_error())),
            fd => unsafe { File::from_raw_fd(fd) },
        };
        let thread_stop = stop.try_clone().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("wgmesh-netmon".to_owned())
            .spawn(move || run(&socket, thread_stop.as_fd(), callback))
            .map_err(failed)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // A write to an eventfd whose counter is zero cannot fail.
        let _ = self.stop.write_all(&1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // The thread panics only if the callback does, and then there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

fn run(socket: &Socket, stop: BorrowedFd<'_>, callback: impl Fn(Changes)) {
    let mut buffer = vec![0; RECEIVE_BYTES];
    let mut pending = Changes::NONE;
    let mut tell_at: Option<Instant> = None;
    loop {
        if wait(socket, stop, tell_at) {
            return;
        }
        drain(socket, &mut buffer, &mut pending);
        if pending == Changes::NONE {
            continue;
        }
        let now = Instant::now();
        if *tell_at.get_or_insert(now + DEBOUNCE) <= now {
            callback(std::mem::take(&mut pending));
            tell_at = None;
        }
    }
}

/// Waits for a message or for `until`; true when the thread shall end.
fn wait(socket: &Socket, stop: BorrowedFd<'_>, until: Option<Instant>) -> bool {
    let timeout_ms = until.map_or(-1, |at| {
        let left = at.saturating_duration_since(Instant::now());
        // Rounded up, or the last fraction of a millisecond would be spent spinning.
        left.as_micros().div_ceil(1000) as libc::c_int
    });
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut entries = [entry(socket.as_raw_fd()), entry(stop.as_raw_fd())];
    // SAFETY: the array lives through the call and its length is given. An interrupted poll is an early return, no more.
    unsafe { libc::poll(entries.as_mut_ptr(), 2, timeout_ms) };
    entries[1].revents != 0
}

/// Reads all messages that wait.
fn drain(socket: &Socket, buffer: &mut [u8], pending: &mut Changes) {
    loop {
        match socket.recv(&mut &mut buffer[..], 0) {
            Ok(length) => pending.add_datagram(&buffer[..length]),
            // ENOBUFS: more came than the socket holds, so some were lost.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => *pending = Changes::ALL,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::link::network::Network;
    use crate::testing::in_own_network;
    use std::time::Duration;

    #[test]
    fn gathers_the_kinds_of_a_datagram() {
        let mut datagram = vec![0; 32];
        for (at, kind) in [(0, links::RTM_NEWLINK), (16, routes::RTM_DELROUTE)] {
            let mut message = NetlinkBuffer::new(&mut datagram[at..]);
            message.set_length(16);
            message.set_message_type(kind);
        }
        let mut changes = Changes::NONE;
        changes.add_datagram(&datagram);
        assert_eq!(changes.names(), ["link", "route"]);
        assert_eq!(Changes::ALL.names(), ["link", "address", "route"]);
    }

    #[test]
    fn ends_when_dropped() {
        let monitor = Monitor::start(|_| {}).unwrap();
        let began = Instant::now();
        drop(monitor);
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    fn add_address_to_loopback(number: u16) {
        let [high, low] = number.to_be_bytes();
        let network = Network::parse(&format!("10.1.{high}.{low}/32")).unwrap();
        addresses::add(1, "lo", network).unwrap();
    }

    /// An address brings a route with it, but the link stays as it is: only an overrun can tell of links.
    #[test]
    fn more_changes_than_the_socket_holds_are_one_that_says_all() {
        in_own_network(
            "link::monitor::tests::more_changes_than_the_socket_holds_are_one_that_says_all",
            || {
                let socket = listen(GROUPS).unwrap();
                socket.set_rx_buf_sz(4096).unwrap();
                let (tell, told) = mpsc::channel();
                let (release, released) = mpsc::channel::<()>();
                let monitor = Monitor::start_on(socket, move |changes| {
                    // Nothing is read until this one is released; a test that failed releases none.
                    let _ = tell.send(changes);
                    let _ = released.recv_timeout(Duration::from_secs(30));
                });
                let monitor = monitor.unwrap();
                let next = || told.recv_timeout(Duration::from_secs(30)).unwrap();
                let address = Changes { link: false, ..Changes::ALL };

                add_address_to_loopback(1);
                assert_eq!(next(), address);
                (2..600).for_each(add_address_to_loopback);
                release.send(()).unwrap();
                assert_eq!(next(), Changes::ALL);
                release.send(()).unwrap();
                let quiet = told.recv_timeout(DEBOUNCE * 20);
                assert_eq!(quiet, Err(mpsc::RecvTimeoutError::Timeout), "all is said once");

                add_address_to_loopback(600);
                assert_eq!(next(), address, "it goes on as before");
                release.send(()).unwrap();
                drop(monitor);
            },
        );
    }
}
