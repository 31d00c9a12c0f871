//! The HTTP client over the Unix socket, used by promptctl, the tests and the benches.
//!
//! A [`Client`] owns one kept-alive connection, made at the first call and made again when the daemon has closed it. Calls
//! on one client follow each other; a clone shares the settings and makes a connection of its own, and [`Pool`] lends
//! clients to concurrent work. Every answer is bounded in size and in time, and every refusal of the daemon is a
//! [`ClientError::Refused`] with its stable code.
//!
//! What may have been done is never sent twice: a request is repeated on a new connection only when it never left this
//! process, or when it only reads.

mod answer;
mod audit;
mod backups;
mod call;
mod connection;
mod daemon;
mod document;
mod error;
mod events;
mod evidence;
mod jobs;
mod labels;
mod lines;
mod pages;
mod pool;
mod prompts;
#[cfg(test)]
mod stub;
mod trash;
mod versions;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Method;
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use audit::AuditFilter;
pub use daemon::Readiness;
pub use document::{Document, Stored};
pub use error::{ClientError, Problem};
pub use events::JobEvents;
pub use labels::LabelGuard;
pub use pages::Pages;
pub use pool::{Lent, Pool};
pub use prompts::PromptFilter;
pub use watch::{Watch, WatchFilter};

use answer::Answer;
use call::Call;
use connection::{Connection, Lost};

/// How long the daemon may take, and how much it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an answer may take, beyond a wait that the request itself asks for.
    pub answer_timeout: Duration,
    /// The largest answer, in bytes.
    pub max_answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(60),
            max_answer_bytes: 256 << 20,
        }
    }
}

/// A client of the daemon behind one socket, with one connection. A clone makes its own connection.
#[derive(Debug)]
pub struct Client {
    target: Arc<Target>,
    connection: Mutex<Option<Connection>>,
}

/// What the clones of a client share.
#[derive(Debug)]
struct Target {
    socket: PathBuf,
    limits: Limits,
}

impl Clone for Client {
    fn clone(&self) -> Self {
        Self {
            target: Arc::clone(&self.target),
            connection: Mutex::new(None),
        }
    }
}

impl Client {
    /// Makes a client for the daemon behind a socket. Nothing is opened before the first call.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self::with_limits(socket, Limits::default())
    }

    /// Makes a client with other limits than the default ones.
    #[must_use]
    pub fn with_limits(socket: impl Into<PathBuf>, limits: Limits) -> Self {
        let target = Target {
            socket: socket.into(),
            limits,
        };
        Self {
            target: Arc::new(target),
            connection: Mutex::new(None),
        }
    }

    /// Returns the path of the socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.target.socket
    }

    /// Sends a request and returns whatever comes back, refusals included.
    async fn exchange(&self, call: Call) -> Result<Answer, ClientError> {
        let mut kept = self.connection.lock().await;
        let started = Instant::now();
        let (method, path) = (call.method.clone(), call.target.clone());
        let answer = self.exchange_over(&mut kept, call).await;
        let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        match &answer {
            Ok(answer) => {
                let (status, bytes) = (answer.status.as_u16(), answer.body.len());
                tracing::debug!("{method} {path} -> {status}, {bytes} bytes in {elapsed_us} us");
            }
            Err(error) => tracing::debug!("{method} {path} -> {error} after {elapsed_us} us"),
        }
        answer
    }

    async fn exchange_over(&self, kept: &mut Option<Connection>, call: Call) -> Result<Answer, ClientError> {
        // The connection is taken out, so that an exchange that is cut off never leaves half an answer behind.
        let is_safe = call.method == Method::GET;
        let reused = kept
            .take()
            .filter(|connection| !connection.is_closed() && (is_safe || connection.is_fresh()));
        if let Some(mut connection) = reused {
            match self.try_exchange(&mut connection, &call).await {
                Ok(answer) => {
                    *kept = Some(connection);
                    return Ok(answer);
                }
                Err(Lost::BeforeSending) => {}
                Err(Lost::WhileWaiting(_)) if is_safe => {}
                Err(lost) => return Err(self.lost(&call, lost)),
            }
        }
        let mut connection = self.connect().await?;
        let answer = self.try_exchange(&mut connection, &call).await;
        let answer = answer.map_err(|lost| self.lost(&call, lost))?;
        *kept = Some(connection);
        Ok(answer)
    }

    async fn try_exchange(&self, connection: &mut Connection, call: &Call) -> Result<Answer, Lost> {
        let patience = self.target.limits.answer_timeout + call.patience;
        let exchange = connection.exchange(call, self.target.limits.max_answer_bytes);
        timeout(patience, exchange)
            .await
            .unwrap_or(Err(Lost::Timeout(patience)))
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let Limits { connect_timeout, .. } = self.target.limits;
        match timeout(connect_timeout, Connection::open(self.socket())).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(ClientError::unreachable(self.socket(), &error)),
            Err(_) => Err(ClientError::Timeout {
                doing: format!("connecting to {}", self.socket().display()),
                after: connect_timeout,
            }),
        }
    }

    fn lost(&self, call: &Call, lost: Lost) -> ClientError {
        let doing = format!("{} {}", call.method, call.target);
        match lost {
            Lost::BeforeSending => {
                ClientError::unreachable(self.socket(), &std::io::ErrorKind::BrokenPipe.into())
            }
            Lost::WhileWaiting(reason) => ClientError::Lost { doing, reason },
            Lost::Timeout(after) => ClientError::Timeout { doing, after },
            Lost::TooLarge(limit) => ClientError::TooLarge { doing, limit },
        }
    }

    /// Sends a request and returns the answer if it is a success.
    async fn call(&self, call: Call) -> Result<Answer, ClientError> {
        self.exchange(call).await?.success()
    }
}

#[cfg(test)]
mod tests {
    use super::stub::{Reply, Stub};
    use super::*;

    #[tokio::test]
    async fn one_connection_serves_call_after_call() {
        let stub = Stub::start(|_| Reply::json(200, r#"{"ok":true}"#)).await;
        let client = Client::new(stub.socket());
        for _ in 0..3 {
            client.status_json().await.unwrap();
        }
        assert_eq!(stub.connections(), 1);
        client.clone().status_json().await.unwrap();
        assert_eq!(stub.connections(), 2, "a clone has its own connection");
    }

    #[tokio::test]
    async fn a_connection_that_the_daemon_closed_is_made_again() {
        let stub = Stub::start(|_| Reply::json(200, "{}").then_close()).await;
        let client = Client::new(stub.socket());
        for _ in 0..3 {
            client.status_json().await.unwrap();
        }
        assert_eq!(stub.connections(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_not_sent_over_a_connection_that_the_daemon_may_be_closing() {
        let stub = Stub::start(|_| Reply::json(200, "{}")).await;
        let client = Client::new(stub.socket());
        let (id, version) = ("greet".parse().unwrap(), "1.0.0".parse().unwrap());
        let change = || async { client.forget(&id, &version).await.unwrap() };
        client.status_json().await.unwrap();
        change().await;
        assert_eq!(stub.connections(), 1, "it was answered a moment ago");
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.status_json().await.unwrap();
        assert_eq!(stub.connections(), 1, "a question can be asked again");
        tokio::time::sleep(Duration::from_secs(1)).await;
        change().await;
        assert_eq!(stub.connections(), 2, "it was silent for long");
    }

    #[tokio::test]
    async fn a_refusal_carries_code_and_detail() {
        let stub =
            Stub::start(|_| Reply::problem(503, "busy", "too many writes").header("retry-after", "1")).await;
        let error = Client::new(stub.socket()).status_json().await.unwrap_err();
        assert_eq!(error.code(), Some("busy"));
        assert_eq!(error.to_string(), "too many writes");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn a_refusal_that_is_no_problem_document_is_shown_as_it_is() {
        let stub = Stub::start(|_| Reply::json(502, "gateway trouble")).await;
        let error = Client::new(stub.socket()).status_json().await.unwrap_err();
        assert_eq!(error.code(), Some("unexpected-answer"));
        assert!(error.to_string().contains("gateway trouble"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_socket_says_how_to_go_on() {
        let client = Client::new("/nonexistent/promptd.sock");
        let message = client.status_json().await.unwrap_err().to_string();
        assert!(
            message.starts_with("cannot reach promptd at /nonexistent/promptd.sock"),
            "{message}"
        );
        assert!(message.contains("--socket"), "{message}");
    }

    #[tokio::test]
    async fn an_answer_above_the_limit_is_refused() {
        let stub = Stub::start(|_| Reply::json(200, &format!("\"{}\"", "x".repeat(5000)))).await;
        let limits = Limits {
            max_answer_bytes: 1000,
            ..Limits::default()
        };
        let error = Client::with_limits(stub.socket(), limits)
            .status_json()
            .await
            .unwrap_err();
        assert!(
            matches!(error, ClientError::TooLarge { limit: 1000, .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_answer_that_never_comes_is_a_timeout_and_the_connection_is_dropped() {
        let stub = Stub::start(|request| match request.target.as_str() {
            "/v1/status" => Reply::never(),
            _ => Reply::json(200, "{}"),
        })
        .await;
        let limits = Limits {
            answer_timeout: Duration::from_millis(20),
            ..Limits::default()
        };
        let client = Client::with_limits(stub.socket(), limits);
        let error = client.status_json().await.unwrap_err();
        assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
        client.openapi().await.unwrap();
        assert_eq!(stub.connections(), 2);
    }

    #[tokio::test]
    async fn a_write_that_was_cut_off_is_not_sent_again() {
        let stub = Stub::start(|request| match request.method.as_str() {
            "POST" => Reply::cut_off(),
            _ => Reply::json(200, "{}"),
        })
        .await;
        let client = Client::new(stub.socket());
        client.status_json().await.unwrap();
        let error = client
            .analyze("text", crate::optimizer::ScoringProfile::Reference)
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Lost { .. }), "{error}");
        assert_eq!(stub.requests(), 2, "the post was sent once");
    }
}
