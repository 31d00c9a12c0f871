//! What can go wrong in a storage, with the stable code of each.

use std::path::PathBuf;

use crate::model::{DocumentError, Label, PromptId, Version};

/// Why a storage could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// The prompt is unknown.
    #[error("prompt {0} does not exist")]
    PromptNotFound(PromptId),
    /// The prompt has no such version.
    #[error("version {version} of prompt {id} does not exist")]
    VersionNotFound {
        /// The prompt.
        id: PromptId,
        /// The version.
        version: Version,
    },
    /// The trash holds no such version.
    #[error("version {version} of prompt {id} is not in the trash")]
    NotInTrash {
        /// The prompt.
        id: PromptId,
        /// The version.
        version: Version,
    },
    /// The label is not set.
    #[error("prompt {id} has no label {label}")]
    LabelNotFound {
        /// The prompt.
        id: PromptId,
        /// The label.
        label: Label,
    },
    /// The number is taken.
    #[error("version {version} of prompt {id} exists")]
    Conflict {
        /// The prompt.
        id: PromptId,
        /// The version.
        version: Version,
    },
    /// The number lies in the trash.
    #[error("version {version} of prompt {id} was deleted: restore it from the trash, or purge it first")]
    Deleted {
        /// The prompt.
        id: PromptId,
        /// The version.
        version: Version,
    },
    /// A label points at the version.
    #[error(
        "label {label} points at version {version} of prompt {id}: move the label, or force the deletion"
    )]
    Labelled {
        /// The prompt.
        id: PromptId,
        /// The version.
        version: Version,
        /// The label.
        label: Label,
    },
    /// The latest version is no longer the one that the caller compared with; compare again.
    #[error("the latest version of prompt {0} changed meanwhile")]
    StaleLatest(PromptId),
    /// A label or version is not where the caller expects it.
    #[error("{0}")]
    PreconditionFailed(String),
    /// No number is left.
    #[error("prompt {0} has used the highest possible version number")]
    NumbersExhausted(PromptId),
    /// The document breaks a rule of the format.
    #[error(transparent)]
    InvalidDocument(#[from] DocumentError),
    /// The file would be too large.
    #[error("the version would be {size} bytes; the limit max_file_bytes is {limit}")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The file on disk is no valid version.
    #[error("{path} is damaged: {reason}; it is left as it is, 'promptctl verify' lists it")]
    Corrupt {
        /// The file, relative to the store.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file with the test results of a version is damaged.
    #[error(
        "{path} is damaged: {reason}; it is left as it is and takes no results until it is put right: put back a copy, or move it away"
    )]
    CorruptEvidence {
        /// The file, relative to the store.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An execution has another result already.
    #[error(
        "version {version} of prompt {id} has another result of execution {execution_id}: an execution has one result, give a new run a new id"
    )]
    EvidenceConflict {
        /// The prompt.
        id: PromptId,
        /// The version.
        version: Version,
        /// The execution.
        execution_id: String,
    },
    /// A version would have more test results than it may.
    #[error(
        "version {version} of prompt {id} would have {wanted} {what} of evidence, and {limit} are allowed (optimizer.evidence)"
    )]
    EvidenceFull {
        /// The prompt.
        id: PromptId,
        /// The version.
        version: Version,
        /// What there is too much of, and the key of the limit.
        what: &'static str,
        /// How much there would be.
        wanted: u64,
        /// How much may be.
        limit: u64,
    },
    /// The file was edited by hand and the configuration says not to serve such files.
    #[error("{path} was changed outside promptd and on_external_edit is 'refuse'")]
    Edited {
        /// The file, relative to the store.
        path: String,
    },
    /// No room.
    #[error(
        "the disk is full: {free} bytes are free, and new versions are stored again from {reserve} on (min_free_bytes, resume_free_percent); reads, labels and deletes still work"
    )]
    Full {
        /// Free bytes.
        free: u64,
        /// How much must be free before something new is stored again.
        reserve: u64,
    },
    /// The file system is read-only.
    #[error("the store is on a read-only file system: reads still work")]
    ReadOnly,
    /// Too many writes wait for this shard.
    #[error("{waiting} writes are waiting for shard {shard} (max_queue_depth): try again")]
    Busy {
        /// The shard.
        shard: String,
        /// How many wait.
        waiting: usize,
    },
    /// A part of the storage is down.
    #[error("{0}")]
    Unavailable(String),
    /// A write was cut off: it may or may not have happened.
    #[error(
        "the write was interrupted and may or may not be done ({0}): look, or send the same request again"
    )]
    Interrupted(String),
    /// A backup that cannot be made, or not be used.
    #[error("{0}")]
    Backup(String),
    /// Anything else that the file system says.
    #[error("{doing} {path}: {message}", path = .path.display())]
    Io {
        /// What was tried, such as "reading".
        doing: &'static str,
        /// The file, relative to the store.
        path: PathBuf,
        /// What the operating system said.
        message: String,
    },
}

impl StorageError {
    /// Makes the error of a storage that keeps nothing on disk.
    pub(super) fn no_disk() -> Self {
        Self::Backup(
            "this store is kept in memory: there is nothing on disk to back up, and nowhere to restore to"
                .into(),
        )
    }

    /// Returns the stable code of the error, as clients see it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PromptNotFound(_)
            | Self::VersionNotFound { .. }
            | Self::NotInTrash { .. }
            | Self::LabelNotFound { .. } => "not-found",
            Self::Conflict { .. } | Self::NumbersExhausted(_) => "version-conflict",
            Self::Deleted { .. } => "version-deleted",
            Self::Labelled { .. } => "version-labelled",
            Self::PreconditionFailed(_) => "precondition-failed",
            Self::InvalidDocument(_) => "invalid-document",
            Self::TooLarge { .. } => "payload-too-large",
            Self::Corrupt { .. } => "corrupt-version",
            Self::CorruptEvidence { .. } => "corrupt-evidence",
            Self::EvidenceConflict { .. } => "evidence-conflict",
            Self::EvidenceFull { .. } => "evidence-full",
            Self::Edited { .. } => "edited-version",
            Self::Full { .. } => "storage-full",
            Self::ReadOnly => "read-only-storage",
            Self::Busy { .. } | Self::StaleLatest(_) => "busy",
            Self::Unavailable(_) | Self::Io { .. } => "unavailable",
            Self::Interrupted(_) => "interrupted",
            Self::Backup(_) => "invalid-request",
        }
    }
}
