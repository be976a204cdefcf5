//! On the loopback of this host: raw sockets beside an ordinary one, which stands for WireGuard's. Needs CAP_NET_RAW, as the
//! tests of the devices do.

use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::super::{Datagram, MAX_BYTES};
use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn open() -> (RawPort, Receiver<Datagram>) {
    let (sink, heard) = channel();
    let port =
        RawPort::open("test", Arc::new(move |datagram| sink.send(datagram).is_ok())).expect("CAP_NET_RAW");
    (port, heard)
}

fn bind(host: &str) -> UdpSocket {
    let socket = UdpSocket::bind((host, 0)).expect(host);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).expect("a datagram");
    (buffer[..length].to_vec(), from)
}

#[test]
fn what_is_not_wireguards_is_heard_and_wireguard_misses_nothing() {
    for host in ["127.0.0.1", "::1"] {
        let (raw, heard) = open();
        let (wireguard, far) = (bind(host), bind(host));
        raw.follow(wireguard.local_addr().unwrap().port(), 0).unwrap();
        let sent: [&[u8]; 6] =
            [&[4, 0, 0, 0, 1], &[1; 3], b"hello", &[1, 0, 0, 0], &[9; MAX_BYTES], &[9; 1473]];
        for data in sent {
            far.send_to(data, wireguard.local_addr().unwrap()).unwrap();
            assert_eq!(receive(&wireguard).0, data);
        }
        let from = far.local_addr().unwrap();
        for data in [&b"hello"[..], &[9; MAX_BYTES]] {
            assert_eq!(
                heard.recv_timeout(PATIENCE).unwrap(),
                Datagram { data: data.to_vec(), from },
                "{host}"
            );
        }
        // All that came before it would be there by now.
        far.send_to(b"last", wireguard.local_addr().unwrap()).unwrap();
        assert_eq!(heard.recv_timeout(PATIENCE).unwrap().data, b"last");
        // Counted once it was taken, so a moment later.
        let deadline = Instant::now() + PATIENCE;
        while raw.port().counters().received < 3 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(raw.port().counters().received, 3);
    }
}

#[test]
fn what_is_sent_comes_from_wireguards_port_with_a_good_checksum() {
    for host in ["127.0.0.1", "::1"] {
        let (raw, _heard) = open();
        let (wireguard, far) = (bind(host), bind(host));
        let port = raw.port();
        let to = far.local_addr().unwrap();
        assert!(!port.send(b"no port yet", to));
        raw.follow(wireguard.local_addr().unwrap().port(), 0).unwrap();
        // A socket takes only what has a good checksum; odd and even lengths.
        for data in [&b"hello"[..], b"hello!", &[7; MAX_BYTES]] {
            assert!(port.send(data, to));
            assert_eq!(receive(&far), (data.to_vec(), wireguard.local_addr().unwrap()), "{host}");
        }
        for refused in [&[1, 0, 0, 0][..], &[2; 3], &[2; MAX_BYTES + 1]] {
            assert!(!port.send(refused, to));
        }
        let counters = port.counters();
        assert_eq!((counters.sent, counters.send_errors), (3, 4));
        drop(raw);
        assert!(!port.send(b"closed", to));
    }
}

#[test]
fn another_port_is_followed() {
    let (raw, heard) = open();
    let (before, after, far) = (bind("127.0.0.1"), bind("127.0.0.1"), bind("127.0.0.1"));
    for wireguard in [&before, &after, &before] {
        let own = wireguard.local_addr().unwrap();
        raw.follow_port(own.port()).unwrap();
        for socket in [&before, &after] {
            far.send_to(&own.port().to_be_bytes().repeat(2), socket.local_addr().unwrap()).unwrap();
        }
        assert_eq!(heard.recv_timeout(PATIENCE).unwrap().data, own.port().to_be_bytes().repeat(2));
        assert!(raw.port().send(b"from there", far.local_addr().unwrap()));
        assert_eq!(receive(&far), (b"from there".to_vec(), own));
    }
    // One that went to the other port each time was not heard.
    raw.follow_port(0).unwrap();
    assert!(heard.recv_timeout(Duration::from_millis(100)).is_err());
    assert_eq!(raw.port().counters().received, 3);
}
