//! WireGuard in this process: engine, TUN, UDP and the UAPI socket.
