//! Analysis of prompt texts: scores, issues, suggestions. Pure: no I/O, no clock but the time of analysis.
//!
//! The numbers are those of the Python system, to the last digit, so that scores stored by it and by promptd can be
//! compared; each analysis names that profile in its metadata. What a text *says* (descriptions, suggestions) is ours.
//!
//! - [`analysis`]: the scores of the Python system, [`analyze`].
//! - `text`: what Python calls a space, a word character, a sentence.
//! - `lexicon`: the word lists, and how they are searched.
//! - `facts`: everything that is measured in a text, once.
//! - `clarity`, `efficiency`: the two scores. `issues`, `suggestions`: what is said about them.
//! - [`profile`]: the two ways of scoring, [`ScoringProfile`].
//! - [`rules`]: when to optimise, by which strategy, and what a gain does to the version number.
//! - [`variables`]: the names that a text refers to. [`references`]: what a rewriting must keep.
//! - [`rewrite`]: the rewriting rules. [`strategy`]: which of them each strategy has.
//! - [`settings`], [`acceptance`], [`confidence`]: what a candidate must reach.
//! - [`cycle`]: all of it together for one prompt, step by step.

pub mod acceptance;
pub mod analysis;
mod clarity;
pub mod confidence;
#[cfg(test)]
mod corpus_tests;
pub mod cycle;
mod efficiency;
mod facts;
#[cfg(test)]
pub(crate) mod golden;
mod issues;
mod lexicon;
pub mod profile;
pub mod references;
pub mod rewrite;
pub mod rules;
pub mod settings;
pub mod strategy;
mod suggestions;
pub(crate) mod text;
pub mod variables;

pub use analysis::analyze;
pub use profile::ScoringProfile;
pub use references::{ReferenceDifference, reference_differences, references_in};
pub use rules::{LegacyMetrics, Scores, ScoringRules, TestFigures};
pub use settings::OptimizationSettings;
pub use variables::variables_in;
