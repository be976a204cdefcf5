//! Whether a UDP port is free.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

/// EADDRINUSE when a socket of this network namespace has the port on any address, for IPv4 or IPv6. The kernel's
/// WireGuard, and wireguard-go, bind to all addresses of both, but say that they could not only when the link comes up.
pub fn check_free(port: u16) -> io::Result<()> {
    drop(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?);
    match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)) {
        // A host without IPv6; WireGuard then uses IPv4 alone.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {
            Ok(())
        }
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_held_for_either_family_is_not_free() {
        for address in ["0.0.0.0:0", "127.0.0.1:0", "[::]:0", "[::1]:0"] {
            let Ok(holder) = UdpSocket::bind(address) else {
                assert!(address.starts_with('['), "IPv4 is always there");
                continue;
            };
            let port = holder.local_addr().unwrap().port();
            let error = check_free(port).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE), "{address}");
        }
    }
}
