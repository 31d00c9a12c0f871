//! How a file system storage behaves: every limit by name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::model::ShardDepth;
use crate::storage::EvidenceLimits;
use crate::storage::feed::DEFAULT_EVENTS_KEPT;

use super::StoreObserver;
use super::disk::DiskLimits;

/// What to do with a version file that was changed by hand after it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalEdit {
    /// Serve it as it now is, marked `edited`.
    Serve,
    /// Answer `edited-version`.
    Refuse,
}

/// How changes made outside the daemon are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// By inotify; by scanning where inotify is not to be had or its limit is reached.
    Auto,
    /// By inotify alone.
    Inotify,
    /// By scanning every so often.
    Scan,
    /// Not at all, until the next start.
    Off,
}

/// How changes made outside the daemon are noticed, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchOptions {
    /// By what means.
    pub mode: WatchMode,
    /// Time between scans, where scanning is used.
    pub scan_interval: Duration,
    /// How long events are gathered before they are looked at.
    pub debounce: Duration,
    /// How many changed paths are remembered before everything is scanned instead.
    pub max_events: usize,
}

/// How often and how fast a child is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// So many restarts within the window are normal; one more and the child rests for a whole window.
    pub max_restarts: usize,
    /// The window.
    pub window: Duration,
    /// The pause before the first restart; it doubles with each further one in the window.
    pub min_backoff: Duration,
    /// The longest pause between normal restarts.
    pub max_backoff: Duration,
}

/// How a file system storage behaves. The configuration file documents every value.
#[derive(Debug, Clone)]
pub struct FileSystemOptions {
    /// The layout of a new store; an existing store keeps its own.
    pub shard_depth: ShardDepth,
    /// Whether `.index.json` is read and written.
    pub use_index: bool,
    /// Whether versions are cached.
    pub use_cache: bool,
    /// How many versions the cache is sized for.
    pub cache_size: usize,
    /// How many bytes the cache holds.
    pub max_cache_bytes: u64,
    /// What to do with files changed by hand.
    pub on_external_edit: ExternalEdit,
    /// Limits of the disk code.
    pub disk: DiskLimits,
    /// Writes that may wait for one shard.
    pub max_queue_depth: usize,
    /// Versions in one commit.
    pub max_batch_versions: usize,
    /// Bytes in one commit.
    pub max_batch_bytes: u64,
    /// Commits at the same time, over all shards.
    pub max_concurrent_commits: usize,
    /// How long a write waits for a shard that is down.
    pub write_timeout: Duration,
    /// How long changes are gathered before the index is written.
    pub index_interval: Duration,
    /// Writes come back when so many percent of `min_free_bytes` are free again; above 100.
    pub resume_free_percent: u32,
    /// Reading everything slowly, to find damage before somebody needs what is damaged.
    pub scrub: ScrubOptions,
    /// Deleted versions older than so many days are forgotten; 0 keeps them for ever.
    pub trash_max_age_days: u32,
    /// The directory beneath which backups lie; `None` is `backups` beside the store.
    pub backup_dir: Option<PathBuf>,
    /// The most bytes of one prompt that a backup keeps in memory.
    pub backup_memory_bytes: u64,
    /// How much evidence a version may have.
    pub evidence: EvidenceLimits,
    /// How many changes are kept for those who follow them.
    pub max_events_kept: usize,
    /// Watching.
    pub watch: WatchOptions,
    /// Restarts.
    pub restart: RestartPolicy,
    /// How long stopping may take before what still waits is given up.
    pub drain_timeout: Duration,
    /// Who is told of changes that nobody asked the storage for.
    pub observer: Option<Arc<dyn StoreObserver>>,
}

impl Default for FileSystemOptions {
    fn default() -> Self {
        Self {
            shard_depth: ShardDepth::DEFAULT,
            use_index: true,
            use_cache: true,
            cache_size: 10_000,
            max_cache_bytes: 64 << 20,
            on_external_edit: ExternalEdit::Serve,
            disk: DiskLimits {
                max_file_bytes: 4 << 20,
                min_free_bytes: 64 << 20,
            },
            max_queue_depth: 256,
            max_batch_versions: 64,
            max_batch_bytes: 4 << 20,
            max_concurrent_commits: 64,
            write_timeout: Duration::from_secs(10),
            index_interval: Duration::from_secs(1),
            resume_free_percent: 125,
            scrub: ScrubOptions::default(),
            trash_max_age_days: 0,
            backup_dir: None,
            backup_memory_bytes: 64 << 20,
            evidence: EvidenceLimits::default(),
            max_events_kept: DEFAULT_EVENTS_KEPT,
            watch: WatchOptions {
                mode: WatchMode::Auto,
                scan_interval: Duration::from_secs(30),
                debounce: Duration::from_millis(50),
                max_events: 16_384,
            },
            restart: RestartPolicy::default(),
            drain_timeout: Duration::from_secs(20),
            observer: None,
        }
    }
}

/// How the store is read slowly, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubOptions {
    /// Whether it is.
    pub enabled: bool,
    /// How much is read in a second.
    pub bytes_per_second: u64,
    /// The pause after everything was read once.
    pub pause: Duration,
    /// The pause after a start, which has other things to do.
    pub first_pause: Duration,
}

impl Default for ScrubOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            bytes_per_second: 256 << 10,
            pause: Duration::from_secs(24 * 3600),
            first_pause: Duration::from_secs(60),
        }
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            max_restarts: 5,
            window: Duration::from_secs(60),
            min_backoff: Duration::from_millis(10),
            max_backoff: Duration::from_secs(5),
        }
    }
}
