//! How the daemon is, in the form that monitoring asks for.

use serde::{Deserialize, Serialize};

use crate::model::OptimizationStrategy;
use crate::optimizer::ScoringProfile;

/// The state of the actor that decides which job starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QueueActor {
    /// Whether it runs.
    pub up: bool,
    /// Whether it did not answer when the watchdog asked it last.
    #[serde(default)]
    pub silent: bool,
    /// How often it was started again.
    pub restarts: u64,
    /// Why it last ended.
    #[schema(required)]
    pub last_error: Option<String>,
}

/// How the optimiser is, and what its service depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OptimizerHealth {
    /// `ok`, or `degraded` when something is beyond its limit.
    pub status: String,
    /// What is judged is what happened in so many seconds; 0 means since the start.
    pub window_seconds: u64,
    /// What is held against a limit.
    pub checks: Vec<HealthCheck>,
    /// How long the analysis of a known text took just now.
    pub self_check_microseconds: u64,
    /// What scores an optimisation.
    pub scoring_profile: ScoringProfile,
    /// What is tried.
    pub strategies: Vec<OptimizationStrategy>,
    /// Jobs that wait.
    pub jobs_queued: u64,
    /// Jobs that work.
    pub jobs_running: u64,
}

/// One number that is held against a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HealthCheck {
    /// Its name.
    pub name: String,
    /// Its value, from 0 to 1; null when nothing is known.
    #[schema(required)]
    pub value: Option<f64>,
    /// Its limit.
    pub limit: f64,
    /// Whether it is within the limit, or there were too few events to tell.
    pub ok: bool,
    /// What it is.
    pub meaning: String,
}
