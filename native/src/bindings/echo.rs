//! Questions after the health of peers.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use super::guarded;
use super::slot::Slot;
use crate::error::{Error, Result};
use crate::health::{self, Proof};

const OPERATION: &str = "use the echo port";

#[napi(object)]
pub struct EchoProof {
    pub address: String,
    pub age_ms: f64,
}

#[napi(object)]
pub struct EchoNews {
    pub answered: Vec<EchoProof>,
    pub unanswered: Vec<String>,
    pub asked: Vec<EchoProof>,
}

#[napi]
pub struct EchoPort(Slot<health::EchoPort>);

fn address(text: &str) -> Result<IpAddr> {
    let wrong = |_| Error::new("EINVAL", OPERATION, format!("{text:?}"), "it is no IP address");
    text.parse().map_err(wrong)
}

fn port(number: u32) -> Result<u16> {
    let wrong = |_| Error::new("EINVAL", OPERATION, format!("port {number}"), "it is not in 0..65535");
    u16::try_from(number).map_err(wrong)
}

fn proof(proof: Proof, now: Instant) -> EchoProof {
    let age = now.saturating_duration_since(proof.at);
    EchoProof { address: proof.address.to_string(), age_ms: age.as_secs_f64() * 1_000.0 }
}

#[napi]
impl EchoPort {
    #[napi(factory)]
    pub fn open(addresses: Vec<String>, port: u32, callback: Function<'_, (), ()>) -> napi::Result<Self> {
        // Weak: a port alone does not keep the process alive.
        let callback = callback.build_threadsafe_function().weak::<true>().build()?;
        guarded(|| {
            let addresses = addresses.iter().map(|text| address(text)).collect::<Result<Vec<_>>>()?;
            // Refused only when the process is ending.
            let notify = Box::new(move || {
                callback.call((), ThreadsafeFunctionCallMode::NonBlocking);
            });
            Ok(Self(Slot::new(health::EchoPort::open(&addresses, self::port(port)?, notify)?)))
        })
    }

    #[napi]
    pub fn ask(&self, from: String, to: String, port: u32, timeout_ms: u32) -> napi::Result<bool> {
        guarded(|| {
            let (from, to) = (address(&from)?, SocketAddr::new(address(&to)?, self::port(port)?));
            let limit = Duration::from_millis(timeout_ms.into());
            self.0.with("the echo port", |echo| Ok(echo.ask(from, to, limit)))
        })
    }

    #[napi]
    pub fn take_news(&self) -> napi::Result<EchoNews> {
        guarded(|| {
            let news = self.0.with("the echo port", |echo| Ok(echo.take_news()))?;
            let now = Instant::now();
            let proofs = |list: Vec<Proof>| list.into_iter().map(|one| proof(one, now)).collect();
            Ok(EchoNews {
                answered: proofs(news.answered),
                unanswered: news.unanswered.iter().map(IpAddr::to_string).collect(),
                asked: proofs(news.asked),
            })
        })
    }

    #[napi]
    pub fn set_eager(&self, eager: bool) -> napi::Result<()> {
        guarded(|| {
            self.0.with("the echo port", |echo| {
                echo.set_eager(eager);
                Ok(())
            })
        })
    }

    #[napi]
    pub fn sent_bytes(&self) -> napi::Result<i64> {
        guarded(|| self.0.with("the echo port", |echo| Ok(echo.sent_bytes())))
            .map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    #[napi]
    pub fn close(&self) -> napi::Result<()> {
        guarded(|| {
            self.0.close();
            Ok(())
        })
    }
}
