//! Key pairs, derivation from the secret, mesh addresses, the state file (PROTOCOL.md sections 1, 2, 3, 14).

pub mod address;
pub mod backup;
pub mod client_keys;
pub mod derive;
#[cfg(all(target_os = "linux", any(test, feature = "fuzzing")))]
pub(crate) mod fuzzing;
pub mod generate;
pub mod hex;
pub mod kept_secret;
pub mod key_file;
pub mod keys;
mod members;
pub mod membership;
pub mod password;
mod private_file;
pub mod prompt;
pub mod proof;
pub mod qr;
pub mod seal;
pub mod secret;
pub mod secret_source;
pub mod state_file;
pub mod strength;
