//! Who changes something, and what for.

use serde::{Deserialize, Serialize};

use crate::model::Author;

/// Who changes something: an author, the process behind the connection, and the job that does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub author: Author,
    /// The primary group of the process that asked.
    pub gid: Option<u32>,
    /// The process that asked.
    pub pid: Option<i32>,
    /// The job that does it.
    pub job_id: Option<String>,
}

/// Somebody who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// Who.
    pub actor: Actor,
    /// What a version that is stored is stored for.
    pub put: Action,
}

/// What is done. The word is part of the format of the audit log and never changes its meaning.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The next version of a prompt.
    Create,
    /// A version under its own number.
    Save,
    /// A new version with the content of an old one.
    Rollback,
    /// A release of a candidate.
    Promote,
    /// A version that was found in a workflow document.
    Import,
    /// A rewritten text, or the version that it was made from.
    Optimize,
    /// A version to the trash.
    Delete,
    /// A version back from the trash.
    Restore,
    /// A version that lay in the trash, forgotten.
    Forget,
    /// A prompt forgotten altogether.
    Purge,
    /// A label set or moved.
    SetLabel,
    /// A label removed.
    RemoveLabel,
    /// Test results added to a version.
    AddEvidence,
    /// A step of a repair.
    Repair,
    /// The index written anew.
    RebuildIndex,
    /// A backup made.
    Backup,
    /// Versions taken in from a backup.
    RestoreBackup,
    /// A version that appeared in the store by another hand.
    OutsideAdded,
    /// A version that was changed in the store by another hand.
    OutsideEdited,
    /// A version that was removed from the store by another hand.
    OutsideRemoved,
    /// A label that was moved in the store by another hand.
    OutsideLabel,
    /// The daemon started.
    Start,
    /// The daemon stopped.
    Stop,
    /// The daemon read its configuration again.
    Reload,
    /// A request refused for want of rights.
    Refuse,
    /// Entries that could not be written.
    Gap,
}

impl Actor {
    /// Somebody of whom no more is known.
    #[must_use]
    pub const fn of(author: Author) -> Self {
        Self {
            author,
            gid: None,
            pid: None,
            job_id: None,
        }
    }

    /// The daemon itself.
    #[must_use]
    pub fn daemon() -> Self {
        Self::of(Author::daemon())
    }

    /// Somebody who changes files in the store without asking the daemon.
    #[must_use]
    pub fn outside() -> Self {
        Self::of(Author {
            name: "outside".to_owned(),
            uid: None,
        })
    }
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 26] = [
        Self::Create,
        Self::Save,
        Self::Rollback,
        Self::Promote,
        Self::Import,
        Self::Optimize,
        Self::Delete,
        Self::Restore,
        Self::Forget,
        Self::Purge,
        Self::SetLabel,
        Self::RemoveLabel,
        Self::AddEvidence,
        Self::Repair,
        Self::RebuildIndex,
        Self::Backup,
        Self::RestoreBackup,
        Self::OutsideAdded,
        Self::OutsideEdited,
        Self::OutsideRemoved,
        Self::OutsideLabel,
        Self::Start,
        Self::Stop,
        Self::Reload,
        Self::Refuse,
        Self::Gap,
    ];

    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Save => "save",
            Self::Rollback => "rollback",
            Self::Promote => "promote",
            Self::Import => "import",
            Self::Optimize => "optimize",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Forget => "forget",
            Self::Purge => "purge",
            Self::SetLabel => "set-label",
            Self::RemoveLabel => "remove-label",
            Self::AddEvidence => "add-evidence",
            Self::Repair => "repair",
            Self::RebuildIndex => "rebuild-index",
            Self::Backup => "backup",
            Self::RestoreBackup => "restore-backup",
            Self::OutsideAdded => "outside-added",
            Self::OutsideEdited => "outside-edited",
            Self::OutsideRemoved => "outside-removed",
            Self::OutsideLabel => "outside-label",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reload => "reload",
            Self::Refuse => "refuse",
            Self::Gap => "gap",
        }
    }

    /// Finds the action of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Action {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::parse(word).ok_or_else(|| format!("unknown action {word:?}: use one of {}", known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_travels_as_its_word_and_is_found_by_it() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
            assert_eq!(action.as_str().parse(), Ok(action));
        }
        assert!("bake".parse::<Action>().is_err());
    }
}
