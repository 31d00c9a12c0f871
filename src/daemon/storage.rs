//! Which storage the configuration asks for, and the ledger of jobs that goes with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::{AuditLog, AuditOptions, AuditedStorage, OnFailure};
use crate::config::paths::Paths;
use crate::config::{
    AuditConfig, AuditFailure, Config, ExternalEdit, FileStoreConfig, LimitsConfig, RestartConfig,
    WatchConfig, WatchMode,
};
use crate::jobs::{DiskLedger, Ledger, MemoryLedger};
use crate::storage::VersionStorage;
use crate::storage::filesystem::disk::{Disk, open_store};
use crate::storage::filesystem::{
    self, DiskLimits, FileSystemOptions, FileSystemStorage, OpenError, RestartPolicy, WatchOptions,
};
use crate::storage::memory::MemoryStorage;

/// A storage, and where the jobs that work on it are written down.
pub(super) struct Opened {
    pub(super) storage: Arc<dyn VersionStorage>,
    pub(super) ledger: Arc<dyn Ledger>,
    /// The log of changes, where there is one.
    pub(super) audit: Option<AuditLog>,
}

/// Opens the storage that is configured. Without a store directory everything is kept in memory.
///
/// # Errors
/// [`OpenError`] says what to do.
pub(super) async fn open(config: &Config, paths: &Paths) -> Result<Opened, OpenError> {
    let files = &config.optimizer.storage.config;
    match &paths.store {
        Some(store) => {
            let options = file_system_options(files, &config.daemon.limits);
            open_files(store, options, &config.daemon.audit).await
        }
        None => Ok(Opened {
            storage: Arc::new(MemoryStorage::new(files.max_file_bytes.get())),
            ledger: Arc::new(MemoryLedger::default()),
            audit: None,
        }),
    }
}

async fn open_files(
    store: &Path,
    mut options: FileSystemOptions,
    audit: &AuditConfig,
) -> Result<Opened, OpenError> {
    let (path, depth) = (store.to_owned(), options.shard_depth);
    let failed = |source| OpenError::Directory {
        path: store.to_owned(),
        source,
    };
    let opened = tokio::task::spawn_blocking(move || open_store(&path, depth)).await;
    let opened = opened.map_err(|error| failed(std::io::Error::other(error)))??;
    let disk: Arc<dyn Disk> = Arc::clone(&opened.disk) as Arc<dyn Disk>;
    let ledger = Arc::new(DiskLedger::new(Arc::clone(&disk), options.disk.min_free_bytes));
    if !audit.enabled {
        let storage = FileSystemStorage::open_with(opened, disk, options).await?;
        return Ok(Opened {
            storage,
            ledger,
            audit: None,
        });
    }
    let (log_disk, log_options) = (Arc::clone(&disk), audit_options(audit));
    let log = tokio::task::spawn_blocking(move || AuditLog::open(log_disk, log_options)).await;
    let in_log = |error: std::io::Error| {
        let reason = format!("the audit log (daemon.audit): {error}");
        failed(std::io::Error::new(error.kind(), reason))
    };
    let log = log.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let (log, open) = log.map_err(in_log)?;
    options.observer = Some(Arc::new(log.clone()));
    let storage = match FileSystemStorage::open_with(opened, disk, options).await {
        Ok(storage) => storage,
        Err(error) => {
            log.close().await;
            return Err(error);
        }
    };
    Ok(Opened {
        storage: AuditedStorage::new(storage, log.clone(), open).await,
        ledger,
        audit: Some(log),
    })
}

fn audit_options(audit: &AuditConfig) -> AuditOptions {
    AuditOptions {
        max_segment_bytes: audit.max_segment_bytes.get(),
        max_segments: audit.max_segments,
        on_failure: match audit.on_failure {
            AuditFailure::Refuse => OnFailure::Refuse,
            AuditFailure::Serve => OnFailure::Serve,
        },
    }
}

fn file_system_options(files: &FileStoreConfig, limits: &LimitsConfig) -> FileSystemOptions {
    let defaults = FileSystemOptions::default();
    FileSystemOptions {
        shard_depth: files.effective_shard_depth(),
        use_index: files.use_index,
        use_cache: files.use_cache,
        cache_size: files.cache_size,
        max_cache_bytes: files.max_cache_bytes.get(),
        on_external_edit: match files.on_external_edit {
            ExternalEdit::Serve => filesystem::ExternalEdit::Serve,
            ExternalEdit::Refuse => filesystem::ExternalEdit::Refuse,
        },
        disk: DiskLimits {
            max_file_bytes: files.max_file_bytes.get(),
            min_free_bytes: files.min_free_bytes.get(),
        },
        max_queue_depth: files.max_queue_depth,
        max_batch_versions: files.max_batch_versions,
        max_batch_bytes: files.max_batch_bytes.get(),
        max_concurrent_commits: files.max_concurrent_commits,
        // A write that waits longer than its request would be answered to nobody.
        write_timeout: defaults
            .write_timeout
            .min(Duration::from_millis(limits.request_timeout_ms)),
        index_interval: Duration::from_millis(files.index_interval_ms),
        resume_free_percent: files.resume_free_percent,
        scrub: filesystem::ScrubOptions {
            enabled: files.scrub.enabled,
            bytes_per_second: files.scrub.bytes_per_second.get(),
            pause: Duration::from_secs(files.scrub.pause_hours * 3600),
            first_pause: Duration::from_secs(files.scrub.first_pause_seconds),
        },
        trash_max_age_days: files.trash_max_age_days,
        backup_dir: files.backup_dir.clone(),
        backup_memory_bytes: files.backup_memory_bytes.get(),
        watch: watch_options(&files.watch),
        restart: restart_policy(&files.restart),
        drain_timeout: Duration::from_millis(limits.drain_timeout_ms),
        observer: None,
    }
}

fn watch_options(watch: &WatchConfig) -> WatchOptions {
    WatchOptions {
        mode: match watch.mode {
            WatchMode::Auto => filesystem::WatchMode::Auto,
            WatchMode::Inotify => filesystem::WatchMode::Inotify,
            WatchMode::Scan => filesystem::WatchMode::Scan,
            WatchMode::Off => filesystem::WatchMode::Off,
        },
        scan_interval: Duration::from_secs(watch.scan_interval_seconds),
        debounce: Duration::from_millis(watch.debounce_ms),
        max_events: watch.max_events,
    }
}

fn restart_policy(restart: &RestartConfig) -> RestartPolicy {
    RestartPolicy {
        max_restarts: usize::try_from(restart.max_restarts).unwrap_or(usize::MAX),
        window: Duration::from_secs(restart.window_seconds),
        min_backoff: Duration::from_millis(restart.min_backoff_ms),
        max_backoff: Duration::from_millis(restart.max_backoff_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_configuration_are_the_defaults_of_the_storage() {
        let from_config = file_system_options(&FileStoreConfig::default(), &LimitsConfig::default());
        assert_eq!(
            format!("{from_config:?}"),
            format!("{:?}", FileSystemOptions::default())
        );
    }

    #[test]
    fn what_is_configured_arrives() {
        let mut files = FileStoreConfig {
            enable_sharding: false,
            on_external_edit: ExternalEdit::Refuse,
            max_queue_depth: 7,
            ..FileStoreConfig::default()
        };
        files.watch.mode = WatchMode::Scan;
        let limits = LimitsConfig {
            request_timeout_ms: 1_500,
            drain_timeout_ms: 2_500,
            ..LimitsConfig::default()
        };
        let options = file_system_options(&files, &limits);
        assert_eq!(options.shard_depth, crate::model::ShardDepth::FLAT);
        assert_eq!(options.on_external_edit, filesystem::ExternalEdit::Refuse);
        assert_eq!(options.watch.mode, filesystem::WatchMode::Scan);
        assert_eq!(options.max_queue_depth, 7);
        assert_eq!(options.write_timeout, Duration::from_millis(1_500));
        assert_eq!(options.drain_timeout, Duration::from_millis(2_500));
    }
}
