//! The backend as a whole: on a real directory, with its actors.

mod actor_ends;
mod backup;
mod backup_busy;
mod backup_faults;
mod choices;
pub(crate) mod crash;
mod damage;
mod fault_table;
mod faults;
mod faulty_disk;
mod janitor;
mod liveness;
mod model;
mod overtaken;
mod promises;
mod recovery;
mod recovery_of_trash;
mod refusals;
mod restarts;
mod slow_disks;
mod steps;
mod stopping;
mod strange_stores;
mod swapped;
mod trash_notes;
mod verifying;
mod watching;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::model::{
    Author, Bump, Label, PromptId, PromptVersion, ShardDepth, TestResult, TestStatus, Version,
};
use crate::storage::filesystem::actors::ShardMessage;
use crate::storage::{
    Numbering, PromptPage, PutOutcome, PutVersion, Sameness, SetLabel, StorageError, VersionStorage,
};
use faulty_disk::FaultyDisk;

struct Store {
    dir: tempfile::TempDir,
    options: FileSystemOptions,
}

impl Store {
    fn new() -> Self {
        let mut options = FileSystemOptions::default();
        options.watch.debounce = Duration::from_millis(5);
        options.index_interval = Duration::from_millis(10);
        options.disk.min_free_bytes = 0;
        let dir = tempfile::tempdir().unwrap();
        Self { dir, options }
    }

    /// A store that nothing but the test changes, on a file system in memory where there is one: for tests that open
    /// hundreds of stores, and do not care how long a sync takes.
    fn quiet() -> Self {
        let mut store = Self::new();
        if let Ok(dir) = tempfile::tempdir_in("/dev/shm") {
            store.dir = dir;
        }
        store.options.watch.mode = WatchMode::Off;
        store.options.use_index = false;
        store.options.restart.min_backoff = Duration::from_millis(1);
        store
    }

    async fn open(&self) -> Arc<FileSystemStorage> {
        FileSystemStorage::open(self.dir.path(), self.options.clone())
            .await
            .unwrap()
    }

    /// Opens the store over a disk that can be made to fail.
    async fn open_faulty(&self) -> (Arc<FileSystemStorage>, Arc<FaultyDisk>) {
        let opened = open_store(self.dir.path(), self.options.shard_depth).unwrap();
        let disk = FaultyDisk::over(Arc::clone(&opened.disk));
        let over = Arc::clone(&disk);
        let storage = FileSystemStorage::open_with(opened, over, self.options.clone()).await;
        (storage.unwrap(), disk)
    }

    fn path(&self, id: &str, file: &str) -> PathBuf {
        let id = PromptId::new(id).unwrap();
        let layout = Layout {
            depth: self.options.shard_depth,
        };
        self.dir.path().join(layout.prompt_dir(&id)).join(file)
    }
}

fn id(text: &str) -> PromptId {
    PromptId::new(text).unwrap()
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn document(prompt: &str, number: &str, text: &str) -> PromptVersion {
    serde_json::from_value(json!({
        "prompt_id": prompt, "version": number,
        "prompt": {"id": prompt, "workflow_id": "", "node_id": "", "node_type": "", "text": text},
        "analysis": {"prompt_id": prompt, "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
    }))
    .unwrap()
}

fn next(prompt: &str, text: &str) -> PutVersion {
    let document = document(prompt, "1.0.0", text);
    PutVersion {
        document,
        numbering: Numbering::Next(Bump::Patch),
        sameness: Sameness::Never,
        latest_seen: None,
    }
}

async fn put(storage: &FileSystemStorage, prompt: &str, text: &str) -> Result<Version, StorageError> {
    match storage.put(&id(prompt), next(prompt, text)).await? {
        PutOutcome::Created(stored) => Ok(stored.version.clone()),
        PutOutcome::Unchanged(version) => Ok(version),
    }
}

/// Puts a version where writes are given little time, and tries again on a machine that was too slow for that.
async fn put_in_the_end(storage: &FileSystemStorage, prompt: &str, text: &str) {
    eventually("a healthy disk takes a version", async || {
        match put(storage, prompt, text).await {
            Ok(_) => true,
            Err(error) => {
                assert!(["interrupted", "unavailable"].contains(&error.code()), "{error}");
                false
            }
        }
    })
    .await;
}

/// The test result of one execution.
fn measured(execution: &str) -> Vec<TestResult> {
    vec![crate::model::test_result::tests::result(
        execution,
        TestStatus::Success,
        1.0,
    )]
}

async fn text_of(storage: &FileSystemStorage, prompt: &str, number: &str) -> Result<String, StorageError> {
    let stored = storage.read(&id(prompt), &version(number)).await?;
    Ok(stored.document().unwrap().prompt.text)
}

fn versions(storage: &FileSystemStorage, prompt: &str) -> Vec<String> {
    let entry = storage.prompt(&id(prompt));
    entry
        .map(|entry| entry.versions.iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

/// Returns the nth other prompt that lives in the same shard as `p`.
fn neighbour(nth: usize) -> String {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let depth = ShardDepth::DEFAULT;
        let names = (0..).map(|n| format!("p{n}"));
        let neighbours = names.filter(|name| depth.shard_of(&id(name)) == depth.shard_of(&id("p")));
        neighbours.take(4).collect()
    });
    names[nth].clone()
}

/// A prompt that lives in another shard than `p`.
const STRANGER: &str = "other";

/// Waits until something holds; outside changes come in their own time. The patience is counted in looks and not by the clock,
/// so that a machine that stands still for a while fails no test.
async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..4000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}
