//! [`JobQueue`]: the handle through which everybody uses the queue.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{Actor, ActorRef};
use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;

use crate::admission::{Claimant, Place, Scope};
use crate::dify::DifyError;
use crate::http::wire::{JobRequest, JobState, JobView};
use crate::llm::LanguageModel;
use crate::metrics::Limit;
use crate::model::{Author, Timestamp};
use crate::storage::Problem;
use crate::versions::VersionManager;

use super::actor::Message;
use super::job::{Job, StopReason};
use super::kinds::{Order, Plan};
use super::need::Submitter;
use super::run::STOP_GRACE;
use super::shared::{MAX_CALLS, Shared};
use super::supervisor::{self, Supervisor};
use super::{JobError, JobId, JobLimits, Ledger, Record, state};

/// How long a call waits for the actor to be there and to answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a cancellation waits for the job to have stopped before it answers all the same.
const CANCEL_WAIT: Duration = Duration::from_secs(2);
/// How long closing waits for the jobs: they have their grace, and then must write down where they are.
const CLOSE_TIMEOUT: Duration = STOP_GRACE.saturating_add(Duration::from_secs(5));

/// The job queue. Cheap to clone; every method may be called from any task at any time.
#[derive(Clone)]
pub struct JobQueue {
    pub(super) shared: Arc<Shared>,
    pub(super) supervisor: ActorRef<supervisor::Message>,
    closed: Arc<OnceCell<()>>,
}

/// How many jobs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct JobCounts {
    /// They wait for their turn.
    pub queued: usize,
    /// They work.
    pub running: usize,
    /// They have ended.
    pub finished: usize,
}

impl JobQueue {
    /// Starts the queue: reads the ledger, and goes on with the jobs that had not ended.
    ///
    /// # Errors
    /// What the ledger says when it cannot be read at all. A damaged entry is no error: see [`Self::problems`].
    pub async fn start(
        manager: VersionManager,
        ledger: Arc<dyn Ledger>,
        limits: JobLimits,
    ) -> Result<Self, JobError> {
        Self::start_with_model(manager, ledger, limits, None).await
    }

    /// Starts the queue with a language model that its jobs may ask.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with_model(
        manager: VersionManager,
        ledger: Arc<dyn Ledger>,
        limits: JobLimits,
        language_model: Option<LanguageModel>,
    ) -> Result<Self, JobError> {
        let shared = Arc::new(Shared::new(manager, ledger, limits, language_model));
        let content = shared.with_ledger(Ledger::open).await?;
        shared.restore(content.entries, content.problems);
        shared.prune().await;
        let (supervisor, _task) = Supervisor::spawn(None, Supervisor, Arc::clone(&shared))
            .await
            .map_err(|error| JobError::Unavailable(format!("the job queue cannot be started: {error}")))?;
        let queue = Self {
            shared,
            supervisor,
            closed: Arc::default(),
        };
        queue.actor().await?;
        Ok(queue)
    }

    /// Submits a job. When this answers, the job is durable; a workflow document has been read by then.
    ///
    /// # Errors
    /// `invalid-request`, `invalid-document`, `payload-too-large`, `busy`, `unavailable`, or what the disk says.
    pub async fn submit(&self, request: JobRequest, author: Author) -> Result<JobView, JobError> {
        self.submit_for(request, Submitter::unrestricted(author)).await
    }

    /// As [`Self::submit`], for somebody who may not do everything. Their rights as they are now count until the job ends.
    ///
    /// # Errors
    /// As [`Self::submit`]; `forbidden`.
    pub async fn submit_for(&self, request: JobRequest, submitter: Submitter) -> Result<JobView, JobError> {
        self.check_open()?;
        let claimant = submitter.claimant();
        let Submitter { author, rights, .. } = submitter;
        let order = Order::read(request)?;
        order.check_rights(&rights).map_err(JobError::Forbidden)?;
        order.check(&self.shared.manager).await?;
        let place = self.take_place(claimant)?;
        let kind = order.kind();
        let mut plan = self.prepare(order).await?;
        plan.need().check(&rights).map_err(JobError::Forbidden)?;
        plan.check_model(self.shared.language_model.as_ref())?;
        plan.fix(&self.shared.manager).await?;
        self.check_open()?;
        let view = state::submitted(&JobId::generate(), kind, author, Timestamp::now());
        let (shared, record) = (Arc::clone(&self.shared), Record::new(view, 0, Some(plan)));
        // A task of its own: a client that hangs up must not leave a job in the ledger that the queue does not know.
        let admitted = self
            .shared
            .tasks
            .spawn(async move { shared.admit(record, place).await });
        admitted.await.unwrap_or_else(|_| Err(JobError::stopping()))
    }

    /// Returns a job as it now is.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<JobView> {
        self.shared.table.get(id).map(|job| job.view())
    }

    /// Returns one page of jobs, the newest first, and the `after` of the next page if there is one.
    #[must_use]
    pub fn list(
        &self,
        after: Option<&str>,
        state: Option<JobState>,
        limit: usize,
    ) -> (Vec<JobView>, Option<String>) {
        self.list_those(after, state, limit, |_| true)
    }

    /// As [`Self::list`], of those jobs that fit.
    #[must_use]
    pub fn list_those(
        &self,
        after: Option<&str>,
        state: Option<JobState>,
        limit: usize,
        fits: impl Fn(&JobView) -> bool,
    ) -> (Vec<JobView>, Option<String>) {
        self.shared.table.page(after, state, limit, fits)
    }

    /// Waits until a job has ended, but no longer than given; returns it as it then is.
    pub async fn wait(&self, id: &str, longest: Duration) -> Option<JobView> {
        let job = self.shared.table.get(id)?;
        wait_for_end(&job, longest).await;
        Some(job.view())
    }

    /// Follows a job: the receiver holds its present view and is told of every later one.
    #[must_use]
    pub fn subscribe(&self, id: &str) -> Option<watch::Receiver<JobView>> {
        self.shared.table.get(id).map(|job| job.subscribe())
    }

    /// Cancels a job and returns it as it then is: one that waits is cancelled at once, one that works stops at its next
    /// step, which may take longer than this answer. What has ended stays as it is.
    ///
    /// # Errors
    /// `not-found`, `busy`, `unavailable`.
    pub async fn cancel(&self, id: &str) -> Result<JobView, JobError> {
        let job = self.shared.table.get(id).ok_or_else(|| JobError::not_found(id))?;
        if job.is_final() {
            return Ok(job.view());
        }
        self.check_open()?;
        let permit = Arc::clone(&self.shared.calls).try_acquire_owned();
        let permit = permit.map_err(|_| JobError::Busy {
            waiting: MAX_CALLS,
            what: "calls to the job queue",
        })?;
        let told = Arc::clone(&job);
        let message = |reply| Message::Cancel {
            job: told,
            _permit: permit,
            reply,
        };
        match self.actor().await?.call(message, Some(CALL_TIMEOUT)).await {
            Ok(CallResult::Success(())) => {
                wait_for_end(&job, CANCEL_WAIT).await;
                Ok(job.view())
            }
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => Err(restarting()),
        }
    }

    /// Changes the limits while jobs run. A job that runs keeps the time that it began with.
    pub async fn set_limits(&self, limits: JobLimits) {
        self.shared.set_limits(limits);
        self.shared.prune().await;
    }

    /// Returns how many jobs there are.
    #[must_use]
    pub fn counts(&self) -> JobCounts {
        let (queued, running, finished) = self.shared.table.count();
        JobCounts {
            queued,
            running,
            finished,
        }
    }

    /// Returns the language model that jobs ask, where one is configured.
    #[must_use]
    pub fn language_model(&self) -> Option<&LanguageModel> {
        self.shared.language_model.as_ref()
    }

    /// Returns what is wrong with the ledger: entries that could not be read, removed or brought up to date.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.shared.problems()
    }

    /// Tells whether jobs are being started; `Err` says why not.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn health(&self) -> Result<(), String> {
        if self.shared.actor.borrow().is_some() {
            Ok(())
        } else {
            Err("the job queue is down: it is being started again, or promptd is stopping".into())
        }
    }

    /// Stops the queue: nothing starts any more, and what works is asked to stop and runs again at the next start.
    /// Returns when all is written down, or after some seconds. May be called twice.
    pub async fn close(&self) {
        self.closed.get_or_init(|| self.close_once()).await;
    }

    async fn close_once(&self) {
        self.shared.set_closing();
        // A job that is started after this look finds the queue closing before it begins.
        for job in self.shared.table.open_jobs() {
            if job.is_claimed() {
                job.stop(StopReason::Closing);
            }
        }
        self.shared.tasks.close();
        if timeout(CLOSE_TIMEOUT, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("some jobs did not stop in time; they run again at the next start");
        }
        if let Err(error) = self.supervisor.stop_and_wait(None, Some(CLOSE_TIMEOUT)).await {
            tracing::warn!(%error, "the job queue did not stop in time");
        }
    }

    fn check_open(&self) -> Result<(), JobError> {
        if self.shared.is_closing() {
            Err(JobError::stopping())
        } else {
            Ok(())
        }
    }

    fn take_place(&self, claimant: Claimant) -> Result<Place, JobError> {
        self.shared.places.try_enter(claimant).map_err(|refusal| {
            let limit = match refusal.scope {
                Scope::All => Limit::JobsQueued,
                Scope::Peer => Limit::JobsQueuedPerAuthor,
            };
            self.shared.metrics.rejections.note(limit);
            JobError::Crowded(refusal)
        })
    }

    /// Reads what an order names, on a thread where that may take its time.
    async fn prepare(&self, order: Order) -> Result<Plan, JobError> {
        let failed = || JobError::Unavailable("reading the job's parameters failed: see the log".into());
        let permit = Arc::clone(&self.shared.readings).acquire_owned().await;
        let permit = permit.map_err(|_| failed())?;
        let limits = self.shared.limits();
        let reading = tokio::task::spawn_blocking(move || {
            let plan = order.prepare(&limits);
            // Not before: the thread works on when the client hangs up.
            drop(permit);
            plan
        });
        let read = reading.await.unwrap_or_else(|_| Err(failed()));
        if let Err(JobError::InvalidDocument(DifyError::TooManyPrompts { .. })) = &read {
            self.shared.metrics.rejections.note(Limit::ImportPrompts);
        }
        read
    }

    /// Returns the actor of now; waits for it while it is being replaced.
    async fn actor(&self) -> Result<ActorRef<Message>, JobError> {
        let mut slot = self.shared.actor.subscribe();
        let there = timeout(CALL_TIMEOUT, slot.wait_for(Option::is_some)).await;
        match there {
            Ok(Ok(actor)) => actor.clone().ok_or_else(restarting),
            Ok(Err(_)) | Err(_) => Err(restarting()),
        }
    }
}

#[cfg(test)]
impl JobQueue {
    /// Ends the actor as a bug in it would, and waits until it is gone.
    pub(super) async fn kill_actor(&self) {
        if let Ok(actor) = self.actor().await {
            actor.kill();
            let mut slot = self.shared.actor.subscribe();
            let gone = slot.wait_for(|now| now.as_ref().is_none_or(|now| now.get_id() != actor.get_id()));
            assert!(gone.await.is_ok());
        }
    }
}

async fn wait_for_end(job: &Job, longest: Duration) {
    let mut views = job.subscribe();
    // Over time, or the job was forgotten: either way the caller looks at what there is.
    let _ended = timeout(longest, views.wait_for(|view| view.state.is_final()))
        .await
        .is_ok();
}

fn restarting() -> JobError {
    JobError::Unavailable("the job queue is being restarted: try again".into())
}

impl fmt::Debug for JobQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
