//! A server in this process, and the smallest client that can ask it anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::http::{AppState, HttpLimits, serve, socket};
use crate::jobs::{JobLimits, JobQueue, MemoryLedger};
use crate::optimizer::OptimizationSettings;
use crate::storage::VersionStorage;
use crate::storage::memory::MemoryStorage;
use crate::versions::VersionManager;

/// A server in this process. It ends with the test's runtime.
pub(super) struct Server {
    pub(super) state: AppState,
    pub(super) path: PathBuf,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<()>,
    _directory: TempDir,
    _socket: socket::SocketFile,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A request on its way.
pub(super) struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Bytes>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with_limits(HttpLimits::default()).await
    }

    pub(super) async fn with_limits(limits: HttpLimits) -> Self {
        Self::over(Arc::new(MemoryStorage::new(1 << 20)), limits).await
    }

    pub(super) async fn over(storage: Arc<dyn VersionStorage>, limits: HttpLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.sock");
        let (listener, socket) = socket::bind(&path, 0o600, None, None).unwrap();
        let listener = UnixListener::from_std(listener).unwrap();
        let versions = VersionManager::new(storage);
        let ledger = Arc::new(MemoryLedger::default());
        let jobs = JobQueue::start(versions.clone(), ledger, JobLimits::default()).await;
        let state = AppState::new(versions, jobs.unwrap(), limits, OptimizationSettings::default());
        let (stop, told) = oneshot::channel();
        let task = tokio::spawn(serve(state.clone(), listener, async {
            let _told = told.await;
        }));
        Self {
            state,
            path,
            stop,
            task,
            _directory: directory,
            _socket: socket,
        }
    }

    /// Sends one request over a connection of its own.
    pub(super) async fn send(&self, call: Call) -> Answer {
        send_over(&self.path, call).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Call::new(Method::GET, path)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.send(Call::new(Method::DELETE, path)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Call::new(Method::POST, path).json(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Call::new(Method::PUT, path).json(body)).await
    }

    /// Makes the next version of a prompt and returns its number.
    pub(super) async fn create(&self, id: &str, text: &str) -> String {
        let body = json!({"prompt": {"text": text}});
        let answer = self.post(&format!("/v1/prompts/{id}/versions"), &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["version"].as_str().unwrap().to_owned()
    }
}

impl Call {
    pub(super) fn new(method: Method, path: &str) -> Self {
        let path = path.to_owned();
        let (headers, body) = (Vec::new(), None);
        Self {
            method,
            path,
            headers,
            body,
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .bytes(body.to_string())
    }

    pub(super) fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }
}

pub(super) async fn send_over(path: &Path, call: Call) -> Answer {
    let stream = UnixStream::connect(path).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(call.method)
        .uri(&call.path)
        .header("host", "any.host.will.do");
    for (name, value) in call.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(call.body.unwrap_or_default())).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is the problem with the given code, in full form.
    #[track_caller]
    pub(super) fn check_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], "about:blank", "{problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
        assert!(!self.header("promptd-revision").is_empty(), "{self:?}");
        self
    }

    #[track_caller]
    pub(super) fn check_detail(&self, part: &str) {
        let problem = self.json();
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }

    #[track_caller]
    pub(super) fn check_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}
