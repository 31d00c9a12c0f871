//! What jobs may cost.

use crate::admission::Bounds;
use crate::dify::ExtractOptions;
use crate::optimizer::OptimizationSettings;

/// Limits of the job queue.
#[derive(Debug, Clone, PartialEq)]
pub struct JobLimits {
    /// How many jobs may wait for their turn; one more is refused as `busy`.
    pub max_jobs_queued: usize,
    /// How many jobs of one author may wait.
    pub max_jobs_queued_per_author: usize,
    /// How many jobs that ended are remembered; the oldest beyond are forgotten, in the ledger too.
    pub max_jobs_kept: usize,
    /// After how many seconds of work a job is stopped and counts as failed.
    pub max_job_seconds: u64,
    /// How many prompts one job works on at a time, so that those of one shard share a commit.
    pub max_concurrent_prompts: usize,
    /// What a workflow document may cost, and which agent parameters hold prompt text.
    pub extract: ExtractOptions,
    /// How prompts are optimised where a job does not say otherwise.
    pub optimization: OptimizationSettings,
}

impl JobLimits {
    /// Returns how many jobs may wait.
    pub(super) const fn queued(&self) -> Bounds {
        Bounds {
            all: self.max_jobs_queued,
            per_peer: self.max_jobs_queued_per_author,
        }
    }
}

impl Default for JobLimits {
    fn default() -> Self {
        Self {
            max_jobs_queued: 64,
            max_jobs_queued_per_author: 48,
            max_jobs_kept: 1_000,
            max_job_seconds: 3_600,
            max_concurrent_prompts: 16,
            extract: ExtractOptions::default(),
            optimization: OptimizationSettings::default(),
        }
    }
}
