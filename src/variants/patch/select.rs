//! Which fields a selector means.

use super::fields::{Field, Workflow};
use crate::variants::plan::PromptSelector;

/// Returns the fields that satisfy everything that the selector gives, in the order of the document or of the catalogue.
pub(super) fn select(workflow: &Workflow, selector: &PromptSelector) -> Vec<Field> {
    let wanted = selector.constraints.workflow_type;
    if selector.is_empty() || (wanted.is_some() && wanted != workflow.kind) {
        return Vec::new();
    }
    let path = selector.by_path.as_deref().map(|path| workflow.resolve(path));
    let found: Vec<Field> = workflow
        .fields
        .iter()
        .filter(|field| matches(workflow, field, selector, path.as_ref().map(Option::as_deref)))
        .cloned()
        .collect();
    match path.flatten() {
        Some(pointer) if found.is_empty() && is_path_alone(selector) => of_text(workflow, &pointer),
        _ => found,
    }
}

/// Returns the text at a pointer, although it is no prompt that anybody knows of.
fn of_text(workflow: &Workflow, pointer: &str) -> Vec<Field> {
    let field = workflow.field_at(pointer);
    if field.text.is_ok() {
        vec![field]
    } else {
        Vec::new()
    }
}

fn is_path_alone(selector: &PromptSelector) -> bool {
    let others = [&selector.by_id, &selector.by_label, &selector.by_type];
    others.iter().all(|other| other.is_none()) && selector.by_prompt.is_none()
}

fn matches(
    workflow: &Workflow,
    field: &Field,
    selector: &PromptSelector,
    path: Option<Option<&str>>,
) -> bool {
    let is = |wanted: &Option<String>, there: &Option<String>| wanted.is_none() || wanted == there;
    let by_label = selector.by_label.as_ref().is_none_or(|wanted| {
        let label = field.label.as_deref().unwrap_or_default().to_lowercase();
        label.contains(&wanted.to_lowercase())
    });
    let by_path = path.is_none_or(|path| path.is_some_and(|path| is_within(&field.pointer, path)));
    let by_prompt = selector.by_prompt.as_ref().is_none_or(|wanted| {
        let id = field.prompt.and_then(|at| workflow.ids.get(at));
        id == Some(wanted)
    });
    is(&selector.by_id, &field.node_id)
        && is(&selector.by_type, &field.kind)
        && by_label
        && by_path
        && by_prompt
}

/// Tells whether a place is another one or lies in it.
fn is_within(pointer: &str, place: &str) -> bool {
    pointer
        .strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
