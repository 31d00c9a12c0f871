//! Putting prompts back by their ids: wherever they stand in the document now.

use std::collections::{HashMap, HashSet};

use super::error::{PatchError, Refusal};
use super::{PatchedPlace, Replacement, patch_document};
use crate::dify::document::parse_document;
use crate::dify::extraction::{ExtractedPrompt, Extraction, Owner};
use crate::dify::ids::prompt_ids;
use crate::dify::limits::ExtractOptions;
use crate::dify::locate::extract;
use crate::dify::references::selectors;
use crate::dify::tree::Node;
use crate::model::{MAX_PROMPT_CHARS, PromptId};

/// What the first part of a selector may be besides a node.
const POOLS: [&str; 4] = ["sys", "env", "conversation", "rag"];

/// A text to put back for a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptReplacement {
    /// The prompt, as [`prompt_ids`] names it in the document.
    pub prompt_id: PromptId,
    /// The text that it has to have now.
    pub expected: String,
    /// The text that it shall have.
    pub text: String,
}

/// A document with prompts put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptPatch {
    /// The whole document, with every replacement that was not refused.
    pub bytes: Vec<u8>,
    /// What came of each replacement, in their order.
    pub prompts: Vec<Result<ReplacedPrompt, Refusal>>,
}

/// A prompt that has the text that it shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedPrompt {
    /// Where and how its text is written.
    pub place: PatchedPlace,
    /// Where the basic text of a Jinja2 prompt was written along, since it was the same as the Jinja2 text before.
    pub also: Option<String>,
    /// References that the old text has and the new one has not.
    pub lost_references: Vec<String>,
    /// References that the new text has and the old one has not.
    pub new_references: Vec<String>,
}

impl PromptPatch {
    /// Tells whether nothing was refused.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.prompts.iter().all(Result::is_ok)
    }

    /// Tells whether any text is another one than before.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.prompts
            .iter()
            .flatten()
            .any(|prompt| prompt.place.is_changed)
    }
}

/// Replaces the texts of prompts in a workflow document.
///
/// A prompt is found by its id, so it may have moved since its text was taken out. Of a Jinja2 prompt the live text is
/// written; the basic text beside it, which no model reads, follows when it was the same before, as Dify's own editor
/// keeps both, and is left alone otherwise.
///
/// The result is extracted again: every other prompt must be what it was, with its references.
///
/// # Errors
/// As [`patch_document`].
pub fn patch_prompts(
    document: &[u8],
    workflow: &str,
    replacements: &[PromptReplacement],
    options: &ExtractOptions,
) -> Result<PromptPatch, PatchError> {
    let before = extract(document, options)?;
    let root = parse_document(document, &options.limits)?.root;
    let ids = prompt_ids(workflow, &before.prompts);
    let by_id: HashMap<&PromptId, &ExtractedPrompt> = ids.iter().zip(&before.prompts).collect();
    let nodes = node_ids(&root);
    let judged: Vec<Result<&ExtractedPrompt, Refusal>> = replacements
        .iter()
        .map(|replacement| {
            let prompt = by_id.get(&replacement.prompt_id).ok_or(Refusal::UnknownPrompt)?;
            judge(prompt, replacement, &nodes).map(|()| *prompt)
        })
        .collect();
    let places: Vec<Replacement> = judged
        .iter()
        .zip(replacements)
        .filter_map(|(prompt, replacement)| Some(at(&prompt.as_ref().ok()?.pointer, replacement)))
        .collect();
    let live = patch_document(document, &places, &options.limits)?;
    let mut outcome = outcome(live.places, &judged, replacements);
    let bytes = follow(live.bytes, &judged, replacements, &mut outcome, options)?;
    verify(&before, &ids, workflow, &bytes, &outcome, replacements, options)?;
    Ok(PromptPatch {
        bytes,
        prompts: outcome,
    })
}

fn at(pointer: &str, replacement: &PromptReplacement) -> Replacement {
    Replacement {
        pointer: pointer.to_owned(),
        expected: replacement.expected.clone(),
        text: replacement.text.clone(),
    }
}

/// Refuses a text with which the document would no longer hold the prompt, or no longer run.
fn judge(
    prompt: &ExtractedPrompt,
    replacement: &PromptReplacement,
    nodes: &HashSet<String>,
) -> Result<(), Refusal> {
    if replacement.text.trim().is_empty() {
        return Err(Refusal::BlankText);
    }
    let chars = replacement.text.chars().count();
    if chars > MAX_PROMPT_CHARS {
        return Err(Refusal::TextTooLong { chars });
    }
    // Jinja2 texts have names instead, and an app without a graph has nothing that a selector could name.
    if prompt.kind.is_jinja2() || prompt.place.owner == Owner::AppConfig {
        return Ok(());
    }
    let added = selectors(&replacement.text).into_iter().find_map(|selector| {
        let node = selector.split('.').next().unwrap_or_default().to_owned();
        let is_known =
            prompt.references.contains(&selector) || POOLS.contains(&node.as_str()) || nodes.contains(&node);
        (!is_known).then_some(node)
    });
    match added {
        Some(node) => Err(Refusal::UnknownNode { node }),
        None => Ok(()),
    }
}

/// Returns the ids of the nodes of the graph.
fn node_ids(root: &Node) -> HashSet<String> {
    let graph = ["/workflow/graph/nodes", "/graph/nodes"]
        .into_iter()
        .find_map(|place| root.pointer(place));
    let nodes = graph.and_then(Node::as_sequence).unwrap_or_default();
    nodes
        .iter()
        .filter_map(|node| node.get("id").and_then(Node::printed))
        .collect()
}

fn outcome(
    places: Vec<Result<PatchedPlace, Refusal>>,
    judged: &[Result<&ExtractedPrompt, Refusal>],
    replacements: &[PromptReplacement],
) -> Vec<Result<ReplacedPrompt, Refusal>> {
    let mut places = places.into_iter();
    judged
        .iter()
        .zip(replacements)
        .map(|(prompt, replacement)| {
            let prompt = prompt.clone()?;
            let place = places.next().unwrap_or(Err(Refusal::NotFound))?;
            let new = match prompt.kind.is_jinja2() {
                true => Vec::new(),
                false => selectors(&replacement.text),
            };
            Ok(ReplacedPrompt {
                place,
                also: None,
                lost_references: missing(&new, &prompt.references),
                new_references: missing(&prompt.references, &new),
            })
        })
        .collect()
}

/// Returns what is not there.
fn missing(there: &[String], wanted: &[String]) -> Vec<String> {
    wanted
        .iter()
        .filter(|selector| !there.contains(selector))
        .cloned()
        .collect()
}

/// Lets the basic texts follow their Jinja2 texts where both were the same.
fn follow(
    patched: Vec<u8>,
    judged: &[Result<&ExtractedPrompt, Refusal>],
    replacements: &[PromptReplacement],
    outcome: &mut [Result<ReplacedPrompt, Refusal>],
    options: &ExtractOptions,
) -> Result<Vec<u8>, PatchError> {
    let mut followers: Vec<&mut ReplacedPrompt> = Vec::new();
    let mut places = Vec::new();
    for ((done, prompt), replacement) in outcome.iter_mut().zip(judged).zip(replacements) {
        let stale = prompt
            .as_ref()
            .ok()
            .and_then(|prompt| prompt.stale_text_pointer.as_ref());
        if let (Ok(done), Some(stale)) = (done, stale)
            && done.place.is_changed
        {
            followers.push(done);
            places.push(at(stale, replacement));
        }
    }
    if places.is_empty() {
        return Ok(patched);
    }
    let followed = patch_document(&patched, &places, &options.limits)?;
    for (done, place) in followers.into_iter().zip(followed.places) {
        // One that was another text, or stands elsewhere, is refused and stays.
        done.also = place.ok().map(|place| place.pointer);
    }
    Ok(followed.bytes)
}

/// Extracts the patched document: the same prompts under the same ids, and only the replaced ones with other texts.
fn verify(
    before: &Extraction,
    ids: &[PromptId],
    workflow: &str,
    patched: &[u8],
    outcome: &[Result<ReplacedPrompt, Refusal>],
    replacements: &[PromptReplacement],
    options: &ExtractOptions,
) -> Result<(), PatchError> {
    let after = extract(patched, options)?;
    if prompt_ids(workflow, &after.prompts) != ids {
        return Err(PatchError::unverified("it holds other prompts"));
    }
    let replaced: HashMap<&PromptId, &str> = outcome
        .iter()
        .zip(replacements)
        .filter(|(outcome, _)| outcome.is_ok())
        .map(|(_, replacement)| (&replacement.prompt_id, replacement.text.as_str()))
        .collect();
    for ((id, old), new) in ids.iter().zip(&before.prompts).zip(&after.prompts) {
        let expected = replaced.get(id).copied().unwrap_or(&old.text);
        let is_same = new.text == expected && with_text_of(old, new) == *new;
        let keeps_references =
            new.text != old.text || (&new.references, &new.variables) == (&old.references, &old.variables);
        if !is_same || !keeps_references {
            return Err(PatchError::unverified(format!(
                "the prompt {id} is not what it should be"
            )));
        }
    }
    Ok(())
}

/// Returns a prompt with the text of another one and all that depends on the text.
fn with_text_of(prompt: &ExtractedPrompt, other: &ExtractedPrompt) -> ExtractedPrompt {
    ExtractedPrompt {
        text: other.text.clone(),
        references: other.references.clone(),
        special_references: other.special_references.clone(),
        variables: other.variables.clone(),
        ..prompt.clone()
    }
}
