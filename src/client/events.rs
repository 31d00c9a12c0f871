//! The stream of a job's states.

use bytes::BytesMut;
use hyper::body::Incoming;

use crate::http::wire::JobView;

use super::answer::Answer;
use super::call::Call;
use super::connection::{Connection, Lost};
use super::{Client, ClientError};

/// The longest line of the stream.
const MAX_LINE_BYTES: usize = 16 << 20;

/// What a job looks like, again whenever it changes, until it has ended.
#[derive(Debug)]
pub struct JobEvents {
    connection: Connection,
    body: Incoming,
    buffer: BytesMut,
    doing: String,
}

impl JobEvents {
    pub(super) async fn open(client: &Client, job_id: &str) -> Result<Self, ClientError> {
        let call = Call::get(&["v1", "jobs", job_id, "events"]);
        let mut connection = client.connect().await?;
        let response = connection
            .start(&call)
            .await
            .map_err(|lost| client.lost(&call, lost))?;
        if response.status().is_success() {
            let doing = format!("following job {job_id}");
            return Ok(Self {
                connection,
                body: response.into_body(),
                buffer: BytesMut::new(),
                doing,
            });
        }
        Err(refusal(connection, response).await)
    }

    /// Returns the next state; `None` when the stream has ended.
    ///
    /// # Errors
    /// [`ClientError::Lost`] when the daemon goes away, [`ClientError::Malformed`] for what is no job.
    pub async fn next(&mut self) -> Result<Option<JobView>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| ClientError::malformed(&error));
            }
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(ClientError::malformed("a line of the stream has no end"));
            }
            match self.connection.next_piece(&mut self.body).await {
                Ok(Some(piece)) => self.buffer.extend_from_slice(&piece),
                Ok(None) if self.buffer.is_empty() => return Ok(None),
                Ok(None) => return Err(self.lost("the last line is cut off".to_owned())),
                Err(Lost::WhileWaiting(reason)) => return Err(self.lost(reason)),
                Err(_) => return Err(self.lost("the connection was closed".to_owned())),
            }
        }
    }

    fn lost(&self, reason: String) -> ClientError {
        ClientError::Lost {
            doing: self.doing.clone(),
            reason,
        }
    }
}

async fn refusal(mut connection: Connection, response: hyper::Response<Incoming>) -> ClientError {
    let (head, mut body) = response.into_parts();
    let mut bytes = BytesMut::new();
    while let Ok(Some(piece)) = connection.next_piece(&mut body).await {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_LINE_BYTES {
            break;
        }
    }
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        body: bytes.freeze(),
    };
    match answer.success() {
        Err(error) => error,
        Ok(_) => ClientError::malformed("a refusal that is none"),
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
