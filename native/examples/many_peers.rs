//! Many WireGuard peers in one process, for measuring a device that has them all: `many_peers PUBLIC-KEY COUNT FIRST-PORT`.
//!
//! Each peer has a key of its own and a UDP port of its own, from FIRST-PORT on, on all addresses; it answers handshakes and
//! decrypts keepalives, and says nothing of its own accord. Prints the public keys, a line each, then stays until its standard
//! input ends. The peers are gotatun's, so the device is measured against an implementation that is not its own.

use std::error::Error;
use std::io::Read;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use gotatun::noise::index_table::IndexTable;
use gotatun::noise::rate_limiter::RateLimiter;
use gotatun::noise::{Tunn, TunnResult};
use gotatun::packet::Packet;
use gotatun::x25519::{PublicKey, StaticSecret};

/// More than a device that starts all its peers at once sends to one of them in a second.
const HANDSHAKES_PER_SECOND: u64 = 1000;
/// Larger than any handshake message or keepalive.
const DATAGRAM: usize = 2048;

struct Peer {
    socket: UdpSocket,
    tunnel: Tunn,
    limiter: Arc<RateLimiter>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, count, first_port] = arguments.as_slice() else {
        return Err("usage: many_peers PUBLIC-KEY COUNT FIRST-PORT".into());
    };
    let device: [u8; 32] =
        STANDARD.decode(device)?.try_into().map_err(|_| "a public key has 32 bytes in base64")?;
    let (count, first_port): (u16, u16) = (count.parse()?, first_port.parse()?);
    let indices = IndexTable::from_os_rng();
    let mut peers = (0..count)
        .map(|n| Peer::new(PublicKey::from(device), first_port + n, &indices))
        .collect::<Result<Vec<_>, _>>()?;
    serve(&mut peers)
}

impl Peer {
    /// Binds the port and prints the key.
    fn new(device: PublicKey, port: u16, indices: &IndexTable) -> Result<Self, Box<dyn Error>> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let private = StaticSecret::from(key);
        let public = PublicKey::from(&private);
        let limiter = Arc::new(RateLimiter::new(&public, HANDSHAKES_PER_SECOND));
        let tunnel = Tunn::new(private, device, None, None, indices.clone(), Arc::clone(&limiter));
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
        socket.set_nonblocking(true)?;
        println!("{}", STANDARD.encode(public.as_bytes()));
        Ok(Self { socket, tunnel, limiter })
    }

    /// Answers what waits at the socket; a datagram that is none of ours is passed over.
    fn receive(&mut self, buffer: &mut [u8]) {
        // gotatun's clock stands still between these calls; what its timers want sent a device that is idle gets no good of.
        let _unsent = self.tunnel.update_timers();
        while let Ok((length, from)) = self.socket.recv_from(buffer) {
            self.limiter.try_reset_count();
            let packet = Packet::from_bytes(BytesMut::from(&buffer[..length]));
            let Ok(message) = packet.try_into_wg() else { continue };
            if let TunnResult::WriteToNetwork(answer) = self.tunnel.handle_incoming_packet(message) {
                let answer = Packet::from(answer);
                // Lost as on any network; the device repeats itself.
                let _lost = self.socket.send_to(&answer, from);
            }
        }
    }
}

fn serve(peers: &mut [Peer]) -> Result<(), Box<dyn Error>> {
    let wanted = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let stdin = std::io::stdin();
    let mut fds = vec![wanted(stdin.as_raw_fd())];
    fds.extend(peers.iter().map(|peer| wanted(peer.socket.as_raw_fd())));
    let mut buffer = [0; DATAGRAM];
    loop {
        // SAFETY: `fds` outlives the call and has the length given.
        if unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, -1) } < 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        if fds[0].revents != 0 && stdin.lock().read(&mut buffer)? == 0 {
            return Ok(());
        }
        for (peer, _) in peers.iter_mut().zip(&fds[1..]).filter(|(_, fd)| fd.revents != 0) {
            peer.receive(&mut buffer);
        }
    }
}
