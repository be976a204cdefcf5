//! What the kernel lets through to a raw socket: classic BPF (Linux Documentation/networking/filter.rst).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LOAD_HALF_AT_X: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LOAD_WORD_AT_X: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_IND) as u16;
/// X becomes four times the low half of a byte: the length of an IPv4 header, with its options.
const X_FROM_HEADER: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Places in a UDP header and behind it (RFC 768).
const DESTINATION_PORT: u32 = 2;
const PAYLOAD: u32 = 8;

/// The whole packet.
const TAKE: u32 = 0x4_0000;
const DROP: u32 = 0;

fn step(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

fn if_equal(k: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter { code: IF_EQUAL, jt: then, jf: otherwise, k }
}

/// UDP to `port` whose payload does not begin as a message of WireGuard; a payload without four bytes is dropped by reading
/// beyond the end. A raw IPv4 socket sees packets from their IP header on, an IPv6 one from their UDP header on.
fn program(ipv4: bool, port: u16) -> Vec<libc::sock_filter> {
    if port == 0 {
        return vec![step(RETURN, DROP)];
    }
    let (half, word) = if ipv4 { (LOAD_HALF_AT_X, LOAD_WORD_AT_X) } else { (LOAD_HALF, LOAD_WORD) };
    let mut steps = Vec::with_capacity(10);
    if ipv4 {
        steps.push(step(X_FROM_HEADER, 0));
    }
    steps.extend([
        step(half, DESTINATION_PORT),
        // To DROP, the last one.
        if_equal(port.into(), 0, 6),
        step(word, PAYLOAD),
        // The type, in what is read as a big-endian word, and three zero bytes.
        if_equal(1 << 24, 4, 0),
        if_equal(2 << 24, 3, 0),
        if_equal(3 << 24, 2, 0),
        if_equal(4 << 24, 1, 0),
        step(RETURN, TAKE),
        step(RETURN, DROP),
    ]);
    steps
}

/// Replaces the filter of a raw socket at once; port 0 lets nothing through.
pub fn attach(socket: &OwnedFd, ipv4: bool, port: u16) -> io::Result<()> {
    let mut steps = program(ipv4, port);
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives until then.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
