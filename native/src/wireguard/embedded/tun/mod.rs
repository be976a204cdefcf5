//! The TUN device: the interface applications see.
//!
//! Frames carry a virtio header (IFF_VNET_HDR), so that the kernel hands over and takes up to 64 KiB of one TCP stream at a
//! time: `segment` splits what comes, `coalesce` joins what goes. The device is not persistent: it disappears with its
//! descriptor, so also when the process is killed.

mod checksum;
mod coalesce;
mod control;
mod segment;
mod virtio;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use gotatun::packet::{Packet, PacketBufPool};

use self::coalesce::Coalescer;
use self::virtio::{HEADER_LEN, Header};
use crate::error::{Error, Result};
use crate::link::name::InterfaceName;

/// The largest IP packet.
const MAX_PACKET: usize = 65535;

/// Buffers for one frame's segments: holds any ordinary packet; larger ones (an MTU beyond it) are allocated.
pub(super) type Pool = PacketBufPool<2048>;

pub(super) struct Tun {
    file: File,
    name: InterfaceName,
    index: u32,
    /// Frames carry a virtio header.
    offload: bool,
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
        let offload = control::attach(&file, name)?;
        let index =
            control::index(name).ok_or_else(|| Error::from_errno(libc::ENODEV, "find", name.as_str()))?;
        let tun = Self { file, name: name.clone(), index, offload };
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

    pub(super) fn reader(&self) -> TunReader<'_> {
        TunReader { tun: self, frame: vec![0; HEADER_LEN + MAX_PACKET], pool: Pool::new(256) }
    }

    pub(super) fn writer(&self) -> TunWriter<'_> {
        TunWriter { tun: self, coalescer: Coalescer::new() }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

pub(super) struct TunReader<'a> {
    tun: &'a Tun,
    frame: Vec<u8>,
    pool: Pool,
}

impl TunReader<'_> {
    /// Reads one frame and appends its packets, all of one destination, to `packets`. `WouldBlock` when there is none; a frame
    /// that makes no sense appends nothing.
    pub(super) fn read(&mut self, packets: &mut Vec<Packet>) -> io::Result<()> {
        let length = (&self.tun.file).read(&mut self.frame)?;
        let frame = &mut self.frame[..length];
        if !self.tun.offload {
            packets.push(segment::whole(frame, &self.pool));
            return Ok(());
        }
        if let Some((header, packet)) = Header::split(frame) {
            segment::split(&header, packet, &self.pool, packets);
        }
        Ok(())
    }
}

pub(super) struct TunWriter<'a> {
    tun: &'a Tun,
    coalescer: Coalescer,
}

impl TunWriter<'_> {
    /// Hands packets to the kernel in order and empties the list; consecutive ones of a TCP stream go as one. What the kernel
    /// refuses (the link is down, no memory) is lost, as on any link.
    pub(super) fn write(&mut self, packets: &mut Vec<Packet>) {
        if self.tun.offload {
            let fd = self.tun.file.as_raw_fd();
            self.coalescer.join(packets, |parts| {
                // SAFETY: the parts point into `packets` and the coalescer's header, which both outlive the call.
                unsafe { libc::writev(fd, parts.as_ptr(), parts.len() as libc::c_int) };
            });
        } else {
            for packet in packets.iter() {
                let _refused = (&self.tun.file).write(packet);
            }
        }
        packets.clear();
    }
}
