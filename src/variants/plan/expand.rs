//! `${NAME}` in the texts of a plan.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use super::{Dataset, InputParameter, PromptPatch, TestPlan, Variables};

#[expect(clippy::expect_used, reason = "the pattern is a constant; a test compiles it")]
static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$\{(\w+)\}").expect("the pattern is valid"));

/// Replaces `${NAME}` in every text by the value of the name. A name without a value stays as it is. What comes in is not
/// looked at again, and keys are left alone.
pub(super) fn expand(plan: &mut TestPlan, variables: Variables<'_>) {
    for entry in &mut plan.workflows {
        text(&mut entry.value.catalog_id, variables);
        texts(&mut entry.value.dataset_refs, variables);
        for variant in entry.value.prompt_optimization.iter_mut().flatten() {
            let variant = &mut variant.value;
            text(&mut variant.variant_id, variables);
            optional(&mut variant.fallback_variant, variables);
            variant
                .nodes
                .iter_mut()
                .for_each(|one| patch(&mut one.value, variables));
        }
    }
    for one in &mut plan.test_data.datasets {
        dataset(&mut one.value, variables);
    }
    for entry in plan.catalog.iter_mut().flat_map(|catalog| &mut catalog.workflows) {
        text(&mut entry.id, variables);
        optional(&mut entry.checksum, variables);
        let mut path = entry.dsl_path.to_string_lossy().into_owned();
        text(&mut path, variables);
        entry.dsl_path = path.into();
    }
}

fn patch(patch: &mut PromptPatch, variables: Variables<'_>) {
    let (selector, strategy) = (&mut patch.selector, &mut patch.strategy);
    for one in [
        &mut selector.by_id,
        &mut selector.by_label,
        &mut selector.by_type,
        &mut selector.by_path,
        &mut strategy.content,
        &mut strategy.fallback_value,
    ] {
        optional(one, variables);
    }
    if let Some(template) = &mut strategy.template {
        optional(&mut template.file, variables);
        optional(&mut template.inline, variables);
        template
            .variables
            .values_mut()
            .for_each(|one| value(one, variables));
    }
}

fn dataset(dataset: &mut Dataset, variables: Variables<'_>) {
    text(&mut dataset.name, variables);
    text(&mut dataset.scenario, variables);
    texts(&mut dataset.pairwise_dimensions, variables);
    for (_, parameter) in &mut dataset.parameters.0 {
        let InputParameter {
            values,
            file_pool,
            json_template,
            default,
            ..
        } = parameter;
        let lists = [values, file_pool].into_iter().flatten().flatten();
        let singles = [json_template, default].into_iter().flatten();
        lists.chain(singles).for_each(|one| value(one, variables));
    }
    for flow in &mut dataset.conversation_flows {
        optional(&mut flow.title, variables);
        optional(&mut flow.expected_outcome, variables);
        flow.steps
            .iter_mut()
            .for_each(|step| text(&mut step.message, variables));
    }
}

fn value(there: &mut Value, variables: Variables<'_>) {
    match there {
        Value::String(there) => text(there, variables),
        Value::Array(items) => items.iter_mut().for_each(|item| value(item, variables)),
        Value::Object(entries) => entries.values_mut().for_each(|entry| value(entry, variables)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn texts(there: &mut [String], variables: Variables<'_>) {
    there.iter_mut().for_each(|one| text(one, variables));
}

fn optional(there: &mut Option<String>, variables: Variables<'_>) {
    if let Some(there) = there {
        text(there, variables);
    }
}

fn text(there: &mut String, variables: Variables<'_>) {
    let replaced = NAME.replace_all(there, |found: &Captures<'_>| {
        let [whole, name] = [0, 1].map(|group| found.get(group).map_or("", |found| found.as_str()));
        variables(name).unwrap_or_else(|| whole.to_owned())
    });
    if let std::borrow::Cow::Owned(replaced) = replaced {
        *there = replaced;
    }
}
