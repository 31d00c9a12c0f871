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
use crate::model::{PromptId, PromptVersion, Version, VersionSelector};

/// What became of the best candidate of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Applied {
    pub(super) prompt_id: PromptId,
    /// The candidate.
    pub(super) candidate: Version,
    /// The release that was made of it.
    pub(super) release: Option<Version>,
    /// Why there is none.
    pub(super) reason: Option<String>,
}

impl Applied {
    pub(super) const fn is_done(&self) -> bool {
        self.release.is_some()
    }
}

/// Promotes what can be put into the document, and writes it. A candidate whose text cannot be put there is not promoted.
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
        let Some(candidate) = prompt.best().and_then(|best| best.version.clone()) else {
            continue;
        };
        replacements.push(replacement(client, &prompt.prompt_id, &candidate).await?);
        applied.push(Applied {
            prompt_id: prompt.prompt_id.clone(),
            candidate,
            release: None,
            reason: None,
        });
    }
    let tried = patch(file, document, &result.workflow, &replacements)?;
    for (one, outcome) in applied.iter_mut().zip(tried.prompts) {
        match outcome {
            Ok(_) => promote(client, one).await?,
            Err(refusal) => one.reason = Some(format!("it cannot be put into the file: {refusal}")),
        }
    }
    let promoted = applied.iter().zip(replacements).filter(|(one, _)| one.is_done());
    let replacements: Vec<PromptReplacement> = promoted.map(|(_, replacement)| replacement).collect();
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

/// Promotes a candidate, or notes why it is not promotable.
async fn promote(client: &Client, one: &mut Applied) -> Result<(), CliError> {
    match patiently(|| client.promote(&one.prompt_id, &one.candidate, false)).await {
        Ok(stored) => one.release = Some(stored.document.parse()?.version),
        Err(error) if error.code() == Some("not-promotable") => one.reason = Some(error.to_string()),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
