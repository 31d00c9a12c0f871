//! Mending what can be mended without losing anything: which steps a report asks for. Pure.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::{PromptId, Version};

use super::Problem;

/// What can be mended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mend {
    /// Temporary files that are left over are finished, dropped or set aside, as recovery does at a start.
    Leftovers,
    /// A manifest that is damaged, or does not remember all used numbers, is written from what is known.
    Manifest(PromptId),
    /// Versions without a checksum get one.
    Seal(PromptId),
    /// A version that was changed by hand is taken as it now is.
    AcceptEdit(PromptId, Version),
    /// The index is written anew.
    Index,
}

/// One step of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RepairStep {
    /// What it was about, relative to the store.
    pub path: String,
    /// What was done, as a stable word: `sealed`, `edit-accepted`, `manifest-restored`, `leftover-settled`,
    /// `index-rebuilt`, `would-seal`, `would-restore-manifest`, `would-settle-leftovers`, `would-rebuild-index`,
    /// `would-accept-edit`, `failed`.
    pub action: String,
    /// The same in a sentence.
    pub message: String,
}

impl RepairStep {
    /// Makes a step.
    #[must_use]
    pub fn new(path: &Path, action: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.display().to_string(),
            action: action.to_owned(),
            message: message.into(),
        }
    }

    /// Tells whether the step could not be made.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.action == "failed"
    }
}

impl Mend {
    /// Says what would be done.
    #[must_use]
    pub fn proposal(&self) -> RepairStep {
        let (path, action, message) = match self {
            Self::Leftovers => (
                ".tmp".to_owned(),
                "would-settle-leftovers",
                "temporary files would be finished, dropped or set aside, as at a start".to_owned(),
            ),
            Self::Manifest(id) => (
                id.to_string(),
                "would-restore-manifest",
                "the manifest would be written from what is known; a damaged one is set aside first"
                    .to_owned(),
            ),
            Self::Seal(id) => (
                id.to_string(),
                "would-seal",
                "versions without a checksum would get one; nothing else in them changes".to_owned(),
            ),
            Self::AcceptEdit(id, version) => (
                format!("{id}@{version}"),
                "would-accept-edit",
                "the version would be sealed as it now is".to_owned(),
            ),
            Self::Index => (
                ".index.json".to_owned(),
                "would-rebuild-index",
                "the index would be written anew from the directories".to_owned(),
            ),
        };
        RepairStep::new(Path::new(&path), action, message)
    }
}

/// Returns the steps that mend what a verification found, as far as nothing can be lost by it. Temporary files come first,
/// since they may hold versions; the index comes last, since everything else changes it.
#[must_use]
pub fn plan_repair(problems: &[Problem]) -> Vec<Mend> {
    let steps: BTreeSet<Mend> = problems.iter().filter_map(mend_for).collect();
    steps.into_iter().collect()
}

fn mend_for(problem: &Problem) -> Option<Mend> {
    let path = Path::new(&problem.path);
    let id_of = |path: &Path| PromptId::new(path.file_name()?.to_str()?).ok();
    match problem.kind.as_str() {
        "leftover" => Some(Mend::Leftovers),
        "corrupt-manifest" | "forgotten-number" => Some(Mend::Manifest(id_of(path.parent()?)?)),
        "unsealed" => Some(Mend::Seal(id_of(path)?)),
        "missing-index" | "corrupt-index" | "stale-index" => Some(Mend::Index),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_loses_nothing_is_mended_and_in_an_order_that_makes_sense() {
        let problem = |path: &str, kind: &str| Problem::new(Path::new(path), kind, "x");
        let found = [
            problem(".index.json", "stale-index"),
            problem("69/p", "unsealed"),
            problem("q", "unsealed"),
            problem("69/p/1.0.0.json", "corrupt-version"),
            problem("69/p/1.0.1.json", "edited"),
            problem("69/p/.manifest.json", "corrupt-manifest"),
            problem("69/p/.manifest.json", "forgotten-number"),
            problem("69/.tmp/x.tmp", "leftover"),
            problem("69/.tmp/quarantine/x", "quarantined"),
            problem("69/b", "misplaced"),
        ];
        let id = |text: &str| PromptId::new(text).unwrap();
        assert_eq!(
            plan_repair(&found),
            [
                Mend::Leftovers,
                Mend::Manifest(id("p")),
                Mend::Seal(id("p")),
                Mend::Seal(id("q")),
                Mend::Index
            ]
        );
    }
}
