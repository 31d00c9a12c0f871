//! What a prompt's history means: numbering, compare, rollback, best, labels. The only user of `storage`.

mod candidates;
pub mod compare;
mod create;
mod error;
mod evidence;
mod history;
mod labels;
mod manager;
pub mod numbering;
mod trash;

pub(crate) use candidates::{NewCandidate, is_made_by};
pub use create::{Created, NewPrompt, NewVersion};
pub(crate) use create::{analyze, parse_new_version, refuse_overlong};
pub use error::VersionError;
pub use evidence::VersionEvidence;
pub use history::{HistoryPage, Order};
pub use manager::VersionManager;

#[cfg(test)]
mod tests;
