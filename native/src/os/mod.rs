//! flock, socket options, sd_notify, capabilities: small functions in one place.
