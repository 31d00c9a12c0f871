//! What the storage measures while it works. To note something is a few atomic operations: reads wait for nothing here.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::metrics::{
    ByTwo, ByWord, COUNT_BOUNDS, Counter, Histogram, LATENCY_BOUNDS, LONG_BOUNDS, Limit, Registry,
    Rejections, Since,
};
use crate::storage::{Performance, PutOutcome, StorageError};

use super::disk::RecoveredShard;
use super::work::{WriteDone, WriteOp};

/// What came of a call: it was done, or the code of its error.
const OUTCOMES: &[&str] = &[
    "ok",
    "created",
    "unchanged",
    "not-found",
    "version-conflict",
    "version-deleted",
    "version-labelled",
    "precondition-failed",
    "edited-version",
    "invalid-document",
    "payload-too-large",
    "corrupt-version",
    "read-only-storage",
    "storage-full",
    "busy",
    "unavailable",
    "interrupted",
    "other",
];
/// What a write does.
const OPERATIONS: &[&str] = &[
    "put", "delete", "restore", "purge", "label", "evidence", "mend", "adopt", "other",
];

/// What the storage measures.
#[derive(Debug)]
pub(super) struct StorageMetrics {
    /// Reads of a version, by what came of them.
    reads: ByWord<Counter>,
    /// How long they took.
    read_took: Histogram,
    /// Changes, by what they do and what came of them.
    writes: ByTwo<Counter>,
    /// How long they took, waiting included.
    write_took: ByWord<Histogram>,
    /// Versions that left the cache for want of room.
    pub evictions: Counter,
    /// How often a version was in the cache, and how often it was not.
    pub cache_lookups: ByWord<Counter>,
    /// How long group commits took, from the first file to the last sync.
    commit_took: Histogram,
    /// How many versions were in one.
    commit_versions: Histogram,
    /// Temporary files that a recovery found.
    recovered: ByWord<Counter>,
    /// How long recoveries of a shard took.
    recovery_took: Histogram,
    /// Writes of the index.
    index_writes: ByWord<Counter>,
    /// How long they took.
    index_write_took: Histogram,
    /// Since when a change is not in the index.
    pub index_behind: Since,
    /// Since when a change is not in the index that is just being written.
    pub index_writing: Since,
    /// Since when an event waits to be looked at.
    pub watch_waiting: Since,
    /// Since when the events that are being looked at waited.
    pub watch_following: Since,
    /// How long events waited.
    pub watch_lag: Histogram,
    /// When the janitor last did its rounds.
    pub janitor_tick: Since,
    /// Whether somebody is looking at the room on the disk.
    pub looks_at_disk: AtomicBool,
    /// Limits that were run into.
    pub rejections: Rejections,
}

impl Default for StorageMetrics {
    fn default() -> Self {
        let latency = || Histogram::seconds(LATENCY_BOUNDS);
        Self {
            reads: ByWord::new("outcome", OUTCOMES, Counter::default),
            read_took: latency(),
            writes: ByTwo::new(["operation", "outcome"], OPERATIONS, OUTCOMES, Counter::default),
            write_took: ByWord::new("operation", OPERATIONS, latency),
            evictions: Counter::default(),
            cache_lookups: ByWord::new("outcome", &["hit", "miss"], Counter::default),
            commit_took: latency(),
            commit_versions: Histogram::counts(COUNT_BOUNDS),
            recovered: ByWord::new(
                "outcome",
                &["replayed", "discarded", "quarantined"],
                Counter::default,
            ),
            recovery_took: Histogram::seconds(LONG_BOUNDS),
            index_writes: ByWord::new("outcome", &["ok", "failed"], Counter::default),
            index_write_took: latency(),
            index_behind: Since::default(),
            index_writing: Since::default(),
            watch_waiting: Since::default(),
            watch_following: Since::default(),
            watch_lag: latency(),
            janitor_tick: Since::default(),
            looks_at_disk: AtomicBool::new(false),
            rejections: Rejections::default(),
        }
    }
}

impl StorageMetrics {
    /// Notes what came of reading a version.
    pub(super) fn note_read<T>(&self, read: &Result<T, StorageError>) {
        let outcome = read.as_ref().map_or_else(StorageError::code, |_| "ok");
        count(&self.reads, outcome);
    }

    /// Notes how long it took.
    pub(super) fn note_read_time(&self, took: Duration) {
        self.read_took.observe(took);
    }

    /// Notes whether a version was in the cache.
    pub(super) fn note_lookup(&self, is_hit: bool) {
        count(&self.cache_lookups, if is_hit { "hit" } else { "miss" });
    }

    /// Notes what came of a change and how long it took.
    pub(super) fn note_write(&self, operation: &str, done: &Result<WriteDone, StorageError>, took: Duration) {
        let outcome = match done {
            Ok(WriteDone::Put(PutOutcome::Created(_))) => "created",
            Ok(WriteDone::Put(PutOutcome::Unchanged(_))) => "unchanged",
            Ok(_) => "ok",
            Err(error) => error.code(),
        };
        if let Some(counter) = self.writes.of(operation, outcome) {
            counter.inc();
        }
        if let Some(histogram) = self.write_took.of(operation) {
            histogram.observe(took);
        }
        match done {
            Err(StorageError::Busy { .. }) => self.rejections.note(Limit::QueueDepth),
            Err(StorageError::TooLarge { .. }) => self.rejections.note(Limit::File),
            Err(StorageError::Full { .. }) => self.rejections.note(Limit::Reserve),
            _ => {}
        }
    }

    /// Notes a group commit.
    pub(super) fn note_commit(&self, versions: usize, took: Duration) {
        self.commit_versions.observe_count(versions);
        self.commit_took.observe(took);
    }

    /// Notes a recovery.
    pub(super) fn note_recovery(&self, recovered: &RecoveredShard, took: Duration) {
        for (outcome, files) in [
            ("replayed", recovered.replayed),
            ("discarded", recovered.discarded),
            ("quarantined", recovered.quarantined),
        ] {
            if let Some(counter) = self.recovered.of(outcome) {
                counter.inc_by(files);
            }
        }
        self.recovery_took.observe(took);
    }

    /// Notes a write of the index.
    pub(super) fn note_index_write(&self, is_ok: bool, took: Duration) {
        count(&self.index_writes, if is_ok { "ok" } else { "failed" });
        self.index_write_took.observe(took);
    }

    /// Returns for how long the oldest change has not been in the index; `None` when all are.
    pub(super) fn index_lag(&self) -> Option<Duration> {
        self.index_behind.age().max(self.index_writing.age())
    }

    /// Returns for how long the oldest event has waited to be looked at; `None` when none does.
    pub(super) fn watch_delay(&self) -> Option<Duration> {
        self.watch_waiting.age().max(self.watch_following.age())
    }

    /// Returns how often the index could not be written.
    pub(super) fn index_failures(&self) -> u64 {
        self.index_writes.of("failed").map_or(0, Counter::get)
    }

    /// Returns hits and misses of the cache.
    pub(super) fn lookups(&self) -> (u64, u64) {
        let count = |outcome| self.cache_lookups.of(outcome).map_or(0, Counter::get);
        (count("hit"), count("miss"))
    }

    /// Returns how fast reads and writes were so far.
    pub(super) fn performance(&self, slow_read: f64, slow_write: f64) -> Performance {
        let (cache_hits, cache_misses) = self.lookups();
        let writes = self.write_took.all().map(|took| took.above(slow_write));
        Performance {
            disk: None,
            reads: self.read_took.above(slow_read),
            writes: writes.fold(crate::metrics::Share::default(), crate::metrics::Share::plus),
            cache_hits,
            cache_misses,
        }
    }

    /// Gives the metrics their names.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("promptd_storage_reads", "Reads of a version", self.reads.clone());
        registry.register(
            "promptd_storage_read_duration_seconds",
            "How long reads of a version took",
            self.read_took.clone(),
        );
        registry.register(
            "promptd_storage_writes",
            "Changes of prompts",
            self.writes.clone(),
        );
        registry.register(
            "promptd_storage_write_duration_seconds",
            "How long changes took, from the request to the disk and waiting included",
            self.write_took.clone(),
        );
        registry.register(
            "promptd_cache_lookups",
            "Versions that were looked for in the cache",
            self.cache_lookups.clone(),
        );
        registry.register(
            "promptd_cache_evictions",
            "Versions that left the cache, or never got into it, for want of room",
            self.evictions.clone(),
        );
        registry.register(
            "promptd_commit_duration_seconds",
            "How long group commits took",
            self.commit_took.clone(),
        );
        registry.register(
            "promptd_commit_versions",
            "Versions in one group commit",
            self.commit_versions.clone(),
        );
        self.register_upkeep(registry);
    }

    fn register_upkeep(&self, registry: &mut Registry) {
        registry.register(
            "promptd_recovered_files",
            "Temporary files of a crash, by what became of them",
            self.recovered.clone(),
        );
        registry.register(
            "promptd_recovery_duration_seconds",
            "How long recoveries of a shard took",
            self.recovery_took.clone(),
        );
        registry.register(
            "promptd_index_writes",
            "Writes of .index.json",
            self.index_writes.clone(),
        );
        registry.register(
            "promptd_index_write_duration_seconds",
            "How long they took",
            self.index_write_took.clone(),
        );
        registry.register(
            "promptd_watch_lag_seconds",
            "How long a change made outside waited until shards were told",
            self.watch_lag.clone(),
        );
    }
}

impl WriteOp {
    /// Returns what the change does, in one word.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Put(_) => "put",
            Self::Delete { .. } | Self::DeleteChosen { .. } => "delete",
            Self::Restore(_) => "restore",
            Self::Purge { .. } | Self::PurgeTrashed(_) => "purge",
            Self::SetLabel(_) | Self::RemoveLabel { .. } => "label",
            Self::AddEvidence { .. } => "evidence",
            Self::Seal(_) | Self::MendManifest => "mend",
            Self::Adopt(_) => "adopt",
            Self::Quiet(_) => "other",
        }
    }
}

fn count(counters: &ByWord<Counter>, word: &str) {
    if let Some(counter) = counters.of(word) {
        counter.inc();
    }
}
