//! `verify`: reads everything and reports what is not as it should be; mends what can be mended without losing anything.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::params::Params;
use super::{Context, JobError, JobFailure, JobNeed, to_value};
use crate::access::Role;
use crate::model::{PromptId, Version};
use crate::storage::{Mend, Problem, RepairStep, StorageError, VerifyReport, VerifyScope, plan_repair};

/// How many problems a result lists; one more then tells how many were left out.
const MAX_REPORTED_PROBLEMS: usize = 10_000;

/// What to verify, and whether to mend it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::jobs) struct VerifyPlan {
    prompts: Vec<PromptId>,
    repair: bool,
    dry_run: bool,
    accept_edits: Vec<(PromptId, Version)>,
}

impl VerifyPlan {
    /// Reads the parameters.
    pub(super) fn read(params: &mut Params) -> Result<Self, JobError> {
        let plan = Self {
            prompts: params.prompt_ids("prompts")?,
            repair: params.flag("repair")?,
            dry_run: params.flag("dry_run")?,
            accept_edits: params.exact_versions("accept_edits")?,
        };
        if plan.dry_run && !plan.mends() {
            let message = "params.dry_run goes with params.repair or params.accept_edits";
            return Err(JobError::InvalidParams(message.into()));
        }
        Ok(plan)
    }

    /// Returns what the author of the job must be allowed to do: to read what is looked at, and to do everything when
    /// something is mended, since a repair may take in the versions of others.
    pub(super) fn need(&self) -> JobNeed {
        if self.mends() && !self.dry_run {
            return JobNeed::Everywhere(Role::Admin);
        }
        if self.prompts.is_empty() {
            return JobNeed::Everywhere(Role::Read);
        }
        let edits = self.accept_edits.iter().map(|(id, _)| id);
        JobNeed::On(Role::Read, self.prompts.iter().chain(edits).cloned().collect())
    }

    const fn mends(&self) -> bool {
        self.repair || !self.accept_edits.is_empty()
    }
}

/// Verifies, and mends when that is wanted.
///
/// # Errors
/// What the storage says. Problems in the store are no errors: they are the result.
pub(super) async fn run(plan: VerifyPlan, context: &Context) -> Result<Value, JobFailure> {
    let storage = context.manager.storage();
    for id in plan
        .prompts
        .iter()
        .chain(plan.accept_edits.iter().map(|(id, _)| id))
    {
        if storage.prompt(id).is_none() {
            let known = storage.available(id).err();
            let error = known.unwrap_or_else(|| StorageError::PromptNotFound(id.clone()));
            return Err(JobFailure::without_result(error));
        }
    }
    let scope = VerifyScope {
        prompts: plan.prompts.clone(),
    };
    let mut mends: Vec<Mend> = plan
        .accept_edits
        .iter()
        .map(|(id, version)| Mend::AcceptEdit(id.clone(), version.clone()))
        .collect();
    let mut report = None;
    if plan.repair || mends.is_empty() || plan.dry_run {
        let found = verify(context, &scope).await?;
        if plan.repair {
            mends.extend(plan_repair(&found.problems));
        }
        report = Some(found);
    }
    let repairs = if plan.dry_run {
        mends.iter().map(Mend::proposal).collect()
    } else {
        mend_all(&mends, context).await
    };
    // What was mended is not reported as it was: the store is read once more.
    let mut report = match report {
        Some(report) if plan.dry_run || mends.is_empty() => report,
        _ => verify(context, &scope).await?,
    };
    report.repairs = repairs;
    to_value(&cut_to(report, MAX_REPORTED_PROBLEMS))
}

async fn verify(context: &Context, scope: &VerifyScope) -> Result<VerifyReport, JobFailure> {
    let verified = context
        .manager
        .storage()
        .verify_within(scope, &context.progress)
        .await;
    let mut report = verified.map_err(JobFailure::without_result)?;
    if scope.is_everything() {
        report.problems.extend(context.check_ledger().await);
        report.sort();
    }
    Ok(report)
}

/// Does one step after the other; one that fails keeps no other from being done.
async fn mend_all(mends: &[Mend], context: &Context) -> Vec<RepairStep> {
    let mut steps = Vec::new();
    for mend in mends {
        if context.progress.is_cancelled() {
            break;
        }
        match context.manager.storage().mend(mend).await {
            Ok(done) => {
                for step in &done {
                    tracing::info!(path = %step.path, action = %step.action, "repaired");
                }
                steps.extend(done);
            }
            Err(error) => {
                let proposal = mend.proposal();
                steps.push(RepairStep::new(
                    Path::new(&proposal.path),
                    "failed",
                    error.to_string(),
                ));
            }
        }
    }
    steps
}

fn cut_to(mut report: VerifyReport, limit: usize) -> VerifyReport {
    let left_out = report.problems.len().saturating_sub(limit);
    if left_out > 0 {
        // What matters is listed before what is harmless.
        report.problems.sort_by_key(|problem| problem.severity);
        report.problems.truncate(limit);
        let message = format!("{left_out} more problems are not listed: mend these and verify again");
        report
            .problems
            .push(Problem::new(Path::new(""), "not-listed", message));
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(problems: usize, limit: usize, listed: usize, last: &str) {
        let problem = Problem::new(Path::new("a"), "edited", "changed by hand");
        let report = VerifyReport {
            problems: vec![problem; problems],
            ..VerifyReport::default()
        };
        let cut = cut_to(report, limit);
        assert_eq!(cut.problems.len(), listed);
        assert_eq!(cut.problems.last().unwrap().kind, last);
    }

    #[test]
    fn a_long_list_of_problems_is_cut_and_says_so() {
        check(3, 3, 3, "edited");
        check(5, 3, 4, "not-listed");
    }
}
