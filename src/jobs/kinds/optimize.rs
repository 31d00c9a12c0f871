//! `optimize`: rewrites the prompts of a workflow document, and keeps what came of it as candidates.
//!
//! Everything that decides is fixed when the job is submitted: the texts of the document and the settings. A job that runs
//! again after a crash makes the same candidates, finds those that are kept, and goes on with the others.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::each::each;
use super::import::{FoundPrompt, ImportOrder, ImportPlan};
use super::import_result::FailedPrompt;
use super::optimize_result::{CandidateReport, OptimizeResult, OptimizedPrompt, ScoreReport};
use super::retry::Retries;
use super::{Context, JobError, JobFailure, JobLimits, JobNeed, Params};
use crate::access::Role;
use crate::http::wire::RewriteSettings;
use crate::model::{OptimizationStrategy, PromptId, Version};
use crate::optimizer::OptimizationSettings;
use crate::optimizer::cycle::{self, Candidate, Outcome};
use crate::storage::StorageError;
use crate::versions::{Created, NewCandidate, VersionError, is_made_by};

/// A workflow document whose prompts are to be optimised.
#[derive(Debug)]
pub(in crate::jobs) struct OptimizeOrder {
    document: ImportOrder,
    strategies: Vec<OptimizationStrategy>,
    settings: RewriteSettings,
    min_baseline_score: Option<f64>,
    dry_run: bool,
}

/// What was found in the document and how it is to be rewritten, as it stands in the ledger until the job ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct OptimizePlan {
    document: ImportPlan,
    settings: OptimizationSettings,
    dry_run: bool,
}

impl OptimizeOrder {
    /// Takes the parameters.
    pub(super) fn read(params: &mut Params) -> Result<Self, JobError> {
        Ok(Self {
            document: ImportOrder::read(params)?,
            strategies: params.strategies("strategies")?,
            settings: RewriteSettings {
                scoring_profile: params.profile("profile")?,
                min_improvement: params.number("min_improvement")?,
                min_confidence: params.number("min_confidence")?,
                max_iterations: params
                    .count("max_iterations")?
                    .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
                max_growth: params.number("max_growth")?,
                max_shrink: params.number("max_shrink")?,
            },
            min_baseline_score: params.number("min_baseline_score")?,
            dry_run: params.flag("dry_run")?,
        })
    }

    /// Returns the role that the author needs on the prompts: candidates are written, unless nothing is to be kept.
    pub(super) const fn role(&self) -> Role {
        role(self.dry_run)
    }

    /// Finds the prompts in the document and fixes the settings.
    pub(super) fn prepare(self, limits: &JobLimits) -> Result<OptimizePlan, JobError> {
        let strategies = (!self.strategies.is_empty()).then_some(self.strategies);
        let mut settings = self.settings.over(strategies, &limits.optimization);
        if let Some(score) = self.min_baseline_score {
            settings.min_baseline_score = score;
        }
        let invalid = settings.validate_for_rules();
        invalid.map_err(|error| JobError::InvalidParams(format!("params: {error}")))?;
        Ok(OptimizePlan {
            document: self.document.prepare(&limits.extract)?,
            settings,
            dry_run: self.dry_run,
        })
    }
}

impl OptimizePlan {
    /// Returns what the author of the job must be allowed to do.
    pub(super) fn need(&self) -> JobNeed {
        JobNeed::On(role(self.dry_run), self.document.ids())
    }

    /// Returns what the ids of the prompts begin with.
    pub(super) fn workflow(&self) -> &str {
        self.document.workflow()
    }
}

const fn role(dry_run: bool) -> Role {
    if dry_run { Role::Read } else { Role::Write }
}

/// What every prompt is worked on with.
struct Shared {
    file: String,
    settings: OptimizationSettings,
    dry_run: bool,
}

/// Optimises the prompts of a plan. What fails is collected, and the rest is done all the same.
///
/// # Errors
/// The job was told to stop, or some prompts could not be done; the result then says which.
pub(super) async fn run(plan: OptimizePlan, context: Context) -> Result<Value, JobFailure> {
    let ImportPlan {
        file,
        workflow,
        empty,
        skipped,
        prompts,
    } = plan.document;
    let total = prompts.len() as u64;
    let shared = Arc::new(Shared {
        file,
        settings: plan.settings,
        dry_run: plan.dry_run,
    });
    let done = each(prompts, &context, |found, context| {
        let shared = Arc::clone(&shared);
        async move { optimize(found, &shared, &context).await }
    });
    let (mut prompts, mut failed) = (Vec::new(), Vec::new());
    for outcome in done.await {
        match outcome {
            Ok(prompt) => prompts.push(prompt),
            Err(prompt) => failed.push(prompt),
        }
    }
    let mut result = OptimizeResult {
        workflow,
        dry_run: shared.dry_run,
        total,
        empty,
        skipped,
        prompts,
        failed,
        ..OptimizeResult::default()
    };
    result.count();
    result.judge()
}

async fn optimize(
    found: FoundPrompt,
    shared: &Shared,
    context: &Context,
) -> Result<OptimizedPrompt, FailedPrompt> {
    let id = found.prompt_id.clone();
    match optimize_one(found, shared, context).await {
        Ok(report) => Ok(report),
        Err(error) => Err(FailedPrompt::of(id, &error)),
    }
}

async fn optimize_one(
    found: FoundPrompt,
    shared: &Shared,
    context: &Context,
) -> Result<OptimizedPrompt, VersionError> {
    let base = base(&found, shared, context).await?;
    let outcome = rewrite(&found, &shared.settings).await?;
    let from = base.as_ref().map(|base| base.version.version.clone());
    let mut candidates = Vec::with_capacity(outcome.candidates.len());
    for candidate in &outcome.candidates {
        let is_new_text = candidate.text != found.prompt.text;
        let kept = match &from {
            Some(parent) if is_new_text && !shared.dry_run => {
                Some(keep(&found, parent, &outcome, candidate, context).await?)
            }
            _ => None,
        };
        let mut report = CandidateReport::of(candidate, &outcome.original);
        report.created = kept.as_ref().is_some_and(|kept| is_of_job(kept, context));
        report.version = kept.map(|kept| kept.version.version.clone());
        report.text = (shared.dry_run && is_new_text).then(|| candidate.text.clone());
        candidates.push(report);
    }
    Ok(OptimizedPrompt {
        prompt_id: found.prompt_id,
        pointer: found.pointer,
        kind: found.kind,
        imported: base.as_ref().is_some_and(|base| is_of_job(base, context)),
        from,
        score: ScoreReport::of(&outcome.original),
        left_alone: left_alone(&found.prompt.text, &outcome, &shared.settings),
        best: outcome.best,
        candidates,
    })
}

/// Finds the version that has the text, or makes one as an import does.
async fn base(
    found: &FoundPrompt,
    shared: &Shared,
    context: &Context,
) -> Result<Option<Created>, VersionError> {
    let mut retries = Retries::default();
    let there = loop {
        let looked = context
            .manager
            .base_of(&found.prompt_id, &found.prompt.text)
            .await;
        match looked {
            Err(error) if retries.again_after(&error, &context.progress).await => {}
            there => break there?,
        }
    };
    match there {
        Some(version) => Ok(Some(Created {
            version,
            is_new: false,
        })),
        None if shared.dry_run => Ok(None),
        None => found.store(&shared.file, context).await.map(Some),
    }
}

/// Goes through the cycle, where its work holds up nobody.
async fn rewrite(found: &FoundPrompt, settings: &OptimizationSettings) -> Result<Outcome, VersionError> {
    let (id, text, settings) = (
        found.prompt_id.clone(),
        found.prompt.text.clone(),
        settings.clone(),
    );
    let work = move || cycle::run(id.as_str(), &text, settings, None);
    let failed = |_| StorageError::Unavailable("the rewriting failed: see the log".into());
    Ok(tokio::task::spawn_blocking(work).await.map_err(failed)?)
}

async fn keep(
    found: &FoundPrompt,
    parent: &Version,
    outcome: &Outcome,
    candidate: &Candidate,
    context: &Context,
) -> Result<Created, VersionError> {
    let mut prompt = found.prompt.clone();
    prompt.text.clone_from(&candidate.text);
    let reasons = candidate.decision.reasons();
    let new = NewCandidate {
        prompt,
        parent: parent.clone(),
        result: outcome.result_of(candidate, &found.prompt.text),
        refusals: reasons.iter().map(ToString::to_string).collect(),
        job_id: context.job_id.as_str().to_owned(),
    };
    let id: &PromptId = &found.prompt_id;
    let mut retries = Retries::default();
    loop {
        match context
            .manager
            .keep_candidate(id, new.clone(), &context.author)
            .await
        {
            Err(error) if retries.again_after(&error, &context.progress).await => {}
            kept => return kept,
        }
    }
}

/// Tells whether this job made a version, be it in this run or in one that a crash ended.
fn is_of_job(made: &Created, context: &Context) -> bool {
    made.is_new || is_made_by(&made.version, context.job_id.as_str())
}

fn left_alone(text: &str, outcome: &Outcome, settings: &OptimizationSettings) -> Option<String> {
    if outcome.is_wanted {
        return None;
    }
    let (chars, limit) = (text.chars().count(), settings.max_prompt_length);
    if chars > limit {
        return Some(format!(
            "it has {chars} characters, and max_prompt_length is {limit}"
        ));
    }
    let (score, least) = (outcome.original.overall_score, settings.min_baseline_score);
    Some(format!("it scores {score:.1}, and min_baseline_score is {least}"))
}
