//! What an event says.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Label, PromptId, Timestamp, Version};
use crate::storage::{Problem, Revision};

/// What happened. The words never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A version is there that was not.
    VersionCreated,
    /// A version lies in the trash that did not.
    VersionDeleted,
    /// A version is back from the trash.
    VersionRestored,
    /// The file of a version has another content, or may have: read it again.
    VersionChanged,
    /// A version is not served any more and not in the trash: its file went, or is damaged.
    VersionRemoved,
    /// A version that lay in the trash is forgotten.
    VersionForgotten,
    /// A label points at another version than before.
    LabelSet,
    /// A label is gone.
    LabelRemoved,
    /// Test results were added to a version.
    EvidenceAdded,
    /// Nothing is left of a prompt: neither versions nor trash.
    PromptPurged,
    /// Something in the store is not as it should be.
    ProblemFound,
    /// What was not as it should be is no more.
    ProblemGone,
}

/// By whom a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Through the daemon: a client, a job, or its own upkeep.
    Daemon,
    /// By another program, on the files of the store.
    Outside,
    /// Found when a part of the store came up again; who made it is not known.
    Recovery,
}

/// One change. Which fields are there follows from the kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: EventKind,
    /// The version that it is about; of a label, where it points now.
    pub version: Option<Version>,
    /// The label.
    pub label: Option<Label>,
    /// Where the label pointed before.
    pub from: Option<Version>,
    /// What is wrong, and where.
    pub problem: Option<Arc<Problem>>,
}

/// One change in the order of all changes of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEvent {
    /// Where it stands in that order. No two events have the same.
    pub revision: Revision,
    /// When it became visible.
    pub at: Timestamp,
    /// The prompt; nothing for a problem that belongs to none.
    pub prompt_id: Option<PromptId>,
    /// By whom.
    pub origin: Origin,
    /// What.
    pub change: Change,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::VersionCreated,
        Self::VersionDeleted,
        Self::VersionRestored,
        Self::VersionChanged,
        Self::VersionRemoved,
        Self::VersionForgotten,
        Self::LabelSet,
        Self::LabelRemoved,
        Self::EvidenceAdded,
        Self::PromptPurged,
        Self::ProblemFound,
        Self::ProblemGone,
    ];

    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VersionCreated => "version-created",
            Self::VersionDeleted => "version-deleted",
            Self::VersionRestored => "version-restored",
            Self::VersionChanged => "version-changed",
            Self::VersionRemoved => "version-removed",
            Self::VersionForgotten => "version-forgotten",
            Self::LabelSet => "label-set",
            Self::LabelRemoved => "label-removed",
            Self::EvidenceAdded => "evidence-added",
            Self::PromptPurged => "prompt-purged",
            Self::ProblemFound => "problem-found",
            Self::ProblemGone => "problem-gone",
        }
    }
}

impl Origin {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Outside => "outside",
            Self::Recovery => "recovery",
        }
    }
}

impl Change {
    const fn of(kind: EventKind) -> Self {
        Self {
            kind,
            version: None,
            label: None,
            from: None,
            problem: None,
        }
    }

    /// Something that happened to a version.
    #[must_use]
    pub fn of_version(kind: EventKind, version: &Version) -> Self {
        Self {
            version: Some(version.clone()),
            ..Self::of(kind)
        }
    }

    /// A label that moved; `to` is nothing when it is gone.
    #[must_use]
    pub fn of_label(label: &Label, from: Option<&Version>, to: Option<&Version>) -> Self {
        let kind = match to {
            Some(_) => EventKind::LabelSet,
            None => EventKind::LabelRemoved,
        };
        Self {
            version: to.cloned(),
            label: Some(label.clone()),
            from: from.cloned(),
            ..Self::of(kind)
        }
    }

    /// A problem that came or went.
    #[must_use]
    pub fn of_problem(kind: EventKind, problem: &Problem) -> Self {
        Self {
            problem: Some(Arc::new(problem.clone())),
            ..Self::of(kind)
        }
    }

    /// A prompt of which nothing is left.
    #[must_use]
    pub const fn purged() -> Self {
        Self::of(EventKind::PromptPurged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_origin_travels_as_its_word() {
        for origin in [Origin::Daemon, Origin::Outside, Origin::Recovery] {
            assert_eq!(serde_json::to_value(origin).unwrap(), origin.as_str());
        }
    }
}
