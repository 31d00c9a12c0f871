//! How cases are run.

use serde::{Deserialize, Serialize};

/// How cases are run. It stands in the manifest as it is here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecutionPolicy {
    /// How many at once; 1 to 256.
    pub concurrency: usize,
    /// With it, cases are run in groups of so many, one group after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// How many may begin in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_control: Option<RateLimit>,
    /// The pause between two groups, in seconds.
    pub backoff_seconds: f64,
    /// When a case is tried again.
    pub retry_policy: RetryPolicy,
    /// When the run ends early.
    pub stop_conditions: StopConditions,
}

/// How many may begin: a bucket of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// So many in a minute.
    pub per_minute: u32,
    /// So many at once after a pause.
    #[serde(default = "burst")]
    pub burst: u32,
}

/// When a case is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// How often a case is tried in all; 1 to 100.
    pub max_attempts: u32,
    /// The pause before the second attempt, in seconds.
    pub backoff_seconds: f64,
    /// How many times longer each further pause is.
    pub backoff_multiplier: f64,
}

/// When the run ends early. Looked at after each result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StopConditions {
    /// After so many cases that did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<u64>,
    /// After so many seconds; what runs then is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// The same in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<f64>,
    /// How long one attempt may take, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_per_task: Option<f64>,
    /// When fewer cases than this succeed, 0 to 1: as soon as it cannot be reached any more, or after `min_results` results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_success_rate: Option<f64>,
    /// After how many results `min_success_rate` is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_results: Option<u64>,
}

impl StopConditions {
    /// How long one attempt may take where the plan does not say it, in seconds.
    pub const DEFAULT_TIMEOUT_PER_TASK: f64 = 300.0;
    /// After how many results `min_success_rate` is looked at where the plan does not say it.
    pub const DEFAULT_MIN_RESULTS: u64 = 10;
}

impl Default for ExecutionPolicy {
    fn default() -> Self {
        Self {
            concurrency: 1,
            batch_size: None,
            rate_control: None,
            backoff_seconds: 2.0,
            retry_policy: RetryPolicy::default(),
            stop_conditions: StopConditions::default(),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff_seconds: 2.0,
            backoff_multiplier: 1.5,
        }
    }
}

const fn burst() -> u32 {
    5
}
