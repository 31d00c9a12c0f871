//! The kinds of jobs: what they need, what they do, what comes of them.
//!
//! A request becomes an [`Order`] (checked, nothing read yet), an order becomes a [`Plan`] (what the ledger keeps and the
//! job needs to run), and a plan is run. Every kind may be run again from its beginning.

mod backup;
mod collect;
mod each;
mod import;
mod import_result;
mod optimize;
mod optimize_model;
mod optimize_result;
mod params;
mod rebuild_index;
mod retry;
mod stop;
mod verify;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::{Missing, Rights, Role};
use crate::http::wire::JobRequest;
use crate::llm::LanguageModel;
use crate::model::Author;
use crate::storage::{Action, Problem, Progress};
use crate::versions::VersionManager;

use super::schedule::Lane;
use super::{JobError, JobId, JobLimits, JobNeed, Ledger};

use backup::{BackupPlan, RestorePlan, VerifyBackupPlan};
use collect::CollectPlan;
use import::{ImportOrder, ImportPlan};
pub use import_result::{FailedPrompt, ImportResult, ImportedVersion, SkippedPlace};
pub(crate) use optimize::MAX_COST;
use optimize::{OptimizeOrder, OptimizePlan};
pub use optimize_result::{
    CandidateReport, ModelReport, OptimizeResult, OptimizedPrompt, ScoreReport, SkippedStrategy,
};
pub(crate) use params::MAX_LIST_ITEMS;
use params::Params;
use verify::VerifyPlan;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Takes the prompts out of a workflow document and stores those that changed.
    Import,
    /// Rewrites the prompts of a workflow document and keeps the candidates.
    Optimize,
    /// Reads everything and reports what is not as it should be.
    Verify,
    /// Looks at every directory again and writes the index anew.
    RebuildIndex,
    /// Copies the store to the backup directory.
    Backup,
    /// Reads a backup from end to end.
    VerifyBackup,
    /// Takes in from a backup what the store lacks.
    Restore,
    /// Moves old versions to the trash and forgets what lies there for long.
    Collect,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Import,
        Self::Optimize,
        Self::Verify,
        Self::RebuildIndex,
        Self::Collect,
        Self::Backup,
        Self::VerifyBackup,
        Self::Restore,
    ];

    /// Returns the name of the kind, as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Optimize => "optimize",
            Self::Verify => "verify",
            Self::RebuildIndex => "rebuild_index",
            Self::Backup => "backup",
            Self::VerifyBackup => "verify_backup",
            Self::Restore => "restore",
            Self::Collect => "collect",
        }
    }

    /// Reads the name of a kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns how many jobs of the kind run at a time. One import alone keeps the disk busy; a few let small workflows
    /// share their commits. Optimisations share the processors. Two verifications would only read the same files twice.
    #[must_use]
    pub const fn max_running(self) -> usize {
        match self {
            Self::Import => 4,
            Self::Optimize => 2,
            Self::Verify
            | Self::RebuildIndex
            | Self::Collect
            | Self::Backup
            | Self::VerifyBackup
            | Self::Restore => 1,
        }
    }

    /// Returns what a step of the kind is.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Import | Self::Optimize | Self::Verify | Self::Collect | Self::Backup | Self::Restore => {
                "prompts"
            }
            Self::VerifyBackup => "files",
            Self::RebuildIndex => "shards",
        }
    }

    /// Returns what a job of the kind stores versions for.
    pub(super) const fn puts(self) -> Action {
        match self {
            Self::Import => Action::Import,
            Self::Optimize => Action::Optimize,
            Self::Restore => Action::RestoreBackup,
            Self::Verify | Self::RebuildIndex | Self::Collect | Self::Backup | Self::VerifyBackup => {
                Action::Save
            }
        }
    }

    pub(super) fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

/// A request that was checked; nothing was read yet.
#[derive(Debug)]
pub(super) enum Order {
    Import(ImportOrder),
    Optimize(OptimizeOrder),
    Verify(VerifyPlan),
    RebuildIndex,
    Backup(BackupPlan),
    VerifyBackup(VerifyBackupPlan),
    Restore(RestorePlan),
    Collect(CollectPlan),
}

/// What a job needs to run, as it stands in the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Plan {
    Import(ImportPlan),
    Optimize(OptimizePlan),
    /// All of it, without mending anything.
    Verify,
    /// As its parameters say.
    VerifyWith(VerifyPlan),
    RebuildIndex,
    Backup(BackupPlan),
    VerifyBackup(VerifyBackupPlan),
    Restore(RestorePlan),
    Collect(CollectPlan),
}

/// What a running job works with.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) manager: VersionManager,
    pub(super) author: Author,
    pub(super) job_id: JobId,
    pub(super) progress: Arc<Progress>,
    pub(super) ledger: Arc<dyn Ledger>,
    /// How many prompts are worked on at a time.
    pub(super) max_concurrent_prompts: usize,
    /// The language model, where one is configured.
    pub(super) language_model: Option<LanguageModel>,
}

impl Context {
    /// Reads the whole ledger and reports what is wrong with it.
    async fn check_ledger(&self) -> Vec<Problem> {
        let ledger = Arc::clone(&self.ledger);
        let checked = tokio::task::spawn_blocking(move || ledger.check()).await;
        checked.unwrap_or_default()
    }
}

/// Why a job did not succeed, and what it did all the same.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JobFailure {
    pub(super) error: String,
    pub(super) result: Option<Value>,
}

impl Order {
    /// Checks the kind and the parameters of a request.
    pub(super) fn read(request: JobRequest) -> Result<Self, JobError> {
        let kind = JobKind::parse(&request.kind).ok_or_else(|| JobError::unknown_kind(&request.kind))?;
        let mut params = Params::new(kind, request.params);
        let order = match kind {
            JobKind::Import => Self::Import(ImportOrder::read(&mut params)?),
            JobKind::Optimize => Self::Optimize(OptimizeOrder::read(&mut params)?),
            JobKind::Verify => Self::Verify(VerifyPlan::read(&mut params)?),
            JobKind::RebuildIndex => Self::RebuildIndex,
            JobKind::Backup => Self::Backup(BackupPlan::read(&mut params)?),
            JobKind::VerifyBackup => Self::VerifyBackup(VerifyBackupPlan::read(&mut params)?),
            JobKind::Restore => Self::Restore(RestorePlan::read(&mut params)?),
            JobKind::Collect => Self::Collect(CollectPlan::read(&mut params)?),
        };
        params.finish()?;
        Ok(order)
    }

    /// Returns the kind of the order.
    pub(super) const fn kind(&self) -> JobKind {
        match self {
            Self::Import(_) => JobKind::Import,
            Self::Optimize(_) => JobKind::Optimize,
            Self::Verify(_) => JobKind::Verify,
            Self::RebuildIndex => JobKind::RebuildIndex,
            Self::Collect(_) => JobKind::Collect,
            Self::Backup(_) => JobKind::Backup,
            Self::VerifyBackup(_) => JobKind::VerifyBackup,
            Self::Restore(_) => JobKind::Restore,
        }
    }

    /// Checks what can be said of the rights before anything is read; [`Plan::need`] says the rest.
    pub(super) fn check_rights(&self, rights: &Rights) -> Result<(), Missing> {
        match self {
            Self::Import(_) => rights.need_anywhere(Role::Write),
            Self::Optimize(order) => rights.need_anywhere(order.role()),
            Self::Verify(plan) => plan.need().check(rights),
            Self::RebuildIndex
            | Self::Backup(_)
            | Self::VerifyBackup(_)
            | Self::Restore(_)
            | Self::Collect(_) => rights.need_everywhere(Role::Admin),
        }
    }

    /// Checks what only the store can tell, before the job is written down.
    pub(super) async fn check(&self, manager: &VersionManager) -> Result<(), JobError> {
        match self {
            Self::Restore(plan) => plan.check(manager).await,
            _ => Ok(()),
        }
    }

    /// Reads what is to be read. Takes long for a large document: call it where blocking is allowed.
    pub(super) fn prepare(self, limits: &JobLimits) -> Result<Plan, JobError> {
        match self {
            Self::Import(order) => order.prepare(&limits.extract).map(Plan::Import),
            Self::Optimize(order) => order.prepare(limits).map(Plan::Optimize),
            Self::Verify(plan) if plan == VerifyPlan::default() => Ok(Plan::Verify),
            Self::Verify(plan) => Ok(Plan::VerifyWith(plan)),
            Self::RebuildIndex => Ok(Plan::RebuildIndex),
            Self::Backup(plan) => Ok(Plan::Backup(plan)),
            Self::VerifyBackup(plan) => Ok(Plan::VerifyBackup(plan)),
            Self::Restore(plan) => Ok(Plan::Restore(plan)),
            Self::Collect(plan) => Ok(Plan::Collect(plan)),
        }
    }
}

impl Plan {
    /// Reads of the store what the job decides by, before it is written down: it must be the same when the job runs again.
    pub(super) async fn fix(&mut self, manager: &VersionManager) -> Result<(), JobError> {
        match self {
            Self::Optimize(plan) => plan.fix_tests(manager).await,
            _ => Ok(()),
        }
    }

    /// Returns the lane that the job runs in.
    pub(super) fn lane(&self) -> Lane {
        let (kind, key) = match self {
            Self::Import(plan) => (JobKind::Import, plan.workflow().to_owned()),
            Self::Optimize(plan) => (JobKind::Optimize, plan.workflow().to_owned()),
            Self::Verify | Self::VerifyWith(_) => (JobKind::Verify, String::new()),
            Self::RebuildIndex => (JobKind::RebuildIndex, String::new()),
            Self::Backup(_) => (JobKind::Backup, String::new()),
            Self::VerifyBackup(_) => (JobKind::VerifyBackup, String::new()),
            Self::Restore(_) => (JobKind::Restore, String::new()),
            Self::Collect(_) => (JobKind::Collect, String::new()),
        };
        Lane { kind, key }
    }

    /// Returns what the author of the job must be allowed to do.
    pub(super) fn need(&self) -> JobNeed {
        match self {
            Self::Import(plan) => JobNeed::On(Role::Write, plan.ids()),
            Self::Optimize(plan) => plan.need(),
            Self::Verify => VerifyPlan::default().need(),
            Self::VerifyWith(plan) => plan.need(),
            Self::RebuildIndex
            | Self::Backup(_)
            | Self::VerifyBackup(_)
            | Self::Restore(_)
            | Self::Collect(_) => JobNeed::Everywhere(Role::Admin),
        }
    }

    /// Tells whether the job may run without being written down, where that is not possible: nothing is lost when it is
    /// forgotten in a crash, and it may be what makes room.
    pub(super) const fn may_run_unrecorded(&self) -> bool {
        !matches!(self, Self::Import(_) | Self::Optimize(_))
    }

    /// Checks what the job needs of a language model.
    pub(super) fn check_model(&self, model: Option<&LanguageModel>) -> Result<(), JobError> {
        match self {
            Self::Optimize(plan) => plan.check_model(model),
            _ => Ok(()),
        }
    }

    /// Does the work. Stops at its next step when the progress says so.
    pub(super) async fn run(self, context: Context) -> Result<Value, JobFailure> {
        match self {
            Self::Import(plan) => import::run(plan, context).await,
            Self::Optimize(plan) => optimize::run(plan, context).await,
            Self::Verify => verify::run(VerifyPlan::default(), &context).await,
            Self::VerifyWith(plan) => verify::run(plan, &context).await,
            Self::RebuildIndex => rebuild_index::run(&context).await,
            Self::Backup(plan) => plan.run(&context).await,
            Self::VerifyBackup(plan) => plan.run(&context).await,
            Self::Restore(plan) => plan.run(&context).await,
            Self::Collect(plan) => collect::run(plan, &context).await,
        }
    }
}

impl JobFailure {
    fn without_result(error: impl fmt::Display) -> Self {
        Self {
            error: error.to_string(),
            result: None,
        }
    }
}

/// Turns what came of a job into JSON.
fn to_value(result: &impl Serialize) -> Result<Value, JobFailure> {
    serde_json::to_value(result)
        .map_err(|e| JobFailure::without_result(format!("the result is no json: {e}")))
}
