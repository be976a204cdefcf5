//! The packet filter over nfnetlink: what it does is read, and one table of our own is written.

pub mod masquerade;
mod message;
pub mod ruleset;
