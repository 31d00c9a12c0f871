//! Promoting the best candidates of a workflow and putting their texts into it.

use std::path::Path;

use serde::Serialize;

use crate::cli::deliver;
use crate::cli::exit::CliError;
use crate::cli::patience::patiently;
use crate::cli::session::Session;
use crate::client::Client;
use crate::dify::{self, ExtractOptions, PromptPatch, PromptReplacement};
use crate::jobs::OptimizeResult;
use crate::jobs::OptimizedPrompt;
use crate::model::{PromptId, PromptVersion, Version, VersionSelector};

/// What became of the accepted candidates of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Applied {
    pub(super) prompt_id: PromptId,
    /// The candidate that was promoted; when none was, the best one.
    pub(super) candidate: Version,
    /// The release that was made of it.
    pub(super) release: Option<Version>,
    /// Why there is none.
    pub(super) reason: Option<String>,
    /// Better ones that cannot be promoted, each with the reason.
    pub(super) stepped_over: Vec<SteppedOver>,
}

/// A candidate that cannot be promoted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct SteppedOver {
    pub(super) candidate: Version,
    pub(super) reason: String,
}

impl Applied {
    pub(super) const fn is_done(&self) -> bool {
        self.release.is_some()
    }
}

/// Promotes what can be put into the document, and writes it. A candidate whose text cannot be put there is not promoted.
/// Where the best candidate of a prompt is refused, the next accepted one takes its place.
pub(super) async fn apply(
    client: &Client,
    file: &Path,
    document: &[u8],
    result: &OptimizeResult,
    output: Option<&Path>,
    session: &mut Session,
) -> Result<Vec<Applied>, CliError> {
    let (mut applied, mut replacements) = (Vec::new(), Vec::new());
    for prompt in &result.prompts {
        let target = (file, document, result.workflow.as_str());
        if let Some((one, replacement)) = apply_one(client, target, prompt).await? {
            applied.push(one);
            replacements.extend(replacement);
        }
    }
    let patched = patch(file, document, &result.workflow, &replacements)?;
    match output {
        Some(output) => deliver::into_new(output, &patched.bytes, &mut session.console)?,
        None if patched.is_changed() => {
            deliver::in_place(file, document, &patched.bytes, &mut session.console)?;
        }
        None => {}
    }
    Ok(applied)
}

/// Promotes the best candidate of a prompt that can be; returns what it puts into the document.
async fn apply_one(
    client: &Client,
    (file, document, workflow): (&Path, &[u8], &str),
    prompt: &OptimizedPrompt,
) -> Result<Option<(Applied, Option<PromptReplacement>)>, CliError> {
    let mut stepped_over = Vec::new();
    for candidate in prompt.ranked().into_iter().filter_map(|one| one.version.clone()) {
        let replacement = replacement(client, &prompt.prompt_id, &candidate).await?;
        let mut tried = patch(file, document, workflow, std::slice::from_ref(&replacement))?;
        let reason = match tried.prompts.pop() {
            Some(Err(refusal)) => format!("it cannot be put into the file: {refusal}"),
            _ => match promote(client, &prompt.prompt_id, &candidate).await? {
                Ok(release) => {
                    let done = Applied {
                        prompt_id: prompt.prompt_id.clone(),
                        candidate,
                        release: Some(release),
                        reason: None,
                        stepped_over,
                    };
                    return Ok(Some((done, Some(replacement))));
                }
                Err(reason) => reason,
            },
        };
        stepped_over.push(SteppedOver { candidate, reason });
    }
    if stepped_over.is_empty() {
        return Ok(None);
    }
    let first = stepped_over.remove(0);
    let none = Applied {
        prompt_id: prompt.prompt_id.clone(),
        candidate: first.candidate,
        release: None,
        reason: Some(first.reason),
        stepped_over,
    };
    Ok(Some((none, None)))
}

async fn replacement(
    client: &Client,
    id: &PromptId,
    candidate: &Version,
) -> Result<PromptReplacement, CliError> {
    let version = version(client, id, candidate).await?;
    let made = version
        .optimization_result
        .ok_or_else(|| CliError::failure(format!("{id}@{candidate} does not say what it was made from")))?;
    Ok(PromptReplacement {
        prompt_id: id.clone(),
        expected: made.original_prompt,
        text: version.prompt.text,
    })
}

/// Reads a version.
pub(super) async fn version(
    client: &Client,
    id: &PromptId,
    number: &Version,
) -> Result<PromptVersion, CliError> {
    let exact = VersionSelector::Exact(number.clone());
    Ok(patiently(|| client.version(id, &exact)).await?.parse()?)
}

fn patch(
    file: &Path,
    document: &[u8],
    workflow: &str,
    replacements: &[PromptReplacement],
) -> Result<PromptPatch, CliError> {
    let options = ExtractOptions::default();
    dify::patch_prompts(document, workflow, replacements, &options)
        .map_err(|error| CliError::failure(format!("{}: {error}", file.display())))
}

/// Promotes a candidate; `Err` inside says why it is not promotable.
async fn promote(
    client: &Client,
    id: &PromptId,
    candidate: &Version,
) -> Result<Result<Version, String>, CliError> {
    match patiently(|| client.promote(id, candidate, false)).await {
        Ok(stored) => Ok(Ok(stored.document.parse()?.version)),
        Err(error) if error.code() == Some("not-promotable") => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}
