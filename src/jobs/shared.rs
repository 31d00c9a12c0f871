//! What everybody who works on jobs shares: the table, the ledger, the limits and the tasks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ractor::ActorRef;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::admission::{Admission, Place};
use crate::http::wire::JobView;
use crate::llm::LanguageModel;
use crate::storage::{Problem, StorageError};
use crate::versions::VersionManager;

use super::actor::Message;
use super::job::Job;
use super::kinds::Plan;
use super::metrics::JobMetrics;
use super::table::Table;
use super::{JobError, JobId, JobLimits, Ledger, LedgerEntry, Record};

/// How many workflow documents are read at a time: each takes a thread and a multiple of its size in memory.
const MAX_READINGS: usize = 2;
/// How many calls may wait for the actor.
pub(super) const MAX_CALLS: usize = 64;
/// How many problems are remembered; the log has them all.
const MAX_PROBLEMS: usize = 1_000;

/// What everybody shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) manager: VersionManager,
    limits: RwLock<Arc<JobLimits>>,
    pub(super) language_model: Option<LanguageModel>,
    pub(super) table: Table,
    pub(super) tasks: TaskTracker,
    /// The actor of now; none while it is being replaced.
    pub(super) actor: watch::Sender<Option<ActorRef<Message>>>,
    /// Places in the queue, and permits to read a document and to call the actor.
    pub(super) places: Admission,
    pub(super) readings: Arc<Semaphore>,
    pub(super) calls: Arc<Semaphore>,
    pub(super) metrics: JobMetrics,
    ledger: Arc<dyn Ledger>,
    closing: AtomicBool,
    steps: AtomicU64,
    silent: AtomicBool,
    problems: Mutex<Vec<Problem>>,
}

impl Shared {
    pub(super) fn new(
        manager: VersionManager,
        ledger: Arc<dyn Ledger>,
        limits: JobLimits,
        language_model: Option<LanguageModel>,
    ) -> Self {
        Self {
            manager,
            language_model,
            table: Table::default(),
            tasks: TaskTracker::new(),
            actor: watch::Sender::new(None),
            places: Admission::new(limits.max_jobs_queued),
            readings: Arc::new(Semaphore::new(MAX_READINGS)),
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
            metrics: JobMetrics::default(),
            limits: RwLock::new(Arc::new(limits)),
            ledger,
            closing: AtomicBool::new(false),
            steps: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            problems: Mutex::default(),
        }
    }

    /// Returns the limits as they now are.
    pub(super) fn limits(&self) -> Arc<JobLimits> {
        Arc::clone(&self.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the limits.
    pub(super) fn set_limits(&self, limits: JobLimits) {
        self.places.set_max(limits.max_jobs_queued);
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    /// Counts a step of the actor.
    pub(super) fn count_step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the steps that the actor has made.
    pub(super) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Remembers whether the actor did not answer when it was asked.
    pub(super) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// Tells whether the actor did not answer when it was asked last.
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Tells whether the daemon stops: then nothing starts any more.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Says that the daemon stops.
    pub(super) fn set_closing(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Gives the actor a reason to look at the table. One that is just being replaced looks anyway.
    pub(super) fn nudge(&self) {
        let actor = self.actor.borrow().clone();
        if let Some(actor) = actor
            && actor.cast(Message::Look).is_err()
        {
            tracing::debug!("the job queue is being restarted");
        }
    }

    /// Returns the ledger, for work that reads it.
    pub(super) fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Uses the ledger on a thread where waiting for the disk is allowed.
    pub(super) async fn with_ledger<T: Send + 'static>(
        &self,
        action: impl FnOnce(&dyn Ledger) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let ledger = Arc::clone(&self.ledger);
        let done = tokio::task::spawn_blocking(move || action(ledger.as_ref())).await;
        done.unwrap_or_else(|_| {
            Err(StorageError::Unavailable(
                "the job ledger failed: see the log".into(),
            ))
        })
    }

    /// Writes a new job down and, when that is durable, puts it into the queue.
    pub(super) async fn admit(&self, record: Record, place: Place) -> Result<JobView, JobError> {
        let id = JobId::parse(record.job_id()).ok_or_else(JobError::stopping)?;
        let written = self.with_ledger({
            let record = record.clone();
            move |ledger| ledger.write(&record)
        });
        match written.await {
            Ok(bytes) => {
                let view = record.view.clone();
                if let Some(entry) = record.into_entry(id, bytes) {
                    self.table.insert(Arc::new(Job::new(entry, Some(place))));
                }
                self.nudge();
                Ok(view)
            }
            Err(error @ (StorageError::Full { .. } | StorageError::ReadOnly))
                if record.plan.as_ref().is_some_and(Plan::may_run_unrecorded) =>
            {
                tracing::info!(job_id = %id, %error, "the job runs without being written down: a restart forgets it");
                let (view, plan) = (record.view.clone(), record.plan.clone());
                if let Some(entry) = record.into_entry(id, 0) {
                    let job = Job::new(entry, Some(place));
                    job.leave_unrecorded(plan);
                    self.table.insert(Arc::new(job));
                }
                self.nudge();
                Ok(view)
            }
            Err(StorageError::TooLarge { size: bytes, limit }) => Err(JobError::TooLarge {
                what: "what was found in params.content",
                bytes,
                limit,
            }),
            Err(error) => {
                // What the client is told has failed shall not run after a restart.
                self.withdraw(id).await;
                Err(error.into())
            }
        }
    }

    /// Removes a job that has ended from the ledger, as well as that can be done.
    async fn forget(&self, id: JobId) {
        let name = id.clone();
        if let Err(error) = self.with_ledger(move |ledger| ledger.remove(&name)).await {
            self.report(&id, &format!("could not be removed: {error}"));
        }
    }

    /// Removes a job from the ledger that must not run again, also not after a crash; `false` when that is not certain.
    pub(super) async fn withdraw(&self, id: JobId) -> bool {
        let name = id.clone();
        let withdrawn = self.with_ledger(move |ledger| ledger.withdraw(&name)).await;
        if let Err(error) = &withdrawn {
            let message =
                format!("could not be removed, so that the job may run again at the next start: {error}");
            self.report(&id, &message);
        }
        withdrawn.is_ok()
    }

    /// Forgets the oldest jobs that ended, as many as are too many.
    pub(super) async fn prune(&self) {
        for id in self.table.take_surplus(self.limits().max_jobs_kept) {
            self.forget(id).await;
        }
    }

    /// Puts the jobs of the ledger into the table.
    pub(super) fn restore(&self, entries: Vec<LedgerEntry>, problems: Vec<Problem>) {
        for entry in entries {
            self.metrics.note_backup(&entry.view);
            // More jobs than there are places, after the limit was lowered, are queued all the same.
            let place = if entry.view.state.is_final() {
                None
            } else {
                self.places.try_enter()
            };
            self.table.insert(Arc::new(Job::new(entry, place)));
        }
        let mut known = self.lock_problems();
        let room = MAX_PROBLEMS.saturating_sub(known.len());
        known.extend(problems.into_iter().take(room));
    }

    /// Remembers that something is wrong with an entry, and tells the log.
    pub(super) fn report(&self, id: &JobId, message: &str) {
        tracing::warn!(job_id = %id, message, "job ledger");
        let mut problems = self.lock_problems();
        if problems.len() < MAX_PROBLEMS {
            let path = std::path::Path::new(".jobs").join(id.as_str());
            problems.push(Problem::new(&path, "unreadable", message));
        }
    }

    /// Returns what is wrong with the ledger.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.lock_problems().clone()
    }

    fn lock_problems(&self) -> std::sync::MutexGuard<'_, Vec<Problem>> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
