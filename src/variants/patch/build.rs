//! Making the document of a variant.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{Field, Workflow};
use super::select::select;
use super::transform::transform;
use super::{Sources, fields};
use crate::dify::{self, ExtractOptions, PromptReplacement, Replacement};
use crate::model::PromptId;
use crate::optimizer::references_in;
use crate::variants::plan::{IfMissing, Lined, PromptPatch, PromptVariant, References};

/// The document of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The name of the variant.
    pub variant: String,
    /// The document, which differs from the original in exactly the changes.
    pub document: Vec<u8>,
    /// What is different, in the order of the pointers.
    pub changes: Vec<Change>,
    /// The text of every prompt of the document, in its order.
    pub texts: Vec<String>,
    /// What somebody should know.
    pub notes: Vec<String>,
}

/// A text that is another one than in the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub pointer: String,
    /// Which prompt, if it is one.
    pub prompt_id: Option<PromptId>,
    /// The text in the original.
    pub before: String,
    /// The text in the variant.
    pub after: String,
}

/// Returns the workflow as it is, as a variant.
#[must_use]
pub fn unchanged(workflow: &Workflow, variant: &str) -> Built {
    Built {
        variant: variant.to_owned(),
        document: workflow.document.clone(),
        changes: Vec::new(),
        texts: workflow
            .prompts
            .iter()
            .map(|prompt| prompt.text.clone())
            .collect(),
        notes: Vec::new(),
    }
}

/// Makes the document of a variant: its patches are applied in their order, each to what the one before has left.
///
/// # Errors
/// In words, with the line of the patch: what it means is not there and has to be, its template fails, a reference would be
/// lost, or the document cannot hold the text.
pub fn build(workflow: &Workflow, variant: &PromptVariant, sources: &Sources) -> Result<Built, String> {
    let mut texts: BTreeMap<String, (Field, String)> = BTreeMap::new();
    let mut notes = Vec::new();
    for patch in &variant.nodes {
        apply(workflow, patch, sources, &mut texts, &mut notes)
            .map_err(|reason| format!("line {}: {reason}", patch.line))?;
    }
    let changed = |(field, text): &(Field, String)| field.text.as_ref().is_ok_and(|old| old != text);
    let changed: Vec<(Field, String)> = texts.into_values().filter(changed).collect();
    if changed.is_empty() {
        notes.push("it is the same as the default".to_owned());
    }
    let document = write(workflow, &changed)?;
    Ok(finish(workflow, variant, document, changed, notes))
}

fn apply(
    workflow: &Workflow,
    patch: &Lined<PromptPatch>,
    sources: &Sources,
    texts: &mut BTreeMap<String, (Field, String)>,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    let PromptPatch { selector, strategy } = &patch.value;
    let constraints = selector.constraints;
    let mut missing = |reason: String| match constraints.if_missing {
        IfMissing::Error => Err(reason),
        IfMissing::Skip => {
            notes.push(format!("line {}: {reason}; skipped", patch.line));
            Ok(())
        }
    };
    let selected = select(workflow, selector);
    if selected.is_empty() {
        return missing("the selector matches nothing in the workflow".to_owned());
    }
    let mut asides = Vec::new();
    for field in selected {
        let original = match &field.text {
            Ok(original) => original,
            Err(reason) => {
                missing(format!("{}: {reason}", field.pointer))?;
                continue;
            }
        };
        let current = texts
            .get(&field.pointer)
            .map_or(original, |(_, text)| text)
            .clone();
        let prompt = field.prompt.and_then(|at| workflow.prompts.get(at));
        let is_jinja2 = prompt.map(|prompt| prompt.kind.is_jinja2());
        let new = transform(strategy, &current, is_jinja2, sources)
            .map_err(|reason| format!("{}: {reason}", field.pointer))?;
        if constraints.references == References::Keep {
            keeps_references(&current, &new.text).map_err(|reason| format!("{}: {reason}", field.pointer))?;
        }
        asides.extend(
            new.note
                .map(|note| format!("line {}: {}: {note}", patch.line, field.pointer)),
        );
        texts.insert(field.pointer.clone(), (field, new.text));
    }
    notes.extend(asides);
    Ok(())
}

/// Refuses a text that does not have exactly the references of the one before; how often does not count.
fn keeps_references(old: &str, new: &str) -> Result<(), String> {
    let [old, new] = [old, new].map(|text| references_in(text).into_iter().collect::<BTreeSet<_>>());
    let named = |references: Vec<&&str>| references.into_iter().copied().collect::<Vec<_>>().join(", ");
    let lost = named(old.difference(&new).collect());
    let added = named(new.difference(&old).collect());
    let what = match (lost.is_empty(), added.is_empty()) {
        (true, true) => return Ok(()),
        (false, true) => format!("the new text loses {lost}"),
        (true, false) => format!("the new text adds {added}"),
        (false, false) => format!("the new text loses {lost} and adds {added}"),
    };
    Err(format!("{what}: mend it, or set `constraints.references: allow`"))
}

/// Writes the new texts into the document.
fn write(workflow: &Workflow, changed: &[(Field, String)]) -> Result<Vec<u8>, String> {
    let options = ExtractOptions::default();
    let (mut prompts, mut others) = (Vec::new(), Vec::new());
    for (field, text) in changed {
        let expected = field.text.clone().unwrap_or_default();
        match fields::id(workflow, field) {
            Some(prompt_id) => prompts.push(PromptReplacement {
                prompt_id: prompt_id.clone(),
                expected,
                text: text.clone(),
            }),
            None => others.push(Replacement {
                pointer: field.pointer.clone(),
                expected,
                text: text.clone(),
            }),
        }
    }
    let patched = dify::patch_prompts(&workflow.document, &workflow.slug, &prompts, &options)
        .map_err(|error| error.to_string())?;
    for (outcome, prompt) in patched.prompts.iter().zip(&prompts) {
        if let Err(refusal) = outcome {
            return Err(format!("{}: {refusal}", prompt.prompt_id));
        }
    }
    if others.is_empty() {
        return Ok(patched.bytes);
    }
    let patched =
        dify::patch_document(&patched.bytes, &others, &options.limits).map_err(|error| error.to_string())?;
    for (outcome, other) in patched.places.iter().zip(&others) {
        if let Err(refusal) = outcome {
            return Err(format!("{}: {refusal}", other.pointer));
        }
    }
    Ok(patched.bytes)
}

fn finish(
    workflow: &Workflow,
    variant: &PromptVariant,
    document: Vec<u8>,
    changed: Vec<(Field, String)>,
    notes: Vec<String>,
) -> Built {
    let mut built = Built {
        document,
        notes,
        ..unchanged(workflow, &variant.variant_id)
    };
    for (field, after) in changed {
        if let Some(text) = field.prompt.and_then(|at| built.texts.get_mut(at)) {
            text.clone_from(&after);
        }
        built.changes.push(Change {
            prompt_id: fields::id(workflow, &field).cloned(),
            before: field.text.unwrap_or_default(),
            pointer: field.pointer,
            after,
        });
    }
    built
}
