//! The file system backend.

pub mod disk;
