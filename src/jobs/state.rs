//! What states a job goes through. Pure.

use serde_json::Value;

use crate::http::wire::{JobProgress, JobState, JobView};
use crate::model::{Author, Timestamp};

use super::{JobId, JobKind};

/// What happens to a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// It begins to work.
    Begin,
    /// It is done.
    Succeed(Value),
    /// It ended with an error, and possibly with a part of its work done.
    Fail {
        /// Why.
        error: String,
        /// What was done all the same.
        result: Option<Value>,
    },
    /// It was cancelled, possibly with a part of its work done.
    Cancel {
        /// What was done all the same.
        result: Option<Value>,
    },
    /// It goes back to the queue, since the daemon stops or was killed.
    Requeue,
}

/// Returns the view of a job that was just submitted.
pub(super) fn submitted(id: &JobId, kind: JobKind, author: Author, now: Timestamp) -> JobView {
    JobView {
        job_id: id.to_string(),
        kind: kind.as_str().to_owned(),
        state: JobState::Queued,
        progress: no_progress(kind),
        result: None,
        error: None,
        created_at: now,
        started_at: None,
        finished_at: None,
        author,
    }
}

/// Returns the view after a step, or `None` when a job in this state cannot take it.
pub(super) fn after(view: &JobView, step: Step, now: Timestamp) -> Option<JobView> {
    use JobState::{Cancelled, Failed, Queued, Running, Succeeded};
    let mut next = view.clone();
    match (view.state, step) {
        (Queued, Step::Begin) => {
            next.state = Running;
            next.started_at = Some(now);
        }
        (Running, Step::Requeue) => {
            next.state = Queued;
            next.started_at = None;
            next.progress = JobProgress {
                unit: next.progress.unit,
                ..JobProgress::default()
            };
        }
        (Running, Step::Succeed(result)) => end(&mut next, Succeeded, now, Some(result), None),
        (Queued | Running, Step::Fail { error, result }) => end(&mut next, Failed, now, result, Some(error)),
        (Queued | Running, Step::Cancel { result }) => end(&mut next, Cancelled, now, result, None),
        _ => return None,
    }
    Some(next)
}

fn end(view: &mut JobView, state: JobState, now: Timestamp, result: Option<Value>, error: Option<String>) {
    view.state = state;
    view.finished_at = Some(now);
    view.result = result;
    view.error = error;
}

fn no_progress(kind: JobKind) -> JobProgress {
    JobProgress {
        unit: kind.unit().to_owned(),
        ..JobProgress::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use JobState::{Cancelled, Failed, Queued, Running, Succeeded};

    fn view(state: JobState) -> JobView {
        let now = Timestamp::now();
        let mut view = submitted(&JobId::generate(), JobKind::Verify, Author::daemon(), now.clone());
        view.progress.done = 7;
        view.state = state;
        view.started_at = (state != Queued).then(|| now.clone());
        view.finished_at = state.is_final().then_some(now);
        view
    }

    fn check(from: JobState, step: &Step, to: Option<JobState>) {
        let next = after(&view(from), step.clone(), Timestamp::now());
        assert_eq!(
            next.as_ref().map(|view| view.state),
            to,
            "{from:?} and then {step:?}"
        );
        if let Some(next) = next {
            assert_eq!(next.finished_at.is_some(), next.state.is_final());
            assert_eq!(next.error.is_some(), next.state == Failed);
            assert_eq!(
                next.started_at.is_some(),
                from == Running && to != Some(Queued) || to == Some(Running)
            );
            assert_eq!(
                next.progress.done == 0,
                to == Some(Queued),
                "only a requeue forgets progress"
            );
        }
    }

    #[test]
    fn a_job_goes_from_queued_to_running_to_an_end_and_nowhere_else() {
        let succeed = Step::Succeed(Value::Null);
        let fail = Step::Fail {
            error: "no".into(),
            result: None,
        };
        let cancel = Step::Cancel { result: None };
        for (step, from_queued, from_running) in [
            (Step::Begin, Some(Running), None),
            (Step::Requeue, None, Some(Queued)),
            (succeed, None, Some(Succeeded)),
            (fail, Some(Failed), Some(Failed)),
            (cancel, Some(Cancelled), Some(Cancelled)),
        ] {
            check(Queued, &step, from_queued);
            check(Running, &step, from_running);
            for ended in [Succeeded, Failed, Cancelled] {
                check(ended, &step, None);
            }
        }
    }
}
