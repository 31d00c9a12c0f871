//! The same code under a scheduler that tries one order of events after another: every lock, channel, task and disk call
//! is a place where something else may come first.
//!
//! Real are the storage, the handles, the shard's and the supervisor's handlers, the catalog, the cache, the work and the
//! files; played are ractor's loop ([`stage`]) and time: a pause may be over at once or last, and a deadline passes only
//! where a test says so. Whoever waits for ever is found, since then nothing can go on.

mod cache;
mod closing;
mod disk;
mod in_flight;
mod missed;
mod permits;
mod reading;
mod restarts;
pub(super) mod stage;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use super::*;
use crate::model::{Bump, PromptId, PromptVersion, ShardDepth, Version};
use crate::storage::{Numbering, PutOutcome, PutVersion, Sameness, StorageError, VersionStorage};
use actors::ShardHandle;
use disk::WatchedDisk;

/// The models; each is one test.
const MODELS: usize = 21;

/// A store with its actors, for one schedule.
struct World {
    storage: Arc<FileSystemStorage>,
    disk: Arc<WatchedDisk>,
    shard: Arc<ShardHandle>,
    dir: tempfile::TempDir,
}

impl World {
    /// Opens an empty store; the actor of the shard of `p` is about to start.
    fn new(adjust: impl FnOnce(&mut FileSystemOptions)) -> Arc<Self> {
        disk::forget();
        shuttle_tokio::time::clear_triggers();
        let dir = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let mut options = FileSystemOptions {
            use_index: false,
            write_timeout: Duration::from_secs(3600),
            ..FileSystemOptions::default()
        };
        options.disk.min_free_bytes = 0;
        adjust(&mut options);
        let opened = open_store(dir.path(), options.shard_depth).unwrap();
        let disk = WatchedDisk::over(Arc::clone(&opened.disk));
        let (over, hints): (Arc<dyn Disk>, _) = (Arc::clone(&disk) as _, IndexHints::default());
        let found = super::disk::IndexSource::Missing;
        let shared = Arc::new(FileSystemStorage::assemble(opened, over, options, hints, &found));
        let supervisor = stage::start_supervisor(&shared);
        shared.supervisor.set(supervisor.clone()).unwrap();
        let shard = shared.shard(&shared.layout.shard_of(&id("p")));
        let storage = Arc::new(FileSystemStorage {
            shared,
            supervisor,
            reads: Semaphore::new(MAX_CONCURRENT_READS),
            store: StoreFacts {
                path: String::new(),
                store_id: String::new(),
                opened_in_ms: 0,
            },
            closed: AtomicBool::new(false),
            backup_disk: Mutex::default(),
        });
        Arc::new(Self {
            storage,
            disk,
            shard,
            dir,
        })
    }

    /// Kills the actor of the shard, if there is one now.
    fn kill(&self) {
        let actor = self.shard.actor.borrow().clone();
        actor.iter().for_each(stage::Address::kill);
    }

    /// Waits until the disk is in the middle of something, or for a while if it is not asked anything.
    async fn moment(&self) {
        let moment = disk::calls() + thread_rng().gen_range(0..64);
        for _ in 0..400 {
            if disk::calls() >= moment {
                break;
            }
            shuttle::future::yield_now().await;
        }
    }

    /// Kills the actor of the shard in the middle of what it does.
    async fn kill_at_work(&self) {
        self.moment().await;
        self.kill();
    }

    async fn put(&self, prompt: &str, text: &str) -> Result<Version, StorageError> {
        let request = PutVersion {
            document: document(prompt, text),
            numbering: Numbering::Next(Bump::Patch),
            sameness: Sameness::Never,
            latest_seen: None,
        };
        match self.storage.put(&id(prompt), request).await? {
            PutOutcome::Created(stored) => Ok(stored.version.clone()),
            PutOutcome::Unchanged(version) => Ok(version),
        }
    }

    /// Puts until it is done: a shard that lost its actor is tried again.
    async fn put_surely(&self, prompt: &str, text: &str) -> Version {
        loop {
            match self.put(prompt, text).await {
                Ok(version) => return version,
                Err(error) => assert_eq!(error.code(), "interrupted", "{error}"),
            }
        }
    }

    async fn text(&self, prompt: &str, number: &Version) -> Result<String, StorageError> {
        let stored = self.storage.read(&id(prompt), number).await?;
        Ok(stored.document().unwrap().prompt.text)
    }

    /// Waits until the shard has seen everything that it was told to look at.
    async fn settle(&self) {
        let patience = self.storage.shared.options.write_timeout;
        while self
            .shard
            .look_and_wait(work::Look::default(), patience)
            .await
            .is_err()
        {}
    }

    fn path(&self, prompt: &str, file: &str) -> PathBuf {
        self.dir
            .path()
            .join(self.storage.shared.layout.prompt_dir(&id(prompt)))
            .join(file)
    }
}

fn id(text: &str) -> PromptId {
    PromptId::new(text).unwrap()
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn document(prompt: &str, text: &str) -> PromptVersion {
    serde_json::from_value(json!({
        "prompt_id": prompt, "version": "1.0.0",
        "prompt": {"id": prompt, "workflow_id": "", "node_id": "", "node_type": "", "text": text},
        "analysis": {"prompt_id": prompt, "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
    }))
    .unwrap()
}

/// Another prompt in the shard of `p`.
fn neighbour() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let depth = ShardDepth::DEFAULT;
        let mut names = (0..).map(|n| format!("p{n}"));
        names
            .find(|name| depth.shard_of(&id(name)) == depth.shard_of(&id("p")))
            .unwrap()
    })
}

/// Runs a model under many schedules: half of them drawn evenly, half with few changes of priority, which finds what only a
/// long delay of one task shows. A failure prints its schedule; `PROMPTD_SCHEDULE` names a file to run it again from.
fn check(name: &str, schedules: usize, model: impl AsyncFn() + Send + Sync + Copy + 'static) {
    static DONE: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let run = move || {
        shuttle::future::block_on(model());
        disk::check_alone();
    };
    if let Ok(path) = std::env::var("PROMPTD_SCHEDULE") {
        return shuttle::replay_from_file(run, path);
    }
    let full = std::env::var("PROMPTD_FAULTS").is_ok_and(|size| size == "full");
    let schedules = if full { schedules * 4 } else { schedules };
    let done =
        explore(RandomScheduler::new(schedules / 2), run) + explore(PctScheduler::new(4, schedules / 2), run);
    eprintln!("covered: interleavings of {name}: {done} schedules");
    let all = DONE[0].fetch_add(done, Ordering::Relaxed) + done;
    if DONE[1].fetch_add(1, Ordering::Relaxed) + 1 == MODELS {
        eprintln!("covered: interleavings: {all} schedules of {MODELS} tests");
    }
}

fn explore(scheduler: impl Scheduler + 'static, run: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = 0x10_0000;
    Runner::new(scheduler, config).run(run)
}
