//! Evidence: what tests of a prompt measured, as it comes in, what it adds up to, and what follows from it.
//!
//! Pure. [`batch`] is the form in which results come in, [`lines`] and [`table`] read it from JSON Lines and CSV;
//! [`Figures`] are the sums, percentiles and grades of the results of one version; [`rules`] decides which of two versions
//! is better. docs/scoring.md explains the rules, docs/workflows.md how results come in.

pub mod batch;
pub mod figures;
#[cfg(test)]
mod fuzz;
pub mod lines;
pub mod rules;
pub mod table;

pub use batch::{Batch, LineProblem, LineProblems, ReportedResult, TargetedResult};
pub use figures::Figures;
pub use rules::EvidenceRules;

#[cfg(test)]
mod golden_tests;
