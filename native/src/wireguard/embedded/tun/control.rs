//! ioctls on the TUN device and its link.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result};
use crate::link::name::InterfaceName;

/// Linux 6.2 and later: the kernel hands over several UDP datagrams of a stream in one frame.
const TUN_F_USO: libc::c_uint = 0x20 | 0x40;
const TUN_F_TSO: libc::c_uint = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
/// linux/ethtool.h
const ETHTOOL_GDRVINFO: u32 = 3;

/// `EEXIST` or `NOT_WIREGUARD` when a link of that name exists.
pub(super) fn refuse_existing(name: &InterfaceName) -> Result<()> {
    if index(name).is_none() {
        return Ok(());
    }
    let kind = driver(name).unwrap_or_default();
    if kind == "wireguard" || kind == "tun" {
        let reason = format!("a {kind} link of that name exists; another process may be using it");
        return Err(Error::new("EEXIST", "create", name.as_str(), reason));
    }
    let described = if kind.is_empty() { "another kind".to_owned() } else { format!("kind {kind:?}") };
    Err(Error::new(
        "NOT_WIREGUARD",
        "create",
        name.as_str(),
        format!("a link of that name exists, of {described}"),
    ))
}

/// What the kernel's TUN device can do.
pub(super) struct Offloads {
    /// Frames carry a virtio header: TCP packets may be joined.
    pub framed: bool,
    /// It knows UDP segmentation (Linux 6.2), so UDP packets may be joined too.
    pub udp: bool,
}

/// Makes the interface. The kernel may lack virtio headers, or some of the offloads.
pub(super) fn attach(file: &File, name: &InterfaceName) -> Result<Offloads> {
    let base = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_TUN_EXCL;
    if let Err(error) = set_interface(file, name, base | libc::IFF_VNET_HDR) {
        if error.raw_os_error() != Some(libc::EINVAL) {
            return Err(creation_error(&error, name));
        }
        set_interface(file, name, base).map_err(|e| creation_error(&e, name))?;
        return Ok(Offloads { framed: false, udp: false });
    }
    // Without these the kernel just hands over single packets, so a refusal is no error.
    let udp = set_offloads(file, TUN_F_TSO | TUN_F_USO).is_ok();
    if !udp {
        let _plain_frames = set_offloads(file, TUN_F_TSO);
    }
    Ok(Offloads { framed: true, udp })
}

fn creation_error(error: &io::Error, name: &InterfaceName) -> Error {
    match error.raw_os_error() {
        // IFF_TUN_EXCL: somebody was faster.
        Some(libc::EBUSY) => Error::new("EEXIST", "create", name.as_str(), "a tun link of that name exists"),
        // The name was free a moment ago, so this is about the link that took it.
        Some(libc::EINVAL) if index(name).is_some() => Error::new(
            "NOT_WIREGUARD",
            "create",
            name.as_str(),
            "a link of that name exists, of another kind",
        ),
        _ => Error::from_io(error, "create", name.as_str()),
    }
}

fn set_interface(file: &File, name: &InterfaceName, flags: libc::c_int) -> io::Result<()> {
    let mut request = request(name);
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &mut request) })
}

fn set_offloads(file: &File, offloads: libc::c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(offloads)) })
}

/// The link's index, `None` when there is none of that name.
pub(super) fn index(name: &InterfaceName) -> Option<u32> {
    let mut request = request(name);
    ioctl(libc::SIOCGIFINDEX as _, &mut request).ok()?;
    // SAFETY: SIOCGIFINDEX filled this member.
    u32::try_from(unsafe { request.ifr_ifru.ifru_ifindex }).ok()
}

pub(super) fn mtu(name: &InterfaceName) -> Option<u16> {
    let mut request = request(name);
    ioctl(libc::SIOCGIFMTU as _, &mut request).ok()?;
    // SAFETY: SIOCGIFMTU filled this member.
    Some(u16::try_from(unsafe { request.ifr_ifru.ifru_mtu }).unwrap_or(u16::MAX))
}

pub(super) fn set_mtu(name: &InterfaceName, mtu: u16) -> Result<()> {
    let mut request = request(name);
    request.ifr_ifru.ifru_mtu = libc::c_int::from(mtu);
    ioctl(libc::SIOCSIFMTU as _, &mut request).map_err(|e| Error::from_io(&e, "set MTU of", name.as_str()))
}

pub(super) fn set_up(name: &InterfaceName) -> Result<()> {
    let failed = |e: io::Error| Error::from_io(&e, "set up", name.as_str());
    let mut request = request(name);
    ioctl(libc::SIOCGIFFLAGS as _, &mut request).map_err(failed)?;
    // SAFETY: SIOCGIFFLAGS filled this member.
    request.ifr_ifru.ifru_flags = unsafe { request.ifr_ifru.ifru_flags } | libc::IFF_UP as libc::c_short;
    ioctl(libc::SIOCSIFFLAGS as _, &mut request).map_err(failed)
}

/// What drives the link: `tun`, `veth`, `bridge`, `wireguard`, …
fn driver(name: &InterfaceName) -> Option<String> {
    /// `struct ethtool_drvinfo`
    #[repr(C)]
    struct DriverInfo {
        command: u32,
        driver: [u8; 32],
        rest: [u8; 160],
    }
    let mut info = DriverInfo { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    let mut request = request(name);
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    ioctl(libc::SIOCETHTOOL as _, &mut request).ok()?;
    let length = info.driver.iter().position(|b| *b == 0)?;
    String::from_utf8(info.driver[..length].to_vec()).ok()
}

fn request(name: &InterfaceName) -> libc::ifreq {
    // SAFETY: an ifreq of zeros is valid, with an empty name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // An interface name has at most 15 bytes, so a zero stays at the end.
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()) {
        *to = from as libc::c_char;
    }
    request
}

/// An interface ioctl, in the network namespace of the calling thread.
fn ioctl(command: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: socket takes no pointers; the descriptor is owned by nobody else.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        check(fd)?;
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: all commands used here take one ifreq.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), command as _, request) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
