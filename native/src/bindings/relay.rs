//! The data plane of the relay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use napi::Status;
use napi::bindgen_prelude::{Buffer, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use super::guarded;
use super::slot::Slot;
use crate::error::{Error, Result};
use crate::os::underlay::Underlay;
use crate::relay::{self, Limits, ServerOptions, TOKEN_BYTES, Token};
use crate::wireguard::beside::Datagram;

/// Datagrams that wait for JavaScript at most, of each bridge.
const QUEUE: usize = 64;

// ---- values ----------------------------------------------------------------------------------------------------------

fn token(bytes: &[u8]) -> Result<Token> {
    let wrong = || Error::new("EINVAL", "use", "a relay token", format!("it has not {TOKEN_BYTES} bytes"));
    bytes.try_into().map_err(|_| wrong())
}

fn address(text: &str) -> Result<SocketAddr> {
    let wrong = || Error::new("EINVAL", "send to", format!("{text:?}"), "it is no ip:port or [v6]:port");
    let address: SocketAddr = text.parse().map_err(|_| wrong())?;
    if address.port() == 0 {
        return Err(wrong());
    }
    Ok(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

fn port(number: u32) -> Result<u16> {
    u16::try_from(number)
        .map_err(|_| Error::new("EINVAL", "use UDP port", number.to_string(), "it is not in 0..65535"))
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

// ---- server ----------------------------------------------------------------------------------------------------------

#[napi(object)]
pub struct RelaySession {
    pub id: u32,
    pub packets: i64,
    pub bytes: i64,
    pub dropped: i64,
    pub idle_ms: i64,
    pub connected: Vec<bool>,
}

#[napi(object)]
pub struct RelayCounters {
    pub forwarded_packets: i64,
    pub forwarded_bytes: i64,
    pub dropped_packets: i64,
    pub stranger_packets: i64,
}

#[napi]
pub struct RelayServer {
    port: u16,
    slot: Slot<relay::RelayServer>,
}

fn limits(bytes_per_second: u32, packets_per_second: u32) -> Limits {
    Limits { bytes_per_second: bytes_per_second.into(), packets_per_second: packets_per_second.into() }
}

#[napi]
impl RelayServer {
    /// The face fills in what is left out.
    #[napi(factory)]
    pub fn open(
        port: u32,
        fwmark: u32,
        addresses: Vec<String>,
        bytes_per_second: u32,
        packets_per_second: u32,
        max_sessions: u32,
        idle_seconds: u32,
    ) -> napi::Result<Self> {
        guarded(|| {
            let server = relay::RelayServer::open(ServerOptions {
                port: self::port(port)?,
                underlay: Underlay::parse(fwmark, &addresses)?,
                limits: limits(bytes_per_second, packets_per_second),
                max_sessions: max_sessions as usize,
                idle: Duration::from_secs(idle_seconds.into()),
            })?;
            Ok(Self { port: server.port(), slot: Slot::new(server) })
        })
    }

    #[napi(getter)]
    pub fn port(&self) -> u32 {
        self.port.into()
    }

    /// A rate of 0 is that of the server.
    #[napi]
    pub fn add_session(
        &self,
        first: Buffer,
        second: Buffer,
        bytes_per_second: u32,
        packets_per_second: u32,
    ) -> napi::Result<u32> {
        guarded(|| {
            let tokens = [token(&first)?, token(&second)?];
            let or_any = |rate: u32| if rate == 0 { u32::MAX } else { rate };
            let limits = limits(or_any(bytes_per_second), or_any(packets_per_second));
            self.slot.with("the relay", |server| server.add(tokens, Some(limits)))
        })
    }

    /// Bytes a second: of all together, and of each session there is.
    #[napi]
    pub fn set_limits(&self, bytes_per_second: u32, session_bytes_per_second: u32) -> napi::Result<()> {
        let (all, each) = (bytes_per_second.into(), session_bytes_per_second.into());
        guarded(|| {
            self.slot.with("the relay", |server| {
                server.set_limits(all, each);
                Ok(())
            })
        })
    }

    #[napi]
    pub fn remove_session(&self, id: u32) -> napi::Result<bool> {
        guarded(|| self.slot.with("the relay", |server| Ok(server.remove(id))))
    }

    #[napi]
    pub fn sessions(&self) -> napi::Result<Vec<RelaySession>> {
        let session = |state: relay::SessionState| RelaySession {
            id: state.id,
            packets: number(state.packets),
            bytes: number(state.bytes),
            dropped: number(state.dropped),
            idle_ms: milliseconds(state.idle),
            connected: state.connected.to_vec(),
        };
        guarded(|| {
            self.slot.with("the relay", |server| Ok(server.states().into_iter().map(session).collect()))
        })
    }

    #[napi]
    pub fn counters(&self) -> napi::Result<RelayCounters> {
        guarded(|| {
            let counters = self.slot.with("the relay", |server| Ok(server.counters()))?;
            Ok(RelayCounters {
                forwarded_packets: number(counters.forwarded_packets),
                forwarded_bytes: number(counters.forwarded_bytes),
                dropped_packets: number(counters.dropped_packets),
                stranger_packets: number(counters.stranger_packets),
            })
        })
    }

    #[napi]
    pub fn close(&self) -> napi::Result<()> {
        guarded(|| {
            self.slot.close();
            Ok(())
        })
    }
}

// ---- bridge ----------------------------------------------------------------------------------------------------------

#[napi(object)]
pub struct BridgeCounters {
    pub rx_packets: i64,
    pub rx_bytes: i64,
    pub tx_packets: i64,
    pub tx_bytes: i64,
    pub dropped: i64,
    /// The face makes null of what is not there.
    pub last_received_ms: Option<i64>,
    pub remote_alive_ms: Option<i64>,
}

#[napi]
pub struct Bridge {
    endpoint: String,
    slot: Slot<relay::Bridge>,
}

impl Bridge {
    fn of(bridge: relay::Bridge) -> Self {
        Self { endpoint: bridge.endpoint().to_string(), slot: Slot::new(bridge) }
    }
}

#[napi]
impl Bridge {
    #[napi(factory)]
    pub fn open(
        wireguard_port: u32,
        remote: String,
        token: Option<Buffer>,
        fwmark: u32,
        addresses: Vec<String>,
    ) -> napi::Result<Self> {
        guarded(|| {
            let options = relay::BridgeOptions {
                wireguard_port: port(wireguard_port)?,
                remote: address(&remote)?,
                token: token.map(|bytes| self::token(&bytes)).transpose()?,
                underlay: Underlay::parse(fwmark, &addresses)?,
            };
            Ok(Self::of(relay::Bridge::open(options)?))
        })
    }

    #[napi(getter)]
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    #[napi]
    pub fn send(&self, data: Buffer) -> napi::Result<bool> {
        guarded(|| self.slot.with("the bridge", |bridge| Ok(bridge.send(&data))))
    }

    #[napi]
    pub fn on_datagram(&self, callback: Function<'_, Buffer, ()>) -> napi::Result<()> {
        // Weak: a bridge alone does not keep the process alive.
        let callback =
            callback.build_threadsafe_function().weak::<true>().max_queue_size::<QUEUE>().build()?;
        guarded(|| {
            let handler = Arc::new(move |datagram: Datagram| {
                callback.call(datagram.data.into(), ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
            });
            self.slot.with("the bridge", |bridge| {
                bridge.set_handler(handler);
                Ok(())
            })
        })
    }

    #[napi]
    pub fn set_delivery(&self, on: bool) -> napi::Result<()> {
        guarded(|| {
            self.slot.with("the bridge", |bridge| {
                bridge.set_delivery(on);
                Ok(())
            })
        })
    }

    #[napi]
    pub fn set_wireguard_port(&self, port: u32) -> napi::Result<()> {
        guarded(|| {
            let port = self::port(port)?;
            self.slot.with("the bridge", |bridge| {
                bridge.set_wireguard_port(port);
                Ok(())
            })
        })
    }

    #[napi]
    pub fn repoint(&self, remote: String, token: Option<Buffer>) -> napi::Result<()> {
        guarded(|| {
            let remote = address(&remote)?;
            let token = token.map(|bytes| self::token(&bytes)).transpose()?;
            self.slot.with("the bridge", |bridge| bridge.repoint(remote, token))
        })
    }

    #[napi]
    pub fn counters(&self) -> napi::Result<BridgeCounters> {
        guarded(|| {
            let counters = self.slot.with("the bridge", |bridge| Ok(bridge.counters()))?;
            Ok(BridgeCounters {
                rx_packets: number(counters.rx_packets),
                rx_bytes: number(counters.rx_bytes),
                tx_packets: number(counters.tx_packets),
                tx_bytes: number(counters.tx_bytes),
                dropped: number(counters.dropped),
                last_received_ms: counters.since_received.map(milliseconds),
                remote_alive_ms: counters.since_alive.map(milliseconds),
            })
        })
    }

    #[napi]
    pub fn close(&self) -> napi::Result<()> {
        guarded(|| {
            self.slot.close();
            Ok(())
        })
    }
}

// ---- birthday --------------------------------------------------------------------------------------------------------

#[napi(object)]
pub struct BirthdayDatagram {
    pub socket: u32,
    pub data: Buffer,
    pub host: String,
    pub port: u32,
}

#[napi]
pub struct Birthday(Slot<relay::Birthday>);

#[napi]
impl Birthday {
    #[napi(factory)]
    pub fn open(
        remote: String,
        data: Buffer,
        sockets: u32,
        packets_per_second: u32,
        fwmark: u32,
        addresses: Vec<String>,
        callback: Function<'_, BirthdayDatagram, ()>,
    ) -> napi::Result<Self> {
        let callback =
            callback.build_threadsafe_function().weak::<true>().max_queue_size::<QUEUE>().build()?;
        guarded(|| {
            let handler = Arc::new(move |socket: usize, Datagram { data, from }: Datagram| {
                let (host, port) = (from.ip().to_canonical().to_string(), from.port().into());
                let datagram = BirthdayDatagram { socket: socket as u32, data: data.into(), host, port };
                callback.call(datagram, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
            });
            let options = relay::BirthdayOptions {
                remote: address(&remote)?,
                data: data.to_vec(),
                sockets: sockets as usize,
                packets_per_second,
                underlay: Underlay::parse(fwmark, &addresses)?,
            };
            Ok(Self(Slot::new(relay::Birthday::open(options, handler)?)))
        })
    }

    #[napi]
    pub fn send(&self, data: Buffer) -> napi::Result<bool> {
        guarded(|| self.0.with("the sockets", |birthday| Ok(birthday.send(&data))))
    }

    #[napi]
    pub fn reply(&self, socket: u32, data: Buffer, remote: String) -> napi::Result<bool> {
        guarded(|| {
            let remote = address(&remote)?;
            self.0.with("the sockets", |birthday| Ok(birthday.reply(socket as usize, &data, remote)))
        })
    }

    #[napi]
    pub fn become_bridge(&self, socket: u32, wireguard_port: u32, remote: String) -> napi::Result<Bridge> {
        guarded(|| {
            let (port, remote) = (port(wireguard_port)?, address(&remote)?);
            let birthday = self.0.take("the sockets")?;
            Ok(Bridge::of(birthday.become_bridge(socket as usize, port, remote)?))
        })
    }

    #[napi]
    pub fn close(&self) -> napi::Result<()> {
        guarded(|| {
            self.0.close();
            Ok(())
        })
    }
}
