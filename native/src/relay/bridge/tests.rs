//! Bridges over real sockets on the loopback; ordinary sockets stand for WireGuard.

use std::net::{Ipv6Addr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::*;
use crate::relay::{Limits, RelayServer, ServerOptions};
use crate::wireguard::beside::Datagram;

const PATIENCE: Duration = Duration::from_secs(10);
const TOKENS: [Token; 2] = [[1; 8], [2; 8]];

/// A message of WireGuard by its first bytes.
fn sealed(number: u8, length: usize) -> Vec<u8> {
    [&[4, 0, 0, 0][..], &vec![number; length - 4]].concat()
}

fn relay() -> RelayServer {
    let limits = Limits { bytes_per_second: 1_000_000_000, packets_per_second: 1_000_000 };
    let idle = Duration::from_secs(60);
    RelayServer::open(ServerOptions { port: 0, underlay: Underlay::ANY, limits, max_sessions: 4, idle })
        .expect("a relay")
}

struct Side {
    wireguard: UdpSocket,
    bridge: Bridge,
    heard: Receiver<Datagram>,
}

impl Side {
    fn new(remote: SocketAddr, token: Option<Token>) -> Self {
        let wireguard = wireguard();
        let wireguard_port = wireguard.local_addr().unwrap().port();
        let bridge =
            Bridge::open(BridgeOptions { wireguard_port, remote, token, underlay: Underlay::ANY }).unwrap();
        Self::with(wireguard, bridge)
    }

    fn with(wireguard: UdpSocket, bridge: Bridge) -> Self {
        let (sink, heard) = channel();
        bridge.set_handler(Arc::new(move |datagram| sink.send(datagram).is_ok()));
        Self { wireguard, bridge, heard }
    }

    fn send(&self, data: &[u8]) {
        self.wireguard.send_to(data, self.bridge.endpoint()).unwrap();
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let (length, from) = self.wireguard.recv_from(&mut buffer).expect("a packet");
        assert_eq!(from, self.bridge.endpoint());
        buffer[..length].to_vec()
    }

    fn is_alive(&self) -> bool {
        self.bridge.counters().since_alive.is_some()
    }
}

fn wireguard() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn pair(server: &RelayServer, hosts: [&str; 2]) -> [Side; 2] {
    server.add(TOKENS, None).unwrap();
    let side = |n: usize| {
        Side::new((hosts[n].parse::<std::net::IpAddr>().unwrap(), server.port()).into(), Some(TOKENS[n]))
    };
    let sides = [side(0), side(1)];
    until("both are known to the relay", || sides.iter().all(Side::is_alive));
    sides
}

#[test]
fn packets_pass_through_the_relay_both_ways_in_order_and_whole() {
    let server = relay();
    let [a, b] = pair(&server, ["127.0.0.1", "::1"]);
    for (from, to) in [(&a, &b), (&b, &a)] {
        for number in 0..200u8 {
            let packet = sealed(number, 32 + usize::from(number) * 7);
            from.send(&packet);
            assert_eq!(to.receive(), packet);
        }
    }
    let counters = a.bridge.counters();
    assert_eq!((counters.tx_packets, counters.rx_packets, counters.dropped), (200, 200, 0));
    assert_eq!(counters.tx_bytes, (0..200).map(|n| 32 + n * 7).sum::<u64>());
    assert_eq!(server.states()[0].packets, 400);
}

#[test]
fn what_is_not_wireguards_goes_to_the_handler_and_delivery_can_be_stopped() {
    let server = relay();
    let [a, b] = pair(&server, ["127.0.0.1", "127.0.0.1"]);
    assert!(a.bridge.send(b"are you there") && !a.bridge.send(&sealed(1, 32)) && !a.bridge.send(b"abc"));
    assert_eq!(b.heard.recv_timeout(PATIENCE).unwrap().data, b"are you there");
    // Neither has WireGuard's place for what is not its own, nor the other way round.
    a.send(b"not sealed");
    b.bridge.set_delivery(false);
    a.send(&sealed(1, 32));
    until("it came and was not delivered", || b.bridge.counters().dropped == 1);
    assert!(a.bridge.send(b"still there"));
    assert_eq!(b.heard.recv_timeout(PATIENCE).unwrap().data, b"still there");
    b.bridge.set_delivery(true);
    a.send(&sealed(2, 32));
    assert_eq!(b.receive(), sealed(2, 32));
    let counters = a.bridge.counters();
    assert_eq!((counters.tx_packets, counters.dropped), (2, 1));
}

#[test]
fn strangers_reach_neither_side_of_a_bridge() {
    let server = relay();
    let [a, b] = pair(&server, ["127.0.0.1", "127.0.0.1"]);
    let stranger = wireguard();
    stranger.send_to(&sealed(9, 32), a.bridge.endpoint()).unwrap();
    let outer = a.bridge.inner.outside().socket.local_port().unwrap();
    stranger.send_to(&sealed(9, 32), ("127.0.0.1", outer)).unwrap();
    let forged = [&header(Kind::Data, TOKENS[0])[..], &sealed(9, 32)].concat();
    stranger.send_to(&forged, ("127.0.0.1", outer)).unwrap();
    until("all are dropped", || a.bridge.counters().dropped == 3);
    b.send(&sealed(1, 40));
    assert_eq!(a.receive(), sealed(1, 40));
    assert_eq!(a.bridge.counters().rx_packets, 1);
}

#[test]
fn another_relay_is_taken_without_wireguard_noticing() {
    let (first, second) = (relay(), relay());
    let [a, b] = pair(&first, ["127.0.0.1", "127.0.0.1"]);
    a.send(&sealed(1, 32));
    assert_eq!(b.receive(), sealed(1, 32));
    let tokens: [Token; 2] = [[5; 8], [6; 8]];
    second.add(tokens, None).unwrap();
    drop(first);
    // Over IPv6, so with another socket; the endpoint that WireGuard has stays.
    for (side, token) in [(&a, tokens[0]), (&b, tokens[1])] {
        let endpoint = side.bridge.endpoint();
        side.bridge.repoint((Ipv6Addr::LOCALHOST, second.port()).into(), Some(token)).unwrap();
        assert_eq!(side.bridge.endpoint(), endpoint);
    }
    until("both are known to the other relay", || a.is_alive() && b.is_alive());
    b.send(&sealed(2, 32));
    assert_eq!(a.receive(), sealed(2, 32));
    // WireGuard on another port, as after its device was made anew.
    let elsewhere = wireguard();
    a.bridge.set_wireguard_port(elsewhere.local_addr().unwrap().port());
    b.send(&sealed(3, 32));
    let mut buffer = [0; 64];
    assert_eq!(elsewhere.recv(&mut buffer).unwrap(), 32);
}

#[test]
fn one_of_many_sockets_becomes_a_plain_bridge() {
    let far = wireguard();
    let (sink, met) = channel();
    let options = BirthdayOptions {
        remote: far.local_addr().unwrap(),
        data: b"knock".to_vec(),
        sockets: 32,
        packets_per_second: 1000,
        underlay: Underlay::ANY,
    };
    let birthday =
        Birthday::open(options, Arc::new(move |socket, datagram| sink.send((socket, datagram)).is_ok()))
            .unwrap();
    let mut buffer = [0; 2048];
    let mut sources = Vec::new();
    while sources.len() < 32 {
        let (length, from) = far.recv_from(&mut buffer).expect("one from each socket");
        assert_eq!(&buffer[..length], b"knock");
        sources.push(from);
    }
    let distinct: std::collections::HashSet<_> = sources.iter().collect();
    assert_eq!(distinct.len(), 32);
    let to = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    far.send_to(&sealed(1, 32), to(sources[7].port())).unwrap();
    far.send_to(b"here", to(sources[7].port())).unwrap();
    let (socket, datagram) = met.recv_timeout(PATIENCE).unwrap();
    assert_eq!(datagram, Datagram { data: b"here".to_vec(), from: far.local_addr().unwrap() });
    assert!(birthday.reply(socket, b"and here", datagram.from) && birthday.send(b"again"));
    loop {
        let (length, from) = far.recv_from(&mut buffer).unwrap();
        if &buffer[..length] == b"and here" {
            assert_eq!(from.port(), sources[7].port());
            break;
        }
    }
    let inside = wireguard();
    let port = inside.local_addr().unwrap().port();
    let near = Side::with(inside, birthday.become_bridge(socket, port, datagram.from).unwrap());
    near.send(&sealed(2, 100));
    loop {
        let (length, from) = far.recv_from(&mut buffer).unwrap();
        if buffer[..length] == sealed(2, 100) {
            assert_eq!(from.port(), sources[7].port());
            break;
        }
    }
    far.send_to(&sealed(3, 100), to(sources[7].port())).unwrap();
    assert_eq!(near.receive(), sealed(3, 100));
    assert!(near.is_alive());
}

#[test]
fn a_birthday_has_its_bounds() {
    let open = |sockets, data: &[u8]| {
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let options = BirthdayOptions {
            remote,
            data: data.to_vec(),
            sockets,
            packets_per_second: 1,
            underlay: Underlay::ANY,
        };
        Birthday::open(options, Arc::new(|_, _| true)).map(drop).map_err(|error| error.code)
    };
    let invalid = Err("EINVAL".to_owned());
    assert_eq!(
        (open(0, b"knock"), open(257, b"knock"), open(2, &[4, 0, 0, 0])),
        (invalid.clone(), invalid.clone(), invalid)
    );
    assert_eq!(open(256, b"knock"), Ok(()));
}
