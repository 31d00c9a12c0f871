//! Where versions are kept: one interface, [`VersionStorage`], and its backends.
//!
//! [`memory::MemoryStorage`] keeps everything in memory and is the oracle that [`filesystem::FileSystemStorage`] is
//! tested against. Only `versions` uses this module; the wire and the command line know nothing of it.
//!
//! What every backend promises: an answer to a write means that the write is done for good; a read never waits for a
//! write; a version's content never changes through this interface; a number once used is never chosen again.

mod acting;
mod backup;
mod entry;
mod error;
pub(crate) mod evidence;
pub mod filesystem;
#[cfg(test)]
pub(crate) mod interposed;
pub mod liveness;
pub mod memory;
mod performance;
mod progress;
mod repair;
mod report;
mod request;
mod reseal;
pub mod retention;
mod stored;
mod used;

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Author, Label, PromptId, TestResult, Version};

pub use acting::{Acting, Action, Actor};
pub use backup::{
    BackupCheck, BackupCounts, BackupForm, BackupInventory, BackupReport, BackupRequest, BackupSummary,
    RestoreReport, RestoreRequest, RestoreScope,
};
pub use entry::{LabelEntry, LabelMove, PromptEntry, TrashedVersion};
pub use error::StorageError;
pub use evidence::{EvidenceAdded, EvidenceLimits};
pub use performance::Performance;
pub use progress::Progress;
pub use repair::{Mend, RepairStep, plan_repair};
pub use report::{Problem, Severity, VerifyReport, VerifyScope};
pub use request::{Numbering, PromptPage, PutOutcome, PutVersion, Sameness, SetLabel};
pub(crate) use reseal::reseal;
pub use stored::{Fingerprint, RESERVED_METADATA, StoredVersion};
pub use used::HighestUsed;

/// One point in the history of a whole store: every change raises the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// Changes at every start, since a counter says nothing across starts.
    pub epoch: u64,
    /// Raised by every change in this run.
    pub counter: u64,
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}.{}", self.epoch, self.counter)
    }
}

/// Keeps versions of prompts.
///
/// Methods without `async` answer from memory at once. Reads of content wait for at most one disk read.
#[async_trait]
pub trait VersionStorage: Send + Sync + std::fmt::Debug + 'static {
    /// Returns what is known of a prompt, or `None` when it has neither versions nor trash.
    fn prompt(&self, id: &PromptId) -> Option<Arc<PromptEntry>>;

    /// Tells whether the storage knows all of a prompt; without it, that a prompt is not there is not certain.
    ///
    /// # Errors
    /// `Unavailable` when the part of the storage that would know is down.
    fn available(&self, _id: &PromptId) -> Result<(), StorageError> {
        Ok(())
    }

    /// Returns the prompts of one page, in the order of their ids.
    fn prompts(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>>;

    /// Returns the number of prompts with versions, and of versions.
    fn totals(&self) -> (u64, u64);

    /// Returns the revision that every change so far is part of.
    fn revision(&self) -> Revision;

    /// Returns one version.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`, `Edited` (when so configured), or what the disk says.
    async fn read(&self, id: &PromptId, version: &Version) -> Result<Arc<StoredVersion>, StorageError>;

    /// Returns several versions of a prompt in the order asked for; what cannot be read is an error in its place.
    async fn read_many(
        &self,
        id: &PromptId,
        versions: &[Version],
    ) -> Vec<Result<Arc<StoredVersion>, StorageError>>;

    /// Stores a version. When this answers, the version is durable and visible to every read.
    ///
    /// # Errors
    /// `Conflict`, `Deleted`, `StaleLatest`, `InvalidDocument`, `TooLarge`, or what the disk says. After `Interrupted` the
    /// version may or may not be there; putting it again is safe.
    async fn put(&self, id: &PromptId, request: PutVersion) -> Result<PutOutcome, StorageError>;

    /// Moves versions to the trash; an empty list means all of them. Durable when this answers.
    ///
    /// # Errors
    /// `NotFound`; `Labelled` when a label points at one of them and `force` is not set (with `force` the label is removed).
    async fn delete(
        &self,
        id: &PromptId,
        versions: &[Version],
        force: bool,
        author: &Author,
    ) -> Result<Vec<Version>, StorageError>;

    /// Moves versions to the trash that were chosen when the prompt was as `seen`, if the choice still holds
    /// ([`retention::check_choice`]): it is looked at in the same step, when nobody else changes the prompt.
    ///
    /// # Errors
    /// As [`Self::delete`] without `force`; `PreconditionFailed` when it does not hold any more.
    async fn delete_chosen(
        &self,
        seen: &PromptEntry,
        versions: &[Version],
        author: &Author,
    ) -> Result<Vec<Version>, StorageError>;

    /// Brings a version back from the trash.
    ///
    /// # Errors
    /// `NotFound` when the trash does not hold it.
    async fn restore(&self, id: &PromptId, version: &Version, author: &Author) -> Result<(), StorageError>;

    /// Forgets a prompt altogether: versions, labels, trash and used numbers. Cannot be undone.
    ///
    /// # Errors
    /// `NotFound`; `Labelled` when it carries labels and `force` is not set.
    async fn purge(&self, id: &PromptId, force: bool) -> Result<(), StorageError>;

    /// Forgets one version that lies in the trash. Its number stays used. Cannot be undone.
    ///
    /// # Errors
    /// `NotFound` when the trash does not hold it.
    async fn purge_trashed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError>;

    /// Forgets several versions of a prompt that lie in the trash, as [`Self::purge_trashed`] does with one.
    ///
    /// # Errors
    /// As [`Self::purge_trashed`]; some of them may be forgotten then.
    async fn purge_all_trashed(&self, id: &PromptId, versions: &[Version]) -> Result<(), StorageError> {
        for version in versions {
            self.purge_trashed(id, version).await?;
        }
        Ok(())
    }

    /// Lists what lies in the trash, the prompts in order, from after the given one.
    ///
    /// # Errors
    /// What the disk says.
    async fn trash(
        &self,
        after: Option<(&PromptId, &Version)>,
        prompt: Option<&PromptId>,
        limit: usize,
    ) -> Result<Vec<TrashedVersion>, StorageError>;

    /// Sets a label, or moves it.
    ///
    /// # Errors
    /// `NotFound` when the version is absent; `PreconditionFailed` when the label is not where the caller expects it.
    async fn set_label(&self, id: &PromptId, request: SetLabel) -> Result<LabelEntry, StorageError>;

    /// Removes a label.
    ///
    /// # Errors
    /// `NotFound` when it is not set; `PreconditionFailed` when it is not where the caller expects it.
    async fn remove_label(
        &self,
        id: &PromptId,
        label: &Label,
        expected: Option<&Version>,
        author: &Author,
    ) -> Result<(), StorageError>;

    /// Returns every move of every label of a prompt, the oldest first.
    ///
    /// # Errors
    /// `NotFound`, or what the disk says.
    async fn label_history(&self, id: &PromptId) -> Result<Vec<LabelMove>, StorageError>;

    /// Returns the test results that are kept of a version, in the order in which they came.
    ///
    /// # Errors
    /// `NotFound` when the version is absent, `CorruptEvidence`, or what the disk says.
    async fn evidence(&self, id: &PromptId, version: &Version) -> Result<Vec<TestResult>, StorageError>;

    /// Returns how much evidence a version may have.
    fn evidence_limits(&self) -> EvidenceLimits;

    /// Adds test results to those of a version: all of them or none. Durable when this answers. One that is there with
    /// the same content is not added again. They stay with the number while the version lies in the trash, and go with it
    /// when it is forgotten.
    ///
    /// # Errors
    /// `NotFound`, `EvidenceConflict`, `EvidenceFull`, `CorruptEvidence`, or what the disk says. After `Interrupted` they
    /// may or may not be there; adding them again is safe.
    async fn add_evidence(
        &self,
        id: &PromptId,
        version: &Version,
        results: &[TestResult],
    ) -> Result<EvidenceAdded, StorageError>;

    /// Reads everything and reports what is not as it should be. Changes nothing.
    ///
    /// # Errors
    /// What the disk says when it cannot be read at all, or `Interrupted` when it was cancelled.
    async fn verify(&self, progress: &Progress) -> Result<VerifyReport, StorageError> {
        self.verify_within(&VerifyScope::default(), progress).await
    }

    /// As [`Self::verify`], of a part of the store. What changes meanwhile is no finding.
    ///
    /// # Errors
    /// As [`Self::verify`].
    async fn verify_within(
        &self,
        scope: &VerifyScope,
        progress: &Progress,
    ) -> Result<VerifyReport, StorageError>;

    /// Does one step of a repair, which never loses anything; returns what it did, possibly nothing.
    ///
    /// # Errors
    /// As [`Self::put`]; the step may be tried again.
    async fn mend(&self, _mend: &Mend) -> Result<Vec<RepairStep>, StorageError> {
        Ok(Vec::new())
    }

    /// Looks at every directory again and writes the index anew. Returns the number of prompts and versions found.
    ///
    /// # Errors
    /// What the disk says, or `Interrupted` when it was cancelled.
    async fn rebuild_index(&self, progress: &Progress) -> Result<(u64, u64), StorageError>;

    /// Copies everything to a place of its own: consistent, durable and read back when this answers.
    ///
    /// # Errors
    /// `Backup` when the place cannot be used, or there is nothing on disk; what the disk says; `Interrupted` when it was
    /// cancelled. Then nothing is left of it.
    async fn backup(
        &self,
        _request: BackupRequest,
        _progress: &Progress,
    ) -> Result<BackupReport, StorageError> {
        Err(StorageError::no_disk())
    }

    /// Takes in from a backup what is not there. What is there with another content is reported and left alone.
    ///
    /// # Errors
    /// `Backup` when the backup is damaged: then nothing is changed; or what the disk says. Doing it again goes on.
    async fn restore_backup(
        &self,
        _request: RestoreRequest,
        _progress: &Progress,
    ) -> Result<RestoreReport, StorageError> {
        Err(StorageError::no_disk())
    }

    /// Reads a backup from end to end and holds it against its inventory.
    ///
    /// # Errors
    /// `Backup` when it is none.
    async fn verify_backup(&self, _source: &str, _progress: &Progress) -> Result<BackupCheck, StorageError> {
        Err(StorageError::no_disk())
    }

    /// Lists the backups that there are.
    ///
    /// # Errors
    /// What the disk says.
    async fn backups(&self) -> Result<Vec<BackupSummary>, StorageError> {
        Err(StorageError::no_disk())
    }

    /// Returns this storage as used by somebody for something, where the storage keeps a log of that; `None` where nothing
    /// is kept, and everybody uses the same.
    fn acting(&self, _acting: Acting) -> Option<Arc<dyn VersionStorage>> {
        None
    }

    /// Returns one JSON object of everything an operator asks about the storage.
    async fn status(&self) -> serde_json::Value;

    /// Returns the state of each part that the status only counts, one JSON object each.
    fn parts(&self) -> Vec<serde_json::Value> {
        Vec::new()
    }

    /// Looks at what is otherwise only looked at now and then, such as the room on the disk. Waits a moment at most.
    async fn observe(&self) {}

    /// Returns how fast reads and writes were so far; the arguments say what is slow, in seconds. `None` where nothing is
    /// measured.
    fn performance(&self, _slow_read: f64, _slow_write: f64) -> Option<Performance> {
        None
    }

    /// Tells whether every part of the storage is up; `Err` names what is not.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn health(&self) -> Result<(), String>;

    /// Returns what an operator should look at although everything is served: a full disk, damage that was found.
    fn concerns(&self) -> Vec<String> {
        Vec::new()
    }

    /// Ends all writes, makes everything durable and stops. Later calls answer `Unavailable`.
    async fn close(&self);
}

/// Checks that a label is where the caller expects it; `None` means that the caller does not care.
pub(crate) fn check_label(
    label: &Label,
    current: Option<&LabelEntry>,
    expected: Option<Option<&Version>>,
) -> Result<(), StorageError> {
    let current = current.map(|entry| &entry.version);
    match expected {
        Some(expected) if expected != current => {
            let shown =
                |version: Option<&Version>| version.map_or_else(|| "nowhere".to_owned(), ToString::to_string);
            let message = format!(
                "label {label} points at {}, not at {}",
                shown(current),
                shown(expected)
            );
            Err(StorageError::PreconditionFailed(message))
        }
        _ => Ok(()),
    }
}
