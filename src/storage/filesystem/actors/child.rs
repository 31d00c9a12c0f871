//! What the children have in common: who they are, and what all of them need.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use ractor::ActorRef;

use crate::model::ShardId;
use crate::storage::Problem;
use crate::storage::filesystem::cache::VersionCache;
use crate::storage::filesystem::catalog::Catalog;
use crate::storage::filesystem::disk::{
    Disk, IndexHints, Layout, Pulse, Run, ShardDisk, Space, SpaceGuard, StoreLock, list_shards,
};
use crate::storage::filesystem::metrics::StorageMetrics;
use crate::storage::filesystem::options::{FileSystemOptions, WatchOptions};
use crate::storage::filesystem::runtime::atomic::{AtomicBool, Ordering};
use crate::storage::filesystem::runtime::{Address, Mutex, Semaphore, watch};
use crate::storage::liveness::ActorState;

use super::index::{IndexMessage, IndexStatus};
use super::janitor::JanitorMessage;
use super::scrub::ScrubStatus;
use super::shard_handle::{ShardHandle, ShardTable};
use super::supervisor::SupervisorMessage;
use super::watcher::{WatchStatus, WatcherMessage};

/// One child of the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChildId {
    /// The actor of one shard directory.
    Shard(ShardId),
    /// The index actor.
    Index,
    /// The watcher.
    Watcher,
    /// The janitor.
    Janitor,
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shard(shard) => write!(f, "shard {shard}"),
            Self::Index => f.write_str("index"),
            Self::Watcher => f.write_str("watcher"),
            Self::Janitor => f.write_str("janitor"),
        }
    }
}

/// What of the options may change while the store is open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Watching. The watcher is started anew to take it.
    pub watch: WatchOptions,
    /// How long a write waits for a shard that is down.
    pub write_timeout: Duration,
    /// How long stopping may take before what still waits is given up.
    pub drain_timeout: Duration,
}

impl Settings {
    /// Takes them out of the options.
    pub(crate) const fn of(options: &FileSystemOptions) -> Self {
        Self {
            watch: options.watch,
            write_timeout: options.write_timeout,
            drain_timeout: options.drain_timeout,
        }
    }
}

/// The pulses of those who are no shards.
#[derive(Debug, Default)]
pub(crate) struct Pulses {
    /// Of the index actor.
    pub index: Arc<Pulse>,
    /// Of the watcher.
    pub watcher: Arc<Pulse>,
    /// Of the janitor.
    pub janitor: Arc<Pulse>,
}

/// What every actor of one storage needs. Shared; nothing in it belongs to one actor's state.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The directory of the store; for watches, which need full paths.
    pub root: PathBuf,
    /// What is true of this start of the daemon.
    pub run: Run,
    /// The lock on the store. Work that writes holds it as well, so that nobody else opens the store before it ended.
    pub lock: Mutex<Option<Arc<StoreLock>>>,
    /// The supervisor, once it is up.
    pub supervisor: OnceLock<Address<SupervisorMessage>>,
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// Where things are.
    pub layout: Layout,
    /// How to behave, as it was at start. What may change meanwhile is in [`Shared::settings`].
    pub options: FileSystemOptions,
    /// What of it may change while the store is open.
    pub settings: Mutex<Settings>,
    /// The pulses of index, watcher and janitor; that of a shard is in its handle.
    pub pulses: Pulses,
    /// The watcher, once it was started.
    pub watcher: Mutex<Option<ActorRef<WatcherMessage>>>,
    /// The janitor, once it was started.
    pub janitor: Mutex<Option<ActorRef<JanitorMessage>>>,
    /// What exists.
    pub catalog: Catalog,
    /// Versions in memory.
    pub cache: Arc<VersionCache>,
    /// The shards and their handles.
    pub shards: ShardTable,
    /// What the index said at start; dropped once every shard has looked.
    pub hints: Mutex<Arc<IndexHints>>,
    /// The index actor, while it is up.
    pub index: watch::Sender<Option<ActorRef<IndexMessage>>>,
    /// Whether the index differs from the catalog.
    pub index_is_stale: AtomicBool,
    /// What the index actor last did.
    pub index_status: Mutex<IndexStatus>,
    /// What the watcher does.
    pub watch_status: Mutex<WatchStatus>,
    /// Whether there is room for something new.
    pub room: Arc<SpaceGuard>,
    /// What the scrubber found so far.
    pub scrub: Mutex<ScrubStatus>,
    /// Room on the file system as it was last seen.
    pub space: Mutex<Option<Space>>,
    /// How every child is that is no shard.
    pub others: Mutex<BTreeMap<ChildId, ActorState>>,
    /// The actors that did not answer when they were asked last, by their names.
    pub silent: Mutex<BTreeSet<String>>,
    /// What is measured.
    pub metrics: Arc<StorageMetrics>,
    /// What lies in the store itself and is not served.
    pub problems: Mutex<Vec<Problem>>,
    /// Commits at the same time.
    pub commits: Arc<Semaphore>,
    /// How many directories may be watched, as if the kernel said so.
    #[cfg(test)]
    pub max_watches: std::sync::atomic::AtomicUsize,
    /// The children that run, for tests that end them.
    #[cfg(test)]
    pub children: Mutex<BTreeMap<ChildId, crate::storage::filesystem::runtime::Cell>>,
    /// Whether every shard that was there at the start has recovered: what is there was made durable before.
    pub has_started: AtomicBool,
    /// Set when the storage stops: children that end are not started again.
    pub stopping: Arc<AtomicBool>,
}

impl Shared {
    /// Returns the handle of a shard; a shard that is new is started.
    pub(crate) fn shard(&self, id: &ShardId) -> Arc<ShardHandle> {
        let (handle, is_new) = self.shards.get_or_make(id, || {
            let (disk, run) = (Arc::clone(&self.disk), self.run.clone());
            let disk = ShardDisk::new(disk, self.layout, id.clone(), self.options.disk, run)
                .sharing(Arc::clone(&self.room));
            let stopping = Arc::clone(&self.stopping);
            ShardHandle::new(
                disk,
                self.catalog.shard(id),
                self.options.max_queue_depth,
                stopping,
            )
        });
        if is_new && let Some(supervisor) = self.supervisor.get() {
            let _stopping = supervisor.cast(SupervisorMessage::StartShard(id.clone()));
        }
        handle
    }

    /// Returns what may change, as it now is.
    pub(crate) fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how long a write waits for a shard that is down.
    pub(crate) fn write_timeout(&self) -> Duration {
        self.settings().write_timeout
    }

    /// Returns the pulse of a child.
    pub(crate) fn pulse(&self, child: &ChildId) -> Option<Arc<Pulse>> {
        match child {
            ChildId::Shard(id) => self.shards.get(id).map(|shard| Arc::clone(&shard.disk.pulse)),
            ChildId::Index => Some(Arc::clone(&self.pulses.index)),
            ChildId::Watcher => Some(Arc::clone(&self.pulses.watcher)),
            ChildId::Janitor => Some(Arc::clone(&self.pulses.janitor)),
        }
    }

    /// Tells whether a child that is no shard runs.
    pub(crate) fn runs(&self, child: &ChildId) -> bool {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.get(child).is_some_and(|state| state.up)
    }

    /// Tells whether an actor did not answer when it was asked last.
    pub(crate) fn is_silent(&self, actor: &str) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.contains(actor)
    }

    /// Starts shards whose directories appeared.
    pub(crate) async fn find_new_shards(&self) {
        let (disk, layout) = (Arc::clone(&self.disk), self.layout);
        let listed = tokio::task::spawn_blocking(move || list_shards(&*disk, layout)).await;
        if let Ok(Ok((shards, problems))) = listed {
            shards.iter().for_each(|shard| drop(self.shard(shard)));
            *self.problems.lock().unwrap_or_else(PoisonError::into_inner) = problems;
        }
    }

    /// Says that the index differs from the catalog; the index actor writes it in its own time.
    pub(crate) fn index_changed(&self) {
        if self.options.use_index {
            self.metrics.index_behind.begin();
        }
        if !self.index_is_stale.swap(true, Ordering::AcqRel)
            && let Some(index) = &*self.index.borrow()
        {
            // When the index actor is down, its next start writes the index anyway.
            let _down = index.cast(IndexMessage::Changed);
        }
    }

    /// Returns what the index said at start.
    pub(crate) fn current_hints(&self) -> Arc<IndexHints> {
        Arc::clone(&self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers that the file system turned out to be read-only; the janitor sees when it is not any more.
    pub(crate) fn saw_read_only(&self) {
        let mut space = self.space.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = space.get_or_insert(Space {
            free: 0,
            total: 0,
            read_only: true,
        });
        seen.read_only = true;
    }

    /// Remembers the room on the file system as it is now. Whether it is read-only after all is for the janitor to say.
    pub(crate) fn saw_space(&self, now: Space) {
        let mut space = self.space.lock().unwrap_or_else(PoisonError::into_inner);
        let read_only = now.read_only || space.is_some_and(|space| space.read_only);
        *space = Some(Space { read_only, ..now });
    }

    /// Tells whether the file system was read-only when that was last looked at.
    pub(crate) fn is_read_only(&self) -> bool {
        let space = self.space.lock().unwrap_or_else(PoisonError::into_inner);
        space.is_some_and(|space| space.read_only)
    }

    /// Returns a share of the lock on the store, to be held while something is written; `None` when the storage is closed
    /// and nothing may be written any more.
    pub(crate) fn hold(&self) -> Option<Arc<StoreLock>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives the lock on the store back, as soon as the last work that writes has ended.
    pub(crate) fn let_go(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Tells whether the storage is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}
