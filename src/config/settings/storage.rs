//! The section `optimizer.storage`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::ByteSize;
use crate::model::ShardDepth;

/// Which backend keeps the versions, and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// The kind of store.
    pub backend: StorageBackend,
    /// Settings of the file system backend.
    pub config: FileStoreConfig,
}

/// The kinds of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageBackend {
    /// One JSON file per version: durable.
    #[default]
    Filesystem,
    /// In memory: everything is gone when the daemon ends.
    Memory,
}

/// What is done with a version file that was changed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExternalEdit {
    /// The file is served as it now is, and marked as edited.
    #[default]
    Serve,
    /// Reads of that version fail until it is sealed or restored.
    Refuse,
}

/// Settings of the file system backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileStoreConfig {
    /// The store directory; `None` is the default of [`paths`](crate::config::paths).
    pub storage_dir: Option<PathBuf>,
    /// The directory beneath which backups lie; `None` is `backups` beside the store.
    pub backup_dir: Option<PathBuf>,
    /// The most bytes of one prompt that a backup keeps in memory; what is more waits in the backup directory.
    pub backup_memory_bytes: ByteSize,
    /// Whether `.index.json` is kept on disk.
    pub use_index: bool,
    /// Whether version documents are cached in memory.
    pub use_cache: bool,
    /// The most documents in the cache.
    pub cache_size: usize,
    /// The most bytes of documents in the cache.
    pub max_cache_bytes: ByteSize,
    /// Whether prompts are spread over shard directories; see [`FileStoreConfig::effective_shard_depth`].
    pub enable_sharding: bool,
    /// How many hex digits name a shard directory of a new store.
    pub shard_depth: ShardDepth,
    /// What is done with a version file that was changed by hand.
    pub on_external_edit: ExternalEdit,
    /// Free space on the store's file system below which writes are refused.
    pub min_free_bytes: ByteSize,
    /// How many percent of `min_free_bytes` must be free before writes are taken again.
    pub resume_free_percent: u32,
    /// Age in days after which deleted versions are removed from the trash; 0 keeps them for ever.
    pub trash_max_age_days: u32,
    /// The most writes that wait for one shard.
    pub max_queue_depth: usize,
    /// The most versions in one group commit.
    pub max_batch_versions: usize,
    /// The most bytes of documents in one group commit.
    pub max_batch_bytes: ByteSize,
    /// The largest version file that is written or read.
    pub max_file_bytes: ByteSize,
    /// The most group commits at one time, over all shards.
    pub max_concurrent_commits: usize,
    /// Milliseconds between two writes of `.index.json`.
    pub index_interval_ms: u64,
    /// Which old versions go to the trash by themselves.
    pub retention: RetentionConfig,
    /// How the store is read slowly to find damage.
    pub scrub: ScrubConfig,
    /// How changes made by other programs are noticed.
    pub watch: WatchConfig,
    /// How often and how fast a failed shard is restarted.
    pub restart: RestartConfig,
}

impl FileStoreConfig {
    /// Returns the depth for a new store: [`ShardDepth::FLAT`] when sharding is off.
    #[must_use]
    pub const fn effective_shard_depth(&self) -> ShardDepth {
        if self.enable_sharding {
            self.shard_depth
        } else {
            ShardDepth::FLAT
        }
    }

    /// Returns the age after which the trash is emptied, or `None` for never.
    #[must_use]
    pub fn trash_max_age(&self) -> Option<Duration> {
        const DAY_SECONDS: u64 = 24 * 60 * 60;
        (self.trash_max_age_days > 0)
            .then(|| Duration::from_secs(u64::from(self.trash_max_age_days) * DAY_SECONDS))
    }
}

impl Default for FileStoreConfig {
    fn default() -> Self {
        Self {
            storage_dir: None,
            backup_dir: None,
            backup_memory_bytes: ByteSize::mib(64),
            use_index: true,
            use_cache: true,
            cache_size: 10_000,
            max_cache_bytes: ByteSize::mib(64),
            enable_sharding: true,
            shard_depth: ShardDepth::DEFAULT,
            on_external_edit: ExternalEdit::Serve,
            min_free_bytes: ByteSize::mib(64),
            resume_free_percent: 125,
            trash_max_age_days: 0,
            max_queue_depth: 256,
            max_batch_versions: 64,
            max_batch_bytes: ByteSize::mib(4),
            max_file_bytes: ByteSize::mib(4),
            max_concurrent_commits: 64,
            index_interval_ms: 1_000,
            retention: RetentionConfig::default(),
            scrub: ScrubConfig::default(),
            watch: WatchConfig::default(),
            restart: RestartConfig::default(),
        }
    }
}

/// Which old versions go to the trash by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// How many versions of a prompt stay; 0 keeps all of them.
    pub keep_last: u32,
    /// Younger versions stay as well; 0 is no such rule.
    pub keep_newer_than_days: u32,
    /// Hours between two collections.
    pub interval_hours: u64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            keep_last: 0,
            keep_newer_than_days: 0,
            interval_hours: 24,
        }
    }
}

/// How the store is read slowly to find damage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrubConfig {
    /// Whether it is.
    pub enabled: bool,
    /// How much is read in a second.
    pub bytes_per_second: ByteSize,
    /// Hours between the end of one reading of everything and the next.
    pub pause_hours: u64,
    /// Seconds between the start of the daemon and the first reading.
    pub first_pause_seconds: u64,
}

impl Default for ScrubConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            bytes_per_second: ByteSize::kib(256),
            pause_hours: 24,
            first_pause_seconds: 60,
        }
    }
}

/// How changes made by other programs are noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchConfig {
    /// The way of watching.
    pub mode: WatchMode,
    /// Seconds between two scans of the store.
    pub scan_interval_seconds: u64,
    /// Milliseconds for which events are gathered before they are looked at.
    pub debounce_ms: u64,
    /// The most events that wait; beyond it the store is scanned instead.
    pub max_events: usize,
}

/// The ways of watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchMode {
    /// Kernel events where they work, scans where they do not.
    #[default]
    Auto,
    /// Kernel events only; the daemon does not start without them.
    Inotify,
    /// Scans only.
    Scan,
    /// Nothing is watched.
    Off,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            mode: WatchMode::Auto,
            scan_interval_seconds: 30,
            debounce_ms: 50,
            max_events: 16_384,
        }
    }
}

/// How often and how fast a failed shard is restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestartConfig {
    /// The most restarts of one shard within the window.
    pub max_restarts: u32,
    /// The length of the window in seconds.
    pub window_seconds: u64,
    /// The first pause before a restart in milliseconds; it doubles each time.
    pub min_backoff_ms: u64,
    /// The longest pause before a restart in milliseconds.
    pub max_backoff_ms: u64,
}

impl Default for RestartConfig {
    fn default() -> Self {
        Self {
            max_restarts: 5,
            window_seconds: 60,
            min_backoff_ms: 10,
            max_backoff_ms: 5_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharding_switched_off_means_a_flat_store() {
        let mut config = FileStoreConfig::default();
        assert_eq!(config.effective_shard_depth(), ShardDepth::DEFAULT);
        config.enable_sharding = false;
        assert_eq!(config.effective_shard_depth(), ShardDepth::FLAT);
    }

    #[test]
    fn zero_days_keep_the_trash_for_ever() {
        let mut config = FileStoreConfig::default();
        assert_eq!(config.trash_max_age(), None);
        config.trash_max_age_days = 2;
        assert_eq!(config.trash_max_age(), Some(Duration::from_secs(172_800)));
    }
}
