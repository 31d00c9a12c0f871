//! What a shard does on its blocking thread: write what clients ask for, look at what changed outside.
//!
//! Plain functions over the disk and a snapshot of the catalog. They return what the actor has to publish; they publish
//! nothing themselves, since the actor may be gone when they end.

mod adopt;
mod change;
mod evidence;
mod labels;
mod look;
mod mend;
mod observe;
mod plan;
mod puts;
mod touched;
mod write;

use std::sync::Arc;

use crate::model::{Author, Label, PromptId, TestResult, Version};
use crate::storage::feed::{Change as Event, EventKind, Origin, Told};
use crate::storage::{
    EvidenceAdded, EvidenceLimits, LabelEntry, Problem, PromptEntry, PutOutcome, PutVersion, RepairStep,
    SetLabel, StorageError,
};

use super::StoreObserver;
use super::cache::{CacheKey, CachedVersion, VersionCache};
use super::catalog::{Change, ShardCatalog};
use super::disk::ShardDisk;
use super::intents::Intents;
use super::metrics::StorageMetrics;

pub(super) use adopt::{AdoptDone, AdoptFile, AdoptRequest};
pub(super) use look::{Look, look};
pub(super) use puts::put_all;
pub(super) use write::write_one;

/// A change that a client asks for.
#[derive(Debug)]
pub(super) enum WriteOp {
    /// Store a version.
    Put(Box<PutVersion>),
    /// Move versions to the trash; an empty list means all.
    Delete {
        /// Which.
        versions: Vec<Version>,
        /// Also when labels point at them.
        force: bool,
        /// Who.
        author: Author,
    },
    /// Move versions to the trash, if what they were chosen by still holds.
    DeleteChosen {
        /// The prompt as it was when they were chosen.
        seen: Box<PromptEntry>,
        /// Which.
        versions: Vec<Version>,
        /// Who.
        author: Author,
    },
    /// Bring a version back.
    Restore(Version),
    /// Forget the prompt.
    Purge {
        /// Also when it carries labels.
        force: bool,
    },
    /// Forget versions in the trash.
    PurgeTrashed(Vec<Version>),
    /// Write the checksum of versions that have none, or of the one whose change by hand is accepted.
    Seal(Option<Version>),
    /// Write the manifest from what is known.
    MendManifest,
    /// Set or move a label.
    SetLabel(SetLabel),
    /// Remove a label.
    RemoveLabel {
        /// Which.
        label: Label,
        /// Where it must point now, if the caller cares.
        expected: Option<Version>,
        /// Who.
        author: Author,
    },
    /// Add test results to a version.
    AddEvidence {
        /// Which.
        version: Version,
        /// What was measured.
        results: Vec<TestResult>,
    },
    /// Take in files of a backup.
    Adopt(Box<AdoptRequest>),
    /// Change nothing, and call something while nobody else does.
    Quiet(Quiet),
}

/// Something to call while nobody else writes to a shard.
pub(super) struct Quiet(Box<dyn FnOnce() + Send + Sync>);

impl Quiet {
    /// Makes it of a function that only reads.
    pub(super) fn new(call: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Box::new(call))
    }
}

impl std::fmt::Debug for Quiet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Quiet")
    }
}

/// What came of a change.
#[derive(Debug)]
pub(super) enum WriteDone {
    /// Of a put.
    Put(PutOutcome),
    /// Of a deletion: what went to the trash.
    Deleted(Vec<Version>),
    /// Of a repair: its steps.
    Mended(Vec<RepairStep>),
    /// Of a label set.
    Label(LabelEntry),
    /// Of test results added.
    Evidence(EvidenceAdded),
    /// Of files taken in.
    Adopted(AdoptDone),
    /// Of anything else.
    Done,
}

/// What a shard's blocking work needs.
#[derive(Debug, Clone)]
pub(super) struct WorkContext {
    /// The shard's hold on the disk.
    pub disk: Arc<ShardDisk>,
    /// The shard's part of the catalog; read only here.
    pub catalog: Arc<ShardCatalog>,
    /// The cache; peeked into here.
    pub cache: Arc<VersionCache>,
    /// Bytes in one commit.
    pub max_batch_bytes: u64,
    /// How much evidence a version may have.
    pub evidence_limits: EvidenceLimits,
    /// What is measured.
    pub metrics: Arc<StorageMetrics>,
    /// Who is told of changes that nobody asked for.
    pub observer: Option<Arc<dyn StoreObserver>>,
}

/// What the actor has to publish.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Changes of the catalog.
    pub changes: Vec<Change>,
    /// Directories that were listed and found as they were known, each with the time.
    pub listed: Vec<(PromptId, i64)>,
    /// Versions for the cache.
    pub cached: Vec<(CacheKey, CachedVersion)>,
    /// Versions that must leave the cache.
    pub evicted: Vec<CacheKey>,
    /// What is wrong outside of prompt directories, when that was looked at.
    pub problems: Option<Vec<Problem>>,
    /// Whether the file system turned out to be read-only.
    pub saw_read_only: bool,
    /// What the work set out to do.
    pub intents: Intents,
    /// Changes that the catalog does not show.
    pub told: Vec<Told>,
    /// Why the shard must recover from disk before it goes on.
    pub must_recover: Option<String>,
}

impl Effects {
    /// Drops every cached version that a prompt had.
    fn evict_all(&mut self, id: &PromptId, versions: &[Version]) {
        self.evicted
            .extend(versions.iter().map(|version| (id.clone(), version.clone())));
    }

    /// Tells of a change of a version that the work made and the catalog does not show.
    fn made(&mut self, id: &PromptId, kind: EventKind, version: &Version) {
        self.told.push(Told {
            prompt_id: Some(id.clone()),
            origin: Origin::Daemon,
            change: Event::of_version(kind, version),
        });
    }

    /// Turns a disk fault into the caller's answer, and remembers when the shard must recover.
    fn fault(&mut self, disk: &ShardDisk, fault: super::disk::DiskFault) -> StorageError {
        let needs_recovery = fault.needs_recovery();
        self.saw_read_only |= fault == super::disk::DiskFault::ReadOnly;
        if fault == super::disk::DiskFault::NoSpace {
            disk.room().refused_by_disk();
        }
        let error = disk.error(fault);
        if needs_recovery {
            self.must_recover = Some(error.to_string());
        }
        error
    }
}
