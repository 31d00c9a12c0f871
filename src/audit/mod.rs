//! The audit log: who changed what and when, in lines that hold each other's hashes.
//!
//! **Written ahead.** Before anything is changed, an entry says durably who is about to change what (`intended`); when it is
//! done, a second entry says what came of it. After a crash, an intended change without a second entry is looked up in
//! the store, and the entry that is missing is added (`recovered`, or `undone`). So every change in the store has its
//! entry, and what cannot be logged is not done.
//!
//! [`AuditedStorage`] stands before the storage, so that no way to change it goes past the log. [`AuditLog`] is the handle to
//! the one thread that writes; many that wait share one fsync. `files` is the only part that touches the disk, through the
//! store's own [`Disk`](crate::storage::filesystem::disk::Disk). [`verify`] needs no daemon.

mod chain;
mod changes;
mod entry;
mod error;
mod files;
mod liveness;
mod log;
mod metrics;
mod observe;
mod page;
mod recover;
mod settle;
mod storage;
mod tally;
#[cfg(test)]
mod tests;
pub mod verify;
mod writer;

pub use chain::Hash;
pub use entry::{Draft, Entry, Outcome};
pub use error::AuditError;
pub use log::{AuditLog, AuditOptions, OnFailure};
pub use page::{AuditPage, AuditQuery};
pub use storage::AuditedStorage;

/// The directory of the log in the store.
pub const AUDIT_DIR: &str = ".audit";
