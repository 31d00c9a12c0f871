//! The stream of a job's states.

use crate::http::wire::JobView;

use super::call::Call;
use super::lines::Lines;
use super::{Client, ClientError};

/// What a job looks like, again whenever it changes, until it has ended.
#[derive(Debug)]
pub struct JobEvents(Lines);

impl JobEvents {
    pub(super) async fn open(client: &Client, job_id: &str) -> Result<Self, ClientError> {
        let call = Call::get(&["v1", "jobs", job_id, "events"]);
        let lines = Lines::open(client, &call, format!("following job {job_id}"));
        lines.await.map(Self)
    }

    /// Returns the next state; `None` when the stream has ended.
    ///
    /// # Errors
    /// [`ClientError::Lost`] when the daemon goes away, [`ClientError::Malformed`] for what is no job.
    pub async fn next(&mut self) -> Result<Option<JobView>, ClientError> {
        self.0.next().await
    }
}

#[cfg(test)]
mod tests {
    use super::super::stub::{Reply, Stub};
    use super::*;
    use crate::http::wire::JobState;

    fn job(state: &str, done: u64) -> String {
        serde_json::json!({"job_id": "j1", "kind": "verify", "state": state,
            "progress": {"done": done, "total": 2, "unit": "prompts"}, "result": null, "error": null,
            "created_at": "2026-01-02T03:04:05Z", "started_at": null, "finished_at": null, "author": {"name": "ada"}})
        .to_string()
    }

    #[tokio::test]
    async fn every_line_is_a_state_and_the_end_is_the_end() {
        let lines = format!("{}\n\n{}\n", job("running", 1), job("succeeded", 2));
        let stub = Stub::start(move |_| Reply::json(200, &lines)).await;
        let mut events = Client::new(stub.socket()).job_events("j1").await.unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().progress.done, 1);
        assert_eq!(events.next().await.unwrap().unwrap().state, JobState::Succeeded);
        assert_eq!(events.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_line_that_is_cut_off_is_no_end() {
        let line = job("running", 1);
        let stub = Stub::start(move |_| Reply::json(200, &line)).await;
        let mut events = Client::new(stub.socket()).job_events("j1").await.unwrap();
        assert!(matches!(events.next().await, Err(ClientError::Lost { .. })));
    }

    #[tokio::test]
    async fn an_unknown_job_is_refused_with_its_code() {
        let stub = Stub::start(|_| Reply::problem(404, "not-found", "job j9 does not exist")).await;
        let error = Client::new(stub.socket()).job_events("j9").await.unwrap_err();
        assert_eq!(error.code(), Some("not-found"));
    }
}
