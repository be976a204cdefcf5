//! Numbers of linux/wireguard.h, the generic netlink family `wireguard`, version 1.

pub const FAMILY: &str = "wireguard";
pub const VERSION: u8 = 1;

pub const CMD_GET_DEVICE: u8 = 0;
pub const CMD_SET_DEVICE: u8 = 1;

pub mod device {
    pub const IFINDEX: u16 = 1;
    pub const PRIVATE_KEY: u16 = 3;
    pub const PUBLIC_KEY: u16 = 4;
    pub const FLAGS: u16 = 5;
    pub const LISTEN_PORT: u16 = 6;
    pub const FWMARK: u16 = 7;
    pub const PEERS: u16 = 8;

    pub const F_REPLACE_PEERS: u32 = 1;
}

pub mod peer {
    pub const PUBLIC_KEY: u16 = 1;
    pub const PRESHARED_KEY: u16 = 2;
    pub const FLAGS: u16 = 3;
    pub const ENDPOINT: u16 = 4;
    pub const KEEPALIVE: u16 = 5;
    pub const LAST_HANDSHAKE: u16 = 6;
    pub const RX_BYTES: u16 = 7;
    pub const TX_BYTES: u16 = 8;
    pub const ALLOWED_IPS: u16 = 9;

    pub const F_REMOVE_ME: u32 = 1;
    pub const F_REPLACE_ALLOWED_IPS: u32 = 2;
    pub const F_UPDATE_ONLY: u32 = 4;
}

pub mod allowed_ip {
    pub const FAMILY: u16 = 1;
    pub const ADDRESS: u16 = 2;
    pub const PREFIX: u16 = 3;
}
