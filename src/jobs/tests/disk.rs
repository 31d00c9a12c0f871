//! The ledger on disk: damage, leftovers, and a disk that fails.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::fixture::{Fixture, ended, submit};
use super::storage::Verify;
use crate::http::wire::JobState;
use crate::jobs::{DiskLedger, JobId};
use crate::storage::filesystem::disk::{Disk, EntryKind, FileContent, NewFile, RealDisk, Space, Stamp};

/// A disk on which chosen things fail.
#[derive(Debug)]
struct FaultyDisk {
    inner: RealDisk,
    /// The call that fails next, and what it says.
    fault: Mutex<Option<(Call, io::ErrorKind)>>,
    /// Whether a fault stays after its first failure.
    for_good: AtomicBool,
    free: AtomicU64,
    /// Whether a name of the ledger is gone that a power failure may bring back.
    may_come_back: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Write,
    Sync,
    Rename,
    SyncDir,
    Read,
}

struct FaultyFile {
    inner: Box<dyn NewFile>,
    fail_write: io::Result<()>,
    fail_sync: io::Result<()>,
}

impl NewFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        std::mem::replace(&mut self.fail_write, Ok(()))?;
        self.inner.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.fail_sync, Ok(()))?;
        self.inner.sync()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.inner.stamp()
    }
}

impl FaultyDisk {
    fn check(&self, call: Call) -> io::Result<()> {
        let mut fault = self.fault.lock().unwrap();
        match *fault {
            Some((failing, kind)) if failing == call => {
                if !self.for_good.load(Ordering::Relaxed) {
                    *fault = None;
                }
                Err(kind.into())
            }
            _ => Ok(()),
        }
    }

    fn fail_next(&self, call: Call, kind: io::ErrorKind) {
        *self.fault.lock().unwrap() = Some((call, kind));
    }
}

impl Disk for FaultyDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(FaultyFile {
            inner: self.inner.create_new(path)?,
            fail_write: self.check(Call::Write),
            fail_sync: self.check(Call::Sync),
        }))
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent> {
        self.check(Call::Read)?;
        self.inner.read(path, max)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<(EntryKind, Stamp)>> {
        self.inner.stat(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        self.inner.list(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<bool> {
        self.inner.make_dir(path)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename_new(from, to)
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Call::Rename)?;
        self.inner.rename_over(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.inner.unlink(path)?;
        if path.extension().is_some_and(|ending| ending == "json") {
            self.may_come_back.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.check(Call::SyncDir)?;
        self.inner.sync_dir(path)?;
        if path == Path::new(".jobs") {
            self.may_come_back.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.inner.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        let free = self.free.load(Ordering::Relaxed);
        Ok(Space {
            free,
            ..self.inner.space()?
        })
    }
}

pub(super) struct OnDisk {
    root: tempfile::TempDir,
    disk: Arc<FaultyDisk>,
    pub(super) fixture: Fixture,
}

impl OnDisk {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let disk = Arc::new(FaultyDisk {
            inner: RealDisk::open(root.path()).unwrap(),
            fault: Mutex::default(),
            for_good: AtomicBool::new(false),
            free: AtomicU64::new(1 << 30),
            may_come_back: AtomicBool::new(false),
        });
        let fixture = Fixture::with_ledger(Arc::new(DiskLedger::new(disk.clone(), 1 << 20)));
        Self { root, disk, fixture }
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn plant(&self, name: &str, content: &str) {
        let dir = self.root.path().join(".jobs");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name), content).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root.path().join(".jobs")) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn jobs_on_disk_survive_and_leave_one_file_each() {
    let on_disk = OnDisk::new();
    let done = on_disk.fixture.life(async |queue| {
        let job = submit(&queue, "verify").await.unwrap();
        let done = ended(&queue, &job).await;
        queue.close().await;
        done
    });
    assert_eq!(on_disk.names(), [format!("{}.json", done.job_id)]);
    on_disk.fixture.life(async |queue| {
        assert_eq!(queue.get(&done.job_id), Some(done));
    });
}

#[test]
fn a_damaged_entry_is_reported_and_left_alone_and_stops_nothing() {
    let on_disk = OnDisk::new();
    let good = on_disk.fixture.life(async |queue| {
        let job = submit(&queue, "verify").await.unwrap();
        ended(&queue, &job).await
    });
    let entry =
        std::fs::read_to_string(on_disk.root.path().join(format!(".jobs/{}.json", good.job_id))).unwrap();
    let torn = &entry[..entry.len() / 2];
    let damaged = [
        (format!("{}.json", JobId::generate()), torn),
        (format!("{}.json", JobId::generate()), entry.as_str()),
        (format!("{}.json", JobId::generate()), ""),
        ("notes.txt".into(), "of the operator"),
    ];
    for (name, content) in &damaged {
        on_disk.plant(name, content);
    }
    on_disk.fixture.life(async |queue| {
        let mut reported: Vec<String> = queue.problems().into_iter().map(|problem| problem.path).collect();
        reported.sort();
        let mut expected: Vec<String> = damaged.iter().map(|(name, _)| format!(".jobs/{name}")).collect();
        expected.sort();
        assert_eq!(reported, expected);
        assert_eq!(queue.list(None, None, 10).0, [good]);
        let next = submit(&queue, "verify").await.unwrap();
        assert_eq!(ended(&queue, &next).await.state, JobState::Succeeded);
    });
    for (name, content) in &damaged {
        let path = on_disk.root.path().join(".jobs").join(name);
        assert_eq!(&std::fs::read_to_string(path).unwrap(), content, "{name}");
    }
}

#[test]
fn leftovers_of_interrupted_writes_are_swept_away() {
    let on_disk = OnDisk::new();
    on_disk.plant(&format!("{}.4711-0.tmp", JobId::generate()), "{\"format\": 1");
    on_disk.plant("backup.tmp", "not ours");
    on_disk
        .fixture
        .life(async |queue| assert_eq!(queue.problems().len(), 1));
    assert_eq!(on_disk.names(), ["backup.tmp"]);
}

#[test]
fn a_submit_that_cannot_be_written_down_fails_and_leaves_nothing() {
    let on_disk = OnDisk::new();
    for (call, kind, code) in [
        (Call::Write, io::ErrorKind::Other, "unavailable"),
        (Call::Sync, io::ErrorKind::Other, "unavailable"),
        (Call::Rename, io::ErrorKind::Other, "unavailable"),
        (Call::SyncDir, io::ErrorKind::Other, "interrupted"),
    ] {
        on_disk.fixture.life(async |queue| {
            on_disk.disk.fail_next(call, kind);
            let error = submit(&queue, "verify").await.unwrap_err();
            assert_eq!(error.code(), code, "{call:?}: {error}");
            assert!(queue.list(None, None, 10).0.is_empty(), "{call:?}");
            assert!(
                submit(&queue, "verify").await.is_ok(),
                "the next one is not affected"
            );
            on_disk.fixture.storage.set_verify(Verify::Answer);
            let (jobs, _) = queue.list(None, None, 10);
            ended(&queue, &jobs[0]).await;
            queue.close().await;
        });
        let may_come_back = on_disk.disk.may_come_back.load(Ordering::Relaxed);
        assert!(
            !may_come_back,
            "{call:?}: what was refused runs after a power failure"
        );
        let names = on_disk.names();
        assert_eq!(names.len(), 1, "{call:?}: {names:?}");
        std::fs::remove_file(on_disk.root.path().join(".jobs").join(&names[0])).unwrap();
    }
}

#[test]
fn a_full_disk_refuses_new_jobs_and_lets_old_ones_end() {
    let on_disk = OnDisk::new();
    on_disk.fixture.storage.set_verify(Verify::Steps(10));
    on_disk.fixture.life(async |queue| {
        let job = submit(&queue, "verify").await.unwrap();
        on_disk.disk.free.store(1 << 19, Ordering::Relaxed);
        let refused = queue
            .submit(
                super::fixture::request(
                    "import",
                    serde_json::json!({"name": "a.yml", "content": super::fixture::document(&["Say hello."])}),
                ),
                super::fixture::author(),
            )
            .await;
        assert_eq!(refused.unwrap_err().code(), "storage-full");
        let done = ended(&queue, &job).await;
        assert_eq!(done.state, JobState::Succeeded);
        let id = JobId::parse(&done.job_id).unwrap();
        assert_eq!(
            on_disk.fixture.ledger.read(&id).unwrap().state(),
            JobState::Succeeded
        );
    });
}

#[test]
fn what_loses_nothing_when_it_is_forgotten_runs_on_a_full_disk_all_the_same() {
    let on_disk = OnDisk::new();
    on_disk.fixture.life(async |queue| {
        on_disk.disk.free.store(0, Ordering::Relaxed);
        for kind in ["verify", "rebuild_index"] {
            let job = submit(&queue, kind).await.unwrap();
            assert_eq!(ended(&queue, &job).await.state, JobState::Succeeded, "{kind}");
        }
        assert!(queue.problems().is_empty());
        queue.close().await;
    });
    assert!(on_disk.names().is_empty(), "{:?}", on_disk.names());
}

#[test]
fn an_end_that_cannot_be_written_down_never_makes_the_job_run_again() {
    let on_disk = OnDisk::new();
    on_disk.fixture.storage.set_verify(Verify::Steps(10));
    on_disk.fixture.life(async |queue| {
        let job = submit(&queue, "verify").await.unwrap();
        super::fixture::running(&queue, &job).await;
        tokio::time::sleep(super::storage::STEP).await;
        on_disk.disk.for_good.store(true, Ordering::Relaxed);
        on_disk.disk.fail_next(Call::Sync, io::ErrorKind::Other);
        assert_eq!(ended(&queue, &job).await.state, JobState::Succeeded);
        assert_eq!(queue.problems().len(), 1);
    });
    assert!(on_disk.names().is_empty(), "{:?}", on_disk.names());
    assert!(
        !on_disk.disk.may_come_back.load(Ordering::Relaxed),
        "a power failure brings the entry back"
    );
}

#[test]
fn an_entry_that_cannot_be_read_when_its_turn_comes_fails_its_job_and_is_left_alone() {
    let mut on_disk = OnDisk::new();
    on_disk.fixture.limits.max_jobs_kept = 1;
    on_disk.fixture.storage.set_verify(Verify::Steps(10));
    on_disk.fixture.life(async |queue| {
        let first = submit(&queue, "verify").await.unwrap();
        let second = submit(&queue, "verify").await.unwrap();
        on_disk.plant(&format!("{}.json", second.job_id), "{ damaged");
        assert_eq!(ended(&queue, &first).await.state, JobState::Succeeded);
        let failed = ended(&queue, &second).await;
        assert_eq!(failed.state, JobState::Failed);
        assert!(failed.error.unwrap().contains("could not be begun"));
        assert_eq!(queue.problems().len(), 1);
        let third = submit(&queue, "verify").await.unwrap();
        ended(&queue, &third).await;
        queue.close().await;
        assert_eq!(
            queue.get(&second.job_id),
            None,
            "the job is forgotten, its entry is not"
        );
        let path = on_disk.root.path().join(format!(".jobs/{}.json", second.job_id));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{ damaged");
    });
}
