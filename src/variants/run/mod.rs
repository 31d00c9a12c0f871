//! Running cases: what starts when, what is tried again, when it is enough, and what came of it. Pure: time is an argument.

mod bucket;
mod journal;
mod outcome;
mod schedule;
mod statistics;

pub use bucket::TokenBucket;
pub use journal::{Entry, Journal, JournalLine, read_line};
pub use outcome::{CaseResult, Trial, of_answer, of_failure};
pub use schedule::{Attempt, Finished, Schedule, Step, StopReason};
pub use statistics::Statistics;
