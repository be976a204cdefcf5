//! The TUN device: the interface applications see.
//!
//! Frames carry a virtio header (IFF_VNET_HDR), so that the kernel hands over and takes up to 64 KiB of one TCP stream, or many
//! datagrams of a UDP flow, at a time: `segment` splits what comes, `coalesce` joins what goes. The device is not
//! persistent: it disappears with its descriptor, so also when the process is killed.

mod checksum;
mod coalesce;
mod control;
mod flow;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod segment;
mod virtio;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use self::coalesce::Coalescer;
use self::flow::Protocol;
use self::virtio::{HEADER_LEN, Header};
use super::batch::Outbound;
use super::events::Events;
use super::ip;
use super::offload::Offload;
use crate::error::{Error, Result};
use crate::link::name::InterfaceName;

/// The largest IP packet.
const MAX_PACKET: usize = 65535;

pub(super) struct Tun {
    file: File,
    name: InterfaceName,
    index: u32,
    /// Frames carry a virtio header.
    framed: bool,
    tcp_joining: Offload,
    udp_joining: Offload,
}

impl Tun {
    /// Creates the interface. Errors: `EEXIST` (the name belongs to a WireGuard or TUN link), `NOT_WIREGUARD` (it belongs to
    /// another kind of link), `ENOENT` (no /dev/net/tun), `EPERM`.
    pub(super) fn create(name: &InterfaceName, mtu: u16) -> Result<Self> {
        control::refuse_existing(name)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")
            .map_err(|e| Error::from_io(&e, "open", "/dev/net/tun"))?;
        let offloads = control::attach(&file, name)?;
        let index =
            control::index(name).ok_or_else(|| Error::from_errno(libc::ENODEV, "find", name.as_str()))?;
        let tun = Self {
            file,
            name: name.clone(),
            index,
            framed: offloads.framed,
            tcp_joining: Offload::new("joined TCP packets (virtio GSO on its TUN device)", offloads.framed),
            udp_joining: Offload::new("joined UDP packets (virtio USO on its TUN device)", offloads.udp),
        };
        control::set_mtu(name, mtu)?;
        Ok(tun)
    }

    /// Read once after creation: it stays the same for the life of the device.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    pub(super) fn name(&self) -> &InterfaceName {
        &self.name
    }

    pub(super) fn set_up(&self) -> Result<()> {
        control::set_up(&self.name)
    }

    /// The MTU now; `None` when the link is gone.
    pub(super) fn mtu(&self) -> Option<u16> {
        control::mtu(&self.name)
    }

    fn joining(&self, protocol: Protocol) -> &Offload {
        match protocol {
            Protocol::Tcp => &self.tcp_joining,
            Protocol::Udp => &self.udp_joining,
        }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Takes frames from the device. One for all threads: whoever leads the outgoing direction has it.
pub(super) struct TunReader {
    frame: Vec<u8>,
    /// Bytes of the frame that waits to be split, 0 for none.
    length: usize,
}

impl TunReader {
    pub(super) fn new() -> Self {
        Self { frame: vec![0; HEADER_LEN + MAX_PACKET], length: 0 }
    }

    /// Reads a frame, if none waits to be split, and says where its packets go. `WouldBlock` when there is none; `None` is a
    /// frame that makes no sense, which is gone.
    pub(super) fn read(&mut self, tun: &Tun) -> io::Result<Option<IpAddr>> {
        if self.length == 0 {
            self.length = (&tun.file).read(&mut self.frame)?;
        }
        let packet = self.frame[..self.length].get(if tun.framed { HEADER_LEN } else { 0 }..);
        let destination = packet.and_then(ip::destination);
        if destination.is_none() {
            self.length = 0;
        }
        Ok(destination)
    }

    /// Appends the packets of the frame that was read.
    pub(super) fn split(&mut self, tun: &Tun, outbound: &mut Outbound, mtu: u16) {
        let frame = &self.frame[..std::mem::take(&mut self.length)];
        if !tun.framed {
            outbound.push(frame, mtu);
        } else if let Some((header, packet)) = Header::split(frame) {
            segment::split(&header, packet, outbound, mtu);
        }
    }
}

/// Scratch space of one thread that writes.
pub(super) struct TunWriter(Coalescer);

impl TunWriter {
    pub(super) fn new() -> Self {
        Self(Coalescer::new())
    }

    /// Hands packets, which lie in `buffer`, to the kernel in order; consecutive ones of a stream go as one. What the kernel
    /// refuses (the link is down, no memory) is lost, as on any link; if it refuses joined packets they go one by one from
    /// then on.
    pub(super) fn write(&mut self, tun: &Tun, buffer: &[u8], packets: &[Range<usize>], events: &Events) {
        if !tun.framed {
            for packet in packets {
                let _refused = (&tun.file).write(&buffer[packet.clone()]);
            }
            return;
        }
        let fd = tun.file.as_raw_fd();
        let write = |parts: &[libc::iovec], joined: Option<Protocol>| {
            let call = || {
                // SAFETY: the parts point into `buffer` and the coalescer's header, which both outlive the call.
                let written = unsafe { libc::writev(fd, parts.as_ptr(), parts.len() as libc::c_int) };
                if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
            };
            match joined {
                Some(protocol) => tun.joining(protocol).attempt(call),
                None => call(),
            }
        };
        let joins = |protocol| tun.joining(protocol).on();
        let refused = |protocol, error: &io::Error| {
            tun.joining(protocol).give_up(error, tun.name.as_str(), events);
        };
        self.0.join(buffer, packets, joins, write, refused);
    }
}

#[cfg(any(test, feature = "fuzzing"))]
mod test_packets;
#[cfg(test)]
mod tests;
