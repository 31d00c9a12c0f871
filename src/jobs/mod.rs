//! Long work: the job queue, its ledger on disk, and the kinds of jobs.
//!
//! A submit answers when the job is durable: a workflow document is read there and then, and the ledger keeps only the
//! prompts that were found in it, until the job ends; after that only what came of it. After a crash every job is still
//! known: those that had not ended run again, which is safe because every kind may be repeated.
//!
//! One actor decides which job starts and which is cancelled; it owns no facts. They stand in a table that everybody
//! reads without waiting, so an actor that dies is replaced by one that looks at the table again. Each running job is a
//! task of its own, and the only one that changes its view; one that panics fails alone.

mod actor;
mod disk_ledger;
mod error;
#[cfg(test)]
mod fuzz;
mod job;
mod job_id;
mod kinds;
mod ledger;
mod limits;
mod liveness;
mod metrics;
mod need;
mod queue;
mod record;
mod run;
mod schedule;
mod shared;
mod state;
mod supervisor;
mod table;

pub use disk_ledger::DiskLedger;
pub use error::JobError;
pub use job_id::JobId;
pub use kinds::{
    CandidateReport, FailedPrompt, ImportResult, ImportedVersion, JobKind, ModelReport, OptimizeResult,
    OptimizedPrompt, ScoreReport, SkippedPlace, SkippedStrategy,
};
pub(crate) use kinds::{MAX_COST, MAX_LIST_ITEMS};
pub use ledger::{Ledger, LedgerContent, LedgerEntry, MemoryLedger};
pub use limits::JobLimits;
pub use liveness::QUEUE_ACTOR;
pub use need::{JobNeed, Submitter};
pub use queue::{JobCounts, JobQueue};
pub use record::Record;

#[cfg(test)]
mod tests;
