use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gotatun::packet::Packet;

use super::super::test_random::Random;
use super::super::wake::Wake;
use super::*;

fn loopback(sockets: &Sockets, ipv6: bool) -> SocketAddr {
    let ip: std::net::IpAddr = if ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    (ip, sockets.port()).into()
}

/// All datagrams that come until `count` came or time is over.
fn receive(receiver: &mut Receiver, socket: &Socket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut datagrams = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(5);
    while datagrams.len() < count && Instant::now() < deadline {
        let received = receiver.receive(socket, |mut message| {
            while !message.bytes.is_empty() {
                let length = message.datagram_size.min(message.bytes.len());
                datagrams.push((message.from, message.bytes.split_to(length).to_vec()));
            }
        });
        if received.is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    datagrams
}

#[test]
fn datagrams_of_any_sizes_arrive_whole_and_in_order() {
    let mut random = Random::new(1);
    let [from, to] = [(); 2].map(|()| Sockets::bind(0, 0).expect("two sockets"));
    let wake = Wake::new().expect("eventfd");
    let (mut sender, mut receiver) = (Sender::new(), Receiver::new());
    for segmentation in [true, false] {
        for ipv6 in [false, true] {
            let Some(socket) = (if ipv6 { to.ipv6() } else { Some(to.ipv4()) }) else { continue };
            let sending = from.towards(&loopback(&to, ipv6)).expect("the family is there");
            sending.segmentation.store(segmentation, Ordering::Relaxed);
            for _ in 0..20 {
                let mut size = 1;
                let sent: Vec<Vec<u8>> = (0..200)
                    .map(|_| {
                        if random.below(5) == 0 {
                            size = 1 + random.below(1400);
                        }
                        vec![random.next() as u8; size]
                    })
                    .collect();
                let datagrams: Vec<_> =
                    sent.iter().map(|bytes| (loopback(&to, ipv6), Packet::copy_from(&bytes[..]))).collect();
                sender.send(&from, &datagrams, &wake);
                let received = receive(&mut receiver, socket, sent.len());
                assert!(received.iter().all(|(source, _)| *source == loopback(&from, ipv6)));
                assert!(received.iter().map(|(_, bytes)| bytes).eq(&sent), "segmentation {segmentation}");
            }
        }
    }
}

#[test]
fn each_datagram_goes_to_its_own_address() {
    let from = Sockets::bind(0, 0).expect("sockets");
    let receivers = [(); 3].map(|()| Sockets::bind(0, 0).expect("sockets"));
    let wake = Wake::new().expect("eventfd");
    let datagrams: Vec<_> = (0..90u8)
        .map(|n| (loopback(&receivers[usize::from(n / 2 % 3)], false), Packet::copy_from(&[n; 64][..])))
        .collect();
    Sender::new().send(&from, &datagrams, &wake);
    for (i, sockets) in receivers.iter().enumerate() {
        let received = receive(&mut Receiver::new(), sockets.ipv4(), 30);
        let numbers: Vec<u8> = received.iter().map(|(_, bytes)| bytes[0]).collect();
        let expected: Vec<u8> = (0..90).filter(|n| usize::from(n / 2 % 3) == i).collect();
        assert_eq!(numbers, expected);
    }
}

#[test]
fn a_port_in_use_is_told() {
    let first = Sockets::bind(0, 0).expect("sockets");
    let error = Sockets::bind(first.port(), 0).err().expect("the port is taken");
    assert_eq!(error.code, "EADDRINUSE");
    // Taken for IPv6 alone counts too.
    if first.ipv6().is_some() {
        let other = std::net::UdpSocket::bind("[::1]:0").expect("a socket");
        let port = other.local_addr().expect("bound").port();
        assert_eq!(Sockets::bind(port, 0).err().map(|e| e.code), Some("EADDRINUSE".to_owned()));
    }
}

#[test]
fn a_datagram_that_cannot_be_sent_does_not_stop_the_others() {
    let [from, to] = [(); 2].map(|()| Sockets::bind(0, 0).expect("two sockets"));
    let wake = Wake::new().expect("eventfd");
    let unreachable: SocketAddr = "0.0.0.1:9".parse().expect("address");
    let too_large = vec![0u8; 65_600];
    let datagrams = [
        (unreachable, Packet::copy_from(&[1u8; 10][..])),
        (loopback(&to, false), Packet::copy_from(&too_large[..])),
        (loopback(&to, false), Packet::copy_from(&[2u8; 10][..])),
    ];
    Sender::new().send(&from, &datagrams, &wake);
    let received = receive(&mut Receiver::new(), to.ipv4(), 1);
    assert_eq!(received.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(), [&[2u8; 10][..]]);
}
