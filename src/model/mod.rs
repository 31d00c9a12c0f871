//! Plain data: what a prompt, a version and their parts are.
//!
//! No I/O, no async, no clock beyond [`Timestamp::now`]. Every name that reaches the disk or the wire is checked
//! when its type is built, so that code holding a [`PromptId`] or a [`Version`] needs no second look.
//! The shapes are those of the Python system (docs/format.md lists them field by field).

mod analysis;
mod author;
mod checksum;
mod document;
#[cfg(test)]
mod fuzz;
mod integer;
mod label;
mod optimization;
mod prompt;
mod prompt_id;
mod shard;
pub(crate) mod strict_json;
pub(crate) mod test_result;
mod timestamp;
mod version;
mod version_ref;

pub use analysis::{IssueSeverity, IssueType, PromptAnalysis, PromptIssue, PromptSuggestion, SuggestionType};
pub use author::Author;
pub use checksum::{Checksum, ChecksumError, Integrity};
pub use document::{DocumentError, PromptVersion};
pub(crate) use document::{refuse_unknown_fields, render};
pub use label::{InvalidLabel, Label, MAX_LABEL_LEN};
pub use optimization::{ModelUse, OptimizationChange, OptimizationResult, OptimizationStrategy};
pub use prompt::{InvalidPrompt, MAX_PROMPT_CHARS, Prompt};
pub(crate) use prompt::{default_role, optional_variable_names};
pub use prompt_id::{InvalidPromptId, MAX_PROMPT_ID_LEN, PromptId};
pub(crate) use shard::sha256_hex;
pub use shard::{InvalidShardDepth, ShardDepth, ShardId};
pub use test_result::{TestResult, TestStatus};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use version::{Bump, InvalidVersion, MAX_COMPONENT, MAX_VERSION_LEN, Version};
pub use version_ref::{InvalidVersionRef, VersionRef, VersionSelector};
