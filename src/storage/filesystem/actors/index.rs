//! The index actor: keeps `.index.json` close to the catalog.
//!
//! Changes are gathered; the file is replaced as a whole and is never part of an answer to a write. A failed write is
//! reported and tried again. When the actor is drained it writes once more, so that the index is complete after a stop.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::storage::filesystem::disk::{IndexSource, Slot, write_index};

use super::child::Shared;

/// Writing the index takes at most one part in so many of the time.
const REST_FACTOR: u32 = 20;

/// What the index actor is told.
#[derive(Debug)]
pub(crate) enum IndexMessage {
    /// The catalog changed.
    Changed,
    /// The gathering time is over.
    Write,
    /// Write now, unless nothing waits to be written.
    Settle(oneshot::Sender<Result<u64, String>>),
    /// Write now.
    Flush(oneshot::Sender<Result<u64, String>>),
    /// Answer.
    Ping(oneshot::Sender<()>),
    /// End with a panic, to test that it is survived.
    #[cfg(all(test, not(feature = "interleavings")))]
    Panic,
}

/// What the index actor last did.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct IndexStatus {
    /// What was found at start.
    pub found: Option<String>,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// How often it was written.
    pub writes: u64,
    /// How long the last write took, in milliseconds.
    pub last_write_ms: u64,
    /// Why the last write failed.
    pub last_error: Option<String>,
}

/// The index actor.
#[derive(Debug)]
pub(super) struct Index;

/// What the actor owns.
#[derive(Debug)]
pub(super) struct IndexState {
    shared: Arc<Shared>,
    is_scheduled: bool,
    pause: Duration,
}

impl IndexStatus {
    /// Notes what was found at start.
    #[must_use]
    pub(crate) fn found(source: &IndexSource) -> Self {
        let found = match source {
            IndexSource::Loaded => "loaded".to_owned(),
            IndexSource::Missing => "missing: rebuilt".to_owned(),
            IndexSource::Damaged(reason) => format!("damaged ({reason}): rebuilt"),
        };
        Self {
            found: Some(found),
            ..Self::default()
        }
    }
}

impl Actor for Index {
    type Msg = IndexMessage;
    type State = IndexState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _myself: ActorRef<IndexMessage>,
        shared: Arc<Shared>,
    ) -> Result<IndexState, ActorProcessingErr> {
        let pause = shared.options.index_interval;
        Ok(IndexState {
            shared,
            is_scheduled: false,
            pause,
        })
    }

    async fn post_start(
        &self,
        myself: ActorRef<IndexMessage>,
        state: &mut IndexState,
    ) -> Result<(), ActorProcessingErr> {
        state.shared.index.send_replace(Some(myself.clone()));
        if state.shared.index_is_stale.load(Ordering::Acquire) {
            state.schedule(&myself);
        }
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<IndexMessage>,
        message: IndexMessage,
        state: &mut IndexState,
    ) -> Result<(), ActorProcessingErr> {
        state.shared.pulses.index.step();
        match message {
            IndexMessage::Changed => state.schedule(&myself),
            IndexMessage::Write => {
                state.is_scheduled = false;
                // It may have been flushed meanwhile.
                if state.is_stale() && state.write().await.is_err() {
                    state.schedule(&myself);
                }
            }
            IndexMessage::Settle(reply) => {
                let settled = if state.is_stale() {
                    state.write().await
                } else {
                    Ok(0)
                };
                let _gone = reply.send(settled);
            }
            IndexMessage::Flush(reply) => {
                let _gone = reply.send(state.write().await);
            }
            IndexMessage::Ping(reply) => {
                let _gone = reply.send(());
            }
            #[cfg(all(test, not(feature = "interleavings")))]
            IndexMessage::Panic => panic!("told to"),
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<IndexMessage>,
        state: &mut IndexState,
    ) -> Result<(), ActorProcessingErr> {
        state.shared.index.send_replace(None);
        if state.shared.index_is_stale.load(Ordering::Acquire) {
            state.write().await?;
        }
        Ok(())
    }
}

impl IndexState {
    fn is_stale(&self) -> bool {
        self.shared.index_is_stale.load(Ordering::Acquire)
    }

    fn schedule(&mut self, myself: &ActorRef<IndexMessage>) {
        if !self.is_scheduled {
            self.is_scheduled = true;
            // The timer ends by itself when the actor does.
            drop(myself.send_after(self.pause, || IndexMessage::Write));
        }
    }

    async fn write(&mut self) -> Result<u64, String> {
        let shared = Arc::clone(&self.shared);
        // Cleared first: a change during the write makes the index stale again.
        shared.index_is_stale.store(false, Ordering::Release);
        let started = Instant::now();
        let Some(hold) = shared.hold() else {
            return Err("the store is closed".into());
        };
        let metrics = Arc::clone(&shared.metrics);
        metrics.index_writing.take_over(&metrics.index_behind);
        let _waits = shared.pulses.index.wait();
        let written = tokio::task::spawn_blocking(move || {
            let _hold = hold;
            let taken_at = jiff::Timestamp::now();
            let slots: Vec<Slot> = shared
                .catalog
                .parts()
                .iter()
                .flat_map(|part| part.slots())
                .collect();
            write_index(&*shared.disk, slots.iter(), taken_at).map_err(|fault| format!("{fault:?}"))
        });
        let written = written.await.unwrap_or_else(|e| Err(e.to_string()));
        let took = started.elapsed();
        metrics.note_index_write(written.is_ok(), took);
        if written.is_ok() {
            // How long it took in all is for the lag to say, not for this.
            let _behind = metrics.index_writing.end();
        } else {
            metrics.index_behind.take_over(&metrics.index_writing);
        }
        self.pause = self.shared.options.index_interval.max(took * REST_FACTOR);
        let mut status = self
            .shared
            .index_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        status.last_write_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match &written {
            Ok(bytes) => {
                status.bytes = *bytes;
                status.writes += 1;
                status.last_error = None;
            }
            Err(reason) => {
                self.shared.index_is_stale.store(true, Ordering::Release);
                tracing::warn!(reason, "the index could not be written: it is tried again");
                status.last_error = Some(reason.clone());
            }
        }
        written
    }
}
