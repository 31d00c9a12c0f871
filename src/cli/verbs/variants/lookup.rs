//! What the store has of the texts of variants.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::cli::exit::{CliError, Exit};
use crate::cli::patience::patiently;
use crate::client::{Client, ClientError, Document, PromptFilter};
use crate::model::{PromptId, PromptVersion, Version, VersionRef, sha256_hex};
use crate::variants::patch::StoredText;
use crate::variants::plan::PromptVariant;
use crate::versions::Order;

/// Versions by prompt and by the SHA-256 of their text.
#[derive(Debug, Default)]
pub(super) struct Known {
    versions: HashMap<(PromptId, String), Version>,
}

impl Known {
    /// Returns the version of a prompt that has a text.
    pub(super) fn version(&self, id: &PromptId, sha256: &str) -> Option<&Version> {
        self.versions.get(&(id.clone(), sha256.to_owned()))
    }

    /// Adds a version that is meant by its number; no other of the same text takes its place.
    pub(super) fn add(&mut self, version: &PromptVersion) {
        let key = (
            version.prompt_id.clone(),
            sha256_hex(version.prompt.text.as_bytes()),
        );
        self.versions
            .entry(key)
            .or_insert_with(|| version.version.clone());
    }
}

/// Fetches the stored versions that variants name.
pub(super) async fn referenced(
    client: &Client,
    variants: &[&PromptVariant],
    known: &mut Known,
) -> Result<BTreeMap<String, StoredText>, CliError> {
    let mut texts = BTreeMap::new();
    let patches = variants.iter().flat_map(|variant| &variant.nodes);
    for (line, reference) in
        patches.filter_map(|one| Some((one.line, one.value.strategy.reference.as_ref()?)))
    {
        if texts.contains_key(&reference.to_string()) {
            continue;
        }
        let version = fetch(client, reference, line).await?;
        known.add(&version);
        texts.insert(reference.to_string(), stored_text(version));
    }
    Ok(texts)
}

async fn fetch(client: &Client, reference: &VersionRef, line: usize) -> Result<PromptVersion, CliError> {
    match patiently(|| client.version(&reference.prompt_id, &reference.selector)).await {
        Ok(document) => Ok(document.parse()?),
        Err(error) if error.code() == Some("not-found") => {
            let message = format!("line {line}: there is no version {reference}");
            let hint = format!("'promptctl log {}' lists the versions", reference.prompt_id);
            Err(CliError::new(Exit::NotFound, message).hint(hint))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns what patches need of a version.
pub(super) fn stored_text(version: PromptVersion) -> StoredText {
    let kind = version.prompt.context.get("kind").and_then(|kind| kind.as_str());
    StoredText {
        is_jinja2: kind.map(|kind| kind.ends_with("_jinja2")),
        text: version.prompt.text,
    }
}

/// Returns which of some prompts are stored; nothing when the daemon cannot be reached.
pub(super) async fn stored(client: &Client, workflow: &str) -> Result<Option<HashSet<PromptId>>, CliError> {
    let filter = PromptFilter {
        prefix: Some(format!("{workflow}_")),
    };
    let mut stored = HashSet::new();
    let mut pages = client.prompts(&filter);
    loop {
        match pages.next().await {
            Ok(Some(prompts)) => stored.extend(prompts.into_iter().map(|prompt| prompt.prompt_id)),
            Ok(None) => return Ok(Some(stored)),
            Err(ClientError::Unreachable { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Shows every version of a prompt to a function, the highest first, until it has seen enough.
pub(super) async fn each_version(
    client: &Client,
    id: &PromptId,
    mut wants_more: impl FnMut(PromptVersion) -> bool,
) -> Result<(), CliError> {
    let mut pages = client.documents(id, Order::Desc);
    while let Some(documents) = pages.next().await? {
        for document in documents {
            let version = Document::of_bytes(document.get().as_bytes().to_vec()).parse()?;
            if !wants_more(version) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Finds the versions that have these texts: of several the highest release, else the highest pre-release.
pub(super) async fn by_text(
    client: &Client,
    id: &PromptId,
    mut wanted: HashSet<String>,
    known: &mut Known,
) -> Result<(), CliError> {
    wanted.retain(|sha256| known.version(id, sha256).is_none());
    let mut candidates = Known::default();
    each_version(client, id, |version| {
        let sha256 = sha256_hex(version.prompt.text.as_bytes());
        if version.version.is_prerelease() {
            if wanted.contains(&sha256) {
                candidates.add(&version);
            }
        } else if wanted.remove(&sha256) {
            known.add(&version);
        }
        !wanted.is_empty()
    })
    .await?;
    for (key, version) in candidates.versions {
        known.versions.entry(key).or_insert(version);
    }
    Ok(())
}
