//! What is asked of a backup and of a restoring, and what comes of them.

use serde::{Deserialize, Serialize};

use crate::model::{Author, PromptId, Timestamp};

use super::Problem;

/// A backup that shall be made.
#[derive(Debug, Clone)]
pub struct BackupRequest {
    /// The directory or archive beneath the backup directory; `None` is the default directory.
    pub target: Option<String>,
    /// What names unfinished files: the job. Run again under the same name, it begins by removing them.
    pub job: String,
}

/// What is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreScope {
    /// Everything in the backup.
    Everything,
    /// These prompts.
    Prompts(Vec<PromptId>),
}

/// A restoring that shall be done.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// The backup, or a directory of snapshots: then its newest one.
    pub source: String,
    /// What of it.
    pub scope: RestoreScope,
    /// Whether only to say what would be done.
    pub dry_run: bool,
    /// Whether to bring back also numbers that were used here and are nowhere now. Only from a backup of this very store:
    /// there they had this content.
    pub lost: bool,
    /// What names unfinished files.
    pub job: String,
    /// Who restores; stands in the history of labels that are added.
    pub author: Author,
}

/// The forms of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackupForm {
    /// A directory that has the layout of a store.
    Directory,
    /// The same as one file: a tar, compressed with zstd.
    Archive,
}

/// What a backup holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupCounts {
    /// Prompts.
    pub prompts: u64,
    /// Live versions.
    pub versions: u64,
    /// Versions in the trash.
    pub trashed: u64,
    /// Files, without the inventory.
    pub files: u64,
    /// Bytes in these files.
    pub bytes: u64,
}

/// What came of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// The backup, beneath the backup directory: what `restore` and `backup verify` take.
    pub path: String,
    /// Where that is on the host.
    pub full_path: String,
    /// Its form.
    pub form: BackupForm,
    /// When it was begun.
    pub created_at: Timestamp,
    /// What it holds.
    #[serde(flatten)]
    pub counts: BackupCounts,
    /// Files that were written.
    pub copied: u64,
    /// Files that are hard links to the snapshot before.
    pub linked: u64,
    /// What is not as it should be in the store, and what therefore is not in the backup.
    pub problems: Vec<Problem>,
    /// How long it took.
    pub duration_ms: u64,
}

/// A backup that was read from end to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupCheck {
    /// The backup, beneath the backup directory.
    pub path: String,
    /// Its form.
    pub form: BackupForm,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The store that it was made of.
    pub store_id: String,
    /// What it holds.
    #[serde(flatten)]
    pub counts: BackupCounts,
    /// Versions whose seal matches.
    pub sealed: u64,
    /// Versions without a seal.
    pub unsealed: u64,
    /// Versions that were changed by hand in the store.
    pub edited: u64,
    /// Versions that were damaged in the store already.
    pub damaged: u64,
    /// Where the backup is not what its inventory says. A backup with problems is not restored from.
    pub problems: Vec<Problem>,
    /// How long it took.
    pub duration_ms: u64,
}

/// What came of a restoring.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The backup, beneath the backup directory.
    pub source: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Prompts that were looked at.
    pub prompts: u64,
    /// Versions that were added.
    pub versions: u64,
    /// Deleted versions that were added to the trash.
    pub trashed: u64,
    /// Labels that were added.
    pub labels: u64,
    /// Files with test results that were added.
    #[serde(default)]
    pub evidence: u64,
    /// Files that were there with the same content.
    pub unchanged: u64,
    /// What contradicts the store; there the store was left as it is.
    pub conflicts: Vec<Problem>,
    /// How long it took.
    pub duration_ms: u64,
}

/// One backup in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupSummary {
    /// The backup, beneath the backup directory.
    pub path: String,
    /// Its form.
    pub form: BackupForm,
    /// Its size on disk in bytes: of an archive the file, of a directory its files, whether they are links or not.
    pub size: u64,
    /// When it was finished.
    pub finished_at: Timestamp,
    /// What its inventory says; null for an archive, which would have to be read to its end for that, and for a directory
    /// without a readable inventory.
    pub inventory: Option<BackupInventory>,
}

/// What the inventory of a backup says of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupInventory {
    /// When the backup was begun.
    pub created_at: Timestamp,
    /// The store that it was made of.
    pub store_id: String,
    /// What it holds.
    #[serde(flatten)]
    pub counts: BackupCounts,
}
