//! Key pairs, derivation from the secret, mesh addresses, the state file (PROTOCOL.md sections 1, 2, 14).

pub mod keys;
