//! A large store, made fast: the files are written directly, without fsync, and opened then.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use promptd::model::{Author, Bump, PromptId, PromptVersion, ShardDepth, Timestamp, Version};
use promptd::optimizer;
use promptd::storage::filesystem::disk::Layout;
use promptd::storage::filesystem::{FileSystemOptions, FileSystemStorage, WatchMode};
use promptd::storage::{Numbering, PutVersion, Sameness, VersionStorage};
use promptd::versions::VersionManager;
use serde_json::json;

use crate::CLIENTS;

/// The directory of the large store.
const LARGE: &str = "large";

/// How large the store is, and how often things are measured.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    /// Prompts in the large store.
    pub(crate) prompts: usize,
    /// Versions of each.
    pub(crate) versions: usize,
    /// Measurements behind a line of the report.
    pub(crate) rounds: usize,
}

/// The large store.
pub(crate) struct Fixture {
    /// The store.
    pub(crate) storage: Arc<FileSystemStorage>,
    /// Over the store.
    pub(crate) manager: VersionManager,
    /// How long the last opening took.
    pub(crate) opened_in: Duration,
    dir: tempfile::TempDir,
    scale: Scale,
    next: AtomicU64,
}

impl Scale {
    /// Reads the scale from the environment.
    pub(crate) fn from_environment(is_test: bool) -> Self {
        let (prompts, versions, rounds) = if is_test { (20, 3, 3) } else { (10_000, 50, 1_000) };
        Self {
            prompts: number("PROMPTD_BENCH_PROMPTS", prompts),
            versions: number("PROMPTD_BENCH_VERSIONS", versions),
            rounds: number("PROMPTD_BENCH_ROUNDS", rounds),
        }
    }
}

fn number(name: &str, default: usize) -> usize {
    let given = std::env::var(name).ok();
    let number = given.map_or(default, |text| text.parse().unwrap());
    number.max(1)
}

impl Fixture {
    /// Makes the store and opens it.
    pub(crate) async fn make(scale: &Scale) -> Self {
        let parent = std::env::var_os("PROMPTD_BENCH_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        std::fs::create_dir_all(&parent).unwrap();
        let dir = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(parent)
            .unwrap();
        write_store(&dir.path().join(LARGE), scale);
        let fixture = Self::open(dir, scale.clone(), true).await;
        // From here on the prompts of the clients exist.
        fixture.put_from_tasks(CLIENTS, 1).await;
        fixture
    }

    async fn open(dir: tempfile::TempDir, scale: Scale, use_cache: bool) -> Self {
        let started = Instant::now();
        let storage = open(&dir.path().join(LARGE), use_cache).await;
        Self {
            manager: VersionManager::new(storage.clone()),
            storage,
            opened_in: started.elapsed(),
            dir,
            scale,
            next: AtomicU64::new(0),
        }
    }

    /// Closes the store and opens it again, with a cache or without.
    pub(crate) async fn reopen(self, use_cache: bool) -> Self {
        self.storage.close().await;
        Self::open(self.dir, self.scale, use_cache).await
    }

    /// A directory for other files on the same file system.
    pub(crate) fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// Opens a store of another size beside this one.
    pub(crate) async fn open_other(&self, name: &str, scale: &Scale) -> Arc<FileSystemStorage> {
        let path = self.dir.path().join(name);
        write_store(&path, scale);
        open(&path, true).await
    }

    /// One prompt after another, in an order without locality.
    pub(crate) fn some_prompt(&self) -> PromptId {
        prompt_id(self.step() % self.scale.prompts)
    }

    /// One version after another.
    pub(crate) fn some_version(&self) -> (PromptId, Version) {
        let step = self.step();
        let patch = (step / 7) % self.scale.versions;
        (
            prompt_id(step % self.scale.prompts),
            Version::release(1, 0, patch as u64),
        )
    }

    fn step(&self) -> usize {
        let step = self.next.fetch_add(1, Ordering::Relaxed);
        // A prime, so that neighbours in time are no neighbours in the store.
        usize::try_from(step.wrapping_mul(7_919) % (1 << 40)).unwrap()
    }

    /// Stores the next version of the prompt of one client, durably.
    pub(crate) async fn put(&self, client: usize) {
        put(&self.storage, client).await;
    }

    /// Stores versions from so many tasks at once, each of its own prompt; returns the time that all took.
    pub(crate) async fn put_from_tasks(&self, tasks: usize, puts_each: u64) -> Duration {
        let started = Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for client in 0..tasks {
            let storage = Arc::clone(&self.storage);
            running.spawn(async move {
                for _ in 0..puts_each {
                    put(&storage, client).await;
                }
            });
        }
        running.join_all().await;
        started.elapsed()
    }

    /// Closes the store and removes its files.
    pub(crate) async fn close(self) {
        self.storage.close().await;
    }
}

/// Stores the next version of a client's prompt, which is there already after the first call.
pub(crate) async fn put(storage: &FileSystemStorage, client: usize) {
    let id = client_id(client);
    let request = PutVersion {
        document: document(&id, Version::FIRST),
        numbering: Numbering::Next(Bump::Patch),
        sameness: Sameness::Never,
        latest_seen: None,
    };
    storage.put(&id, request).await.unwrap();
}

/// The prompt that a client writes.
pub(crate) fn client_id(client: usize) -> PromptId {
    PromptId::new(&format!("client_{client}")).unwrap()
}

async fn open(path: &Path, use_cache: bool) -> Arc<FileSystemStorage> {
    let mut options = FileSystemOptions {
        use_cache,
        ..FileSystemOptions::default()
    };
    // Watches cost the reads a little and the opening a lot; what is measured here is the store.
    options.watch.mode = WatchMode::Off;
    options.disk.min_free_bytes = 0;
    FileSystemStorage::open(path, options).await.unwrap()
}

fn prompt_id(number: usize) -> PromptId {
    PromptId::new(&format!("wf_{number:05}_llm_1")).unwrap()
}

fn document(id: &PromptId, version: Version) -> PromptVersion {
    let text = format!(
        "You are the assistant of {id}.\n\nAnswer {{{{#sys.query#}}}} from {{{{#context#}}}} alone. Version {version} of this text \
         lists three rules:\n1. Quote the source of every statement.\n2. Say so when the source does not tell.\n3. Keep below \
         120 words."
    );
    let analysis = optimizer::analyze(id.as_str(), &text, 2);
    let prompt = json!({
        "id": id, "workflow_id": "bench", "node_id": "1721117961155", "node_type": "llm", "text": text,
        "variables": ["sys.query", "context"],
    });
    PromptVersion {
        prompt_id: id.clone(),
        version,
        prompt: serde_json::from_value(prompt).unwrap(),
        analysis,
        optimization_result: None,
        parent_version: None,
        created_at: Timestamp::now(),
        metadata: serde_json::Map::from_iter([("author".to_owned(), json!(Author::daemon().name))]),
    }
}

/// Writes every version of a store, by as many threads as there are processors.
fn write_store(root: &Path, scale: &Scale) {
    let layout = Layout {
        depth: ShardDepth::DEFAULT,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                for number in (first..scale.prompts).step_by(threads) {
                    write_prompt(root, layout, &prompt_id(number), scale.versions);
                }
            });
        }
    });
}

fn write_prompt(root: &Path, layout: Layout, id: &PromptId, versions: usize) {
    let dir = root.join(layout.prompt_dir(id));
    std::fs::create_dir_all(&dir).unwrap();
    let mut document = document(id, Version::FIRST);
    for patch in 0..versions as u64 {
        document.version = Version::release(1, 0, patch);
        let path = root.join(layout.version_file(id, &document.version));
        std::fs::write(path, document.seal().unwrap()).unwrap();
    }
}
