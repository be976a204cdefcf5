//! Key pairs, derivation from the secret, mesh addresses, the state file (PROTOCOL.md sections 1, 2, 3, 14).

pub mod address;
pub mod derive;
pub mod generate;
pub mod hex;
pub mod keys;

pub mod seal;
pub mod secret;

#[cfg(test)]
mod testing;
