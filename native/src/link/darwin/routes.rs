//! Routes.
//!
//! macOS knows neither who made a route nor metrics. A route counts as ours when a program made it, straight out of a utun, to
//! a network in which that link has no address (those are the mesh's own networks; see [`super::addresses`]).

use std::io;
use std::mem::size_of;
use std::ptr;

use super::{addresses, args, exec, links, table};
use crate::error::{Error, Result};
use crate::link::ROUTE_PROTOCOL;
use crate::link::network::Network;
pub use crate::link::objects::{Route, Unicast};

// What the table's reader was written for.
const _: () = assert!(size_of::<libc::rt_msghdr>() == table::HEADER_BYTES);

/// RTPROT_KERNEL and RTPROT_STATIC of Linux, whose numbers the callers know.
const BY_KERNEL: u8 = 2;
const BY_PROGRAM: u8 = 4;
/// What the daemon gives its routes, so that it finds them as it made them.
const METRIC: u32 = 2000;
/// RT_TABLE_MAIN of Linux.
pub(super) const TABLE: u32 = 254;

pub fn list() -> Result<Vec<Route>> {
    let (links, addresses) = (links::list()?, addresses::list()?);
    let is_utun = |index| links.iter().any(|link| link.index == index && link.kind == "tun");
    let has_own_address = |entry: &table::Entry| {
        addresses.iter().any(|address| {
            let prefix = entry.destination.prefix;
            let same_family = address.network.address.is_ipv4() == entry.destination.address.is_ipv4();
            let covering = Network { address: address.network.address, prefix };
            address.link_index == entry.link_index && same_family && covering.masked() == entry.destination
        })
    };
    let routes = entries()?.into_iter().map(|entry| {
        let is_ours =
            entry.is_static && entry.by_link && is_utun(entry.link_index) && !has_own_address(&entry);
        let protocol = match (is_ours, entry.is_static) {
            (true, _) => ROUTE_PROTOCOL,
            (false, true) => BY_PROGRAM,
            (false, false) => BY_KERNEL,
        };
        Route {
            destination: entry.destination,
            gateway: entry.gateway,
            link_index: Some(entry.link_index),
            table: TABLE,
            protocol,
            metric: if is_ours { METRIC } else { 0 },
            // The table's entries name their link's address, which nobody chose.
            source: None,
            kind: entry.kind.to_owned(),
        }
    });
    Ok(routes.collect())
}

pub(super) fn entries() -> Result<Vec<table::Entry>> {
    Ok(table::routes(&dump()?))
}

/// `sysctl net.route.0.0.dump.0`
fn dump() -> Result<Vec<u8>> {
    let mut name = [libc::CTL_NET, libc::PF_ROUTE, 0, 0, libc::NET_RT_DUMP, 0];
    let failed = || Error::from_io(&io::Error::last_os_error(), "list routes", "of this machine");
    // The table may grow between the question for its size and the one for itself.
    for _ in 0..8 {
        let mut length = 0;
        let parts = name.len() as libc::c_uint;
        // SAFETY: asks for the length alone.
        let sized = unsafe {
            libc::sysctl(name.as_mut_ptr(), parts, ptr::null_mut(), &mut length, ptr::null_mut(), 0)
        };
        if sized != 0 {
            return Err(failed());
        }
        let mut bytes = vec![0u8; length + length / 8 + 4096];
        let mut length = bytes.len();
        let place = bytes.as_mut_ptr().cast();
        // SAFETY: writes at most `length` bytes.
        let read = unsafe { libc::sysctl(name.as_mut_ptr(), parts, place, &mut length, ptr::null_mut(), 0) };
        if read == 0 {
            bytes.truncate(length);
            return Ok(bytes);
        }
        if io::Error::last_os_error().raw_os_error() != Some(libc::ENOMEM) {
            return Err(failed());
        }
    }
    Err(failed())
}

/// No error when the very same one stands there; EEXIST when another route to that network does. `EINVAL` for a gateway, and for
/// a protocol other than ours, which macOS could not keep. The source is not used: a route takes that of its link.
pub fn add(wanted: &Unicast, name: &str) -> Result<()> {
    let object = format!("{} via {name}", wanted.destination);
    check(wanted, "add route", &object)?;
    let result = exec::run(&args::add_route(wanted.destination, name), "add route", &object);
    let Err(error) = result else { return Ok(()) };
    let stands = error.code == "EEXIST" && list()?.iter().any(|route| is_same(route, wanted));
    if stands { Ok(()) } else { Err(error) }
}

/// Removes our route out of the link; no error when it is gone already.
pub fn delete(unwanted: &Unicast, name: &str) -> Result<()> {
    let object = format!("{} via {name}", unwanted.destination);
    check(unwanted, "delete route", &object)?;
    // `route delete` would take whichever route leads there.
    if !list()?.iter().any(|route| is_same(route, unwanted)) {
        return Ok(());
    }
    match exec::run(&args::delete_route(unwanted.destination, name), "delete route", &object) {
        Err(error) if error.code == "ESRCH" => Ok(()),
        result => result,
    }
}

fn check(route: &Unicast, operation: &'static str, object: &str) -> Result<()> {
    if route.gateway.is_none() && route.protocol == ROUTE_PROTOCOL {
        return Ok(());
    }
    let reason = "on macOS only routes of this package, straight out of a link, can be made";
    Err(Error::new("EINVAL", operation, object, reason))
}

fn is_same(route: &Route, wanted: &Unicast) -> bool {
    route.destination == wanted.destination
        && route.protocol == ROUTE_PROTOCOL
        && route.link_index == Some(wanted.link_index)
}
