//! The file system backend: plain files, one actor per shard directory.
//!
//! Reads go to the catalog, the cache and, on a miss, to one disk read; they wait for no actor. Writes go to the actor of
//! their shard. What an answer promises and what survives a crash is written in docs/durability.md.

mod actors;
mod backup;
mod cache;
mod catalog;
pub mod disk;
mod intents;
mod known_states;
mod liveness;
mod mend;
mod metrics;
mod observe;
mod observer;
mod options;
mod reads;
mod recovery;
mod runtime;
mod status;
mod storage;
mod verify;
mod watched;
mod work;

use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError};

use ractor::Actor;
use tokio::sync::oneshot;

use actors::{IndexMessage, IndexStatus, Pulses, Settings, Shared, Supervisor, SupervisorMessage};
use cache::VersionCache;
use catalog::Catalog;
use disk::{
    Disk, IndexHints, Layout, OpenedStore, RealDisk, Run, SpaceBounds, SpaceGuard, load_index, open_store,
};
use metrics::StorageMetrics;
use runtime::atomic::AtomicBool;
use runtime::atomic::Ordering;
use runtime::{Address, Mutex, Semaphore, watch};

use crate::storage::feed::Feed;

pub use disk::{DiskLimits, OpenError};
pub use observer::{Observation, StoreObserver};
pub use options::{ExternalEdit, FileSystemOptions, RestartPolicy, ScrubOptions, WatchMode, WatchOptions};
pub use recovery::Recovery;

/// Reads of the disk at the same time; more wait.
const MAX_CONCURRENT_READS: usize = 64;

/// Keeps versions in plain files.
#[derive(Debug)]
pub struct FileSystemStorage {
    shared: Arc<Shared>,
    supervisor: Address<SupervisorMessage>,
    reads: Semaphore,
    store: StoreFacts,
    closed: AtomicBool,
    /// The disk of the backup directory, for tests that make it fail.
    #[cfg(test)]
    backup_disk: Mutex<Option<Arc<dyn Disk>>>,
}

/// What was found when the store was opened.
#[derive(Debug)]
struct StoreFacts {
    path: String,
    store_id: String,
    opened_in_ms: u64,
}

impl FileSystemStorage {
    /// Opens a store, making it when it is absent. When this returns, every shard has recovered or is reported as down,
    /// and `.index.json` is there.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub async fn open(path: &Path, options: FileSystemOptions) -> Result<Arc<Self>, OpenError> {
        let depth = options.shard_depth;
        let owned = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || open_store(&owned, depth)).await;
        let opened = opened.map_err(|e| directory(path, std::io::Error::other(e)))??;
        let disk: Arc<RealDisk> = Arc::clone(&opened.disk);
        Self::open_with(opened, disk, options).await
    }

    /// Opens a store over another disk than its own, so that tests can make it fail.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(
        opened: OpenedStore,
        disk: Arc<dyn Disk>,
        options: FileSystemOptions,
    ) -> Result<Arc<Self>, OpenError> {
        Self::open_watched(opened, disk, options, &tokio::sync::watch::Sender::default()).await
    }

    /// As [`Self::open_with`], and tells how far the recovery is.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_watched(
        opened: OpenedStore,
        disk: Arc<dyn Disk>,
        options: FileSystemOptions,
        progress: &tokio::sync::watch::Sender<Recovery>,
    ) -> Result<Arc<Self>, OpenError> {
        let started = std::time::Instant::now();
        let (metadata, shards, real) = (
            opened.metadata.clone(),
            opened.shards.clone(),
            Arc::clone(&opened.disk),
        );
        backup::check_dir(real.path(), options.backup_dir.as_deref()).await?;
        if metadata.shard_depth != options.shard_depth {
            let (found, configured) = (u8::from(metadata.shard_depth), u8::from(options.shard_depth));
            tracing::info!(found, configured, "the store keeps its own shard_depth");
        }
        let (loading, use_index) = (Arc::clone(&disk), options.use_index);
        let loaded = tokio::task::spawn_blocking(move || {
            if use_index {
                load_index(&*loading)
            } else {
                (IndexHints::default(), disk::IndexSource::Missing)
            }
        });
        let (hints, source) = loaded
            .await
            .map_err(|e| directory(real.path(), std::io::Error::other(e)))?;
        tracing::debug!(?source, "index");
        let is_read_only = opened.lock.file.is_none();
        let shared = Arc::new(Self::assemble(opened, disk, options, hints, &source));
        if is_read_only {
            shared.saw_read_only();
        }
        let spawned = Actor::spawn(None, Supervisor, Arc::clone(&shared)).await;
        let (supervisor, _) = spawned.map_err(|e| directory(real.path(), std::io::Error::other(e)))?;
        let supervisor = runtime::address(&supervisor);
        // Set before any shard is made, so that every shard finds it.
        let _first = shared.supervisor.set(supervisor.clone());
        let facts = StoreFacts {
            path: real.path().display().to_string(),
            store_id: metadata.store_id,
            opened_in_ms: 0,
        };
        let (reads, closed) = (Semaphore::new(MAX_CONCURRENT_READS), AtomicBool::new(false));
        let mut storage = Self {
            shared,
            supervisor,
            reads,
            store: facts,
            closed,
            #[cfg(test)]
            backup_disk: Mutex::default(),
        };
        storage.start(&shards, progress).await;
        storage.store.opened_in_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Arc::new(storage))
    }

    /// Puts together what the actors share. None of them runs yet.
    fn assemble(
        opened: OpenedStore,
        disk: Arc<dyn Disk>,
        options: FileSystemOptions,
        hints: IndexHints,
        source: &disk::IndexSource,
    ) -> Shared {
        let metrics = Arc::new(StorageMetrics::default());
        Shared {
            root: opened.disk.path().to_owned(),
            run: Run {
                id: Arc::from(uuid::Uuid::new_v4().simple().to_string().as_str()),
                distrust: opened.distrust,
            },
            lock: Mutex::new(Some(Arc::new(opened.lock))),
            supervisor: OnceLock::new(),
            layout: Layout {
                depth: opened.metadata.shard_depth,
            },
            catalog: Catalog::new(Feed::new(options.max_events_kept)),
            cache: Arc::new(VersionCache::new(
                options.use_cache,
                options.cache_size,
                options.max_cache_bytes,
                options.disk.max_file_bytes,
                metrics.evictions.clone(),
            )),
            metrics,
            shards: actors::ShardTable::default(),
            hints: Mutex::new(Arc::new(hints)),
            index: watch::channel(None).0,
            index_is_stale: AtomicBool::new(true),
            index_status: Mutex::new(IndexStatus::found(source)),
            watch_status: Mutex::default(),
            room: Arc::new(SpaceGuard::new(SpaceBounds::new(
                options.disk.min_free_bytes,
                options.resume_free_percent,
            ))),
            scrub: Mutex::default(),
            space: Mutex::new(None),
            others: Mutex::default(),
            silent: Mutex::default(),
            problems: Mutex::new(opened.problems),
            #[cfg(test)]
            max_watches: std::sync::atomic::AtomicUsize::new(usize::MAX),
            #[cfg(test)]
            children: Mutex::default(),
            commits: Arc::new(Semaphore::new(options.max_concurrent_commits)),
            has_started: AtomicBool::new(false),
            stopping: Arc::default(),
            pulses: Pulses::default(),
            watcher: Mutex::default(),
            janitor: Mutex::default(),
            settings: Mutex::new(Settings::of(&options)),
            disk,
            options,
        }
    }

    async fn start(&self, shards: &[crate::model::ShardId], progress: &tokio::sync::watch::Sender<Recovery>) {
        shards.iter().for_each(|shard| drop(self.shared.shard(shard)));
        self.await_recovery(progress).await;
        self.shared.has_started.store(true, Ordering::Release);
        *self.shared.hints.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        let _alive = self.supervisor.cast(SupervisorMessage::StartOthers);
        if self.shared.options.use_index
            && let Err(reason) = self.flush_index().await
        {
            tracing::warn!(reason, "the index could not be written");
        }
    }

    /// Writes the index now.
    async fn flush_index(&self) -> Result<u64, String> {
        self.ask_index(IndexMessage::Flush).await
    }

    /// Asks the index actor to write, and waits until it has.
    async fn ask_index(
        &self,
        message: fn(oneshot::Sender<Result<u64, String>>) -> IndexMessage,
    ) -> Result<u64, String> {
        let mut slot = self.shared.index.subscribe();
        let index =
            match tokio::time::timeout(self.shared.write_timeout(), slot.wait_for(Option::is_some)).await {
                Ok(Ok(index)) => index.clone(),
                _ => None,
            };
        let (reply, answer) = oneshot::channel();
        match index {
            Some(index) if index.cast(message(reply)).is_ok() => {
                match tokio::time::timeout(self.shared.write_timeout(), answer).await {
                    Ok(Ok(written)) => written,
                    Ok(Err(_)) => Err("the index actor ended".into()),
                    Err(_) => Err("the index was not written in time".into()),
                }
            }
            _ => Err("the index actor is down".into()),
        }
    }
}

fn directory(path: &Path, source: std::io::Error) -> OpenError {
    OpenError::Directory {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
#[cfg(feature = "interleavings")]
mod interleavings;
#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
pub(crate) mod tests;
