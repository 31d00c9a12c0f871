//! One job in memory: its view, and the wish that it stop.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{Notify, watch};

use crate::admission::Place;
use crate::http::wire::{JobProgress, JobState, JobView};
use crate::model::{Author, Timestamp};
use crate::storage::Progress;

use super::kinds::Plan;
use super::schedule::{Candidate, Lane};
use super::state::{self, Step};
use super::{JobId, LedgerEntry};

/// Why a job is asked to stop. The first reason stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// Somebody cancelled it.
    Cancelled,
    /// It worked for longer than `max_job_seconds`.
    TimedOut,
    /// The daemon stops; the job runs again at its next start.
    Closing,
}

/// One job. Shared by everybody who looks at it.
///
/// Before it is claimed only the queue's actor changes it, afterwards only the task that claimed it for its work.
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) lane: Lane,
    pub(super) progress: Arc<Progress>,
    view: watch::Sender<JobView>,
    claimed: AtomicBool,
    stop: OnceLock<StopReason>,
    stop_asked: Notify,
    place_in_queue: Mutex<Option<Place>>,
    bytes: AtomicU64,
    entry_is_left_alone: AtomicBool,
    unrecorded: OnceLock<Option<Plan>>,
}

impl Job {
    /// Makes a job from its entry in the ledger. `place` is held until the job is claimed.
    pub(super) fn new(entry: LedgerEntry, place: Option<Place>) -> Self {
        Self {
            id: entry.id,
            lane: entry.lane,
            progress: Arc::default(),
            view: watch::Sender::new(entry.view),
            claimed: AtomicBool::new(false),
            stop: OnceLock::new(),
            stop_asked: Notify::new(),
            place_in_queue: Mutex::new(place),
            bytes: AtomicU64::new(entry.bytes),
            entry_is_left_alone: AtomicBool::new(false),
            unrecorded: OnceLock::new(),
        }
    }

    /// Returns the view of now.
    pub(super) fn view(&self) -> JobView {
        self.view.borrow().clone()
    }

    /// Returns the state of now.
    pub(super) fn state(&self) -> JobState {
        self.view.borrow().state
    }

    /// Returns who submitted the job.
    pub(super) fn author(&self) -> Author {
        self.view.borrow().author.clone()
    }

    /// Returns what the job competes for, and on whose behalf.
    pub(super) fn candidate(&self) -> Candidate {
        Candidate {
            lane: self.lane.clone(),
            author: self.view.borrow().author.uid,
        }
    }

    /// Returns every view from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<JobView> {
        self.view.subscribe()
    }

    /// Tells whether the job has ended.
    pub(super) fn is_final(&self) -> bool {
        self.state().is_final()
    }

    /// Tells whether the job waits for its turn.
    pub(super) fn is_waiting(&self) -> bool {
        !self.claimed.load(Ordering::Acquire) && !self.is_final()
    }

    /// Tells whether a task works on the job, be it only to end it.
    pub(super) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire) && !self.is_final()
    }

    /// Takes the job out of the queue and frees its place there; `false` when it is not waiting.
    pub(super) fn claim(&self) -> bool {
        if self.is_final() || self.claimed.swap(true, Ordering::AcqRel) {
            return false;
        }
        let place = self
            .place_in_queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(place);
        true
    }

    /// Puts the job back into the queue.
    pub(super) fn unclaim(&self) {
        self.claimed.store(false, Ordering::Release);
    }

    /// Asks the job to stop.
    pub(super) fn stop(&self, reason: StopReason) {
        // A second reason changes nothing: the first one is being acted on.
        let _already_stopping = self.stop.set(reason);
        self.stop_asked.notify_one();
    }

    /// Returns why the job was asked to stop.
    pub(super) fn stop_reason(&self) -> Option<StopReason> {
        self.stop.get().copied()
    }

    /// Waits until the job is asked to stop. For the one task that works on it.
    pub(super) async fn stop_asked(&self) {
        while self.stop_reason().is_none() {
            self.stop_asked.notified().await;
        }
    }

    /// Returns the view after a step; `None` when the job cannot take it now.
    pub(super) fn view_after(&self, step: Step) -> Option<JobView> {
        let mut view = self.view();
        view.progress = self.progress_now(view.progress.unit);
        state::after(&view, step, Timestamp::now())
    }

    /// Shows a view to everybody.
    pub(super) fn publish(&self, view: JobView, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.view.send_replace(view);
    }

    /// Shows how far the job is, if that has changed.
    pub(super) fn publish_progress(&self) {
        self.view.send_if_modified(|view| {
            let now = self.progress_now(view.progress.unit.clone());
            let changed = view.progress != now;
            view.progress = now;
            changed
        });
    }

    /// Returns the size of the entry in the ledger.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Says that the entry in the ledger is damaged and shall stay as it is, even when the job is forgotten.
    pub(super) fn leave_entry_alone(&self) {
        self.entry_is_left_alone.store(true, Ordering::Relaxed);
    }

    /// Tells whether the entry in the ledger shall stay as it is.
    pub(super) fn is_entry_left_alone(&self) -> bool {
        self.entry_is_left_alone.load(Ordering::Relaxed)
    }

    /// Says that the ledger has no entry of the job, and what the job needs to run.
    pub(super) fn leave_unrecorded(&self, plan: Option<Plan>) {
        // Said once, when the job is made.
        let _said_before = self.unrecorded.set(plan);
        self.leave_entry_alone();
    }

    /// Returns what a job needs to run that the ledger has no entry of; `None` for one that it has.
    pub(super) fn unrecorded(&self) -> Option<&Option<Plan>> {
        self.unrecorded.get()
    }

    fn progress_now(&self, unit: String) -> JobProgress {
        let (done, total) = self.progress.get();
        JobProgress { done, total, unit }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("kind", &self.lane.kind)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
