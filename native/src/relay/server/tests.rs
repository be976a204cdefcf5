//! Over real sockets on the loopback; what is decided is tested beside `sessions`.

use std::net::UdpSocket;

use super::*;
use crate::relay::frame::{HEADER, Kind, control, header};

const PATIENCE: Duration = Duration::from_secs(10);
const GENEROUS: Limits = Limits { bytes_per_second: 1_000_000_000, packets_per_second: 1_000_000 };

fn server() -> RelayServer {
    let idle = Duration::from_secs(2);
    let options = ServerOptions { port: 0, underlay: Underlay::ANY, limits: GENEROUS, max_sessions: 4, idle };
    RelayServer::open(options).expect("a relay")
}

/// One end of a session, without a bridge.
struct End {
    socket: UdpSocket,
    token: Token,
}

impl End {
    fn connect(server: &RelayServer, token: Token, host: &str) -> Self {
        let socket = UdpSocket::bind((host, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect((host, server.port())).unwrap();
        let end = Self { socket, token };
        end.socket.send(&control(Kind::Hello, token, [0; 8])).unwrap();
        let (kind, cookie) = end.receive();
        assert_eq!(kind, Kind::Challenge);
        end.socket.send(&control(Kind::Answer, token, cookie.try_into().unwrap())).unwrap();
        assert_eq!(end.receive().0, Kind::Alive);
        end
    }

    fn send(&self, payload: &[u8]) {
        self.socket.send(&[&header(Kind::Data, self.token)[..], payload].concat()).unwrap();
    }

    fn receive(&self) -> (Kind, Vec<u8>) {
        let mut buffer = [0; 2048];
        let length = self.socket.recv(&mut buffer).expect("a frame");
        let frame = frame::read(&buffer[..length]).expect("a frame");
        assert_eq!(frame.token, self.token);
        (frame.kind, frame.payload.to_vec())
    }
}

#[test]
fn both_ends_hear_each_other_over_both_families() {
    let server = server();
    let id = server.add([[1; 8], [2; 8]], None).unwrap();
    let a = End::connect(&server, [1; 8], "127.0.0.1");
    let b = End::connect(&server, [2; 8], "::1");
    for length in [1, 100, 1452] {
        a.send(&vec![7; length]);
        assert_eq!(b.receive(), (Kind::Data, vec![7; length]));
        b.send(&vec![8; length]);
        assert_eq!(a.receive(), (Kind::Data, vec![8; length]));
    }
    let state = &server.states()[0];
    assert_eq!((state.id, state.packets, state.connected), (id, 6, [true, true]));
    assert_eq!(server.counters().forwarded_bytes, 2 * (1 + 100 + 1452 + 3 * HEADER as u64));
}

#[test]
fn strangers_get_nothing_and_an_unused_session_ends() {
    let server = server();
    server.add([[1; 8], [2; 8]], None).unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stranger.connect(("127.0.0.1", server.port())).unwrap();
    for bytes in [&b"WGR"[..], &control(Kind::Hello, [3; 8], [0; 8]), &header(Kind::Data, [1; 8]), &[0; 1000]]
    {
        stranger.send(bytes).unwrap();
    }
    assert!(stranger.recv(&mut [0; 64]).is_err());
    assert_eq!(server.counters().stranger_packets, 4);
    let deadline = Instant::now() + PATIENCE * 2;
    while !server.states().is_empty() {
        assert!(Instant::now() < deadline, "the session ends");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.add([[1; 8], [2; 8]], None), Ok(2));
    assert_eq!(server.add([[1; 8], [4; 8]], None).unwrap_err().code, "EEXIST");
}
