//! The shard actor: the one writer of one shard directory.
//!
//! It owns the order of changes in its directory. At most one piece of work is in flight; while it is, new writes
//! gather, and the next commit takes them together (group commit). The write token goes with the work to its blocking
//! thread, so that the work of an actor that was killed ends before its successor begins. An answer `Ok` is sent after
//! the change is durable and in the catalog. Whatever waits when the actor ends is answered `interrupted`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::log_events::LogEvent;
use crate::model::PromptId;
use crate::storage::feed::Origin;
use crate::storage::filesystem::disk::{IndexHints, RecoveredShard, recover_shard};
use crate::storage::filesystem::runtime::atomic::Ordering;
use crate::storage::filesystem::runtime::{
    Address, JoinHandle, OwnedSemaphorePermit, address, oneshot, spawn, spawn_blocking,
};
use crate::storage::filesystem::work::{Look, WorkContext, WriteOp};

use super::child::Shared;
use super::shard_handle::ShardHandle;
use super::shard_work::{Ended, Reply, Waiting, Work, finish};

/// What a shard actor is told.
#[derive(Debug)]
pub(crate) enum ShardMessage {
    /// Make a change.
    Write {
        /// Of which prompt.
        id: PromptId,
        /// Which change.
        op: WriteOp,
        /// The place in the queue; given back when the write is answered or dropped.
        permit: OwnedSemaphorePermit,
        /// After this the caller does not wait any more.
        deadline: Instant,
        /// Where the answer goes.
        reply: Reply,
    },
    /// Look at what changed outside.
    Look {
        /// Where.
        look: Look,
        /// Told when it is done.
        done: Option<oneshot::Sender<()>>,
    },
    /// The work in flight ended.
    Ended(Box<Ended>),
    /// Answer.
    Ping(oneshot::Sender<()>),
    /// End with a panic, to test that it is survived.
    #[cfg(all(test, not(feature = "interleavings")))]
    Panic,
}

/// The actor of one shard.
#[derive(Debug)]
pub(super) struct Shard;

/// What the actor owns.
#[derive(Debug)]
pub(crate) struct ShardActorState {
    myself: Address<ShardMessage>,
    shared: Arc<Shared>,
    handle: Arc<ShardHandle>,
    waiting: VecDeque<Waiting>,
    looks: Option<(Look, Vec<oneshot::Sender<()>>)>,
    /// Whether the last work was a look: then writes come first, or a storm of changes would keep them waiting.
    looked_last: bool,
    in_flight: Option<JoinHandle<Option<Box<Ended>>>>,
}

impl Actor for Shard {
    type Msg = ShardMessage;
    type State = ShardActorState;
    type Arguments = (Arc<Shared>, Arc<ShardHandle>);

    async fn pre_start(
        &self,
        myself: ActorRef<ShardMessage>,
        (shared, handle): Self::Arguments,
    ) -> Result<ShardActorState, ActorProcessingErr> {
        Ok(ShardActorState::new(address(&myself), shared, handle))
    }

    async fn post_start(
        &self,
        _myself: ActorRef<ShardMessage>,
        state: &mut ShardActorState,
    ) -> Result<(), ActorProcessingErr> {
        state.begin().await
    }

    async fn handle(
        &self,
        _myself: ActorRef<ShardMessage>,
        message: ShardMessage,
        state: &mut ShardActorState,
    ) -> Result<(), ActorProcessingErr> {
        #[cfg(any(feature = "hang-actor", all(test, not(feature = "interleavings"))))]
        super::hang::if_told_to(&message).await;
        state.receive(message)
    }

    /// Runs when the actor is drained or stopped, not when it is killed.
    async fn post_stop(
        &self,
        _myself: ActorRef<ShardMessage>,
        state: &mut ShardActorState,
    ) -> Result<(), ActorProcessingErr> {
        state.finish().await
    }
}

/// Waits for the write token, then recovers on a blocking thread.
async fn recover(state: &ShardActorState) -> Result<RecoveredShard, ActorProcessingErr> {
    let token = Arc::clone(&state.handle.token).lock_owned().await;
    let disk = Arc::clone(&state.handle.disk);
    let restarted = state.handle.state.restarts.load(Ordering::Relaxed) > 0;
    // Another program may have put the shard there since the start, or another one in its place.
    let appeared = state.shared.has_started.load(Ordering::Acquire);
    // A predecessor in this process may have left what is visible but not durable; and the index is no witness of it.
    let hints = if restarted {
        Arc::new(IndexHints::default())
    } else {
        state.shared.current_hints()
    };
    let hold = state.shared.hold().ok_or("the store is closed")?;
    let started = std::time::Instant::now();
    let recovery = spawn_blocking(move || {
        let (_token, _hold) = (token, hold);
        // Where nothing is written any more, what is there is served as it is.
        let is_there = disk.stamp(&disk.layout.shard_dir(&disk.shard)).is_some();
        if (restarted || (appeared && is_there))
            && let Err(e) = disk.sync_all()
            && disk.refusal().is_none()
        {
            return Err(format!("syncing the file system: {e}"));
        }
        recover_shard(&disk, &hints).map_err(|fault| disk.error(fault).to_string())
    });
    let recovered = recovery.await??;
    state.shared.metrics.note_recovery(&recovered, started.elapsed());
    if recovered.replayed + recovered.discarded + recovered.quarantined > 0 {
        tracing::info!(
            event = %LogEvent::ShardRecovered, shard = %state.handle.id, replayed = recovered.replayed, discarded = recovered.discarded,
            quarantined = recovered.quarantined, "recovered from temporary files"
        );
    }
    Ok(recovered)
}

impl ShardActorState {
    /// Makes the state of an actor that has done nothing yet.
    pub(crate) fn new(myself: Address<ShardMessage>, shared: Arc<Shared>, handle: Arc<ShardHandle>) -> Self {
        Self {
            myself,
            shared,
            handle,
            waiting: VecDeque::new(),
            looks: None,
            looked_last: false,
            in_flight: None,
        }
    }

    /// Recovers the shard. Messages wait meanwhile; a failure ends the actor, and the supervisor tries again.
    pub(crate) async fn begin(&mut self) -> Result<(), ActorProcessingErr> {
        let recovered = recover(self).await?;
        let (layout, shard) = (self.handle.disk.layout, &self.handle.id);
        // A predecessor may have ended between a change and the cache, or with outside changes still to look at.
        self.shared.cache.remove_where(|id| layout.shard_of(id) == *shard);
        self.handle
            .catalog
            .replace(recovered.slots, recovered.problems, self.origin_of_found());
        self.shared.index_changed();
        if let Some(missed) = self.handle.came_up(self.myself.clone()) {
            self.remember(missed, None);
            self.start_next()?;
        }
        Ok(())
    }

    /// Tells who made what a recovery finds and nobody knew of; nothing at the start, when nobody has seen anything yet.
    fn origin_of_found(&self) -> Option<Origin> {
        if !self.shared.has_started.load(Ordering::Acquire) {
            return None;
        }
        let has_served = self.handle.state.restarts.load(Ordering::Relaxed) > 0;
        // A shard that was not there at the start was put there by somebody else, or is empty.
        Some(if has_served {
            Origin::Recovery
        } else {
            Origin::Outside
        })
    }

    /// Takes one message.
    pub(crate) fn receive(&mut self, message: ShardMessage) -> Result<(), ActorProcessingErr> {
        self.handle.disk.pulse.step();
        match message {
            ShardMessage::Write {
                id,
                op,
                permit,
                deadline,
                reply,
            } => {
                self.waiting.push_back(Waiting {
                    id,
                    op,
                    deadline,
                    reply,
                    _permit: permit,
                });
            }
            ShardMessage::Look { look, done } => self.remember(look, done),
            ShardMessage::Ended(ended) => {
                self.in_flight = None;
                self.publish(*ended)?;
            }
            ShardMessage::Ping(reply) => {
                let _gone = reply.send(());
            }
            #[cfg(all(test, not(feature = "interleavings")))]
            ShardMessage::Panic => panic!("told to"),
        }
        self.start_next()
    }

    /// Serves what still waits.
    pub(crate) async fn finish(&mut self) -> Result<(), ActorProcessingErr> {
        self.handle.actor.send_replace(None);
        loop {
            match self.in_flight.take() {
                Some(work) => {
                    if let Ok(Some(ended)) = work.await {
                        self.publish(*ended)?;
                    }
                }
                None if self.waiting.is_empty() => return Ok(()),
                None => self.start_next()?,
            }
        }
    }

    fn remember(&mut self, look: Look, done: Option<oneshot::Sender<()>>) {
        let (looks, waiting) = self.looks.get_or_insert_with(Default::default);
        looks.merge(look);
        waiting.extend(done);
    }

    /// Starts the next piece of work unless one is in flight.
    fn start_next(&mut self) -> Result<(), ActorProcessingErr> {
        if self.in_flight.is_some() {
            return Ok(());
        }
        let Some(work) = self.next_work() else {
            return Ok(());
        };
        // Taken here and not in the task: a task that has not begun when this actor ends must not begin after its
        // successor has looked at the disk.
        let token = Arc::clone(&self.handle.token)
            .try_lock_owned()
            .map_err(|_| "somebody else holds the write token")?;
        let hold = self.shared.hold().ok_or("the store is closed")?;
        self.handle.began_work();
        let context = WorkContext {
            disk: Arc::clone(&self.handle.disk),
            catalog: Arc::clone(&self.handle.catalog),
            cache: Arc::clone(&self.shared.cache),
            max_batch_bytes: self.shared.options.max_batch_bytes,
            evidence_limits: self.shared.options.evidence,
            metrics: Arc::clone(&self.shared.metrics),
            observer: self.shared.options.observer.clone(),
        };
        let myself = self.myself.clone();
        let begin = move |slot: OwnedSemaphorePermit| {
            spawn_blocking(move || finish(&context, work, &myself, (token, slot, hold)))
        };
        let commits = Arc::clone(&self.shared.commits);
        // Nearly always there is a slot, and the work goes to its thread at once.
        self.in_flight = Some(match Arc::clone(&commits).try_acquire_owned() {
            Ok(slot) => begin(slot),
            Err(_) => spawn(async move { begin(commits.acquire_owned().await.ok()?).await.ok().flatten() }),
        });
        Ok(())
    }

    /// Chooses the next work: looks and writes in turn when both wait.
    fn next_work(&mut self) -> Option<Work> {
        let writes_first = self.looked_last && !self.waiting.is_empty();
        self.looked_last = false;
        if !writes_first && let Some((look, done)) = self.looks.take() {
            self.looked_last = true;
            return Some(Work::Look(look, done));
        }
        let batch = self.next_batch();
        self.handle.state.in_flight.store(batch.len(), Ordering::Relaxed);
        if batch.is_empty() {
            let (look, done) = self.looks.take()?;
            return Some(Work::Look(look, done));
        }
        Some(Work::Writes(batch))
    }

    /// Takes the writes that go into one commit: puts of different prompts, or one change of another kind. Writes of one
    /// prompt keep their order. Writes that nobody waits for any more are dropped.
    fn next_batch(&mut self) -> Vec<Waiting> {
        let now = Instant::now();
        self.waiting
            .retain(|write| !write.reply.is_closed() && write.deadline > now);
        if !matches!(self.waiting.front().map(|write| &write.op), Some(WriteOp::Put(_))) {
            return self.waiting.pop_front().into_iter().collect();
        }
        let (max_versions, max_bytes) = (
            self.shared.options.max_batch_versions,
            self.shared.options.max_batch_bytes,
        );
        let (mut batch, mut rest) = (Vec::new(), VecDeque::new());
        let (mut seen, mut bytes, mut open) = (BTreeSet::new(), 0, true);
        for write in self.waiting.drain(..) {
            let size = match &write.op {
                WriteOp::Put(put) => put.document.prompt.text.len() as u64,
                _ => {
                    open = false;
                    0
                }
            };
            let is_first_of_prompt = seen.insert(write.id.clone());
            let fits = batch.is_empty() || (batch.len() < max_versions && bytes + size <= max_bytes);
            if open && is_first_of_prompt && fits {
                bytes += size;
                batch.push(write);
            } else {
                rest.push_back(write);
            }
        }
        self.waiting = rest;
        batch
    }

    /// Publishes what the work did, then answers. The order matters: who is answered reads its own write.
    fn publish(&mut self, ended: Ended) -> Result<(), ActorProcessingErr> {
        let Ended {
            effects,
            answers,
            looked,
        } = ended;
        self.handle.ended_work();
        let state = &self.handle.state;
        state.in_flight.store(0, Ordering::Relaxed);
        if !answers.is_empty() {
            state.commits.fetch_add(1, Ordering::Relaxed);
            state.writes.fetch_add(answers.len() as u64, Ordering::Relaxed);
        }
        self.shared.cache.remove_all(&effects.evicted);
        if effects.saw_read_only {
            self.shared.saw_read_only();
        }
        if let Some(problems) = effects.problems {
            self.handle.catalog.set_problems(problems);
        }
        if !effects.changes.is_empty() {
            self.handle.catalog.apply(effects.changes, &effects.intents);
            self.shared.index_changed();
        }
        self.handle.catalog.tell(effects.told);
        self.handle.catalog.note_listed(effects.listed);
        for (key, version) in effects.cached {
            self.shared.cache.insert(key, version);
        }
        if effects.must_recover.is_some() {
            // Before the answers: whoever tries again at once waits for the successor.
            self.handle.actor.send_replace(None);
        }
        for (reply, answer, permit) in answers {
            drop(permit);
            // Whoever does not wait any more has its version all the same.
            let _gone = reply.send(answer);
        }
        for done in looked {
            let _gone = done.send(());
        }
        match effects.must_recover {
            Some(reason) => Err(reason.into()),
            None => Ok(()),
        }
    }
}
