//! One HTTP/1.1 connection to the socket.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use super::answer::Answer;
use super::call::Call;

/// How long to wait before a full backlog is tried again.
const BACKLOG_PAUSE: Duration = Duration::from_millis(5);

/// How long after an answer a change may still be sent over the same connection. A daemon that stops closes those that were
/// silent for longer than twice this time, and what is sent meanwhile is lost.
const FRESH_FOR: Duration = Duration::from_millis(250);

/// A connection, driven by whoever waits for an answer on it: a round trip needs no second task.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    answered_at: Instant,
}

/// The part that reads and writes; `None` once it has ended. It is dropped then: only that tells whoever waits for a place
/// in it or for an answer that neither will come.
struct Driver(Option<Pin<Box<Http1>>>);

/// The protocol over the socket.
type Http1 = http1::Connection<TokioIo<UnixStream>, Full<Bytes>>;

/// How an exchange was lost.
#[derive(Debug)]
pub(super) enum Lost {
    /// The request never left this process.
    BeforeSending,
    /// The request may have been carried out.
    WhileWaiting(String),
    /// The answer did not come in time.
    Timeout(Duration),
    /// The answer exceeds the limit.
    TooLarge(usize),
}

impl Connection {
    /// Connects. Waits while the backlog of the socket is full; the caller bounds the time.
    pub(super) async fn open(socket: &Path) -> io::Result<Self> {
        let stream = loop {
            match UnixStream::connect(socket).await {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(BACKLOG_PAUSE).await,
                connected => break connected?,
            }
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let driver = Driver(Some(Box::pin(connection)));
        Ok(Self {
            sender,
            driver,
            answered_at: Instant::now(),
        })
    }

    /// Tells whether nobody can have closed it for its silence.
    pub(super) fn is_fresh(&self) -> bool {
        self.answered_at.elapsed() < FRESH_FOR
    }

    /// Tells whether the connection is known to be of no more use.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.0.is_none() || self.sender.is_closed()
    }

    /// Sends a request and waits for the whole answer. When it fails or is dropped, the connection is of no more use.
    pub(super) async fn exchange(&mut self, call: &Call, max_answer_bytes: usize) -> Result<Answer, Lost> {
        let (head, body) = self.start(call).await?.into_parts();
        let body = Limited::new(body, max_answer_bytes).collect();
        let body = self.driver.drive(body).await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Lost::TooLarge(max_answer_bytes)
            } else {
                Lost::WhileWaiting(error.to_string())
            }
        })?;
        self.answered_at = Instant::now();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn start(&mut self, call: &Call) -> Result<Response<Incoming>, Lost> {
        let request = call
            .request()
            .map_err(|error| Lost::WhileWaiting(error.to_string()))?;
        // A connection that was just closed by the other side shows it here, before anything is sent.
        let ready = self.driver.drive(self.sender.ready()).await;
        ready.map_err(|_| Lost::BeforeSending)?;
        self.send(request).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Lost> {
        let sending = self.sender.try_send_request(request);
        self.driver.drive(sending).await.map_err(|mut refused| {
            if refused.take_message().is_some() {
                Lost::BeforeSending
            } else {
                Lost::WhileWaiting(refused.into_error().to_string())
            }
        })
    }

    /// Returns the next piece of a body that is streamed; `None` at its end.
    pub(super) async fn next_piece(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, Lost> {
        loop {
            match self.driver.drive(body.frame()).await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Lost::WhileWaiting(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

impl Driver {
    /// Reads and writes until a future that waits for it is done.
    async fn drive<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        std::future::poll_fn(|cx| {
            // An error of the connection reaches the waiting future, too.
            if self
                .0
                .as_mut()
                .is_some_and(|connection| connection.as_mut().poll(cx).is_ready())
            {
                self.0 = None;
            }
            waiting.as_mut().poll(cx)
        })
        .await
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
