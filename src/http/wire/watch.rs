//! The lines of the stream of changes.

use serde::{Deserialize, Serialize};

use crate::model::{Label, PromptId, Timestamp, Version};
use crate::storage::feed::{EventKind, Origin, StoreEvent};
use crate::storage::{Problem, Revision};

/// What a line of the stream says: a change, or something of the stream itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WatchKind {
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
    /// Nothing is left of a prompt: neither versions nor trash. Its versions and labels are not told of one by one.
    PromptPurged,
    /// Something in the store is not as it should be.
    ProblemFound,
    /// What was not as it should be is no more.
    ProblemGone,
    /// Nothing happened: everything up to the revision was sent, or may not be seen. The first line is one.
    Heartbeat,
    /// The last line: the reader was too slow, and what comes next is not kept any more. Read everything anew.
    Gone,
    /// The last line: the daemon stops. Come back with the revision; a daemon that was started again answers `gone`.
    Stopping,
    /// The last line: the user may not read anything any more.
    Forbidden,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WatchProblem {
    /// Where, relative to the store.
    pub path: String,
    /// What kind of problem, as a stable word.
    pub kind: String,
}

/// One line of the stream of changes. Which fields are there follows from the kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WatchLine {
    /// Everything up to here was sent: with it, `since` goes on after this line.
    #[schema(value_type = String, pattern = r"^[0-9a-f]{16}\.(0|[1-9][0-9]{0,18})$")]
    pub revision: String,
    /// What it says.
    pub kind: WatchKind,
    /// The prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_id: Option<PromptId>,
    /// The version; of a label, where it points now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Where the label pointed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// What is, or was, not as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<WatchProblem>,
    /// By whom the change was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When the change became visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

impl From<EventKind> for WatchKind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::VersionCreated => Self::VersionCreated,
            EventKind::VersionDeleted => Self::VersionDeleted,
            EventKind::VersionRestored => Self::VersionRestored,
            EventKind::VersionChanged => Self::VersionChanged,
            EventKind::VersionRemoved => Self::VersionRemoved,
            EventKind::VersionForgotten => Self::VersionForgotten,
            EventKind::LabelSet => Self::LabelSet,
            EventKind::LabelRemoved => Self::LabelRemoved,
            EventKind::EvidenceAdded => Self::EvidenceAdded,
            EventKind::PromptPurged => Self::PromptPurged,
            EventKind::ProblemFound => Self::ProblemFound,
            EventKind::ProblemGone => Self::ProblemGone,
        }
    }
}

impl WatchKind {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VersionCreated => EventKind::VersionCreated.as_str(),
            Self::VersionDeleted => EventKind::VersionDeleted.as_str(),
            Self::VersionRestored => EventKind::VersionRestored.as_str(),
            Self::VersionChanged => EventKind::VersionChanged.as_str(),
            Self::VersionRemoved => EventKind::VersionRemoved.as_str(),
            Self::VersionForgotten => EventKind::VersionForgotten.as_str(),
            Self::LabelSet => EventKind::LabelSet.as_str(),
            Self::LabelRemoved => EventKind::LabelRemoved.as_str(),
            Self::EvidenceAdded => EventKind::EvidenceAdded.as_str(),
            Self::PromptPurged => EventKind::PromptPurged.as_str(),
            Self::ProblemFound => EventKind::ProblemFound.as_str(),
            Self::ProblemGone => EventKind::ProblemGone.as_str(),
            Self::Heartbeat => "heartbeat",
            Self::Gone => "gone",
            Self::Stopping => "stopping",
            Self::Forbidden => "forbidden",
        }
    }

    /// Tells whether it is a change, and not something of the stream itself.
    #[must_use]
    pub const fn is_change(self) -> bool {
        !matches!(
            self,
            Self::Heartbeat | Self::Gone | Self::Stopping | Self::Forbidden
        )
    }
}

impl WatchLine {
    /// Makes a line that says something of the stream itself.
    #[must_use]
    pub fn of_stream(kind: WatchKind, revision: Revision) -> Self {
        Self {
            revision: revision.to_string(),
            kind,
            prompt_id: None,
            version: None,
            label: None,
            from: None,
            problem: None,
            origin: None,
            at: None,
        }
    }

    /// Makes a line that says how far the stream is.
    #[must_use]
    pub fn heartbeat(revision: Revision) -> Self {
        Self::of_stream(WatchKind::Heartbeat, revision)
    }

    /// Makes the line of a change.
    #[must_use]
    pub fn of_event(event: &StoreEvent) -> Self {
        let change = &event.change;
        Self {
            revision: event.revision.to_string(),
            kind: change.kind.into(),
            prompt_id: event.prompt_id.clone(),
            version: change.version.clone(),
            label: change.label.clone(),
            from: change.from.clone(),
            problem: change.problem.as_deref().map(|problem: &Problem| WatchProblem {
                path: problem.path.clone(),
                kind: problem.kind.clone(),
            }),
            origin: Some(event.origin),
            at: Some(event.at.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_change_travels_as_the_word_of_the_feed() {
        for kind in EventKind::ALL {
            let on_the_wire = WatchKind::from(kind);
            assert_eq!(on_the_wire.as_str(), kind.as_str());
            assert_eq!(serde_json::to_value(on_the_wire).unwrap(), kind.as_str());
            assert!(on_the_wire.is_change());
        }
        for kind in [
            WatchKind::Heartbeat,
            WatchKind::Gone,
            WatchKind::Stopping,
            WatchKind::Forbidden,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert!(!kind.is_change());
        }
    }
}
