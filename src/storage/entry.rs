//! What is known of a prompt without reading any version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Author, Label, PromptId, Timestamp, Version};

use super::{Fingerprint, HighestUsed};

/// What is known of one prompt: an immutable snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptEntry {
    /// The prompt.
    pub id: PromptId,
    /// Its versions, ascending by semver precedence.
    pub versions: Vec<Version>,
    /// Its versions in the trash, ascending.
    pub trash: Vec<Version>,
    /// Where its labels point.
    pub labels: BTreeMap<Label, LabelEntry>,
    /// The highest numbers known to have been used, also when those versions are gone.
    pub highest_used: HighestUsed,
    /// When its first version was made.
    pub created_at: Option<Timestamp>,
    /// When its latest version was made.
    pub updated_at: Option<Timestamp>,
    /// What it is for, from the manifest.
    pub description: Option<String>,
    /// Tags, from the manifest.
    pub tags: Vec<String>,
    /// The content of the latest version, when it was written in this run.
    pub latest_fingerprint: Option<(Version, Fingerprint)>,
}

/// Where a label points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LabelEntry {
    /// The version.
    pub version: Version,
    /// Since when.
    pub set_at: Timestamp,
    /// By whom it was put there.
    pub set_by: Author,
}

/// One move of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LabelMove {
    /// The label.
    pub label: Label,
    /// Where it pointed before; nothing when it was new.
    pub from: Option<Version>,
    /// Where it points now; nothing when it was removed.
    pub to: Option<Version>,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Author,
}

/// One version in the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TrashedVersion {
    /// The prompt it belongs to.
    pub prompt_id: PromptId,
    /// Its number.
    pub version: Version,
    /// When it was deleted, if that was recorded.
    pub deleted_at: Option<Timestamp>,
    /// Who deleted it, if that was recorded.
    pub deleted_by: Option<Author>,
    /// Where in the store it was.
    pub deleted_from: String,
    /// The size of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

impl PromptEntry {
    /// Makes the entry of a prompt that has nothing yet.
    #[must_use]
    pub fn empty(id: PromptId) -> Self {
        Self {
            id,
            versions: Vec::new(),
            trash: Vec::new(),
            labels: BTreeMap::new(),
            highest_used: HighestUsed::default(),
            created_at: None,
            updated_at: None,
            description: None,
            tags: Vec::new(),
            latest_fingerprint: None,
        }
    }

    /// Returns the highest release, or the highest pre-release when there is no release.
    #[must_use]
    pub fn latest(&self) -> Option<&Version> {
        self.versions
            .iter()
            .rev()
            .find(|version| !version.is_prerelease())
            .or_else(|| self.versions.last())
    }

    /// Returns the highest version in a range; releases come before pre-releases, as `semver` defines ranges.
    #[must_use]
    pub fn highest_in(&self, range: &semver::VersionReq) -> Option<&Version> {
        self.versions.iter().rev().find(|version| version.matches(range))
    }

    /// Tells whether a version is there.
    #[must_use]
    pub fn has(&self, version: &Version) -> bool {
        self.versions.binary_search(version).is_ok()
    }

    /// Tells whether a version lies in the trash.
    #[must_use]
    pub fn has_trashed(&self, version: &Version) -> bool {
        self.trash.binary_search(version).is_ok()
    }

    /// Returns the label that points at a version, the first by name.
    #[must_use]
    pub fn label_on(&self, version: &Version) -> Option<&Label> {
        self.labels
            .iter()
            .find(|(_, entry)| entry.version == *version)
            .map(|(label, _)| label)
    }

    /// Returns every number that must not be chosen again: present, in the trash, or recorded as used.
    pub fn used(&self) -> impl Iterator<Item = &Version> + Clone {
        self.versions
            .iter()
            .chain(&self.trash)
            .chain(self.highest_used.iter())
    }

    /// Tells whether nothing is left of the prompt.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.versions.is_empty() && self.trash.is_empty()
    }

    /// Adds a version in its place; does nothing when it is there.
    pub fn insert(&mut self, version: Version) {
        if let Err(place) = self.versions.binary_search(&version) {
            self.versions.insert(place, version);
        }
    }

    /// Moves a version from the list of versions to the trash.
    pub fn move_to_trash(&mut self, version: &Version) {
        if let Ok(place) = self.versions.binary_search(version) {
            let removed = self.versions.remove(place);
            if let Err(place) = self.trash.binary_search(&removed) {
                self.trash.insert(place, removed);
            }
        }
    }

    /// Moves a version from the trash back to the list of versions.
    pub fn take_from_trash(&mut self, version: &Version) {
        if let Ok(place) = self.trash.binary_search(version) {
            let restored = self.trash.remove(place);
            self.insert(restored);
        }
    }

    /// Records that a number is used.
    pub fn note_used(&mut self, version: &Version) {
        self.highest_used.note(version);
    }

    /// Keeps the numbers used that another state of the prompt had: the directory does not remember those whose files were
    /// removed.
    pub fn keep_used(&mut self, before: &Self) {
        let is_gone = |version: &&Version| !self.has(version) && !self.has_trashed(version);
        let gone: Vec<&Version> = before.used().filter(is_gone).collect();
        self.highest_used.note_all(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(versions: &[&str]) -> PromptEntry {
        let mut entry = PromptEntry::empty(PromptId::new("p").unwrap());
        for version in versions {
            entry.insert(Version::new(version).unwrap());
        }
        entry
    }

    fn check_latest(versions: &[&str], latest: Option<&str>) {
        assert_eq!(
            entry(versions).latest().map(ToString::to_string).as_deref(),
            latest,
            "{versions:?}"
        );
    }

    #[test]
    fn latest_is_the_highest_release_and_only_without_one_a_prerelease() {
        check_latest(&[], None);
        check_latest(&["1.0.0", "1.10.0", "1.9.0"], Some("1.10.0"));
        check_latest(&["1.0.0", "2.0.0-opt.3"], Some("1.0.0"));
        check_latest(&["2.0.0-opt.2", "2.0.0-opt.10"], Some("2.0.0-opt.10"));
    }

    #[test]
    fn a_range_finds_the_highest_version_in_it() {
        let entry = entry(&["1.0.0", "1.2.0", "1.2.5", "2.0.0"]);
        let found = |range: &str| entry.highest_in(&range.parse().unwrap()).map(ToString::to_string);
        assert_eq!(found("^1").as_deref(), Some("1.2.5"));
        assert_eq!(found("~1.0").as_deref(), Some("1.0.0"));
        assert_eq!(found(">=3"), None);
    }

    #[test]
    fn a_version_goes_to_the_trash_and_comes_back() {
        let mut entry = entry(&["1.0.0", "1.0.1"]);
        let version = Version::new("1.0.1").unwrap();
        entry.move_to_trash(&version);
        assert!(!entry.has(&version) && entry.has_trashed(&version));
        entry.take_from_trash(&version);
        assert!(entry.has(&version) && !entry.has_trashed(&version));
    }
}
