//! The supervisor: starts the children, starts them again when they end, stops them in order.
//!
//! It holds no data and must not fail: when it ended, its children would be killed with it. What can go wrong is left to
//! the children; starting one is instant, since recovery runs in the child.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::time::Instant;

use crate::log_events::LogEvent;
use crate::metrics::Limit;
use crate::model::ShardId;
use crate::storage::filesystem::runtime::atomic::Ordering;
use crate::storage::filesystem::runtime::{Address, Cell, address, oneshot, spawn, spawn_child};
use crate::storage::liveness::ActorState;

use super::child::{ChildId, Shared};
use super::index::Index;
use super::janitor::Janitor;
use super::restart::{RestartDecision, RestartHistory};
use super::shard::Shard;
use super::watcher::Watcher;

/// What the supervisor is told.
#[derive(Debug)]
pub(crate) enum SupervisorMessage {
    /// Start a shard that was not there before.
    StartShard(ShardId),
    /// The pause before a restart is over.
    Restart(ChildId),
    /// Start what needs the catalog: index, watcher, janitor.
    StartOthers,
    /// A child does not answer: start another one in its place.
    Replace(ChildId),
    /// Start the watcher anew, since its settings changed.
    RenewWatcher,
    /// Answer.
    Ping(oneshot::Sender<()>),
    /// Stop all children in order, then answer.
    Stop(oneshot::Sender<()>),
}

/// The supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor;

/// What the supervisor owns.
#[derive(Debug)]
pub(crate) struct SupervisorState {
    myself: Address<SupervisorMessage>,
    shared: Arc<Shared>,
    running: BTreeMap<ChildId, Cell>,
    histories: BTreeMap<ChildId, RestartHistory>,
}

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        shared: Arc<Shared>,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        Ok(SupervisorState::new(address(&myself), shared))
    }

    async fn handle(
        &self,
        _myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        state.receive(message).await;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, reason) => {
                state.ended(cell.get_id(), reason.to_string());
            }
            // Not only failures: a killed actor ends like this as well.
            SupervisionEvent::ActorTerminated(cell, _, reason) => {
                state.ended(cell.get_id(), reason.unwrap_or_else(|| "ended".into()));
            }
            _ => {}
        }
        Ok(())
    }
}

impl SupervisorState {
    /// Makes the state of a supervisor without children.
    pub(crate) fn new(myself: Address<SupervisorMessage>, shared: Arc<Shared>) -> Self {
        Self {
            myself,
            shared,
            running: BTreeMap::new(),
            histories: BTreeMap::new(),
        }
    }

    /// Takes one message.
    pub(crate) async fn receive(&mut self, message: SupervisorMessage) {
        match message {
            SupervisorMessage::StartShard(shard) => self.start(ChildId::Shard(shard)).await,
            SupervisorMessage::Restart(child) => self.start(child).await,
            SupervisorMessage::StartOthers => {
                let index = self.shared.options.use_index.then_some(ChildId::Index);
                for child in index.into_iter().chain([ChildId::Watcher, ChildId::Janitor]) {
                    self.start(child).await;
                }
            }
            SupervisorMessage::Replace(child) => self.replace(child),
            SupervisorMessage::RenewWatcher => self.renew_watcher().await,
            SupervisorMessage::Ping(reply) => {
                let _gone = reply.send(());
            }
            SupervisorMessage::Stop(done) => {
                self.stop_all().await;
                let _gone = done.send(());
            }
        }
    }

    async fn start(&mut self, child: ChildId) {
        if self.shared.is_stopping() || self.running.contains_key(&child) {
            return;
        }
        let (shared, myself) = (Arc::clone(&self.shared), &self.myself);
        let started = match &child {
            ChildId::Shard(id) => {
                let Some(handle) = shared.shards.get(id) else {
                    return;
                };
                spawn_child(Shard, (shared, handle), myself).await
            }
            ChildId::Index => spawn_child(Index, shared, myself).await,
            ChildId::Watcher => spawn_child(Watcher, shared, myself).await,
            ChildId::Janitor => spawn_child(Janitor, shared, myself).await,
        };
        match started {
            Ok(cell) => {
                #[cfg(test)]
                drop(
                    self.shared
                        .children
                        .lock()
                        .unwrap()
                        .insert(child.clone(), cell.clone()),
                );
                if !matches!(child, ChildId::Shard(_)) {
                    let mut others = self.shared.others.lock().unwrap_or_else(PoisonError::into_inner);
                    let status = others.entry(child.clone()).or_default();
                    (status.up, status.resting) = (true, false);
                }
                self.running.insert(child, cell);
            }
            // Starting cannot fail by what the children do; should it all the same, it counts as an end.
            Err(e) => self.schedule(child, e.to_string()),
        }
    }

    /// A child ended. Ends of predecessors that were replaced already are not ours.
    pub(crate) fn ended(&mut self, id: ActorId, reason: String) {
        let Some(child) = self
            .running
            .iter()
            .find(|(_, cell)| cell.get_id() == id)
            .map(|(child, _)| child.clone())
        else {
            return;
        };
        self.running.remove(&child);
        if !self.shared.is_stopping() {
            self.schedule(child, reason);
        }
    }

    /// Gives a child up and has another one started. The old one is not waited for: what does not answer may not even see
    /// that it is killed. Should it ever go on, it finds the write token of its shard taken, and its messages gone.
    fn replace(&mut self, child: ChildId) {
        if let Some(cell) = self.running.remove(&child) {
            cell.kill();
            if !self.shared.is_stopping() {
                self.schedule(child, "it did not answer".into());
            }
        }
    }

    /// Starts the watcher anew. It owns nothing that is lost with it: the new one looks at everything.
    async fn renew_watcher(&mut self) {
        if let Some(cell) = self.running.remove(&ChildId::Watcher) {
            cell.kill();
        }
        self.shared
            .watch_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last_error = None;
        self.start(ChildId::Watcher).await;
    }

    fn schedule(&mut self, child: ChildId, reason: String) {
        let decision = self
            .histories
            .entry(child.clone())
            .or_default()
            .ended(&self.shared.options.restart, Instant::now());
        match decision {
            RestartDecision::Restart { after } => {
                tracing::warn!(event = %LogEvent::ActorRestarted, actor = %child, reason, pause_ms = after.as_millis(), "an actor ended and is started again");
            }
            RestartDecision::Rest { after } => {
                tracing::error!(event = %LogEvent::ActorResting, actor = %child, reason, pause_s = after.as_secs(), "an actor keeps failing and rests before it is started again");
            }
        }
        self.note_down(&child, reason, matches!(decision, RestartDecision::Rest { .. }));
        let pause = decision.pause();
        drop(
            self.myself
                .send_after(pause, move || SupervisorMessage::Restart(child)),
        );
    }

    fn note_down(&self, child: &ChildId, reason: String, rests: bool) {
        if rests {
            self.shared.metrics.rejections.note(Limit::Restarts);
        }
        if let ChildId::Shard(id) = child {
            if let Some(handle) = self.shared.shards.get(id) {
                handle.went_down(reason, rests);
            }
            return;
        }
        match child {
            ChildId::Index => {
                self.shared.index.send_replace(None);
                self.shared.index_is_stale.store(true, Ordering::Release);
                self.shared.metrics.index_behind.begin();
            }
            ChildId::Watcher => {
                let mut status = self
                    .shared
                    .watch_status
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                status.last_error = Some(reason.clone());
            }
            ChildId::Shard(_) | ChildId::Janitor => {}
        }
        let mut others = self.shared.others.lock().unwrap_or_else(PoisonError::into_inner);
        let status = others.entry(child.clone()).or_default();
        *status = ActorState {
            up: false,
            silent: false,
            restarts: status.restarts + 1,
            resting: rests,
            last_error: Some(reason),
        };
    }

    /// Watcher and janitor first, since they give work to shards; then every shard to its last write; the index last.
    async fn stop_all(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared
            .shards
            .all()
            .iter()
            .for_each(|shard| shard.wake_waiting());
        let timeout = self.shared.settings().drain_timeout;
        for child in [ChildId::Watcher, ChildId::Janitor] {
            if let Some(cell) = self.running.remove(&child) {
                stop(&child, &cell, timeout).await;
            }
        }
        let index = self.running.remove(&ChildId::Index);
        let drains = std::mem::take(&mut self.running)
            .into_iter()
            .map(|(child, cell)| spawn(async move { drain(&child, &cell, timeout).await }));
        for drained in drains.collect::<Vec<_>>() {
            if let Err(e) = drained.await {
                tracing::error!(error = %e, "a shard could not be drained");
            }
        }
        if let Some(cell) = index {
            drain(&ChildId::Index, &cell, timeout).await;
        }
    }
}

async fn stop(child: &ChildId, cell: &Cell, timeout: Duration) {
    if let Err(e) = cell.stop_and_wait(Some("stopping".into()), Some(timeout)).await {
        tracing::debug!(actor = %child, error = %e, "an actor had ended already or did not stop in time");
    }
}

async fn drain(child: &ChildId, cell: &Cell, timeout: Duration) {
    if let Err(e) = cell.drain_and_wait(Some(timeout)).await {
        tracing::warn!(actor = %child, error = %e, "an actor did not finish in time: what still waited was given up");
    }
}
