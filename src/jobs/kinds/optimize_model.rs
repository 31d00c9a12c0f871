//! The cycle of one prompt: rules where they do, the language model where a strategy asks it.

use tokio::task::spawn_blocking;

use super::Context;
use super::import::FoundPrompt;
use super::optimize_result::SkippedStrategy;
use crate::llm::{JobBudget, LlmError, Task};
use crate::model::{ModelUse, OptimizationChange};
use crate::optimizer::cycle::{Cycle, Outcome, Rewriting, Step, drive_rules};
use crate::optimizer::strategy;
use crate::optimizer::{OptimizationSettings, TestFigures};
use crate::storage::StorageError;
use crate::versions::VersionError;

/// The rule that a change by a language model is recorded under.
const MODEL_RULE: &str = "language-model";

/// What came of a prompt.
pub(super) struct Rewritten {
    pub(super) outcome: Outcome,
    pub(super) skipped: Vec<SkippedStrategy>,
}

/// Why a step was not done: a stable word, and a sentence.
struct NotDone(&'static str, String);

/// Goes through the cycle, where its work holds up nobody. `None` when the job was told to stop meanwhile: a call that is
/// waited for ends at once.
pub(super) async fn rewrite(
    found: &FoundPrompt,
    settings: &OptimizationSettings,
    tests: Option<TestFigures>,
    budget: &JobBudget,
    context: &Context,
) -> Result<Option<Rewritten>, VersionError> {
    let (id, text) = (found.prompt_id.clone(), found.prompt.text.clone());
    let settings = settings.clone();
    let (mut cycle, mut next) = apart(move || {
        let mut cycle = Cycle::new(id.as_str(), &text, settings, tests.as_ref());
        let next = drive_rules(&mut cycle);
        (cycle, next)
    })
    .await?;
    let mut skipped = Vec::new();
    while let Some(step) = next {
        let answer = tokio::select! {
            answer = ask(&step, budget, context) => answer,
            () = context.progress.cancelled() => return Ok(None),
        };
        let rewriting = answer.map_err(|why| skipped.push(skip(&step, why))).ok();
        (cycle, next) = apart(move || {
            match rewriting {
                Some(rewriting) => drop(cycle.offer(rewriting)),
                None => cycle.skip(),
            }
            let next = drive_rules(&mut cycle);
            (cycle, next)
        })
        .await?;
    }
    let outcome = cycle.finish();
    Ok(Some(Rewritten { outcome, skipped }))
}

/// Works on a thread where that may take its time.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StorageError> {
    let failed = |_| StorageError::Unavailable("the rewriting failed: see the log".into());
    spawn_blocking(work).await.map_err(failed)
}

async fn ask(step: &Step, budget: &JobBudget, context: &Context) -> Result<Rewriting, NotDone> {
    let Some(model) = &context.language_model else {
        let reason = "no language model is configured any more: set optimizer.llm.endpoint";
        return Err(NotDone("no-model", reason.to_owned()));
    };
    let prepared = strategy::prepare(step.strategy, &step.text);
    let text = prepared.as_ref().map_or(&step.text, |prepared| &prepared.text);
    let task = Task {
        strategy: step.strategy,
        text,
        round: step.round,
        job: budget,
    };
    let written = model.rewrite(&task).await?;
    let by_rules = prepared.iter().flat_map(|prepared| &prepared.changes);
    let mut changes: Vec<OptimizationChange> = by_rules.map(OptimizationChange::from).collect();
    if written.text != *text {
        changes.push(change_by(&written.model_use));
    }
    Ok(Rewriting {
        text: written.text,
        changes,
        model_use: Some(written.model_use),
    })
}

/// A model rewrites a text as a whole; both texts are in the record of the candidate.
fn change_by(model_use: &ModelUse) -> OptimizationChange {
    OptimizationChange {
        rule_id: MODEL_RULE.to_owned(),
        description: format!("Written by the language model {}.", model_use.model),
        location: None,
        before: None,
        after: None,
    }
}

fn skip(step: &Step, NotDone(code, reason): NotDone) -> SkippedStrategy {
    SkippedStrategy {
        requested: step.requested,
        strategy: step.strategy,
        round: step.round,
        code: code.to_owned(),
        reason,
    }
}

impl From<LlmError> for NotDone {
    fn from(error: LlmError) -> Self {
        Self(error.code(), error.to_string())
    }
}
