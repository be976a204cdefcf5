//! Tells when links, addresses or routes change.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use netlink_packet_core::NetlinkBuffer;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

pub use super::burst::Monitor;
use super::burst::Source;
use super::changes::Changes;
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
        Self::on(GROUPS & !LINK_GROUP)
    }

    fn on(groups: u32) -> Result<Self> {
        Ok(Self { socket: listen(groups)?, buffer: vec![0; RECEIVE_BYTES] })
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

impl Source for Watch {
    fn drain(&mut self, pending: &mut Changes) {
        drain(&self.socket, &mut self.buffer, pending);
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Monitor {
    /// `callback` runs on the monitor's thread, [`super::changes::DEBOUNCE`] after the first change of a burst.
    pub fn start(callback: impl Fn(Changes) + Send + 'static) -> Result<Self> {
        Self::on(Watch::on(GROUPS)?, callback)
    }
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
    use crate::link::changes::DEBOUNCE;
    use crate::link::network::Network;
    use crate::testing::in_own_network;
    use std::time::{Duration, Instant};

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
                let watch = Watch::on(GROUPS).unwrap();
                watch.socket.set_rx_buf_sz(4096).unwrap();
                let (tell, told) = mpsc::channel();
                let (release, released) = mpsc::channel::<()>();
                let monitor = Monitor::on(watch, move |changes| {
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
