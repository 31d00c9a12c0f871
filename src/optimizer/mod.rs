//! Analysis of prompt texts: scores, issues, suggestions. Pure: no I/O, no clock but the time of analysis.
//!
//! The numbers are those of the Python system, to the last digit, so that scores stored by it and by promptd can be
//! compared; each analysis names that profile in its metadata. What a text *says* (descriptions, suggestions) is ours.
//!
//! - [`analysis`]: the one entry point, [`analyze`].
//! - `text`: what Python calls a space, a word character, a sentence.
//! - `lexicon`: the word lists, and how they are searched.
//! - `facts`: everything that is measured in a text, once.
//! - `clarity`, `efficiency`: the two scores. `issues`, `suggestions`: what is said about them.
//! - [`rules`]: when to optimise, by which strategy, and what a gain does to the version number.
//! - [`variables`]: the names that a text refers to.

pub mod analysis;
mod clarity;
mod efficiency;
mod facts;
#[cfg(test)]
pub(crate) mod golden;
mod issues;
mod lexicon;
pub mod rules;
mod suggestions;
pub(crate) mod text;
pub mod variables;

pub use analysis::analyze;
pub use rules::{LegacyMetrics, Scores, ScoringRules, TestFigures};
pub use variables::variables_in;
