//! Fuzz target: what the kernel, or whoever speaks in its place, may send over netlink.

use super::changes::Changes;
use super::network::Network;
use super::{addresses, links, routes, socket};
use crate::fuzzing::input::Input;
use crate::wireguard::kernel;

/// The sequence number whose answers are read.
const SEQUENCE: u32 = 1;

/// Any bytes are read, or refused, as one message, as the datagrams of a listing, or as events. A network that was read is a
/// network.
pub fn netlink(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 8 {
        0 => drop(links::parse(input.rest())),
        1 => addresses::parse(input.rest()).iter().for_each(check_address),
        2 => routes::parse(input.rest()).iter().flatten().for_each(check_route),
        3 => Changes::default().add_datagram(input.rest()),
        4 => kernel::fuzzing::device(&input.pieces()),
        5 => drop(listing(&mut input, links::parse)),
        6 => listing(&mut input, routes::parse).iter().flatten().for_each(check_route),
        _ => {
            let payloads = listing(&mut input, |payload| payload.get(4..).map(<[u8]>::to_vec));
            let attributes: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
            kernel::fuzzing::device(&attributes);
        }
    }
}

/// What a listing in the pieces of the input says; one that ends in an error says nothing.
fn listing<T>(input: &mut Input<'_>, parse: impl Fn(&[u8]) -> Option<T>) -> Vec<T> {
    socket::listing(input.pieces().into_iter(), SEQUENCE, parse).unwrap_or_default()
}

fn check_address(address: &addresses::Address) {
    check_network(address.network);
}

fn check_route(route: &routes::Route) {
    check_network(route.destination);
}

fn check_network(network: Network) {
    assert_eq!(Network::parse(&network.to_string()).ok(), Some(network));
    let masked = network.masked();
    assert_eq!(masked.masked(), masked);
}
