//! `optimize`: rewrites the prompts of a workflow document, and keeps what came of it as candidates.
//!
//! Everything that decides is fixed when the job is submitted: the texts of the document, the settings, and what tests of
//! the texts measured. A job that runs
//! again after a crash makes the same candidates, finds those that are kept, and goes on with the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::each::each_while;
use super::import::{FoundPrompt, ImportOrder, ImportPlan};
use super::import_result::FailedPrompt;
use super::optimize_model::{self, Rewritten};
use super::optimize_result::{CandidateReport, ModelReport, OptimizeResult, OptimizedPrompt, ScoreReport};
use super::retry::Retries;
use super::stop::StopConditions;
use super::{Context, JobError, JobFailure, JobLimits, JobNeed, Params};
use crate::access::Role;
use crate::http::wire::RewriteSettings;
use crate::llm::{JobBudget, LanguageModel};
use crate::model::{OptimizationStrategy, PromptId, Version};
use crate::optimizer::cycle::{Candidate, Outcome};
use crate::optimizer::{OptimizationSettings, TestFigures};
use crate::versions::{Created, NewCandidate, VersionError, VersionManager, is_made_by};

/// The most money that a job can be allowed.
pub(crate) const MAX_COST: f64 = 1e6;

/// A workflow document whose prompts are to be optimised.
#[derive(Debug)]
pub(in crate::jobs) struct OptimizeOrder {
    document: ImportOrder,
    strategies: Vec<OptimizationStrategy>,
    settings: RewriteSettings,
    min_baseline_score: Option<f64>,
    stop: StopConditions,
    max_tokens: Option<u64>,
    max_cost: Option<f64>,
    dry_run: bool,
}

/// What was found in the document and how it is to be rewritten, as it stands in the ledger until the job ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct OptimizePlan {
    document: ImportPlan,
    settings: OptimizationSettings,
    #[serde(default)]
    stop: StopConditions,
    /// The most tokens of a language model, besides what is configured.
    #[serde(default)]
    max_tokens: Option<u64>,
    /// The most money for a language model, besides what is configured.
    #[serde(default)]
    max_cost: Option<f64>,
    dry_run: bool,
    /// What was measured of the texts before the job was written down. It decides what is tried, so it must be the same when
    /// the job runs again.
    #[serde(default)]
    tests: BTreeMap<PromptId, Tested>,
}

/// What was measured of one version.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tested {
    version: Version,
    figures: TestFigures,
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
            stop: StopConditions::read(params)?,
            max_tokens: params.count("max_tokens")?,
            max_cost: params.number("max_cost")?,
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
        let invalid = settings.validate();
        invalid.map_err(|error| JobError::InvalidParams(format!("params: {error}")))?;
        if self.max_tokens == Some(0) {
            return Err(JobError::InvalidParams(
                "params.max_tokens must be at least 1".to_owned(),
            ));
        }
        if self
            .max_cost
            .is_some_and(|cost| !(0.0..=MAX_COST).contains(&cost))
        {
            return Err(JobError::InvalidParams(format!(
                "params.max_cost must be 0 to {MAX_COST}"
            )));
        }
        Ok(OptimizePlan {
            document: self.document.prepare(&limits.extract)?,
            settings,
            stop: self.stop,
            max_tokens: self.max_tokens,
            max_cost: self.max_cost,
            dry_run: self.dry_run,
            tests: BTreeMap::new(),
        })
    }
}

impl OptimizePlan {
    /// Fixes what was measured of the versions that have the texts of the document, where there is enough of it.
    ///
    /// # Errors
    /// `unavailable` when the store cannot be asked now.
    pub(super) async fn fix_tests(&mut self, manager: &VersionManager) -> Result<(), JobError> {
        for found in &self.document.prompts {
            let figures = tests_of(found, manager).await.map_err(|error| {
                let prompt = &found.prompt_id;
                JobError::Unavailable(format!("reading the test results of {prompt}: {error}"))
            })?;
            if let Some(tested) = figures {
                self.tests.insert(found.prompt_id.clone(), tested);
            }
        }
        Ok(())
    }

    /// Returns what the author of the job must be allowed to do.
    pub(super) fn need(&self) -> JobNeed {
        JobNeed::On(role(self.dry_run), self.document.ids())
    }

    /// Returns what the ids of the prompts begin with.
    pub(super) fn workflow(&self) -> &str {
        self.document.workflow()
    }

    /// Checks that there is a model for the strategies that ask one, and that its cost can be counted.
    pub(super) fn check_model(&self, model: Option<&LanguageModel>) -> Result<(), JobError> {
        let Some(strategy) = self.settings.first_by_model() else {
            return Ok(());
        };
        let refuse = |message: String| Err(JobError::InvalidParams(message));
        match model {
            None => refuse(format!(
                "params: the strategy {} asks a language model, and none is configured: set optimizer.llm.endpoint and \
                 optimizer.llm.model and restart promptd, or name conservative, clarity_focus, efficiency_focus, \
                 structure_focus or auto",
                strategy.as_str()
            )),
            Some(model) if self.max_cost.is_some() && !model.has_prices() => refuse(
                "params.max_cost needs the prices: set optimizer.llm.budget.price_per_million_prompt_tokens and \
                 optimizer.llm.budget.price_per_million_answer_tokens"
                    .to_owned(),
            ),
            Some(_) => Ok(()),
        }
    }
}

const fn role(dry_run: bool) -> Role {
    if dry_run { Role::Read } else { Role::Write }
}

/// What every prompt is worked on with.
struct Shared {
    file: String,
    settings: OptimizationSettings,
    budget: JobBudget,
    dry_run: bool,
    tests: BTreeMap<PromptId, Tested>,
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
        budget: JobBudget {
            job_id: context.job_id.as_str().to_owned(),
            max_tokens: plan.max_tokens,
            max_cost: plan.max_cost,
        },
        dry_run: plan.dry_run,
        tests: plan.tests,
    });
    let mut watch = plan.stop.watch();
    let done = each_while(prompts, &context, &mut watch, |found, context| {
        let shared = Arc::clone(&shared);
        async move { optimize(found, &shared, &context).await }
    });
    let (mut prompts, mut failed) = (Vec::new(), Vec::new());
    for outcome in done.await {
        match outcome {
            Ok(Some(prompt)) => prompts.push(prompt),
            Ok(None) => {}
            Err(prompt) => failed.push(prompt),
        }
    }
    let mut result = OptimizeResult {
        stopped: watch.into_reason(),
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
    result.model = model_report(&result, &shared.settings, &context).await;
    result.judge()
}

/// Says what the language model took, when one was to be asked.
async fn model_report(
    result: &OptimizeResult,
    settings: &OptimizationSettings,
    context: &Context,
) -> Option<ModelReport> {
    settings.first_by_model()?;
    let model = context.language_model.as_ref()?;
    let (tokens, cost) = model.spent_by(context.job_id.as_str()).await;
    Some(ModelReport {
        model: model.name().to_owned(),
        answers: result.model_uses().count() as u64,
        kept_answers: result.model_uses().filter(|model_use| model_use.is_kept).count() as u64,
        tokens,
        cost,
    })
}

async fn optimize(
    found: FoundPrompt,
    shared: &Shared,
    context: &Context,
) -> Result<Option<OptimizedPrompt>, FailedPrompt> {
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
) -> Result<Option<OptimizedPrompt>, VersionError> {
    let base = base(&found, shared, context).await?;
    let from = base.as_ref().map(|base| base.version.version.clone());
    let tested = shared.tests.get(&found.prompt_id);
    let tests = tested
        .filter(|tested| from.as_ref() == Some(&tested.version))
        .map(|tested| tested.figures);
    let rewritten = optimize_model::rewrite(&found, &shared.settings, tests, &shared.budget, context).await?;
    let Some(Rewritten { outcome, skipped }) = rewritten else {
        return Ok(None);
    };
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
    Ok(Some(OptimizedPrompt {
        prompt_id: found.prompt_id,
        pointer: found.pointer,
        kind: found.kind,
        imported: base.as_ref().is_some_and(|base| is_of_job(base, context)),
        from,
        score: ScoreReport::of(&outcome.original),
        tests,
        left_alone: left_alone(&found.prompt.text, &outcome, &shared.settings),
        best: outcome.best,
        candidates,
        skipped,
    }))
}

/// Reads what was measured of the version that has the text of a document; nothing when it is too little.
async fn tests_of(found: &FoundPrompt, manager: &VersionManager) -> Result<Option<Tested>, VersionError> {
    let base = match manager.base_of(&found.prompt_id, &found.prompt.text).await {
        Ok(Some(base)) => base,
        Ok(None) => return Ok(None),
        // The job itself will say so of this prompt.
        Err(error) if matches!(error.code(), "corrupt-version" | "edited-version") => return Ok(None),
        Err(error) => return Err(error),
    };
    let version = base.version.clone();
    let figures = manager.usable_figures(&found.prompt_id, &version).await?;
    let figures = manager.evidence_rules().enough(figures);
    Ok(figures.map(|figures| Tested {
        version,
        figures: figures.for_strategy(),
    }))
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
