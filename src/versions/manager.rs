//! [`VersionManager`]: finding versions. The other files of this folder add writing to it.

use std::sync::Arc;

use crate::evidence::{EvidenceRules, Figures};
use crate::model::{PromptId, Version, VersionSelector};
use crate::storage::{Acting, PromptEntry, PromptPage, StorageError, StoredVersion, VersionStorage};

use super::VersionError;
use super::candidates::is_refused;
use super::compare::{Comparison, compare};

/// How many damaged versions a computed reference (`latest`, a range) steps over before it gives up.
const MAX_DAMAGED_STEPS: usize = 16;

/// How many versions are in memory at the same time while the best one is looked for.
const VERSIONS_AT_A_TIME: usize = 64;

/// Gives prompts their histories. Cheap to clone; every method may be called from any task at any time.
#[derive(Debug, Clone)]
pub struct VersionManager {
    pub(super) storage: Arc<dyn VersionStorage>,
    pub(super) evidence_rules: EvidenceRules,
}

impl VersionManager {
    /// Makes a manager over a storage, with the default rules of evidence.
    #[must_use]
    pub fn new(storage: Arc<dyn VersionStorage>) -> Self {
        Self {
            storage,
            evidence_rules: EvidenceRules::default(),
        }
    }

    /// Returns the storage, for what needs no manager: status, health, verification.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn VersionStorage> {
        &self.storage
    }

    /// Returns a manager whose changes are known as those of somebody, done for something.
    #[must_use]
    pub fn acting(&self, acting: Acting) -> Self {
        self.storage
            .acting(acting)
            .map_or_else(|| self.clone(), Self::new)
    }

    /// Returns what is known of a prompt that has versions.
    ///
    /// # Errors
    /// `not-found`.
    pub fn prompt(&self, id: &PromptId) -> Result<Arc<PromptEntry>, VersionError> {
        match self.storage.prompt(id) {
            Some(entry) if !entry.versions.is_empty() => Ok(entry),
            None => {
                self.storage.available(id)?;
                Err(StorageError::PromptNotFound(id.clone()).into())
            }
            Some(_) => Err(StorageError::PromptNotFound(id.clone()).into()),
        }
    }

    /// Returns one page of prompts in the order of their ids.
    #[must_use]
    pub fn prompts(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>> {
        self.storage.prompts(page)
    }

    /// Returns the version that a reference points at. A computed reference steps over versions whose files are damaged.
    ///
    /// # Errors
    /// `not-found`, `corrupt-version`, or what the storage says.
    pub async fn get(
        &self,
        id: &PromptId,
        selector: &VersionSelector,
    ) -> Result<Arc<StoredVersion>, VersionError> {
        let mut entry = self.prompt(id)?;
        if *selector == VersionSelector::Best {
            return self.best(id, &entry).await;
        }
        let mut damage = None;
        for _ in 0..MAX_DAMAGED_STEPS {
            let Some(version) = resolve(&entry, selector) else {
                break;
            };
            match self.storage.read(id, &version).await {
                Err(error @ (StorageError::Corrupt { .. } | StorageError::VersionNotFound { .. }))
                    if is_computed(selector) =>
                {
                    damage = Some(error);
                    Arc::make_mut(&mut entry)
                        .versions
                        .retain(|other| *other != version);
                }
                other => return Ok(other?),
            }
        }
        match damage {
            Some(error) => Err(error.into()),
            None => Err(VersionError::NoMatch {
                id: id.clone(),
                selector: selector.clone(),
            }),
        }
    }

    /// Returns the number that a reference points at.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn resolve(&self, id: &PromptId, selector: &VersionSelector) -> Result<Version, VersionError> {
        match selector {
            VersionSelector::Exact(version) if self.prompt(id)?.has(version) => Ok(version.clone()),
            _ => Ok(self.get(id, selector).await?.version.clone()),
        }
    }

    /// Compares two versions of a prompt.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn compare(
        &self,
        id: &PromptId,
        from: &VersionSelector,
        to: &VersionSelector,
    ) -> Result<Comparison, VersionError> {
        let (from, to) = (self.get(id, from).await?, self.get(id, to).await?);
        let evidence = self.compare_evidence(id, &from.version, &to.version).await?;
        let (from, to) = (from.document()?, to.document()?);
        // A word diff of two long texts takes milliseconds to tens of them: not on a thread that serves others.
        let compared = tokio::task::spawn_blocking(move || compare(&from, &to)).await;
        let mut compared = compared.map_err(|_| StorageError::Unavailable("the comparison failed".into()))?;
        compared.evidence = evidence;
        Ok(compared)
    }

    /// The version of the highest quality, by what was measured and by its score ([`EvidenceRules::by_quality`]); of equals
    /// the lowest number. Refused candidates take no part. Reads every version and its test results, some at a time.
    async fn best(&self, id: &PromptId, entry: &PromptEntry) -> Result<Arc<StoredVersion>, VersionError> {
        let mut best: Option<(Arc<StoredVersion>, Option<Figures>)> = None;
        for some in entry.versions.chunks(VERSIONS_AT_A_TIME) {
            for read in self.storage.read_many(id, some).await {
                match read {
                    Ok(version) if !is_refused(&version) => {
                        let figures = self.usable_figures(id, &version.version).await?;
                        let is_better = best.as_ref().is_none_or(|(best, best_figures)| {
                            let new = (figures.as_ref(), version.overall_score);
                            let old = (best_figures.as_ref(), best.overall_score);
                            self.evidence_rules.by_quality(new, old).is_gt()
                        });
                        if is_better {
                            best = Some((version, figures));
                        }
                    }
                    // What cannot be served takes no part.
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
        best.map(|(best, _)| best).ok_or_else(|| VersionError::NoMatch {
            id: id.clone(),
            selector: VersionSelector::Best,
        })
    }
}

fn resolve(entry: &PromptEntry, selector: &VersionSelector) -> Option<Version> {
    match selector {
        VersionSelector::Latest => entry.latest().cloned(),
        VersionSelector::Exact(version) => Some(version.clone()),
        VersionSelector::Range(range) => entry.highest_in(range).cloned(),
        VersionSelector::Label(label) => entry.labels.get(label).map(|target| target.version.clone()),
        VersionSelector::Best => None,
    }
}

/// Exact numbers and labels name one version: damage there is an answer, not a reason to take another.
fn is_computed(selector: &VersionSelector) -> bool {
    matches!(selector, VersionSelector::Latest | VersionSelector::Range(_))
}
