//! Requests are built and read with the types of `netlink-packet-route`, one attribute at a time: an attribute of a
//! newer kernel that the crate cannot read never hides the object that carries it.

use netlink_packet_core::{Emitable, NlaBuffer, NlasIterator};

use super::socket::{NetlinkError, NetlinkSocket};
use crate::error::Result;

pub(super) fn open() -> std::result::Result<NetlinkSocket, NetlinkError> {
    NetlinkSocket::open(netlink_sys::protocols::NETLINK_ROUTE)
}

/// One rtnetlink command that is answered by success or an error only.
pub(super) fn command(kind: u16, flags: u16, body: &impl Emitable) -> std::result::Result<(), NetlinkError> {
    open()?.command(kind, flags, &emit(body))
}

/// Everything the kernel lists for `kind`, as far as `parse` can read it.
pub(super) fn dump<T>(
    kind: u16,
    body: &impl Emitable,
    operation: &'static str,
    parse: impl Fn(&[u8]) -> Option<T>,
) -> Result<Vec<T>> {
    open()
        .and_then(|mut socket| socket.dump(kind, &emit(body), |_, payload| parse(payload)))
        .map_err(|error| error.because(operation, "of this network namespace"))
}

pub(super) fn emit(body: &impl Emitable) -> Vec<u8> {
    let mut bytes = vec![0; body.buffer_len()];
    body.emit(&mut bytes);
    bytes
}

/// The attributes of a message that `parse` can read.
pub(super) fn attributes<'a, A>(
    bytes: &'a [u8],
    mut parse: impl FnMut(&NlaBuffer<&'a [u8]>) -> Option<A>,
) -> impl Iterator<Item = A> {
    NlasIterator::new(bytes).map_while(|nla| nla.ok()).filter_map(move |nla| parse(&nla))
}
