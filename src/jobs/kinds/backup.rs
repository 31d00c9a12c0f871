//! `backup`, `verify_backup` and `restore`: copies of the whole store, and what is done with them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::params::Params;
use super::{Context, JobError, JobFailure, to_value};
use crate::jobs::error::cut;
use crate::model::PromptId;
use crate::storage::{BackupReport, BackupRequest, Problem, RestoreReport, RestoreRequest, RestoreScope};
use crate::versions::VersionManager;

/// The longest name of a backup, in bytes.
const MAX_NAME_BYTES: usize = 1_024;
/// The most prompts that are named one by one.
const MAX_NAMED_PROMPTS: usize = 1_000;
/// How many problems or conflicts a result lists; one more then tells how many were left out.
const MAX_REPORTED: usize = 1_000;

/// Makes a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct BackupPlan {
    target: Option<String>,
}

/// Reads a backup from end to end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct VerifyBackupPlan {
    source: String,
}

/// Takes in from a backup what the store lacks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct RestorePlan {
    source: String,
    prompts: Vec<PromptId>,
    all: bool,
    lost: bool,
    dry_run: bool,
}

impl BackupPlan {
    pub(super) fn read(params: &mut Params) -> Result<Self, JobError> {
        let target = params.optional_text("target")?;
        target
            .as_deref()
            .map_or(Ok(()), |name| check_name("target", name))?;
        Ok(Self { target })
    }

    pub(super) async fn run(self, context: &Context) -> Result<Value, JobFailure> {
        let request = BackupRequest {
            target: self.target,
            job: context.job_id.to_string(),
        };
        let made = context.manager.storage().backup(request, &context.progress).await;
        let mut report: BackupReport = made.map_err(JobFailure::without_result)?;
        cut_to(&mut report.problems, MAX_REPORTED);
        to_value(&report)
    }
}

impl VerifyBackupPlan {
    pub(super) fn read(params: &mut Params) -> Result<Self, JobError> {
        let source = params.text("source")?;
        check_name("source", &source)?;
        Ok(Self { source })
    }

    pub(super) async fn run(self, context: &Context) -> Result<Value, JobFailure> {
        let storage = context.manager.storage();
        let checked = storage.verify_backup(&self.source, &context.progress).await;
        let mut report = checked.map_err(JobFailure::without_result)?;
        cut_to(&mut report.problems, MAX_REPORTED);
        to_value(&report)
    }
}

impl RestorePlan {
    pub(super) fn read(params: &mut Params) -> Result<Self, JobError> {
        let source = params.text("source")?;
        check_name("source", &source)?;
        let named = params.texts("prompts")?;
        let (all, lost) = (params.flag("all")?, params.flag("lost")?);
        let dry_run = params.flag("dry_run")?;
        if named.len() > MAX_NAMED_PROMPTS {
            let message =
                format!("params.prompts names more than {MAX_NAMED_PROMPTS} prompts: use params.all");
            return Err(JobError::InvalidParams(message));
        }
        let ids: Result<Vec<PromptId>, _> = named.iter().map(|name| PromptId::new(name)).collect();
        let prompts = ids.map_err(|e| JobError::InvalidParams(format!("params.prompts: {e}")))?;
        if all && !prompts.is_empty() {
            let message = "params.prompts and params.all contradict each other: give one of them".to_owned();
            return Err(JobError::InvalidParams(message));
        }
        Ok(Self {
            source,
            prompts,
            all,
            lost,
            dry_run,
        })
    }

    /// Everything is restored only into an empty store, or on demand. This is asked once, when the job is submitted: when
    /// it runs again after a crash, the store is not empty any more.
    pub(super) async fn check(&self, manager: &VersionManager) -> Result<(), JobError> {
        if self.all || !self.prompts.is_empty() {
            return Ok(());
        }
        let storage = manager.storage();
        let is_empty = storage.totals() == (0, 0) && storage.trash(None, None, 1).await?.is_empty();
        if is_empty {
            return Ok(());
        }
        let message = "the store is not empty: name the prompts to restore, or ask for all of them; what is there is never overwritten";
        Err(JobError::InvalidParams(message.to_owned()))
    }

    pub(super) async fn run(self, context: &Context) -> Result<Value, JobFailure> {
        let request = RestoreRequest {
            source: self.source,
            scope: if self.prompts.is_empty() {
                RestoreScope::Everything
            } else {
                RestoreScope::Prompts(self.prompts)
            },
            dry_run: self.dry_run,
            lost: self.lost,
            job: context.job_id.to_string(),
            author: context.author.clone(),
        };
        let storage = context.manager.storage();
        let restored = storage.restore_backup(request, &context.progress).await;
        let mut report: RestoreReport = restored.map_err(JobFailure::without_result)?;
        cut_to(&mut report.conflicts, MAX_REPORTED);
        to_value(&report)
    }
}

fn check_name(key: &str, name: &str) -> Result<(), JobError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        let message = format!(
            "params.{key} must be the path of a backup, at most {MAX_NAME_BYTES} bytes without control characters, not {:?}",
            cut(name)
        );
        return Err(JobError::InvalidParams(message));
    }
    Ok(())
}

fn cut_to(problems: &mut Vec<Problem>, limit: usize) {
    let left_out = problems.len().saturating_sub(limit);
    if left_out > 0 {
        problems.truncate(limit);
        let message = format!("{left_out} more are not listed");
        problems.push(Problem::new(std::path::Path::new(""), "not-listed", message));
    }
}
