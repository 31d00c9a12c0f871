//! The JSON that travels over the socket, beside the version documents themselves. Used by the server and by clients.

mod health;
mod watch;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::evidence::Figures;
use crate::llm::LlmStatus;
use crate::model::{
    Author, Checksum, Integrity, Label, OptimizationStrategy, PromptId, TestResult, Timestamp, Version,
    VersionSelector,
};
use crate::optimizer::{OptimizationSettings, ScoringProfile};
use crate::storage::{BackupSummary, LabelEntry, LabelMove, Problem, PromptEntry, StoredVersion};

pub use health::{HealthCheck, OptimizerHealth, QueueActor};
pub use watch::{WatchKind, WatchLine, WatchProblem};

/// The header that carries the revision of the store in every answer.
pub const REVISION_HEADER: &str = "promptd-revision";

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// What is known of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PromptSummary {
    /// Its name.
    pub prompt_id: PromptId,
    /// The version that `latest` means.
    #[schema(required)]
    pub latest_version: Option<Version>,
    /// How many versions it has.
    pub version_count: u64,
    /// Where its labels point.
    pub labels: BTreeMap<Label, Version>,
    /// When its first version was made.
    #[schema(required)]
    pub created_at: Option<Timestamp>,
    /// When its latest version was made.
    #[schema(required)]
    pub updated_at: Option<Timestamp>,
    /// What it is for, as its manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags, as its manifest says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What is known of a version without its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VersionSummary {
    /// The prompt.
    pub prompt_id: PromptId,
    /// The number.
    pub version: Version,
    /// The version it was made from.
    #[schema(required)]
    pub parent_version: Option<Version>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    #[schema(required)]
    pub author: Option<String>,
    /// Its overall score.
    #[schema(minimum = 0, maximum = 100)]
    pub overall_score: f64,
    /// Whether the file is as promptd wrote it.
    pub integrity: Integrity,
    /// The checksum of the content as it now is; also its entity tag.
    pub checksum: Checksum,
}

/// The body of `POST /v1/prompts/{id}/rollback`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The version to go back to: a number, a range, a label, `latest` or `best`.
    #[schema(value_type = VersionSelector, example = "1.0.0")]
    pub to: String,
}

/// The body of `POST /v1/prompts/{id}/promote`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteRequest {
    /// The candidate.
    #[schema(value_type = Version, example = "1.1.0-opt.1")]
    pub version: String,
    /// Also when it was refused, was made from another release than the latest, or was measured to be worse.
    #[serde(default)]
    pub force: bool,
}

/// What became of test results that were added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EvidenceReceipt {
    /// Results that are new.
    pub added: u64,
    /// Results that were there already, with the same content.
    pub known: u64,
    /// The same for each version.
    pub versions: Vec<EvidenceCount>,
}

/// What became of the test results of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EvidenceCount {
    /// The prompt.
    pub prompt_id: PromptId,
    /// The version.
    pub version: Version,
    /// Results that are new.
    pub added: u64,
    /// Results that were there already.
    pub known: u64,
    /// Results that it has now.
    pub total: u64,
}

/// The test results of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EvidencePage {
    /// The prompt.
    pub prompt_id: PromptId,
    /// The version.
    pub version: Version,
    /// Fewer results than this decide nothing (`optimizer.evidence.min_results`).
    pub min_results: u64,
    /// What all results add up to; null when there is none.
    #[schema(required)]
    pub figures: Option<Figures>,
    /// One page of them, in the order in which they came.
    pub items: Vec<TestResult>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The body of `PUT /v1/prompts/{id}/labels/{label}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelRequest {
    /// The version to point at: a number, a range, another label, `latest` or `best`.
    #[schema(value_type = VersionSelector, example = "1.0.0")]
    pub version: String,
}

/// A label and where it points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LabelView {
    /// The label.
    pub label: Label,
    /// The version.
    pub version: Version,
    /// Since when.
    pub set_at: Timestamp,
    /// By whom it was put there.
    pub set_by: Author,
}

/// The labels of a prompt and their history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LabelsView {
    /// Where they point now.
    pub labels: Vec<LabelView>,
    /// Every move, the oldest first.
    pub history: Vec<LabelMove>,
}

/// The body of `POST /v1/analyze`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalyzeRequest {
    /// The text; may be empty.
    #[schema(max_length = 100000)]
    pub text: String,
    /// What the scores are made by; stored versions have `reference`.
    #[serde(default)]
    pub profile: ScoringProfile,
}

/// The body of `POST /v1/rewrite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"text": "Please answer {{question}} in order to help.", "strategies": ["efficiency_focus"]}))]
pub struct RewriteRequest {
    /// The text: at least one character that is no white space.
    #[schema(min_length = 1, max_length = 100000, pattern = r"\S")]
    pub text: String,
    /// What is tried, in this order; absent: as the daemon is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1)]
    pub strategies: Option<Vec<OptimizationStrategy>>,
    /// What a candidate must reach; absent: as the daemon is configured.
    #[serde(default)]
    pub settings: RewriteSettings,
}

/// Settings of one rewriting; absent ones are as the daemon is configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RewriteSettings {
    /// The least gain of overall score, in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100)]
    pub min_improvement: Option<f64>,
    /// The least confidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub min_confidence: Option<f64>,
    /// The most rounds of each strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10)]
    pub max_iterations: Option<usize>,
    /// What the scores are made by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoring_profile: Option<ScoringProfile>,
    /// How many times as long as the original a candidate may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_growth: Option<f64>,
    /// How many times as long as a candidate the original may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_shrink: Option<f64>,
}

impl RewriteRequest {
    /// Returns the settings of this request where it has some, and those of the daemon elsewhere.
    #[must_use]
    pub fn settings_over(&self, daemon: &OptimizationSettings) -> OptimizationSettings {
        self.settings.over(self.strategies.clone(), daemon)
    }
}

impl RewriteSettings {
    /// Returns these settings where there are some, and those of the daemon elsewhere.
    #[must_use]
    pub fn over(
        &self,
        strategies: Option<Vec<OptimizationStrategy>>,
        daemon: &OptimizationSettings,
    ) -> OptimizationSettings {
        let Self {
            min_improvement,
            min_confidence,
            max_iterations,
            scoring_profile,
            max_growth,
            max_shrink,
        } = *self;
        OptimizationSettings {
            strategies: strategies.unwrap_or_else(|| daemon.strategies.clone()),
            min_improvement: min_improvement.unwrap_or(daemon.min_improvement),
            min_confidence: min_confidence.unwrap_or(daemon.min_confidence),
            max_iterations: max_iterations.unwrap_or(daemon.max_iterations),
            scoring_profile: scoring_profile.unwrap_or(daemon.scoring_profile),
            max_growth: max_growth.unwrap_or(daemon.max_growth),
            max_shrink: max_shrink.unwrap_or(daemon.max_shrink),
            min_baseline_score: daemon.min_baseline_score,
            max_prompt_length: daemon.max_prompt_length,
        }
    }
}

/// The answer to `DELETE /v1/prompts/{id}`: what went to the trash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeletedVersions {
    /// The prompt.
    pub prompt_id: PromptId,
    /// The versions that were deleted; empty after a purge.
    pub versions: Vec<Version>,
    /// Whether the prompt was forgotten altogether.
    pub purged: bool,
}

/// What state a job is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It works.
    Running,
    /// It is done.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobProgress {
    /// Steps done.
    pub done: u64,
    /// Steps in all; 0 while that is not known.
    pub total: u64,
    /// What a step is: `prompts`, `shards`.
    pub unit: String,
}

/// A job, as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobView {
    /// Its id.
    pub job_id: String,
    /// Its kind: `import`, `optimize`, `verify`, `rebuild_index` and others.
    pub kind: String,
    /// Its state.
    pub state: JobState,
    /// How far it is.
    pub progress: JobProgress,
    /// What came of it, once it succeeded.
    #[schema(required)]
    pub result: Option<Value>,
    /// Why it failed.
    #[schema(required)]
    pub error: Option<String>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it began to work.
    #[schema(required)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(required)]
    pub finished_at: Option<Timestamp>,
    /// Who submitted it.
    pub author: Author,
}

/// The body of `POST /v1/jobs`. Its parameters may hold a whole workflow with secrets in it: it is never printed.
#[derive(Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// What to do: `import`, `optimize`, `verify`, `rebuild_index` and others.
    #[schema(max_length = 64, example = "verify")]
    pub kind: String,
    /// What the kind needs: for `import` and `optimize` `{name, content}`, one workflow document.
    #[serde(default)]
    pub params: Map<String, Value>,
}

/// The answer to `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StatusView {
    /// `ok`, or `degraded` when a part of the store is down.
    pub status: String,
    /// Which part is down, in a sentence.
    #[schema(required)]
    pub degraded: Option<String>,
    /// The version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// For how long it has run.
    pub uptime_seconds: u64,
    /// The revision of the store, as in the header of every answer.
    pub revision: String,
    /// How many prompts have versions.
    pub prompts: u64,
    /// How many versions there are.
    pub versions: u64,
    /// What the storage says of itself; depends on the backend.
    #[schema(value_type = Object)]
    pub storage: Value,
    /// Jobs.
    pub jobs: JobsStatus,
    /// The language model; null where none is configured.
    #[serde(default)]
    #[schema(required)]
    pub llm: Option<LlmStatus>,
    /// Connections and requests.
    pub http: HttpStatus,
}

/// The backups that there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Backups {
    /// In the order of their paths.
    pub items: Vec<BackupSummary>,
}

/// How many jobs there are, and what is wrong with their ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobsStatus {
    /// They wait for their turn.
    pub queued: u64,
    /// They work.
    pub running: u64,
    /// They have ended and are remembered.
    pub finished: u64,
    /// Entries of the ledger that could not be read, removed or brought up to date.
    pub problems: Vec<Problem>,
    /// The actor that decides what starts.
    #[serde(default)]
    pub actor: QueueActor,
    /// When the newest backup that is known was finished, in seconds since 1970; null when none is known.
    #[serde(default)]
    #[schema(required)]
    pub last_backup: Option<i64>,
}

/// Connections and requests, now and since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HttpStatus {
    /// Open connections.
    pub connections: u64,
    /// The limit.
    pub max_connections: u64,
    /// That of one user.
    #[serde(default)]
    pub max_connections_per_peer: u64,
    /// Connections of the user who has most of them.
    #[serde(default)]
    pub connections_of_busiest_peer: u64,
    /// Requests being worked on, this one included.
    pub requests_in_flight: u64,
    /// The limit.
    pub max_requests_in_flight: u64,
    /// That of one user.
    #[serde(default)]
    pub max_requests_in_flight_per_peer: u64,
    /// Bytes of large bodies and answers that are held.
    #[serde(default)]
    pub bytes_in_flight: u64,
    /// The limit.
    #[serde(default)]
    pub max_bytes_in_flight: u64,
    /// Connections that were answered with `busy`.
    pub refused_connections: u64,
    /// Requests that were answered with `busy`.
    pub refused_requests: u64,
    /// What is served over TCP; null where nothing is.
    #[serde(default)]
    #[schema(required)]
    pub tcp: Option<TcpStatus>,
}

/// The listener on the loopback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TcpStatus {
    /// Where it listens.
    pub address: String,
    /// What it serves: `metrics`, `health`, `read`.
    pub serves: Vec<String>,
    /// Open connections.
    pub connections: u64,
    /// The limit.
    pub max_connections: u64,
}

/// The answer to `GET /healthz` and `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Health {
    /// `ok` or `ready`.
    pub status: String,
    /// What somebody should look at although everything is served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<String>,
}

impl fmt::Debug for JobRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.params.keys().collect();
        f.debug_struct("JobRequest")
            .field("kind", &self.kind)
            .field("params", &keys)
            .finish()
    }
}

impl JobState {
    /// Tells whether the job has ended.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl From<&PromptEntry> for PromptSummary {
    fn from(entry: &PromptEntry) -> Self {
        Self {
            prompt_id: entry.id.clone(),
            latest_version: entry.latest().cloned(),
            version_count: entry.versions.len() as u64,
            labels: entry
                .labels
                .iter()
                .map(|(label, target)| (label.clone(), target.version.clone()))
                .collect(),
            created_at: entry.created_at.clone(),
            updated_at: entry.updated_at.clone(),
            description: entry.description.clone(),
            tags: entry.tags.clone(),
        }
    }
}

impl VersionSummary {
    /// Makes the summary of a stored version.
    #[must_use]
    pub fn of(id: &PromptId, stored: &StoredVersion) -> Self {
        Self {
            prompt_id: id.clone(),
            version: stored.version.clone(),
            parent_version: stored.parent_version.clone(),
            created_at: stored.created_at.clone(),
            author: stored.author.clone(),
            overall_score: stored.overall_score,
            integrity: stored.integrity,
            checksum: stored.checksum.clone(),
        }
    }
}

impl LabelView {
    /// Makes the view of a label.
    #[must_use]
    pub fn of(label: &Label, entry: &LabelEntry) -> Self {
        let LabelEntry {
            version,
            set_at,
            set_by,
        } = entry.clone();
        Self {
            label: label.clone(),
            version,
            set_at,
            set_by,
        }
    }
}
