//! How the rest of the storage reaches a shard: a handle that stays valid while actors come and go.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ractor::ActorRef;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::model::{PromptId, ShardId};
use crate::storage::StorageError;
use crate::storage::filesystem::catalog::ShardCatalog;
use crate::storage::filesystem::disk::ShardDisk;
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
    pub token: Arc<tokio::sync::Mutex<()>>,
    /// The actor, once it has recovered; `None` while it is down.
    pub actor: watch::Sender<Option<ActorRef<ShardMessage>>>,
    /// What is known of its state.
    pub state: ShardState,
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
    /// Why it last went down.
    pub last_error: Mutex<Option<String>>,
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
    pub(crate) fn new(disk: ShardDisk, catalog: Arc<ShardCatalog>, max_queue_depth: usize) -> Self {
        Self {
            id: disk.shard.clone(),
            disk: Arc::new(disk),
            catalog,
            token: Arc::default(),
            actor: watch::Sender::new(None),
            state: ShardState::default(),
            permits: Arc::new(Semaphore::new(max_queue_depth)),
            max_queue_depth,
        }
    }

    /// Sends a change to the shard and waits until it is durable.
    ///
    /// # Errors
    /// `Busy` when too many wait; `Unavailable` when the shard does not come up in time; `Interrupted` when its actor ended
    /// with the change in its hands, or time ran out while it was being made; or what the change itself says.
    pub(crate) async fn write(
        &self,
        id: PromptId,
        op: WriteOp,
        timeout: Duration,
    ) -> Result<WriteDone, StorageError> {
        let permit = self.permit()?;
        let deadline = Instant::now() + timeout;
        let actor = self.up(deadline).await?;
        let (reply, answer) = oneshot::channel();
        let message = ShardMessage::Write {
            id,
            op,
            permit,
            deadline,
            reply,
        };
        if actor.cast(message).is_err() {
            return Err(self.down());
        }
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(StorageError::Interrupted(format!("shard {} restarted", self.id))),
        }
    }

    /// Asks the shard to look at what changed outside, and does not wait.
    pub(crate) fn look(&self, look: Look) {
        if let Some(actor) = &*self.actor.borrow() {
            // A shard that is down looks at everything when it comes up.
            let _down = actor.cast(ShardMessage::Look { look, done: None });
        }
    }

    /// Asks the shard to look, and waits until it has.
    ///
    /// # Errors
    /// `Unavailable` when the shard is down.
    pub(crate) async fn look_and_wait(&self, look: Look, timeout: Duration) -> Result<(), StorageError> {
        let actor = self.up(Instant::now() + timeout).await?;
        let (done, answer) = oneshot::channel();
        if actor
            .cast(ShardMessage::Look {
                look,
                done: Some(done),
            })
            .is_err()
        {
            return Err(self.down());
        }
        answer.await.map_err(|_| self.down())
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

    /// Records that the shard went down.
    pub(crate) fn went_down(&self, reason: String) {
        self.actor.send_replace(None);
        *self
            .state
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(reason);
        let mut since = self
            .state
            .down_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        since.get_or_insert_with(std::time::Instant::now);
    }

    /// Records that the shard is up.
    pub(crate) fn came_up(&self, actor: ActorRef<ShardMessage>) {
        *self
            .state
            .down_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        self.actor.send_replace(Some(actor));
    }

    /// Returns the shard's state for the status.
    #[must_use]
    pub(crate) fn status(&self) -> Value {
        let since = *self
            .state
            .down_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        json!({
            "shard": self.id.to_string(),
            "up": self.is_up(),
            "down_seconds": since.map(|since| since.elapsed().as_secs()),
            "queue_depth": self.queue_depth(),
            "in_flight": self.state.in_flight.load(Ordering::Relaxed),
            "commits": self.state.commits.load(Ordering::Relaxed),
            "writes": self.state.writes.load(Ordering::Relaxed),
            "restarts": self.state.restarts.load(Ordering::Relaxed),
            "last_error": *self.state.last_error.lock().unwrap_or_else(PoisonError::into_inner),
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

    async fn up(&self, deadline: Instant) -> Result<ActorRef<ShardMessage>, StorageError> {
        let mut slot = self.actor.subscribe();
        match timeout_at(deadline, slot.wait_for(Option::is_some)).await {
            Ok(Ok(actor)) => actor.clone().ok_or_else(|| self.down()),
            _ => Err(self.down()),
        }
    }

    fn down(&self) -> StorageError {
        let reason = self
            .state
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        StorageError::Unavailable(format!("shard {} is down{reason}", self.id))
    }
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
