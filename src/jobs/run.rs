//! The life of one job, from the moment it is claimed: begin, work, end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::job::{Job, StopReason};
use super::kinds::{Context, JobFailure, Plan};
use super::shared::Shared;
use super::state::Step;
use super::{JobKind, Record};
use crate::metrics::Limit;
use crate::storage::{Acting, Action, Actor, StorageError};

/// How often a running job may show how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// How long a job may take to stop by itself once it is asked to; then it is dropped where it stands.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(5);
/// How often a job is begun when the daemon dies under it. The next time it counts as failed: it may be the reason.
const MAX_ATTEMPTS: u32 = 3;
/// How often the end of a job is written down.
const MAX_END_WRITES: u32 = 3;
/// The pause between these.
const END_WRITE_PAUSE: Duration = Duration::from_millis(200);

/// Starts a job that was claimed.
pub(super) fn start(shared: &Arc<Shared>, job: Arc<Job>) {
    show(&job, Step::Begin);
    let (task_shared, task_job) = (Arc::clone(shared), Arc::clone(&job));
    let life = async move {
        let step = match begin(&task_shared, &task_job).await {
            Ok(plan) => work(&task_shared, &task_job, plan).await,
            Err(NotBegun::Because(step)) => step,
            Err(NotBegun::Unreadable(error)) => return fail_unrecorded(&task_shared, &task_job, &error),
        };
        end(&task_shared, &task_job, step).await;
    };
    supervise(shared, job, life);
}

/// Ends a job that was claimed and will not be started.
pub(super) fn end_unstarted(shared: &Arc<Shared>, job: Arc<Job>, step: Step) {
    let (task_shared, task_job) = (Arc::clone(shared), Arc::clone(&job));
    supervise(
        shared,
        job,
        async move { end(&task_shared, &task_job, step).await },
    );
}

/// Runs the life of a job as a task, and sees to it that the job ends even if that task fails.
fn supervise(shared: &Arc<Shared>, job: Arc<Job>, life: impl Future<Output = ()> + Send + 'static) {
    let (owner, life) = (Arc::clone(shared), tokio::spawn(life));
    shared.tasks.spawn(async move {
        if life.await.is_err_and(|error| error.is_panic()) {
            show(&job, fail("the job queue failed on this job: see the log"));
        }
        if job.is_final() {
            owner.metrics.note_end(&job.view());
        }
        owner.prune().await;
        owner.nudge();
    });
}

/// Why a job was not begun.
enum NotBegun {
    /// This becomes of it.
    Because(Step),
    /// Its entry cannot be read, and is therefore not replaced.
    Unreadable(StorageError),
}

/// Writes down that the job is begun, and returns what it needs to run.
async fn begin(shared: &Shared, job: &Job) -> Result<Plan, NotBegun> {
    if shared.is_closing() {
        return Err(NotBegun::Because(Step::Requeue));
    }
    if let Some(plan) = job.unrecorded() {
        let ended = || NotBegun::Because(fail("the job has ended already"));
        return plan.clone().ok_or_else(ended);
    }
    let id = job.id.clone();
    let read = shared.with_ledger(move |ledger| ledger.read(&id)).await;
    let mut record = read.map_err(NotBegun::Unreadable)?;
    if record.attempts >= MAX_ATTEMPTS {
        return Err(NotBegun::Because(fail(format!(
            "promptd ended {MAX_ATTEMPTS} times while the job was running: it is not begun again; submit it anew"
        ))));
    }
    record.attempts += 1;
    record.view = job.view();
    let begun = record.clone();
    if let Err(error) = shared.with_ledger(move |ledger| ledger.write(&begun)).await {
        // The job is not lost: after a crash it counts as not begun, and may be repeated.
        tracing::warn!(job_id = %job.id, %error, "the beginning of a job could not be written down");
    }
    record
        .plan
        .take()
        .ok_or_else(|| NotBegun::Because(fail("the job has ended already")))
}

/// Does the work and returns what came of it. Stops it when it is asked to, or takes too long.
async fn work(shared: &Shared, job: &Job, plan: Plan) -> Step {
    let context = Context {
        manager: shared.manager.acting(acting(job)),
        author: job.author(),
        job_id: job.id.clone(),
        progress: Arc::clone(&job.progress),
        ledger: shared.ledger(),
        max_concurrent_prompts: shared.limits().max_concurrent_prompts,
        language_model: shared.language_model.clone(),
    };
    let max_seconds = shared.limits().max_job_seconds;
    let mut task: JoinHandle<Result<Value, JobFailure>> = tokio::spawn(plan.run(context));
    let mut ticks = interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let too_late = sleep(Duration::from_secs(max_seconds));
    tokio::pin!(too_late);
    let mut give_up_at: Option<Instant> = None;
    loop {
        tokio::select! {
            done = &mut task => return outcome(done, job.stop_reason(), max_seconds),
            () = job.stop_asked(), if give_up_at.is_none() => {
                job.progress.cancel();
                give_up_at = Some(Instant::now() + STOP_GRACE);
            }
            () = &mut too_late, if give_up_at.is_none() => {
                shared.metrics.rejections.note(Limit::JobSeconds);
                job.stop(StopReason::TimedOut);
            }
            () = sleep_until(give_up_at.unwrap_or_else(Instant::now)), if give_up_at.is_some() => {
                task.abort();
                return outcome((&mut task).await, job.stop_reason(), max_seconds);
            }
            _ = ticks.tick() => job.publish_progress(),
        }
    }
}

/// Says on whose behalf the job works.
fn acting(job: &Job) -> Acting {
    let kind = JobKind::parse(&job.view().kind);
    Acting {
        actor: Actor {
            job_id: Some(job.id.to_string()),
            ..Actor::of(job.author())
        },
        put: kind.map_or(Action::Save, JobKind::puts),
    }
}

/// Tells what happens to a job by how its work ended.
fn outcome(
    done: Result<Result<Value, JobFailure>, JoinError>,
    stopped: Option<StopReason>,
    max_job_seconds: u64,
) -> Step {
    let failure = match done {
        Ok(Ok(result)) => return Step::Succeed(result),
        Ok(Err(failure)) => failure,
        Err(error) if error.is_cancelled() && stopped.is_none() => return Step::Requeue,
        // The panic's own message may repeat a prompt; the log has it.
        Err(error) if error.is_panic() => {
            return fail("the job panicked, which is a bug in promptd: see the log");
        }
        Err(_) => JobFailure {
            error: "the job was dropped".into(),
            result: None,
        },
    };
    match stopped {
        Some(StopReason::Closing) => Step::Requeue,
        Some(StopReason::Cancelled) => Step::Cancel {
            result: failure.result,
        },
        Some(StopReason::TimedOut) => Step::Fail {
            error: format!("stopped after {max_job_seconds} seconds (max_job_seconds)"),
            result: failure.result,
        },
        None => Step::Fail {
            error: failure.error,
            result: failure.result,
        },
    }
}

/// Writes down what happened to a job, and then shows it.
async fn end(shared: &Shared, job: &Job, step: Step) {
    let Some(view) = job.view_after(step) else {
        return;
    };
    tracing::info!(job_id = %job.id, kind = view.kind, state = ?view.state, "a job ended its run");
    if job.unrecorded().is_some() {
        let is_final = view.state.is_final();
        job.publish(view, 0);
        if !is_final {
            job.unclaim();
        }
        return;
    }
    if view.state.is_final() {
        let bytes = write_end(shared, job, Record::new(view.clone(), 0, None)).await;
        job.publish(view, bytes);
        return;
    }
    let (id, waiting) = (job.id.clone(), view.clone());
    let written = shared.with_ledger(move |ledger| {
        let mut record = ledger.read(&id)?;
        record.view = waiting;
        // A daemon that stops in good order is no reason to suspect the job.
        record.attempts = record.attempts.saturating_sub(1);
        ledger.write(&record)
    });
    if let Err(error) = written.await {
        tracing::warn!(job_id = %job.id, %error, "a job runs again at the next start, but counts as interrupted");
    }
    job.publish(view, job.bytes());
    job.unclaim();
}

async fn write_end(shared: &Shared, job: &Job, record: Record) -> u64 {
    for attempt in 1..=MAX_END_WRITES {
        let copy = record.clone();
        match shared.with_ledger(move |ledger| ledger.write(&copy)).await {
            Ok(bytes) => return bytes,
            Err(error) => {
                tracing::warn!(job_id = %job.id, %error, attempt, "the end of a job could not be written down");
            }
        }
        if attempt < MAX_END_WRITES {
            sleep(END_WRITE_PAUSE).await;
        }
    }
    // Left as it is, the entry would make the job run again after a restart, over what others did meanwhile.
    if shared.withdraw(job.id.clone()).await {
        let message = "the end of the job could not be written down: it is forgotten at the next start";
        shared.report(&job.id, message);
    }
    job.bytes()
}

/// Ends a job whose entry cannot be read: the entry is left as it is, for whoever looks into it.
fn fail_unrecorded(shared: &Shared, job: &Job, error: &StorageError) {
    shared.report(&job.id, &error.to_string());
    job.leave_entry_alone();
    show(job, fail(format!("the job could not be begun: {error}")));
}

/// Shows what happened to a job without writing it down.
fn show(job: &Job, step: Step) {
    if let Some(view) = job.view_after(step) {
        job.publish(view, job.bytes());
    }
}

fn fail(error: impl Into<String>) -> Step {
    Step::Fail {
        error: error.into(),
        result: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stopped: Option<StopReason>, expected: &Step) {
        let partial = Some(Value::from(7));
        let failure = JobFailure {
            error: "broken".into(),
            result: partial,
        };
        assert_eq!(&outcome(Ok(Err(failure)), stopped, 60), expected);
        // Work that was done before the wish to stop arrived is done.
        assert_eq!(
            outcome(Ok(Ok(Value::Null)), stopped, 60),
            Step::Succeed(Value::Null)
        );
    }

    #[test]
    fn why_a_job_stopped_decides_what_becomes_of_it() {
        let result = Some(Value::from(7));
        let fail = |error: &str| Step::Fail {
            error: error.into(),
            result: result.clone(),
        };
        check(None, &fail("broken"));
        check(
            Some(StopReason::Cancelled),
            &Step::Cancel {
                result: result.clone(),
            },
        );
        check(Some(StopReason::Closing), &Step::Requeue);
        check(
            Some(StopReason::TimedOut),
            &fail("stopped after 60 seconds (max_job_seconds)"),
        );
    }
}
