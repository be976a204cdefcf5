//! The kernel's WireGuard over generic netlink.
