//! Answers that come line by line and go on for long.

use bytes::BytesMut;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::answer::Answer;
use super::call::Call;
use super::connection::{Connection, Lost};
use super::{Client, ClientError};

/// The longest line.
const MAX_LINE_BYTES: usize = 16 << 20;

/// The lines of an answer, each a JSON value, on a connection of their own.
#[derive(Debug)]
pub(super) struct Lines {
    connection: Connection,
    body: Incoming,
    buffer: BytesMut,
    doing: String,
}

impl Lines {
    /// Sends a request and takes its answer when it is a success; `doing` says what for.
    pub(super) async fn open(client: &Client, call: &Call, doing: String) -> Result<Self, ClientError> {
        let mut connection = client.connect().await?;
        let response = connection
            .start(call)
            .await
            .map_err(|lost| client.lost(call, lost))?;
        if response.status().is_success() {
            return Ok(Self {
                connection,
                body: response.into_body(),
                buffer: BytesMut::new(),
                doing,
            });
        }
        Err(refusal(connection, response).await)
    }

    /// Returns the next line; `None` when the answer has ended.
    ///
    /// # Errors
    /// [`ClientError::Lost`] when the daemon goes away, [`ClientError::Malformed`] for what is something else.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ClientError> {
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
