//! rtnetlink: links, addresses, routes, change events.

pub mod name;
