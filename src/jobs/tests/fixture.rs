//! A queue to test, and documents to import.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::storage::{ScriptedStorage, scripted_storage};
use crate::http::wire::{JobRequest, JobState, JobView};
use crate::jobs::{JobError, JobLimits, JobQueue, Ledger, MemoryLedger};
use crate::model::Author;
use crate::versions::VersionManager;

/// Longer than anything takes, in time that stands still unless everybody waits.
pub(super) const LONG: Duration = Duration::from_secs(600);

pub(super) struct Fixture {
    pub(super) storage: Arc<ScriptedStorage>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) limits: JobLimits,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with_ledger(Arc::new(MemoryLedger::default()))
    }

    pub(super) fn with_ledger(ledger: Arc<dyn Ledger>) -> Self {
        Self {
            storage: scripted_storage(),
            ledger,
            limits: JobLimits::default(),
        }
    }

    pub(super) fn manager(&self) -> VersionManager {
        VersionManager::new(self.storage.clone())
    }

    pub(super) async fn start(&self) -> JobQueue {
        JobQueue::start(self.manager(), self.ledger.clone(), self.limits.clone())
            .await
            .unwrap()
    }

    /// Runs one life of a daemon that ends like a `kill -9`: every task is dropped where it stands.
    pub(super) fn life<T>(&self, body: impl AsyncFnOnce(JobQueue) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let result = runtime.block_on(async { body(self.start().await).await });
        runtime.shutdown_background();
        result
    }
}

pub(super) fn request(kind: &str, params: Value) -> JobRequest {
    let Value::Object(params) = params else {
        panic!("parameters are an object")
    };
    JobRequest {
        kind: kind.into(),
        params,
    }
}

pub(super) async fn submit(queue: &JobQueue, kind: &str) -> Result<JobView, JobError> {
    let request = JobRequest {
        kind: kind.into(),
        params: Map::new(),
    };
    queue.submit(request, author()).await
}

pub(super) async fn submit_import(queue: &JobQueue, name: &str, texts: &[&str]) -> JobView {
    let params = json!({"name": name, "content": document(texts)});
    queue.submit(request("import", params), author()).await.unwrap()
}

pub(super) fn author() -> Author {
    Author {
        name: "ada".into(),
        uid: Some(1_000),
    }
}

/// Waits for the end of a job and returns it.
pub(super) async fn ended(queue: &JobQueue, job: &JobView) -> JobView {
    let view = queue.wait(&job.job_id, LONG).await.unwrap();
    assert!(view.state.is_final(), "{view:?}");
    view
}

/// Waits until a job works and returns it.
pub(super) async fn running(queue: &JobQueue, job: &JobView) -> JobView {
    let mut views = queue.subscribe(&job.job_id).unwrap();
    let begun = views.wait_for(|view| view.state == JobState::Running);
    let begun = tokio::time::timeout(LONG, begun).await;
    begun.expect("the job never began").unwrap().clone()
}

/// A workflow with one LLM node for each text; the node ids are 1, 2 and so on.
pub(super) fn document(texts: &[&str]) -> String {
    let mut document = String::from(
        "app: {name: Bot, mode: workflow}\nkind: app\nversion: 0.6.0\nworkflow:\n  graph:\n    nodes:\n",
    );
    for (position, text) in texts.iter().enumerate() {
        writeln!(
            document,
            "    - id: '{}'\n      data: {{type: llm, title: T, model: {{provider: p, name: m}}, prompt_template: [{{role: \
             system, text: {text:?}}}]}}",
            position + 1
        )
        .unwrap();
    }
    document
}
