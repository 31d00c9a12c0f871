//! Variants of the candidates that an optimisation has kept.

use std::collections::BTreeMap;

use super::lookup::{Known, each_version, stored, stored_text};
use crate::cli::exit::{CliError, Exit};
use crate::client::Client;
use crate::model::{PromptId, PromptVersion, VersionRef, VersionSelector};
use crate::variants::patch::{StoredText, Workflow};
use crate::variants::plan::{
    Constraints, IfMissing, Lined, MAX_VARIANTS, PatchMode, PromptPatch, PromptSelector, PromptStrategy,
    PromptVariant,
};

/// The variant that has the best candidate of each prompt.
const BEST: &str = "best";

/// Returns one variant for each accepted candidate that was made of the text in the workflow, and where several prompts have
/// some, one with the best of each; and their texts.
pub(super) async fn variants(
    client: &Client,
    workflow: &Workflow,
    known: &mut Known,
) -> Result<(Vec<PromptVariant>, BTreeMap<String, StoredText>), CliError> {
    let Some(there) = stored(client, &workflow.slug).await? else {
        let message = "promptd cannot be reached, and it has the candidates";
        return Err(
            CliError::new(Exit::Unreachable, message).hint("start promptd, or name its socket by --socket")
        );
    };
    let (mut variants, mut best, mut texts) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (id, prompt) in workflow.ids.iter().zip(&workflow.prompts) {
        if !there.contains(id) {
            continue;
        }
        let found = accepted(client, id, &prompt.text).await?;
        for version in &found {
            variants.push(variant(&name(workflow, version), vec![patch(version)]));
        }
        let winner = found.iter().min_by(|a, b| rank(a, b));
        best.extend(winner.map(patch));
        for version in found {
            known.add(&version);
            texts.insert(reference(&version).to_string(), stored_text(version));
        }
    }
    if best.len() > 1 {
        variants.push(variant(BEST, best));
    }
    if variants.is_empty() {
        let message = "no prompt of the workflow has an accepted candidate for its text";
        return Err(CliError::new(Exit::NotFound, message).hint("'promptctl optimize FILE' makes candidates"));
    }
    if variants.len() > MAX_VARIANTS {
        let message = format!(
            "{} candidates; the limit is {MAX_VARIANTS} variants",
            variants.len()
        );
        return Err(CliError::failure(message).hint("write a plan that names the ones to try by `ref`"));
    }
    Ok((variants, texts))
}

/// Returns the accepted candidates that were made of a text, each text once, the highest number first.
async fn accepted(client: &Client, id: &PromptId, text: &str) -> Result<Vec<PromptVersion>, CliError> {
    let mut found: Vec<PromptVersion> = Vec::new();
    each_version(client, id, |version| {
        let is_accepted = version
            .metadata
            .get("candidate")
            .and_then(|candidate| candidate.get("accepted")?.as_bool());
        let is_of_text = version
            .optimization_result
            .as_ref()
            .is_some_and(|made| made.original_prompt == text);
        let is_new = !found.iter().any(|other| other.prompt.text == version.prompt.text);
        let wanted = version.version.is_prerelease() && is_accepted == Some(true) && is_of_text && is_new;
        if wanted && found.len() <= MAX_VARIANTS {
            found.push(version);
        }
        true
    })
    .await?;
    Ok(found)
}

/// The greatest gain comes first, then the greater confidence, then the shorter text.
fn rank(a: &PromptVersion, b: &PromptVersion) -> std::cmp::Ordering {
    let of = |version: &PromptVersion| {
        let made = version.optimization_result.as_ref();
        made.map_or((0.0, 0.0), |made| (made.improvement_score, made.confidence))
    };
    let (a_gain, a_confidence) = of(a);
    let (b_gain, b_confidence) = of(b);
    let by_gain = b_gain
        .total_cmp(&a_gain)
        .then(b_confidence.total_cmp(&a_confidence));
    by_gain.then(a.prompt.text.len().cmp(&b.prompt.text.len()))
}

/// Names a variant by what tells its prompt from others of the workflow, and the number.
fn name(workflow: &Workflow, version: &PromptVersion) -> String {
    let id = version.prompt_id.as_str();
    let rest = id
        .strip_prefix(workflow.slug.as_str())
        .and_then(|rest| rest.strip_prefix('_'));
    format!("{}@{}", rest.unwrap_or(id), version.version)
}

fn reference(version: &PromptVersion) -> VersionRef {
    VersionRef {
        prompt_id: version.prompt_id.clone(),
        selector: VersionSelector::Exact(version.version.clone()),
    }
}

fn patch(version: &PromptVersion) -> Lined<PromptPatch> {
    let selector = PromptSelector {
        by_prompt: Some(version.prompt_id.clone()),
        constraints: Constraints {
            if_missing: IfMissing::Error,
            ..Constraints::default()
        },
        ..PromptSelector::default()
    };
    let strategy = PromptStrategy {
        mode: PatchMode::Replace,
        content: None,
        reference: Some(reference(version)),
        template: None,
        fallback_value: None,
    };
    Lined {
        line: 0,
        value: PromptPatch { selector, strategy },
    }
}

fn variant(id: &str, nodes: Vec<Lined<PromptPatch>>) -> PromptVariant {
    PromptVariant {
        variant_id: id.to_owned(),
        description: None,
        weight: 1.0,
        nodes,
        fallback_variant: None,
    }
}
