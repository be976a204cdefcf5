use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::batch::{Outbound, Run};
use super::super::endpoint::{Endpoint, Source};
use super::super::lock;
use super::super::test_random::Random;
use super::*;
use crate::wireguard::device::DeviceEvent;

/// Sockets on any port, and what was told while they were used.
struct End {
    sockets: Sockets,
    receiver: Receiver,
    received: Received,
    events: Events,
    heard: Arc<Mutex<Vec<DeviceEvent>>>,
    forgotten: RefCell<Vec<Source>>,
}

impl End {
    fn new() -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let events = Events::default();
        let sink = Arc::clone(&heard);
        events.set_handler(Arc::new(move |event| lock(&sink).push(event)));
        Self {
            sockets: Sockets::bind(0, Underlay::ANY).expect("two sockets"),
            receiver: Receiver::new(),
            received: Received::new(),
            events,
            heard,
            forgotten: RefCell::new(Vec::new()),
        }
    }

    fn loopback(&self, ipv6: bool) -> Endpoint {
        let ip: IpAddr = if ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        Endpoint::told((ip, self.sockets.port()).into())
    }

    fn send(&self, pieces: &[Piece<'_>]) {
        let forget = |source| self.forgotten.borrow_mut().push(source);
        let outlet = Outlet { events: &self.events, link: "wg7", forget: &forget };
        Sender::new().send(&self.sockets, outlet, pieces);
    }

    fn send_batch(&self, to: Endpoint, batch: &Outbound) {
        let mut pieces = Vec::new();
        self.sockets.divide(to, batch, &mut pieces);
        self.send(&pieces);
    }

    /// All datagrams that come until `count` came or time is over, and how many messages they came in.
    fn receive(&mut self, ipv6: bool, count: usize) -> (Vec<(Endpoint, Vec<u8>)>, usize) {
        let Self { sockets, receiver, received, events, .. } = self;
        let socket = if ipv6 { sockets.ipv6().expect("IPv6") } else { sockets.ipv4().expect("IPv4") };
        let (mut datagrams, mut messages) = (Vec::new(), 0);
        let deadline = Instant::now() + Duration::from_secs(5);
        while datagrams.len() < count && Instant::now() < deadline {
            match receiver.receive(socket, received, events) {
                Ok(_) => {
                    messages += received.messages.len();
                    for message in &received.messages {
                        let bytes = &received.buffer[message.start..message.start + message.length];
                        datagrams
                            .extend(bytes.chunks(message.datagram_size).map(|b| (message.from, b.to_vec())));
                    }
                }
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        (datagrams, messages)
    }

    fn notices(&self) -> Vec<String> {
        let text = |event: &DeviceEvent| match event {
            DeviceEvent::Notice(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        lock(&self.heard).iter().map(text).collect()
    }
}

/// A batch of messages with these lengths, each filled with its number; and the messages.
fn batch(lengths: &[usize]) -> (Outbound, Vec<Vec<u8>>) {
    let mut batch = Outbound::default();
    lengths.iter().for_each(|length| batch.push(&vec![0; length - 32], 1));
    batch.messages_mut().enumerate().for_each(|(i, message)| message.fill(i as u8));
    let messages = batch.messages_mut().map(|message| message.to_vec()).collect();
    (batch, messages)
}

fn bytes_of(datagrams: &[(Endpoint, Vec<u8>)]) -> Vec<Vec<u8>> {
    datagrams.iter().map(|(_, bytes)| bytes.clone()).collect()
}

fn ipv6_too(end: &End) -> Vec<bool> {
    if end.sockets.ipv6().is_some() { vec![false, true] } else { vec![false] }
}

#[test]
fn datagrams_of_any_sizes_arrive_whole_and_in_order() {
    let mut random = Random::new(1);
    for segmentation in [true, false] {
        let (from, mut to) = (End::new(), End::new());
        for ipv6 in ipv6_too(&to) {
            if !segmentation {
                let socket = from.sockets.towards(&from.loopback(ipv6).address).expect("a socket");
                socket.segmentation.give_up(&io::Error::from_raw_os_error(libc::EIO), "wg7", &from.events);
            }
            for _ in 0..20 {
                let mut size = 33;
                let lengths: Vec<usize> = (0..200)
                    .map(|_| {
                        if random.below(5) == 0 {
                            size = 33 + random.below(1400);
                        }
                        size
                    })
                    .collect();
                let (sent, messages) = batch(&lengths);
                from.send_batch(to.loopback(ipv6), &sent);
                let (received, _) = to.receive(ipv6, messages.len());
                assert!(received.iter().all(|(source, _)| source.address == from.loopback(ipv6).address));
                assert!(bytes_of(&received) == messages, "segmentation {segmentation}");
            }
        }
    }
}

#[test]
fn many_datagrams_go_and_come_as_few_messages() {
    let (from, mut to) = (End::new(), End::new());
    let (sent, messages) = batch(&[1000; 60]);
    from.send_batch(to.loopback(false), &sent);
    let (received, count) = to.receive(false, 60);
    assert!(bytes_of(&received) == messages);
    assert_eq!(count, 1);
}

#[test]
fn each_datagram_goes_to_its_own_address() {
    let from = End::new();
    let mut receivers = [(); 3].map(|()| End::new());
    let datagrams: Vec<Vec<u8>> = (0..90u8).map(|n| vec![n; 64]).collect();
    let to = |n: usize| receivers[n / 2 % 3].loopback(false);
    let pieces: Vec<Piece<'_>> =
        datagrams.iter().enumerate().map(|(n, bytes)| (to(n), Run::single(bytes))).collect();
    from.send(&pieces);
    for (i, end) in receivers.iter_mut().enumerate() {
        let (received, _) = end.receive(false, 30);
        let numbers: Vec<usize> = received.iter().map(|(_, bytes)| usize::from(bytes[0])).collect();
        assert_eq!(numbers, (0..90).filter(|n| n / 2 % 3 == i).collect::<Vec<_>>());
    }
}

#[test]
fn a_port_in_use_is_told() {
    let first = Sockets::bind(0, Underlay::ANY).expect("sockets");
    let error = Sockets::bind(first.port(), Underlay::ANY).err().expect("the port is taken");
    assert_eq!(error.code, "EADDRINUSE");
    // Taken for IPv6 alone counts too.
    if first.ipv6().is_some() {
        let other = std::net::UdpSocket::bind("[::1]:0").expect("a socket");
        let port = other.local_addr().expect("bound").port();
        assert_eq!(Sockets::bind(port, Underlay::ANY).err().map(|e| e.code), Some("EADDRINUSE".to_owned()));
    }
}

#[test]
fn a_datagram_that_cannot_be_sent_does_not_stop_the_others() {
    let (from, mut to) = (End::new(), End::new());
    let unreachable: SocketAddr = "0.0.0.1:9".parse().expect("address");
    let too_large = vec![0u8; 65_600];
    from.send(&[
        (Endpoint::told(unreachable), Run::single(&[1; 10])),
        (to.loopback(false), Run::single(&too_large)),
        (to.loopback(false), Run::single(&[2; 10])),
    ]);
    assert_eq!(bytes_of(&to.receive(false, 1).0), [[2; 10]]);
}

/// Answers leave from the address that was spoken to, not from the one the routes prefer.
#[test]
fn the_local_address_of_a_datagram_is_known_and_used_for_the_answer() {
    let (mut this, mut other) = (End::new(), End::new());
    let second: IpAddr = "127.0.0.2".parse().expect("address");
    let spoken_to = Endpoint::told((second, this.sockets.port()).into());
    other.send(&[(spoken_to, Run::single(&[1; 40]))]);
    let (received, _) = this.receive(false, 1);
    let from = received[0].0;
    assert_eq!(from.source.map(|source| source.address), Some(second));
    let (answer, messages) = batch(&[100; 5]);
    this.send_batch(from, &answer);
    let (answers, _) = other.receive(false, 5);
    assert!(answers.iter().all(|(endpoint, _)| endpoint.address == spoken_to.address));
    assert!(bytes_of(&answers) == messages);
    assert_eq!(*this.forgotten.borrow(), []);
    if other.sockets.ipv6().is_some() {
        other.send(&[(this.loopback(true), Run::single(&[1; 40]))]);
        let from = this.receive(true, 1).0[0].0;
        assert_eq!(from.source.map(|source| source.address), Some(Ipv6Addr::LOCALHOST.into()));
        this.send_batch(from, &answer);
        assert!(bytes_of(&other.receive(true, 5).0) == messages);
    }
}

#[test]
fn a_source_that_is_gone_is_forgotten_and_nothing_is_lost() {
    let (this, mut other) = (End::new(), End::new());
    for (ipv6, gone) in ipv6_too(&this).into_iter().zip(["192.0.2.77", "2001:db8::77"]) {
        let source = Source { address: gone.parse().expect("address"), interface: 1 };
        let to = Endpoint { source: Some(source), ..other.loopback(ipv6) };
        let (sent, messages) = batch(&[100; 20]);
        this.send_batch(to, &sent);
        assert!(bytes_of(&other.receive(ipv6, 20).0) == messages);
        assert_eq!(this.forgotten.take(), [source]);
    }
    assert_eq!(this.notices(), <[String; 0]>::default(), "no offload was at fault");
}

#[test]
fn segmentation_that_fails_is_given_up_and_nothing_is_lost() {
    for errno in [libc::EIO, libc::EINVAL] {
        let (from, mut to) = (End::new(), End::new());
        from.sockets.ipv4().expect("IPv4").segmentation.inject(errno);
        for _ in 0..3 {
            let (sent, messages) = batch(&[&[1200; 50][..], &[300; 40]].concat());
            from.send_batch(to.loopback(false), &sent);
            assert!(bytes_of(&to.receive(false, messages.len()).0) == messages);
        }
        let [notice] = &from.notices()[..] else { panic!("{:?}", from.notices()) };
        assert!(notice.starts_with("wg7 goes on without UDP_SEGMENT"), "{notice}");
        // Only where it failed.
        assert!(from.sockets.ipv6().is_none_or(|socket| socket.segmentation.on()));
    }
}

/// Kernels before 6.9 refuse more than 64 datagrams in a message: no reason to give the rest up.
#[test]
fn too_many_segments_are_divided() {
    let (from, mut to) = (End::new(), End::new());
    let (sent, messages) = batch(&[100; 128]);
    from.sockets.ipv4().expect("IPv4").segmentation.inject(libc::EINVAL);
    let mut pieces = Vec::new();
    from.sockets.divide(to.loopback(false), &sent, &mut pieces);
    assert_eq!(pieces.len(), 1);
    from.sockets.ipv4().expect("IPv4").limit_segments();
    from.sockets.ipv4().expect("IPv4").segmentation.inject(0);
    pieces.clear();
    from.sockets.divide(to.loopback(false), &sent, &mut pieces);
    assert_eq!(pieces.iter().map(|(_, run)| run.count).collect::<Vec<_>>(), [64, 64]);
    from.send(&pieces);
    assert!(bytes_of(&to.receive(false, 128).0) == messages);
    assert_eq!(from.notices(), <[String; 0]>::default());
}

#[test]
fn joining_that_fails_is_given_up_and_nothing_is_lost() {
    for errno in [libc::EIO, libc::EINVAL, libc::EOPNOTSUPP] {
        let (from, mut to) = (End::new(), End::new());
        to.sockets.ipv4().expect("IPv4").joining.inject(errno);
        // Nothing waits: what was joined before it is turned off comes without its sizes, so it would be lost.
        assert!(to.receiver.receive(to.sockets.ipv4().expect("IPv4"), &mut to.received, &to.events).is_ok());
        assert!(to.received.messages.is_empty());
        let (sent, messages) = batch(&[700; 30]);
        from.send_batch(to.loopback(false), &sent);
        let (received, count) = to.receive(false, 30);
        assert!(bytes_of(&received) == messages);
        assert_eq!(count, 30);
        let [notice] = &to.notices()[..] else { panic!("{:?}", to.notices()) };
        assert!(notice.contains("goes on without UDP_GRO"), "{notice}");
    }
}

/// Datagrams larger than the path's MTU must be fragmented, which cannot be done to many at once: no fault of the offload.
#[test]
fn the_mtu_of_a_path_is_known() {
    let end = End::new();
    let mtu = end
        .sockets
        .ipv4()
        .expect("IPv4")
        .path_mtu(&end.loopback(false).address)
        .expect("loopback has an MTU");
    let real: usize =
        std::fs::read_to_string("/sys/class/net/lo/mtu").expect("lo").trim().parse().expect("number");
    // The largest packet, whatever the link could take.
    assert_eq!(mtu, real.min(65_535));
}
