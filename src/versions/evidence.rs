//! Test results of versions: taking them, and what they say.

use std::collections::BTreeMap;

use super::{VersionError, VersionManager};
use crate::evidence::rules::EvidenceComparison;
use crate::evidence::{EvidenceRules, Figures, LineProblems, TargetedResult};
use crate::model::{PromptId, TestResult, Version, VersionSelector};
use crate::storage::evidence::merge;
use crate::storage::{EvidenceAdded, StorageError};

/// What came of adding test results to one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionEvidence {
    /// The prompt.
    pub prompt_id: PromptId,
    /// The version.
    pub version: Version,
    /// How many were new, how many were there.
    pub added: EvidenceAdded,
}

/// The results that are about one version, each with its place in the request.
type Group = Vec<(u64, TestResult)>;

impl VersionManager {
    /// Takes other rules of evidence than the default ones.
    #[must_use]
    pub const fn with_evidence_rules(mut self, rules: EvidenceRules) -> Self {
        self.evidence_rules = rules;
        self
    }

    /// Returns the rules of evidence.
    #[must_use]
    pub const fn evidence_rules(&self) -> EvidenceRules {
        self.evidence_rules
    }

    /// Adds test results to their versions. All of them are held against the store first, and one that does not fit
    /// refuses all. Then each version takes its results in one step; should one of these steps fail, the versions before it
    /// have theirs, and the same results may be added again.
    ///
    /// # Errors
    /// `not-found`, `evidence-conflict`, `evidence-full`, `corrupt-evidence`, or what the storage says; `unit` and the place
    /// of each result are named.
    pub async fn add_evidence(
        &self,
        unit: &'static str,
        results: Vec<TargetedResult>,
    ) -> Result<Vec<VersionEvidence>, VersionError> {
        let mut groups: BTreeMap<(PromptId, Version), Group> = BTreeMap::new();
        for TargetedResult {
            line,
            prompt_id,
            version,
            result,
        } in results
        {
            groups
                .entry((prompt_id, version))
                .or_default()
                .push((line, result));
        }
        self.check_all(unit, &groups).await?;
        let (total, mut done) = (groups.len(), Vec::with_capacity(groups.len()));
        for ((prompt_id, version), group) in groups {
            let results: Vec<TestResult> = group.into_iter().map(|(_, result)| result).collect();
            match self.storage.add_evidence(&prompt_id, &version, &results).await {
                Ok(added) => done.push(VersionEvidence {
                    prompt_id,
                    version,
                    added,
                }),
                Err(error) if done.is_empty() => return Err(error.into()),
                Err(error) => {
                    let detail = format!(
                        "{error} ({} of {total} versions have taken their results: send the same again)",
                        done.len()
                    );
                    let code = error.code();
                    return Err(VersionError::Evidence { code, detail });
                }
            }
        }
        Ok(done)
    }

    /// Holds every group against what is there.
    async fn check_all(
        &self,
        unit: &'static str,
        groups: &BTreeMap<(PromptId, Version), Group>,
    ) -> Result<(), VersionError> {
        let (mut problems, mut code) = (LineProblems::new(unit), None);
        for ((id, version), group) in groups {
            let Some(&(line, _)) = group.first() else { continue };
            match self.check_group(id, version, group).await {
                Ok(()) => {}
                Err((error, place)) if names_a_result(&error) => {
                    code.get_or_insert(error.code());
                    problems.push(place.unwrap_or(line), error.to_string());
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        match code {
            None => Ok(()),
            Some(code) => {
                problems.problems.sort_by_key(|problem| problem.line);
                let detail = problems.to_string();
                Err(VersionError::Evidence { code, detail })
            }
        }
    }

    /// Tells whether a version can take a group, and if not, which place of the request is to blame.
    async fn check_group(
        &self,
        id: &PromptId,
        version: &Version,
        group: &Group,
    ) -> Result<(), (StorageError, Option<u64>)> {
        let there = self
            .storage
            .evidence(id, version)
            .await
            .map_err(|error| (error, None))?;
        let limits = self.storage.evidence_limits();
        let results: Vec<TestResult> = group.iter().map(|(_, result)| result.clone()).collect();
        match merge(id, version, there.clone(), &results, limits) {
            Ok(_) => Ok(()),
            Err(error) => {
                let place = first_conflict(&there, group);
                Err((error, place))
            }
        }
    }

    /// Returns the test results of a version and what they add up to.
    ///
    /// # Errors
    /// `not-found`, `corrupt-evidence`, or what the storage says.
    pub async fn evidence(
        &self,
        id: &PromptId,
        selector: &VersionSelector,
    ) -> Result<(Version, Vec<TestResult>), VersionError> {
        let version = self.resolve(id, selector).await?;
        let results = self.storage.evidence(id, &version).await?;
        Ok((version, results))
    }

    /// Returns what the test results of a version add up to; `None` when there are none.
    ///
    /// # Errors
    /// As [`Self::evidence`].
    pub async fn figures(&self, id: &PromptId, version: &Version) -> Result<Option<Figures>, VersionError> {
        Ok(Figures::of(&self.storage.evidence(id, version).await?))
    }

    /// As [`Self::figures`], where damaged results are as good as none: what they are asked for goes on without them.
    ///
    /// # Errors
    /// What the storage says.
    pub(crate) async fn usable_figures(
        &self,
        id: &PromptId,
        version: &Version,
    ) -> Result<Option<Figures>, VersionError> {
        match self.figures(id, version).await {
            Err(error) if matches!(error.code(), "corrupt-evidence" | "not-found" | "corrupt-version") => {
                if error.code() == "corrupt-evidence" {
                    tracing::warn!(prompt_id = %id, %version, %error, "test results are left out");
                }
                Ok(None)
            }
            figures => figures,
        }
    }

    /// Compares what was measured of two versions.
    pub(super) async fn compare_evidence(
        &self,
        id: &PromptId,
        from: &Version,
        to: &Version,
    ) -> Result<EvidenceComparison, VersionError> {
        let from = self.usable_figures(id, from).await?;
        let to = self.usable_figures(id, to).await?;
        Ok(self.evidence_rules.compare(from, to))
    }

    /// Returns why a candidate must not take the place of its parent by what was measured of both. Results that cannot be
    /// read are a reason, too: they may say so.
    pub(super) async fn worse_than_parent(
        &self,
        id: &PromptId,
        parent: &Version,
        candidate: &Version,
    ) -> Result<Option<String>, VersionError> {
        let mut both = Vec::with_capacity(2);
        for version in [parent, candidate] {
            match self.figures(id, version).await {
                Ok(figures) => both.push(figures),
                Err(error) if error.code() == "corrupt-evidence" => return Ok(Some(error.to_string())),
                Err(error) if error.code() == "not-found" => both.push(None),
                Err(error) => return Err(error),
            }
        }
        let (candidate, parent) = (both.pop().flatten(), both.pop().flatten());
        Ok(self.evidence_rules.worse(parent.as_ref(), candidate.as_ref()))
    }
}

/// Tells whether an error is about what was sent and not about the store.
const fn names_a_result(error: &StorageError) -> bool {
    matches!(
        error,
        StorageError::PromptNotFound(_)
            | StorageError::VersionNotFound { .. }
            | StorageError::EvidenceConflict { .. }
            | StorageError::EvidenceFull { .. }
    )
}

/// Returns the first place whose execution has another result, in the store or before it in the request.
fn first_conflict(there: &[TestResult], group: &Group) -> Option<u64> {
    let mut known: BTreeMap<&str, &TestResult> = BTreeMap::new();
    for result in there {
        known.insert(&result.execution_id, result);
    }
    for (line, result) in group {
        match known.get(result.execution_id.as_str()) {
            Some(other) if *other != result => return Some(*line),
            Some(_) => {}
            None => {
                known.insert(&result.execution_id, result);
            }
        }
    }
    None
}
