//! A plan and a workflow become documents and cases.

use std::collections::{HashMap, HashSet};

use super::cases::combine;
use super::manifest::Case;
use super::patch::{Built, Sources, Workflow, build, unchanged};
use super::plan::{Dataset, Datasets, Lined, PromptVariant, WorkflowPlanEntry};
use super::{DEFAULT_VARIANT, document_name};
use crate::model::sha256_hex;

/// The most cases of an outbox.
pub const MAX_CASES: usize = 100_000;
/// The most bytes that the documents of an outbox may have together.
pub const MAX_OUTBOX_BYTES: usize = 512 << 20;
/// The dataset of a case that has none.
const NO_DATASET: &str = "default";
/// The scenario of such a case.
const NO_SCENARIO: &str = "normal";

/// What is to be made of a workflow.
#[derive(Debug)]
pub struct Entry<'p> {
    /// The workflow, as the cases call it.
    pub workflow_id: &'p str,
    /// The variants besides the default.
    pub variants: Vec<&'p PromptVariant>,
    /// The inputs.
    pub datasets: Vec<&'p Dataset>,
    /// All inputs that there are, for their strategy.
    pub all: &'p Datasets,
}

/// What was made.
#[derive(Debug)]
pub struct Assembled {
    /// The variants, the default first, each with the name of its file.
    pub variants: Vec<(String, Built)>,
    /// The cases.
    pub cases: Vec<Case>,
    /// What somebody should know.
    pub warnings: Vec<String>,
}

/// Returns the entry of a plan that is meant: the one that is asked for, or the only enabled one that fits, or the only enabled
/// one.
///
/// # Errors
/// In words, when none or several could be meant.
pub fn choose_entry<'p>(
    entries: &'p [Lined<WorkflowPlanEntry>],
    wanted: Option<&str>,
    fits: impl Fn(&str) -> bool,
) -> Result<&'p WorkflowPlanEntry, String> {
    if let Some(wanted) = wanted {
        let found = entries.iter().find(|entry| entry.value.catalog_id == wanted);
        let found = found.ok_or_else(|| format!("the plan has no workflow '{wanted}'"))?;
        return match found.value.enabled {
            true => Ok(&found.value),
            false => Err(format!(
                "line {}: the workflow '{wanted}' is not enabled",
                found.line
            )),
        };
    }
    let enabled = || {
        entries
            .iter()
            .map(|entry| &entry.value)
            .filter(|entry| entry.enabled)
    };
    let fitting: Vec<_> = enabled().filter(|entry| fits(&entry.catalog_id)).collect();
    let all: Vec<_> = enabled().collect();
    match (fitting.as_slice(), all.as_slice()) {
        ([one], _) | ([], [one]) => Ok(one),
        (_, []) => Err("no workflow of the plan is enabled".to_owned()),
        _ => {
            let names: Vec<&str> = all.iter().map(|entry| entry.catalog_id.as_str()).collect();
            Err(format!("the plan is for several workflows: {}", names.join(", ")))
        }
    }
}

/// Makes the documents and the cases.
///
/// # Errors
/// In words: a variant that cannot be made and has no fallback, a dataset that is not there, a limit.
pub fn assemble(
    workflow: &Workflow,
    entry: &Entry<'_>,
    sources: &Sources,
    file: &str,
) -> Result<Assembled, String> {
    let (built, mut warnings) = build_all(workflow, entry, sources)?;
    let mut names = HashSet::new();
    let mut variants = Vec::with_capacity(built.len());
    let mut bytes = 0_usize;
    for one in built {
        let name = document_name(&workflow.slug, &one.variant, file);
        if !names.insert(name.clone()) {
            return Err(format!(
                "the variant '{}' would be a second {name}: rename it",
                one.variant
            ));
        }
        bytes = bytes.saturating_add(one.document.len());
        if bytes > MAX_OUTBOX_BYTES {
            return Err(format!(
                "the documents have more than {MAX_OUTBOX_BYTES} bytes together: split the plan"
            ));
        }
        warnings.extend(
            one.notes
                .iter()
                .map(|note| format!("variant '{}': {note}", one.variant)),
        );
        variants.push((name, one));
    }
    let cases = cases(entry, &variants, &mut warnings)?;
    Ok(Assembled {
        variants,
        cases,
        warnings,
    })
}

/// Makes every document that can be made. One that cannot is left out where its fallback stands in for it.
fn build_all(
    workflow: &Workflow,
    entry: &Entry<'_>,
    sources: &Sources,
) -> Result<(Vec<Built>, Vec<String>), String> {
    let (mut built, mut warnings) = (vec![unchanged(workflow, DEFAULT_VARIANT)], Vec::new());
    for variant in &entry.variants {
        match (build(workflow, variant, sources), &variant.fallback_variant) {
            (Ok(one), _) => built.push(one),
            (Err(reason), None) => return Err(format!("variant '{}': {reason}", variant.variant_id)),
            (Err(reason), Some(fallback)) => warnings.push(format!(
                "variant '{}': {reason}; it is left out, and '{fallback}' stands in for it",
                variant.variant_id
            )),
        }
    }
    Ok((built, warnings))
}

fn cases(
    entry: &Entry<'_>,
    variants: &[(String, Built)],
    warnings: &mut Vec<String>,
) -> Result<Vec<Case>, String> {
    let mut inputs = Vec::new();
    for dataset in &entry.datasets {
        let combined = combine(dataset, &entry.all.strategy)
            .map_err(|reason| format!("dataset '{}': {reason}", dataset.name))?;
        let made = combined.inputs.len();
        if combined.wanted > made as u128 {
            warnings.push(format!(
                "dataset '{}': {made} of {} combinations are made: `max_cases` is the limit",
                dataset.name, combined.wanted
            ));
        }
        inputs.extend(combined.inputs.into_iter().map(|one| (*dataset, one)));
    }
    let total = inputs.len().max(1).saturating_mul(variants.len());
    if total > MAX_CASES {
        return Err(format!(
            "{total} cases; the limit is {MAX_CASES}: set `max_cases`, or split the plan"
        ));
    }
    let mut cases = Vec::with_capacity(total);
    for (_, variant) in variants {
        let document = sha256_hex(&variant.document);
        let empty = |dataset: &str, scenario: &str| Case {
            case_id: String::new(),
            workflow_id: entry.workflow_id.to_owned(),
            variant: variant.variant.clone(),
            dataset: dataset.to_owned(),
            scenario: scenario.to_owned(),
            parameters: serde_json::Map::new(),
            conversation_flow: None,
        };
        if inputs.is_empty() {
            cases.push(empty(NO_DATASET, NO_SCENARIO).named(&document, 0));
        }
        let mut met: HashMap<String, usize> = HashMap::new();
        for (dataset, one) in &inputs {
            let case = Case {
                parameters: one.parameters.clone(),
                conversation_flow: one.conversation_flow.clone(),
                ..empty(&dataset.name, &dataset.scenario)
            };
            let first = case.clone().named(&document, 0);
            let times = met.entry(first.case_id.clone()).or_default();
            cases.push(if *times == 0 {
                first
            } else {
                case.named(&document, *times)
            });
            *times += 1;
        }
    }
    Ok(cases)
}
