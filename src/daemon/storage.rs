//! Which storage the configuration asks for, and the ledger of jobs that goes with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::audit::{AuditLog, AuditOptions, AuditedStorage, Entry, OnFailure};
use crate::config::paths::Paths;
use crate::config::{
    AuditConfig, AuditFailure, Config, EvidenceConfig, ExternalEdit, FileStoreConfig, LimitsConfig,
    RestartConfig, WatchConfig, WatchMode,
};
use crate::jobs::{DiskLedger, Ledger, MemoryLedger};
use crate::storage::filesystem::disk::{Disk, DiskMetrics, TimedDisk, open_store};
use crate::storage::filesystem::{
    self, DiskLimits, FileSystemOptions, FileSystemStorage, OpenError, Recovery, RestartPolicy, WatchOptions,
};
use crate::storage::memory::MemoryStorage;
use crate::storage::{EvidenceLimits, VersionStorage};

use super::metrics::Gathered;
use super::predecessor;

/// A storage, and where the jobs that work on it are written down.
pub(super) struct Opened {
    pub(super) storage: Arc<dyn VersionStorage>,
    /// The same storage, if it is one on files.
    pub(super) files: Option<Arc<FileSystemStorage>>,
    pub(super) ledger: Arc<dyn Ledger>,
    /// The log of changes, where there is one.
    pub(super) audit: Option<AuditLog>,
    pub(super) metrics: Gathered,
}

/// Opens the storage that is configured. Without a store directory everything is kept in memory.
///
/// # Errors
/// [`OpenError`] says what to do.
pub(super) async fn open(
    config: &Config,
    paths: &Paths,
    progress: &watch::Sender<Recovery>,
) -> Result<Opened, OpenError> {
    let files = &config.optimizer.storage.config;
    match &paths.store {
        Some(store) => open_files(store, options_of(config), &config.daemon.audit, progress).await,
        None => Ok(Opened {
            storage: Arc::new(
                MemoryStorage::new(files.max_file_bytes.get())
                    .with_evidence_limits(evidence_limits(&config.optimizer.evidence))
                    .with_events_kept(config.daemon.limits.max_events_kept),
            ),
            files: None,
            ledger: Arc::new(MemoryLedger::default()),
            audit: None,
            metrics: Gathered::default(),
        }),
    }
}

async fn open_files(
    store: &Path,
    mut options: FileSystemOptions,
    audit: &AuditConfig,
    progress: &watch::Sender<Recovery>,
) -> Result<Opened, OpenError> {
    let failed = |source| OpenError::Directory {
        path: store.to_owned(),
        source,
    };
    let depth = options.shard_depth;
    let attempt = || {
        let path = store.to_owned();
        let opening = tokio::task::spawn_blocking(move || open_store(&path, depth));
        async move {
            opening
                .await
                .map_err(|error| failed(std::io::Error::other(error)))?
        }
    };
    let is_held = |error: &OpenError| matches!(error, OpenError::Locked { .. });
    let opened = predecessor::outlast(attempt, is_held).await?;
    let mut metrics = Gathered::default();
    let syncs = DiskMetrics::default();
    syncs.register(&mut metrics.registry);
    let disk: Arc<dyn Disk> = Arc::new(TimedDisk::new(Arc::clone(&opened.disk) as _, syncs));
    let ledger = Arc::new(DiskLedger::new(Arc::clone(&disk), options.disk.min_free_bytes));
    let log = match audit.enabled {
        true => Some(open_log(Arc::clone(&disk), audit).await.map_err(failed)?),
        false => None,
    };
    if let Some((log, _)) = &log {
        log.register_metrics(&mut metrics.registry);
        options.observer = Some(Arc::new(log.clone()));
    }
    let files = match FileSystemStorage::open_watched(opened, disk, options, progress).await {
        Ok(files) => files,
        Err(error) => {
            if let Some((log, _)) = log {
                log.close().await;
            }
            return Err(error);
        }
    };
    metrics
        .rejections
        .push(files.register_metrics(&mut metrics.registry));
    let plain = Arc::clone(&files) as Arc<dyn VersionStorage>;
    let (storage, audit) = match log {
        Some((log, open)) => {
            let audited = AuditedStorage::new(plain, log.clone(), open).await;
            (audited as Arc<dyn VersionStorage>, Some(log))
        }
        None => (plain, None),
    };
    Ok(Opened {
        storage,
        files: Some(files),
        ledger,
        audit,
        metrics,
    })
}

/// Opens the log of changes. Returns also what was intended when the daemon ended the last time.
async fn open_log(disk: Arc<dyn Disk>, audit: &AuditConfig) -> std::io::Result<(AuditLog, Vec<Entry>)> {
    let options = audit_options(audit);
    let opened = tokio::task::spawn_blocking(move || AuditLog::open(disk, options)).await;
    let opened = opened.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    opened.map_err(|error| {
        let reason = format!("the audit log (daemon.audit): {error}");
        std::io::Error::new(error.kind(), reason)
    })
}

/// Returns how the storage on files is to behave.
pub(super) fn options_of(config: &Config) -> FileSystemOptions {
    file_system_options(config)
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

fn file_system_options(config: &Config) -> FileSystemOptions {
    let (files, limits): (&FileStoreConfig, &LimitsConfig) =
        (&config.optimizer.storage.config, &config.daemon.limits);
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
        evidence: evidence_limits(&config.optimizer.evidence),
        max_events_kept: limits.max_events_kept,
        watch: watch_options(&files.watch),
        restart: restart_policy(&files.restart),
        drain_timeout: Duration::from_millis(limits.drain_timeout_ms),
        observer: None,
    }
}

fn evidence_limits(evidence: &EvidenceConfig) -> EvidenceLimits {
    EvidenceLimits {
        max_results: evidence.max_results,
        max_bytes: evidence.max_bytes.get(),
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
        let from_config = file_system_options(&Config::default());
        assert_eq!(
            format!("{from_config:?}"),
            format!("{:?}", FileSystemOptions::default())
        );
    }

    #[test]
    fn what_is_configured_arrives() {
        let mut config = Config::default();
        let files = &mut config.optimizer.storage.config;
        files.enable_sharding = false;
        files.on_external_edit = ExternalEdit::Refuse;
        files.max_queue_depth = 7;
        files.watch.mode = WatchMode::Scan;
        config.daemon.limits.request_timeout_ms = 1_500;
        config.daemon.limits.drain_timeout_ms = 2_500;
        config.optimizer.evidence.max_results = 9;
        let options = file_system_options(&config);
        assert_eq!(options.evidence.max_results, 9);
        assert_eq!(options.shard_depth, crate::model::ShardDepth::FLAT);
        assert_eq!(options.on_external_edit, filesystem::ExternalEdit::Refuse);
        assert_eq!(options.watch.mode, filesystem::WatchMode::Scan);
        assert_eq!(options.max_queue_depth, 7);
        assert_eq!(options.write_timeout, Duration::from_millis(1_500));
        assert_eq!(options.drain_timeout, Duration::from_millis(2_500));
    }
}
