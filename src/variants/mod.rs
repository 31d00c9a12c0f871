//! Variants of workflows for test runs: a test plan turns one workflow into several documents and a list of cases, and
//! a command of the user runs the cases. Pure: no file, no clock, no process; `cli` has those.
//!
//! [`plan`] is what is written, [`patch`] makes the documents, [`cases`] the inputs, [`assemble`](assemble()) both and their
//! [`Manifest`]; [`run`] decides what starts when, what is tried again, and when it is enough.

mod assemble;
pub mod cases;
mod manifest;
mod names;
pub mod patch;
pub mod plan;
pub mod run;

pub use assemble::{Assembled, Entry, MAX_CASES, MAX_OUTBOX_BYTES, assemble, choose_entry};
pub use manifest::{Case, Manifest, ManifestError, PromptEntry, Source, VariantEntry, parse_manifest};
pub use names::{MANIFEST_FILE, RESULTS_FILE, document_name};

/// The name of the workflow as it is.
pub const DEFAULT_VARIANT: &str = "default";
