//! Bindings of this area.
