//! What parses and makes no sense.

use std::collections::HashSet;

use super::{
    Datasets, ExecutionPolicy, MAX_DATASETS, MAX_PATCHES, MAX_VARIANTS, PatchMode, PlanError, PromptPatch,
    PromptVariant, TestPlan, WorkflowCatalog,
};
use crate::variants::DEFAULT_VARIANT;
use crate::variants::cases::values;

/// The most cases that are run at once.
const MAX_CONCURRENCY: usize = 256;
/// The most attempts at one case.
const MAX_ATTEMPTS: u32 = 100;
/// The longest pause and the longest time limit, in seconds: a week.
const MAX_SECONDS: f64 = 604_800.0;

/// Checks a plan; which datasets it names is checked when all of them are known.
pub(super) fn plan(plan: &TestPlan) -> Result<(), PlanError> {
    if plan.workflows.is_empty() {
        return Err(PlanError::invalid(1, "`workflows` is empty: name a workflow"));
    }
    for entry in &plan.workflows {
        let variants = entry.value.variants();
        if variants.len() > MAX_VARIANTS {
            let message = format!(
                "{} variants; the limit is {MAX_VARIANTS}: split the plan",
                variants.len()
            );
            return Err(PlanError::invalid(entry.line, message));
        }
        for one in variants {
            let variants = variants.iter().map(|other| &other.value);
            variant(&one.value, variants).map_err(|message| PlanError::invalid(one.line, message))?;
            for one in &one.value.nodes {
                patch(&one.value).map_err(|message| PlanError::invalid(one.line, message))?;
            }
        }
    }
    datasets(&plan.test_data)?;
    execution(&plan.execution).map_err(|message| PlanError::invalid(1, format!("`execution`: {message}")))?;
    plan.catalog.as_ref().map_or(Ok(()), catalog)
}

/// Checks a catalogue.
pub(super) fn catalog(catalog: &WorkflowCatalog) -> Result<(), PlanError> {
    let mut seen = HashSet::new();
    match catalog
        .workflows
        .iter()
        .find(|entry| !seen.insert(entry.id.as_str()))
    {
        Some(twice) => Err(PlanError::invalid(
            1,
            format!("the catalogue has the workflow '{}' twice: remove one", twice.id),
        )),
        None => Ok(()),
    }
}

/// Checks datasets.
pub(super) fn datasets(datasets: &Datasets) -> Result<(), PlanError> {
    let mut names = HashSet::new();
    if datasets.datasets.len() > MAX_DATASETS {
        let count = datasets.datasets.len();
        let message = format!("{count} datasets; the limit is {MAX_DATASETS}: split the plan");
        return Err(PlanError::invalid(1, message));
    }
    for one in &datasets.datasets {
        let invalid = |message: String| PlanError::invalid(one.line, message);
        let dataset = &one.value;
        if dataset.name.trim().is_empty() {
            return Err(invalid("the dataset has no name".to_owned()));
        }
        if !names.insert(dataset.name.as_str()) {
            return Err(invalid(format!(
                "the dataset '{}' is there twice: rename one",
                dataset.name
            )));
        }
        let mut dimensions = HashSet::new();
        for dimension in &dataset.pairwise_dimensions {
            if !dataset.parameters.0.iter().any(|(name, _)| name == dimension) {
                return Err(invalid(format!(
                    "`pairwise_dimensions` names '{dimension}', which is no parameter"
                )));
            }
            if !dimensions.insert(dimension) {
                return Err(invalid(format!(
                    "`pairwise_dimensions` names '{dimension}' twice"
                )));
            }
        }
        for (name, parameter) in &dataset.parameters.0 {
            values::of(parameter).map_err(|message| invalid(format!("parameter '{name}': {message}")))?;
        }
    }
    if datasets.strategy.max_cases == Some(0) {
        return Err(PlanError::invalid(
            1,
            "`strategy.max_cases` is 0: give at least 1",
        ));
    }
    Ok(())
}

fn variant<'v>(
    variant: &PromptVariant,
    mut all: impl Iterator<Item = &'v PromptVariant> + Clone,
) -> Result<(), String> {
    let id = &variant.variant_id;
    if id.trim().is_empty() {
        return Err("the variant has no `variant_id`".to_owned());
    }
    if id == DEFAULT_VARIANT {
        return Err(format!(
            "'{DEFAULT_VARIANT}' is the workflow as it is: give the variant another `variant_id`"
        ));
    }
    if all.clone().filter(|other| other.variant_id == *id).count() > 1 {
        return Err(format!("the variant '{id}' is there twice: rename one"));
    }
    if variant.nodes.is_empty() {
        return Err(format!(
            "the variant '{id}' changes nothing: give it `nodes`, or remove it"
        ));
    }
    if variant.nodes.len() > MAX_PATCHES {
        return Err(format!(
            "{} patches; the limit is {MAX_PATCHES}",
            variant.nodes.len()
        ));
    }
    match &variant.fallback_variant {
        Some(fallback) if fallback == id => Err(format!("the variant '{id}' falls back to itself")),
        Some(fallback) if fallback != DEFAULT_VARIANT && !all.any(|other| other.variant_id == *fallback) => {
            Err(format!(
                "the variant '{id}' falls back to '{fallback}', which is not there"
            ))
        }
        _ => Ok(()),
    }
}

fn patch(patch: &PromptPatch) -> Result<(), String> {
    if patch.selector.is_empty() {
        return Err(
            "the selector is empty and would change every prompt: give `by_id`, `by_label`, `by_type`, `by_path` or \
             `by_prompt`"
                .to_owned(),
        );
    }
    let selector = &patch.selector;
    let texts = [
        &selector.by_id,
        &selector.by_label,
        &selector.by_type,
        &selector.by_path,
    ];
    if texts.into_iter().flatten().any(|text| text.trim().is_empty()) {
        return Err(
            "a criterion of the selector is an empty text: remove it, or say what it means".to_owned(),
        );
    }
    let strategy = &patch.strategy;
    if strategy.mode == PatchMode::Template {
        if strategy.content.is_some() || strategy.reference.is_some() {
            return Err("mode `template` takes `template`, not `content` or `ref`".to_owned());
        }
        let given = strategy.template.as_ref().map(|one| (&one.file, &one.inline));
        return match given {
            Some((Some(_), None) | (None, Some(_))) => Ok(()),
            _ => Err("mode `template` needs `template` with either `file` or `inline`".to_owned()),
        };
    }
    if strategy.template.is_some() || strategy.fallback_value.is_some() {
        return Err("`template` and `fallback_value` are for mode `template`".to_owned());
    }
    match (&strategy.content, &strategy.reference) {
        (Some(content), None) if content.trim().is_empty() => {
            Err("`content` is empty, so nothing would change: write the text".to_owned())
        }
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (Some(_), Some(_)) => Err("`content` and `ref` are both given: give one".to_owned()),
        (None, None) => Err("there is no text: give `content`, or `ref` for a stored version".to_owned()),
    }
}

/// Checks how cases are run.
pub(crate) fn execution(policy: &ExecutionPolicy) -> Result<(), String> {
    let within = |name: &str, value: f64, least: f64, most: f64| {
        if value >= least && value <= most {
            Ok(())
        } else {
            Err(format!("`{name}` is {value}, but must be {least} to {most}"))
        }
    };
    if !(1..=MAX_CONCURRENCY).contains(&policy.concurrency) {
        return Err(format!(
            "`concurrency` is {}, but must be 1 to {MAX_CONCURRENCY}",
            policy.concurrency
        ));
    }
    if policy.batch_size == Some(0) {
        return Err("`batch_size` is 0, but must be at least 1".to_owned());
    }
    if policy
        .rate_control
        .is_some_and(|rate| rate.per_minute == 0 || rate.burst == 0)
    {
        return Err("`rate_control`: `per_minute` and `burst` must be at least 1".to_owned());
    }
    let retry = &policy.retry_policy;
    if !(1..=MAX_ATTEMPTS).contains(&retry.max_attempts) {
        return Err(format!(
            "`retry_policy.max_attempts` is {}, but must be 1 to {MAX_ATTEMPTS}",
            retry.max_attempts
        ));
    }
    within("backoff_seconds", policy.backoff_seconds, 0.0, MAX_SECONDS)?;
    within(
        "retry_policy.backoff_seconds",
        retry.backoff_seconds,
        0.0,
        MAX_SECONDS,
    )?;
    within(
        "retry_policy.backoff_multiplier",
        retry.backoff_multiplier,
        1.0,
        100.0,
    )?;
    let stop = &policy.stop_conditions;
    if stop.timeout.is_some() && stop.timeout_minutes.is_some() {
        return Err("`stop_conditions` has `timeout` and `timeout_minutes`: give one".to_owned());
    }
    let limits = [
        ("timeout", stop.timeout),
        (
            "timeout_minutes",
            stop.timeout_minutes.map(|minutes| minutes * 60.0),
        ),
        ("timeout_per_task", stop.timeout_per_task),
    ];
    for (name, limit) in limits {
        within(
            &format!("stop_conditions.{name}"),
            limit.unwrap_or(1.0),
            0.001,
            MAX_SECONDS,
        )?;
    }
    if stop.max_failures == Some(0) {
        return Err("`stop_conditions.max_failures` is 0, but must be at least 1".to_owned());
    }
    let rate = stop.min_success_rate.unwrap_or(0.0);
    within("stop_conditions.min_success_rate", rate, 0.0, 1.0)
}
