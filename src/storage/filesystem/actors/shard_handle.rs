//! How the rest of the storage reaches a shard: a handle that stays valid while actors come and go.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ractor::MessagingErr;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::model::{PromptId, ShardId};
use crate::storage::StorageError;
use crate::storage::filesystem::catalog::ShardCatalog;
use crate::storage::filesystem::disk::ShardDisk;
use crate::storage::filesystem::runtime::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::storage::filesystem::runtime::{
    Address, AsyncMutex, Mutex, MutexGuard, OwnedSemaphorePermit, RwLock, Semaphore, oneshot, timeout_at,
    watch,
};
use crate::storage::filesystem::work::{Look, WriteDone, WriteOp};

use super::shard::ShardMessage;

/// A shard as seen from outside: the current actor, the queue's permits, the write token.
#[derive(Debug)]
pub(crate) struct ShardHandle {
    /// Which shard.
    pub id: ShardId,
    /// Its hold on the disk.
    pub disk: Arc<ShardDisk>,
    /// Its part of the catalog.
    pub catalog: Arc<ShardCatalog>,
    /// Whoever touches the shard's files holds this, also when its actor is gone already.
    pub token: Arc<AsyncMutex<()>>,
    /// The actor, once it has recovered; `None` while it is down.
    pub actor: watch::Sender<Option<Address<ShardMessage>>>,
    /// What is known of its state.
    pub state: ShardState,
    /// Where to look as soon as the shard is up.
    missed: Mutex<Option<Look>>,
    /// Set when the storage stops: an actor that is down does not come up any more.
    stopping: Arc<AtomicBool>,
    permits: Arc<Semaphore>,
    max_queue_depth: usize,
}

/// What an operator sees of a shard.
#[derive(Debug, Default)]
pub(crate) struct ShardState {
    /// How often its actor was started again.
    pub restarts: AtomicU64,
    /// Writes in the commit that is in flight.
    pub in_flight: AtomicUsize,
    /// Commits so far.
    pub commits: AtomicU64,
    /// Writes so far.
    pub writes: AtomicU64,
    /// Whether it failed too often and is not tried again soon.
    pub rests: AtomicBool,
    /// Whether it has recovered at least once.
    pub has_recovered: AtomicBool,
    /// Whether the opening of the store went on without it.
    pub left_behind: AtomicBool,
    /// Why it last went down.
    pub last_error: Mutex<Option<String>>,
    /// Since when the work in flight is being done.
    pub working_since: Mutex<Option<std::time::Instant>>,
    /// Since when it is down.
    pub down_since: Mutex<Option<std::time::Instant>>,
}

/// All shards of a store, by name.
#[derive(Debug, Default)]
pub(crate) struct ShardTable {
    shards: RwLock<BTreeMap<ShardId, Arc<ShardHandle>>>,
}

impl ShardHandle {
    /// Makes the handle of a shard whose actor is yet to come.
    #[must_use]
    pub(crate) fn new(
        disk: ShardDisk,
        catalog: Arc<ShardCatalog>,
        max_queue_depth: usize,
        stopping: Arc<AtomicBool>,
    ) -> Self {
        Self {
            id: disk.shard.clone(),
            disk: Arc::new(disk),
            catalog,
            token: Arc::default(),
            actor: watch::channel(None).0,
            state: ShardState::default(),
            missed: Mutex::default(),
            stopping,
            permits: Arc::new(Semaphore::new(max_queue_depth)),
            max_queue_depth,
        }
    }

    /// Sends a change to the shard and waits until it is durable.
    ///
    /// # Errors
    /// `Busy` when too many wait; `Unavailable` when the shard rests or does not come up in time; `Interrupted` when its
    /// actor ended with the change in its hands, or time ran out while it was being made; or what the change itself says.
    pub(crate) async fn write(
        &self,
        id: PromptId,
        op: WriteOp,
        timeout: Duration,
    ) -> Result<WriteDone, StorageError> {
        let permit = self.permit()?;
        let deadline = Instant::now() + timeout;
        let (reply, answer) = oneshot::channel();
        let message = ShardMessage::Write {
            id,
            op,
            permit,
            deadline,
            reply,
        };
        self.send(message, deadline).await?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StorageError::Interrupted(format!("shard {} restarted", self.id))),
            // What has not begun is dropped; what has begun runs to its end.
            Err(_) => Err(StorageError::Interrupted(format!(
                "shard {} did not finish within {} ms",
                self.id,
                timeout.as_millis()
            ))),
        }
    }

    /// Asks the shard to look at what changed outside, and does not wait.
    pub(crate) fn look(&self, look: Look) {
        // Held until the message is on its way: a shard that comes up meanwhile takes what is here afterwards.
        let mut missed = lock(&self.missed);
        let sent = match &*self.actor.borrow() {
            Some(actor) => actor
                .cast(ShardMessage::Look {
                    look: look.clone(),
                    done: None,
                })
                .is_ok(),
            None => false,
        };
        if !sent {
            // Its recovery may have read that directory already.
            missed.get_or_insert_with(Look::default).merge(look);
        }
    }

    /// Asks the shard to look, and waits until it has.
    ///
    /// # Errors
    /// `Unavailable` when the shard is down.
    pub(crate) async fn look_and_wait(&self, look: Look, timeout: Duration) -> Result<(), StorageError> {
        let deadline = Instant::now() + timeout;
        let (done, answer) = oneshot::channel();
        let message = ShardMessage::Look {
            look,
            done: Some(done),
        };
        self.send(message, deadline).await?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(self.down()),
        }
    }

    /// Sends a message to the actor, as soon as there is one that takes it.
    async fn send(&self, message: ShardMessage, deadline: Instant) -> Result<(), StorageError> {
        let mut message = message;
        loop {
            let actor = self.up(deadline).await?;
            match actor.cast(message) {
                Ok(()) => return Ok(()),
                Err(MessagingErr::SendErr(unsent)) => {
                    // It ended a moment ago and nobody has noticed yet: the next one is waited for.
                    self.forget(&actor);
                    message = unsent;
                }
                Err(_) => return Err(self.down()),
            }
        }
    }

    fn forget(&self, dead: &Address<ShardMessage>) {
        self.actor.send_if_modified(|actor| {
            let is_it = actor
                .as_ref()
                .is_some_and(|actor| actor.get_id() == dead.get_id());
            if is_it {
                *actor = None;
            }
            is_it
        });
    }

    /// Tells whether the shard's actor is up.
    #[must_use]
    pub(crate) fn is_up(&self) -> bool {
        self.actor.borrow().is_some()
    }

    /// Returns how many writes wait or are being made.
    #[must_use]
    pub(crate) fn queue_depth(&self) -> usize {
        self.max_queue_depth
            .saturating_sub(self.permits.available_permits())
    }

    /// Records that the shard went down; `rests` when it is not tried again soon.
    pub(crate) fn went_down(&self, reason: String, rests: bool) {
        self.state.restarts.fetch_add(1, Ordering::Relaxed);
        self.state.rests.store(rests, Ordering::Relaxed);
        *lock(&self.state.last_error) = Some(reason);
        lock(&self.state.down_since).get_or_insert_with(std::time::Instant::now);
        self.actor.send_replace(None);
    }

    /// Records that the shard is up; returns where it has to look because of what it missed meanwhile.
    pub(crate) fn came_up(&self, actor: Address<ShardMessage>) -> Option<Look> {
        let mut missed = lock(&self.missed);
        *lock(&self.state.down_since) = None;
        self.ended_work();
        self.state.rests.store(false, Ordering::Relaxed);
        self.state.has_recovered.store(true, Ordering::Release);
        self.actor.send_replace(Some(actor));
        missed.take()
    }

    /// Records that the store is opened although this shard has not recovered.
    pub(crate) fn leave_behind(&self) {
        self.state.left_behind.store(true, Ordering::Release);
        *lock(&self.state.last_error) =
            Some("its recovery makes no progress: the disk may not answer".into());
        lock(&self.state.down_since).get_or_insert_with(std::time::Instant::now);
    }

    /// Records that a piece of work began.
    pub(crate) fn began_work(&self) {
        *lock(&self.state.working_since) = Some(std::time::Instant::now());
    }

    /// Records that the work in flight ended.
    pub(crate) fn ended_work(&self) {
        *lock(&self.state.working_since) = None;
    }

    /// Returns how long the work in flight takes already, when it takes longer than writers wait: the disk hangs.
    #[must_use]
    pub(crate) fn hangs(&self, patience: Duration) -> Option<Duration> {
        self.work_age().filter(|took| *took >= patience)
    }

    /// Returns how long the work in flight has been going on; `None` when there is none.
    #[must_use]
    pub(crate) fn work_age(&self) -> Option<Duration> {
        let since = *lock(&self.state.working_since);
        since.map(|since| since.elapsed())
    }

    /// Makes whoever waits for the actor look again: the storage stops.
    pub(crate) fn wake_waiting(&self) {
        self.actor.send_modify(|_| ());
    }

    /// Tells whether the shard has tried to recover and never could, so that the catalog does not know what is in it.
    #[must_use]
    pub(crate) fn has_never_recovered(&self) -> bool {
        let has_tried =
            self.state.restarts.load(Ordering::Relaxed) > 0 || self.state.left_behind.load(Ordering::Acquire);
        has_tried && !self.state.has_recovered.load(Ordering::Acquire)
    }

    /// Returns the shard's state for the status.
    #[must_use]
    pub(crate) fn status(&self) -> Value {
        let since = *lock(&self.state.down_since);
        let working = *lock(&self.state.working_since);
        json!({
            "shard": self.id.to_string(),
            "up": self.is_up(),
            "resting": self.state.rests.load(Ordering::Relaxed),
            "refuses": self.disk.refusal(),
            "working_seconds": working.map(|since| since.elapsed().as_secs()),
            "down_seconds": since.map(|since| since.elapsed().as_secs()),
            "queue_depth": self.queue_depth(),
            "in_flight": self.state.in_flight.load(Ordering::Relaxed),
            "commits": self.state.commits.load(Ordering::Relaxed),
            "writes": self.state.writes.load(Ordering::Relaxed),
            "restarts": self.state.restarts.load(Ordering::Relaxed),
            "last_error": *lock(&self.state.last_error),
        })
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, StorageError> {
        Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(|_| StorageError::Busy {
                shard: self.id.to_string(),
                waiting: self.queue_depth(),
            })
    }

    async fn up(&self, deadline: Instant) -> Result<Address<ShardMessage>, StorageError> {
        let mut slot = self.actor.subscribe();
        loop {
            if let Some(actor) = &*slot.borrow_and_update() {
                return Ok(actor.clone());
            }
            if self.stopping.load(Ordering::Acquire) {
                return Err(StorageError::Unavailable("the store is closed".into()));
            }
            // It is not tried again soon: waiting would be in vain.
            if self.state.rests.load(Ordering::Relaxed) {
                return Err(self.down());
            }
            match timeout_at(deadline, slot.changed()).await {
                Ok(Ok(())) => {}
                _ => return Err(self.down()),
            }
        }
    }

    /// Says that the shard is down, and why.
    pub(crate) fn down(&self) -> StorageError {
        let reason = lock(&self.state.last_error).clone();
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        StorageError::Unavailable(format!("shard {} is down{reason}", self.id))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ShardTable {
    /// Returns a shard.
    #[must_use]
    pub(crate) fn get(&self, id: &ShardId) -> Option<Arc<ShardHandle>> {
        self.shards
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Returns a shard, making its handle when it is new; `true` when it was made.
    pub(crate) fn get_or_make(
        &self,
        id: &ShardId,
        make: impl FnOnce() -> ShardHandle,
    ) -> (Arc<ShardHandle>, bool) {
        if let Some(shard) = self.get(id) {
            return (shard, false);
        }
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        let mut made = false;
        let shard = shards.entry(id.clone()).or_insert_with(|| {
            made = true;
            Arc::new(make())
        });
        (Arc::clone(shard), made)
    }

    /// Returns every shard in the order of the names.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<Arc<ShardHandle>> {
        self.shards
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
}
