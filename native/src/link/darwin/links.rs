//! Network interfaces.

use super::interfaces::{self, What};
use super::{args, exec};
use crate::error::{Error, Result};
use crate::link::name::LinkName;
pub use crate::link::objects::Link;

pub fn list() -> Result<Vec<Link>> {
    let links = interfaces::list()?.into_iter().filter_map(|entry| {
        let What::Link { index, mtu } = entry.what else { return None };
        let has = |flag: i32| entry.flags & flag != 0;
        let kind = ["utun", "bridge"].into_iter().find(|prefix| entry.name.starts_with(prefix));
        Some(Link {
            index,
            kind: kind.map_or("", |kind| if kind == "utun" { "tun" } else { kind }).to_owned(),
            mtu,
            up: has(libc::IFF_UP),
            running: has(libc::IFF_RUNNING),
            loopback: has(libc::IFF_LOOPBACK),
            multicast: has(libc::IFF_MULTICAST),
            point_to_point: has(libc::IFF_POINTOPOINT),
            name: entry.name,
        })
    });
    Ok(links.collect())
}

pub fn get(name: &LinkName) -> Result<Option<Link>> {
    Ok(list()?.into_iter().find(|link| link.name == name.as_str()))
}

/// The link of that name, or ENODEV.
pub fn require(name: &LinkName, operation: &'static str) -> Result<Link> {
    let gone = || Error::from_errno(libc::ENODEV, operation, name.as_str());
    get(name)?.ok_or_else(gone)
}

/// The index is of no use here: `ifconfig` takes names.
pub fn set_up(_index: u32, name: &str) -> Result<()> {
    exec::run(&args::set_up(name), "set up", name)
}

pub fn set_down(_index: u32, name: &str) -> Result<()> {
    exec::run(&args::set_down(name), "set down", name)
}

pub fn set_mtu(_index: u32, name: &str, mtu: u16) -> Result<()> {
    exec::run(&args::set_mtu(name, mtu), "set the MTU of", name)
}

/// Removes the link; no error when it is gone already.
pub fn delete(_index: u32, name: &str) -> Result<()> {
    match exec::run(&args::delete_link(name), "delete", name) {
        Err(error) if error.code == "ENODEV" => Ok(()),
        result => result,
    }
}
