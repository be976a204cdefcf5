//! The protocol against itself and against another implementation.
