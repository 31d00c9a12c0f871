//! Candidates: rewritten texts that are kept beside the releases, and making a release of one.
//!
//! A candidate is a pre-release such as `2.0.0-opt.3`: it is never the latest version while there is a release, and its
//! number says which release its gain asks for. Its parent is the version that was rewritten.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::create::{Draft, MAX_STALE_RETRIES, is_reserved};
use super::numbering::{bump_for_improvement, next_candidate_after};
use super::{Created, VersionError, VersionManager};
use crate::model::{Author, OptimizationResult, Prompt, PromptId, PromptVersion, Version, VersionSelector};
use crate::storage::{Numbering, PromptEntry, PutOutcome, PutVersion, Sameness, StorageError, StoredVersion};

/// Metadata of a candidate: the job that made it, and whether it was accepted or why not.
const CANDIDATE: &str = "candidate";
/// Metadata of a release that was made of a candidate: the number of the candidate.
const PROMOTED_FROM: &str = "promoted_from";
/// How many versions are in memory at the same time while one is looked for.
const VERSIONS_AT_A_TIME: usize = 64;

/// A rewritten text that is to be kept.
#[derive(Debug, Clone)]
pub(crate) struct NewCandidate {
    /// The prompt with the new text.
    pub(crate) prompt: Prompt,
    /// The version that was rewritten.
    pub(crate) parent: Version,
    /// How it was rewritten, and what that gained.
    pub(crate) result: OptimizationResult,
    /// Why it is refused; empty when it is accepted.
    pub(crate) refusals: Vec<String>,
    /// The job that made it.
    pub(crate) job_id: String,
}

impl VersionManager {
    /// Returns the version that a text of a workflow is: the latest one, or, when the latest was made of a candidate, the
    /// one that it replaced. In the second case the text waits to be replaced in the workflow as well.
    ///
    /// # Errors
    /// `corrupt-version`, or what the storage says.
    pub(crate) async fn base_of(
        &self,
        id: &PromptId,
        text: &str,
    ) -> Result<Option<Arc<StoredVersion>>, VersionError> {
        let latest = match self.get(id, &VersionSelector::Latest).await {
            Ok(latest) => latest,
            Err(error) if error.code() == "not-found" => return Ok(None),
            Err(error) => return Err(error),
        };
        let document = latest.document()?;
        if document.prompt.text == text {
            return Ok(Some(latest));
        }
        let (true, Some(parent)) = (
            document.metadata.contains_key(PROMOTED_FROM),
            document.parent_version,
        ) else {
            return Ok(None);
        };
        match self.storage.read(id, &parent).await {
            Ok(parent) if parent.document()?.prompt.text == text => Ok(Some(parent)),
            Ok(_) | Err(StorageError::VersionNotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps a candidate, or answers with the one that is there: same parent, strategy, text and decision.
    /// Safe to repeat, also after a crash.
    ///
    /// # Errors
    /// `invalid-document`, or what the storage says.
    pub(crate) async fn keep_candidate(
        &self,
        id: &PromptId,
        new: NewCandidate,
        author: &Author,
    ) -> Result<Created, VersionError> {
        let bump = bump_for_improvement(new.result.improvement_score);
        let decision = json!({
            "job_id": new.job_id, "accepted": new.refusals.is_empty(), "refusals": new.refusals,
        });
        let draft = Draft {
            prompt: new.prompt,
            bump,
            parent_version: Some(new.parent),
            optimization_result: Some(new.result),
            metadata: Map::new(),
            sameness: Sameness::Never,
        };
        let mut document = draft
            .into_document(id, author, vec![(CANDIDATE, decision)])
            .await?;
        document
            .prompt
            .validate()
            .map_err(crate::model::DocumentError::from)?;
        for _ in 0..MAX_STALE_RETRIES {
            let entry = self.prompt(id)?;
            let is_same = |there: &PromptVersion| is_same_candidate(there, &document);
            if let Some(there) = self.find(&entry, Version::is_prerelease, is_same).await? {
                return Ok(Created {
                    version: there,
                    is_new: false,
                });
            }
            document.version = next_candidate_after(entry.used(), bump)
                .ok_or_else(|| StorageError::NumbersExhausted(id.clone()))?;
            match self.storage.put(id, PutVersion::exact(document.clone())).await {
                Ok(PutOutcome::Created(version)) => {
                    return Ok(Created {
                        version,
                        is_new: true,
                    });
                }
                Ok(PutOutcome::Unchanged(version)) => return self.existing(id, &version).await,
                // Somebody else took the number.
                Err(StorageError::Conflict { .. } | StorageError::Deleted { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StorageError::StaleLatest(id.clone()).into())
    }

    /// Makes a release of a candidate, or answers with the release that was made of it.
    ///
    /// # Errors
    /// `not-promotable` when it is no candidate and, without `force`, when it was refused, its parent is no longer the
    /// latest version, or it was measured to be worse than its parent; `not-found`, or what the storage says.
    pub async fn promote(
        &self,
        id: &PromptId,
        version: &Version,
        force: bool,
        author: &Author,
    ) -> Result<Created, VersionError> {
        let candidate = self
            .get(id, &VersionSelector::Exact(version.clone()))
            .await?
            .document()?;
        let refuse = |reason: String| VersionError::NotPromotable {
            id: id.clone(),
            version: version.clone(),
            reason,
        };
        let (Some(decision), Some(result), Some(parent)) = (
            candidate.metadata.get(CANDIDATE).cloned(),
            candidate.optimization_result.clone(),
            candidate.parent_version.clone(),
        ) else {
            return Err(refuse("it is no candidate of the optimiser".to_owned()));
        };
        let bump = bump_for_improvement(result.improvement_score);
        let document = release_of(id, candidate, author, version).await?;
        for _ in 0..MAX_STALE_RETRIES {
            let entry = self.prompt(id)?;
            let is_promoted = |there: &PromptVersion| is_release_of(there, version);
            let is_release = |there: &Version| !there.is_prerelease();
            if let Some(there) = self.find(&entry, is_release, is_promoted).await? {
                return Ok(Created {
                    version: there,
                    is_new: false,
                });
            }
            if !force {
                check_promotion(&entry, &decision, &parent).map_err(refuse)?;
                if let Some(reason) = self.worse_than_parent(id, &parent, version).await? {
                    return Err(refuse(reason));
                }
            }
            let numbering = match force {
                true => Numbering::Next(bump),
                false => Numbering::NextAfter(bump, parent.clone()),
            };
            let request = PutVersion {
                document: document.clone(),
                numbering,
                sameness: Sameness::Never,
                latest_seen: None,
            };
            match self.storage.put(id, request).await {
                Ok(PutOutcome::Created(version)) => {
                    return Ok(Created {
                        version,
                        is_new: true,
                    });
                }
                Ok(PutOutcome::Unchanged(version)) => return self.existing(id, &version).await,
                Err(StorageError::StaleLatest(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StorageError::StaleLatest(id.clone()).into())
    }

    /// Returns the first version that fits. What cannot be read takes no part.
    async fn find(
        &self,
        entry: &PromptEntry,
        is_candidate: impl Fn(&Version) -> bool,
        fits: impl Fn(&PromptVersion) -> bool,
    ) -> Result<Option<Arc<StoredVersion>>, VersionError> {
        let wanted: Vec<Version> = entry
            .versions
            .iter()
            .filter(|v| is_candidate(v))
            .cloned()
            .collect();
        for some in wanted.chunks(VERSIONS_AT_A_TIME) {
            for read in self.storage.read_many(&entry.id, some).await {
                match read {
                    Ok(there) if fits(&there.document()?) => return Ok(Some(there)),
                    Ok(_)
                    | Err(
                        StorageError::Corrupt { .. }
                        | StorageError::Edited { .. }
                        | StorageError::VersionNotFound { .. },
                    ) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(None)
    }
}

/// Makes the document of a release; its number is given by the storage.
async fn release_of(
    id: &PromptId,
    candidate: PromptVersion,
    author: &Author,
    version: &Version,
) -> Result<PromptVersion, VersionError> {
    let user_metadata = candidate
        .metadata
        .into_iter()
        .filter(|(key, _)| !is_reserved(key));
    let draft = Draft {
        prompt: candidate.prompt,
        bump: crate::model::Bump::Patch,
        parent_version: candidate.parent_version,
        optimization_result: candidate.optimization_result,
        metadata: user_metadata.collect(),
        sameness: Sameness::Never,
    };
    let origin = vec![(PROMOTED_FROM, Value::String(version.to_string()))];
    draft.into_document(id, author, origin).await
}

fn check_promotion(entry: &PromptEntry, decision: &Value, parent: &Version) -> Result<(), String> {
    if decision.get("accepted") != Some(&Value::Bool(true)) {
        let refusals = decision.get("refusals").and_then(Value::as_array);
        let reasons: Vec<&str> = refusals.into_iter().flatten().filter_map(Value::as_str).collect();
        return Err(format!("it was refused: {}", reasons.join("; ")));
    }
    match entry.latest() {
        Some(latest) if latest == parent => Ok(()),
        Some(latest) => Err(format!(
            "it was made from {parent}, and the latest version is {latest}: optimise again"
        )),
        None => Err(format!("it was made from {parent}, which is gone")),
    }
}

fn is_same_candidate(there: &PromptVersion, new: &PromptVersion) -> bool {
    let strategy = |version: &PromptVersion| version.optimization_result.as_ref().map(|made| made.strategy);
    let accepted = |version: &PromptVersion| version.metadata.get(CANDIDATE)?.get("accepted").cloned();
    there.prompt.text == new.prompt.text
        && there.parent_version == new.parent_version
        && strategy(there) == strategy(new)
        && accepted(there) == accepted(new)
}

fn is_release_of(there: &PromptVersion, candidate: &Version) -> bool {
    let from = there.metadata.get(PROMOTED_FROM).and_then(Value::as_str);
    from.is_some_and(|from| from == candidate.to_string())
}

/// Tells whether a version is a candidate that was refused.
pub(super) fn is_refused(version: &StoredVersion) -> bool {
    let accepted = |document: PromptVersion| document.metadata.get(CANDIDATE)?.get("accepted")?.as_bool();
    version.version.is_prerelease() && version.document().ok().and_then(accepted) == Some(false)
}

/// Tells whether a job made a version.
pub(crate) fn is_made_by(version: &StoredVersion, job_id: &str) -> bool {
    let Ok(document) = version.document() else {
        return false;
    };
    let made = [CANDIDATE, "import"].map(|key| {
        let by = document.metadata.get(key).and_then(|made| made.get("job_id"));
        by.and_then(Value::as_str) == Some(job_id)
    });
    made.contains(&true)
}
