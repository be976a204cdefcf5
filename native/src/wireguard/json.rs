//! The JSON in which lists of peers cross to JavaScript: one string costs less than half of as many objects.
//! The shapes are those of index.d.ts; unknown members are refused.

mod address;
mod changes;
mod state;

use serde::Serialize;
use serde_json::json;

use super::device::{DeviceEvent, PeerFailure};
pub use changes::changes;
pub use state::state;

/// A peer that was not changed.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As it was given.
    #[serde(rename = "publicKey")]
    pub public_key: String,
    pub error: String,
}

impl From<PeerFailure> for Refused {
    fn from(failure: PeerFailure) -> Self {
        Self { public_key: failure.public_key.text(), error: failure.reason }
    }
}

/// `[{ "publicKey", "error" }]`
pub fn refused(list: &[Refused]) -> String {
    json!(list).to_string()
}

/// `DeviceEvent`
pub fn event(event: &DeviceEvent) -> String {
    let value = match event {
        DeviceEvent::Handshake(key) => json!({ "type": "handshake", "publicKey": key.text() }),
        DeviceEvent::ForeignChange(what) => json!({ "type": "foreign-change", "what": what }),
        DeviceEvent::Notice(text) => json!({ "type": "notice", "text": text }),
        DeviceEvent::Failed(reason) => json!({ "type": "failed", "reason": reason }),
    };
    value.to_string()
}
