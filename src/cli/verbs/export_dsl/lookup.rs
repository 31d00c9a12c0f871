//! What the store has of the prompts of a workflow.

use std::collections::{HashMap, HashSet};

use super::plan::{Place, Plan, State};
use crate::cli::exit::CliError;
use crate::cli::patience::patiently;
use crate::client::{Client, ClientError, Document, PromptFilter};
use crate::model::{PromptId, PromptVersion, Version, VersionSelector};
use crate::versions::Order;

/// Finds the version to put back for every place, and where the texts differ, the version that is in the file.
///
/// One list says which prompts there are; with a label, one list has all their versions as well.
pub(super) async fn fill(
    client: &Client,
    reference: &VersionSelector,
    plan: &mut Plan,
) -> Result<(), CliError> {
    let names = plan.places.iter().map(|place| place.prompt_id.as_str());
    let filter = PromptFilter {
        prefix: Some(common_prefix(names).to_owned()),
    };
    let mut labelled = match reference {
        VersionSelector::Label(label) => {
            let mut found = HashMap::new();
            let mut pages = client.labelled_documents(&filter, label);
            while let Some(documents) = pages.next().await? {
                for document in documents {
                    let version = Document::of_bytes(document.get().as_bytes().to_vec()).parse()?;
                    found.insert(version.prompt_id.clone(), version);
                }
            }
            Some(found)
        }
        _ => None,
    };
    let stored = match &labelled {
        Some(found) => found.keys().cloned().collect(),
        None => stored(client, &filter).await?,
    };
    for place in &mut plan.places {
        if !stored.contains(&place.prompt_id) {
            continue;
        }
        let version = match &mut labelled {
            Some(found) => found.remove(&place.prompt_id),
            None => version(client, &place.prompt_id, reference).await?,
        };
        if let Some(version) = version {
            compare(client, place, version).await?;
        }
    }
    Ok(())
}

async fn stored(client: &Client, filter: &PromptFilter) -> Result<HashSet<PromptId>, ClientError> {
    let mut stored = HashSet::new();
    let mut pages = client.prompts(filter);
    while let Some(prompts) = pages.next().await? {
        stored.extend(prompts.into_iter().map(|prompt| prompt.prompt_id));
    }
    Ok(stored)
}

/// Returns a version, if the prompt has one that is meant.
async fn version(
    client: &Client,
    id: &PromptId,
    reference: &VersionSelector,
) -> Result<Option<PromptVersion>, ClientError> {
    match patiently(|| client.version(id, reference)).await {
        Ok(document) => Ok(Some(document.parse()?)),
        Err(error) if error.code() == Some("not-found") => Ok(None),
        Err(error) => Err(error),
    }
}

async fn compare(client: &Client, place: &mut Place, version: PromptVersion) -> Result<(), ClientError> {
    if version.prompt.text == place.prompt.text {
        place.from = Some(version.version.clone());
        place.state = State::Unchanged;
    } else {
        place.from = base(client, &place.prompt_id, &place.prompt.text).await?;
        place.state = match &place.from {
            Some(_) => State::Changed,
            None => State::Conflict,
        };
    }
    place.set_version(version);
    Ok(())
}

/// Returns the highest version that has a text.
async fn base(client: &Client, id: &PromptId, text: &str) -> Result<Option<Version>, ClientError> {
    let mut pages = client.documents(id, Order::Desc);
    while let Some(documents) = pages.next().await? {
        for document in documents {
            let version = Document::of_bytes(document.get().as_bytes().to_vec()).parse()?;
            if version.prompt.text == text {
                return Ok(Some(version.version));
            }
        }
    }
    Ok(None)
}

/// Returns what all names begin with. They are made of ASCII letters, digits and marks.
fn common_prefix<'n>(names: impl Iterator<Item = &'n str>) -> &'n str {
    let shared = |one: &'n str, other: &'n str| {
        let length = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        one.get(..length).unwrap_or_default()
    };
    names.reduce(shared).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_prompts_is_asked_for_what_their_names_share() {
        for (names, prefix) in [
            (&["bot_1_user_0", "bot_12_user_0"][..], "bot_1"),
            (&["bot_1_user_0"], "bot_1_user_0"),
            (&["bot_a", "cat_b"], ""),
            (&[], ""),
        ] {
            assert_eq!(common_prefix(names.iter().copied()), prefix);
        }
    }
}
