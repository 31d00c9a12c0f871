//! Where versions are kept: one interface and its backends.
