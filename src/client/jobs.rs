//! Jobs: submit, look, wait, cancel.

use std::time::Duration;

use hyper::Method;
use serde_json::{Map, Value};

use crate::http::wire::{JobRequest, JobState, JobView};

use super::call::Call;
use super::{Client, ClientError, JobEvents, Pages};

/// The longest wait that the daemon grants in one request.
const MAX_WAIT: Duration = Duration::from_secs(60);

impl Client {
    /// Submits a job and returns it as it is queued.
    ///
    /// # Errors
    /// `invalid-document` for parameters that do not fit, `busy`, or why it could not be asked.
    pub async fn submit_job(&self, kind: &str, params: Map<String, Value>) -> Result<JobView, ClientError> {
        let request = JobRequest {
            kind: kind.to_owned(),
            params,
        };
        let call = Call::new(Method::POST, &["v1", "jobs"]).json(&request)?;
        self.call(call).await?.json()
    }

    /// Lists jobs, the newest first, in one state or in all.
    #[must_use]
    pub fn jobs(&self, state: Option<JobState>) -> Pages<'_, JobView> {
        let state = state.map(|state| match state {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        });
        Pages::new(self, Call::get(&["v1", "jobs"]).query("state", state))
    }

    /// Returns a job; waits up to `wait` (at most a minute) for it to end.
    ///
    /// # Errors
    /// `not-found`, or why it could not be asked.
    pub async fn job(&self, job_id: &str, wait: Duration) -> Result<JobView, ClientError> {
        let wait = wait.min(MAX_WAIT);
        let seconds = (!wait.is_zero()).then_some(wait.as_secs().max(1));
        let call = Call::get(&["v1", "jobs", job_id])
            .query("wait", seconds)
            .patience(wait);
        self.call(call).await?.json()
    }

    /// Waits until a job has ended, and tells how far it is whenever something is known.
    ///
    /// # Errors
    /// `not-found`, or why it could not be asked.
    pub async fn wait_for_job(
        &self,
        job_id: &str,
        mut watch: impl FnMut(&JobView),
    ) -> Result<JobView, ClientError> {
        loop {
            let job = self.job(job_id, Duration::from_secs(1)).await?;
            watch(&job);
            if job.state.is_final() {
                return Ok(job);
            }
        }
    }

    /// Follows a job: a stream of what it looks like, until it has ended. It has a connection of its own.
    ///
    /// # Errors
    /// `not-found`, or why it could not be asked.
    pub async fn job_events(&self, job_id: &str) -> Result<JobEvents, ClientError> {
        JobEvents::open(self, job_id).await
    }

    /// Cancels a job. One that has ended is returned as it is.
    ///
    /// # Errors
    /// `not-found`, or why it could not be asked.
    pub async fn cancel_job(&self, job_id: &str) -> Result<JobView, ClientError> {
        self.call(Call::delete(&["v1", "jobs", job_id])).await?.json()
    }
}
