//! A disk that does not take the log.

use std::ffi::OsString;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::audit::verify::verify_directory;
use crate::model::PromptId;
use crate::storage::VersionStorage;
use crate::storage::filesystem::disk::{EntryKind, FileContent, NewFile, Space, Stamp};
use crate::storage::liveness::Answer;
use crate::storage::memory::MemoryStorage;
use crate::versions::{NewVersion, VersionManager};

/// What fails.
#[derive(Debug, Default)]
struct Switch {
    write: AtomicBool,
    sync: AtomicBool,
    /// The disk is full while this file is there.
    full_while: std::sync::Mutex<Option<std::path::PathBuf>>,
    /// The next sync hangs until the other end is dropped.
    hang: std::sync::Mutex<Option<std::sync::mpsc::Receiver<()>>>,
    panic: AtomicBool,
}

/// A real disk whose files can be made to fail. A write that fails leaves a half of what it was to write.
#[derive(Debug)]
struct FailingDisk {
    real: RealDisk,
    switch: Arc<Switch>,
}

struct FailingFile {
    real: Box<dyn NewFile>,
    switch: Arc<Switch>,
}

impl NewFile for FailingFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let full_while = self.switch.full_while.lock().unwrap().clone();
        if self.switch.write.load(Ordering::SeqCst) || full_while.is_some_and(|file| file.exists()) {
            self.real.write_all(&bytes[..bytes.len() / 2])?;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.real.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let hang = self.switch.hang.lock().unwrap().take();
        hang.into_iter().for_each(|until| assert!(until.recv().is_err()));
        assert!(
            !self.switch.panic.load(Ordering::SeqCst),
            "this panic is part of a test"
        );
        if self.switch.sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("EIO"));
        }
        self.real.sync()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.real.stamp()
    }
}

impl FailingDisk {
    fn failing(&self, real: Box<dyn NewFile>) -> Box<dyn NewFile> {
        let switch = Arc::clone(&self.switch);
        Box::new(FailingFile { real, switch })
    }
}

impl Disk for FailingDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        Ok(self.failing(self.real.create_new(path)?))
    }
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        Ok(self.failing(self.real.open_append(path)?))
    }
    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent> {
        self.real.read(path, max)
    }
    fn stat(&self, path: &Path) -> io::Result<Option<(EntryKind, Stamp)>> {
        self.real.stat(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        self.real.list(path)
    }
    fn make_dir(&self, path: &Path) -> io::Result<bool> {
        self.real.make_dir(path)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename_new(from, to)
    }
    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename_over(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.link(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.real.unlink(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.real.remove_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.real.sync_dir(path)
    }
    fn sync_all(&self) -> io::Result<()> {
        self.real.sync_all()
    }
    fn space(&self) -> io::Result<Space> {
        self.real.space()
    }
}

fn failing(dir: &TempDir, on_failure: OnFailure) -> (AuditLog, Arc<Switch>) {
    let switch = Arc::new(Switch::default());
    let disk = FailingDisk {
        real: RealDisk::open(dir.path()).unwrap(),
        switch: Arc::clone(&switch),
    };
    let options = AuditOptions {
        on_failure,
        ..options()
    };
    (AuditLog::open(Arc::new(disk), options).unwrap().0, switch)
}

fn id() -> PromptId {
    PromptId::new("p").unwrap()
}

async fn put(manager: &VersionManager, text: &str) -> Result<(), String> {
    let made = manager
        .create(&id(), NewVersion::of_text(text), &crate::model::Author::daemon())
        .await;
    made.map(drop).map_err(|error| error.code().to_owned())
}

#[tokio::test]
async fn what_cannot_be_logged_is_not_done_and_the_log_is_whole_when_it_can_be_again() {
    for kind in ["write", "sync"] {
        let dir = tempfile::tempdir().unwrap();
        let (log, switch) = failing(&dir, OnFailure::Refuse);
        let storage: Arc<dyn VersionStorage> = Arc::new(MemoryStorage::new(1 << 20));
        let audited = AuditedStorage::new(Arc::clone(&storage), log.clone(), Vec::new()).await;
        let manager = VersionManager::new(audited.clone());
        put(&manager, "one").await.unwrap();
        let flag = if kind == "write" {
            &switch.write
        } else {
            &switch.sync
        };
        for _ in 0..3 {
            flag.store(true, Ordering::SeqCst);
            let expected = if kind == "write" {
                "storage-full"
            } else {
                "unavailable"
            };
            assert_eq!(put(&manager, "two").await.unwrap_err(), expected);
            assert_eq!(storage.totals(), (1, 1), "{kind}");
            assert!(
                audited
                    .concerns()
                    .iter()
                    .any(|concern| concern.contains("audit log"))
            );
            flag.store(false, Ordering::SeqCst);
        }
        put(&manager, "three").await.unwrap();
        assert_eq!(audited.concerns(), [""; 0], "{kind}");
        audited.close().await;
        let report = verify_directory(dir.path(), None).unwrap();
        assert!(report.is_sound(), "{kind}: {report:?}");
        // Two puts of two entries each, and the stop.
        assert_eq!(report.entries, 5, "{kind}");
    }
}

#[tokio::test]
async fn what_cannot_be_logged_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let (log, switch) = failing(&dir, OnFailure::Serve);
    let mut registry = crate::metrics::Registry::default();
    log.register_metrics(&mut registry);
    let check = |samples: &[&str]| {
        let text = crate::metrics::render(&registry).unwrap();
        for sample in samples {
            assert!(text.lines().any(|line| line == *sample), "{sample} in {text}");
        }
    };
    let storage = AuditedStorage::new(Arc::new(MemoryStorage::new(1 << 20)), log.clone(), Vec::new()).await;
    let manager = VersionManager::new(storage.clone());
    put(&manager, "one").await.unwrap();
    check(&[
        "promptd_audit_entries 2",
        "promptd_audit_failing 0",
        "promptd_audit_missed_changes_total 0",
        "promptd_audit_queue_depth 0",
        "promptd_audit_queue_limit 1024",
    ]);
    switch.write.store(true, Ordering::SeqCst);
    put(&manager, "two").await.unwrap();
    check(&[
        "promptd_audit_failing 1",
        "promptd_audit_write_failures_total 1",
        "promptd_audit_missed_changes_total 1",
    ]);
    switch.write.store(false, Ordering::SeqCst);
    storage.close().await;
}

#[tokio::test]
async fn where_it_is_so_configured_changes_are_made_without_the_log_and_the_gap_is_logged() {
    let dir = tempfile::tempdir().unwrap();
    let (log, switch) = failing(&dir, OnFailure::Serve);
    let storage: Arc<dyn VersionStorage> = Arc::new(MemoryStorage::new(1 << 20));
    let audited = AuditedStorage::new(storage, log.clone(), Vec::new()).await;
    let manager = VersionManager::new(audited.clone());
    put(&manager, "one").await.unwrap();
    switch.write.store(true, Ordering::SeqCst);
    put(&manager, "two").await.unwrap();
    put(&manager, "three").await.unwrap();
    switch.write.store(false, Ordering::SeqCst);
    put(&manager, "four").await.unwrap();
    let gaps = AuditQuery {
        action: Some(Action::Gap),
        ..query()
    };
    let gap = log.page(&gaps).unwrap().items.remove(0);
    assert!(gap.draft.detail.unwrap().starts_with("2 changes"));
    assert!(
        audited
            .concerns()
            .iter()
            .any(|concern| concern.starts_with("2 changes")),
        "{:?}",
        audited.concerns()
    );
    audited.close().await;
    assert!(verify_directory(dir.path(), None).unwrap().is_sound());
}

#[tokio::test]
async fn what_came_of_a_change_is_logged_later_when_it_cannot_be_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (log, switch) = failing(&dir, OnFailure::Refuse);
    let seq = log.intend(draft(Outcome::Intended)).await.unwrap().unwrap();
    switch.write.store(true, Ordering::SeqCst);
    log.ended(draft(Outcome::Intended).ended(seq, Outcome::Done))
        .await;
    switch.write.store(false, Ordering::SeqCst);
    log.note(draft(Outcome::Done)).await;
    let entries = log.page(&query()).unwrap().items;
    assert_eq!(
        entries.iter().map(|entry| entry.draft.of).collect::<Vec<_>>(),
        [None, Some(1), None]
    );
    log.close().await;
    assert!(super::open(&dir).1.is_empty());
}

#[tokio::test]
async fn on_a_full_disk_what_makes_room_is_logged_in_the_reserve_and_nothing_else_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let (log, switch) = failing(&dir, OnFailure::Refuse);
    let storage: Arc<dyn VersionStorage> = Arc::new(MemoryStorage::new(1 << 20));
    let audited = AuditedStorage::new(storage, log.clone(), Vec::new()).await;
    let manager = VersionManager::new(audited.clone());
    put(&manager, "one").await.unwrap();
    let reserve = dir.path().join(AUDIT_DIR).join("reserve");
    assert!(reserve.exists());
    // Full as long as the reserve is there.
    *switch.full_while.lock().unwrap() = Some(reserve.clone());
    assert_eq!(put(&manager, "two").await.unwrap_err(), "storage-full");
    assert!(reserve.exists(), "nothing new uses it");
    manager
        .delete_all(&id(), false, &crate::model::Author::daemon())
        .await
        .unwrap();
    *switch.full_while.lock().unwrap() = None;
    put(&manager, "three").await.unwrap();
    let deletions = AuditQuery {
        action: Some(Action::Delete),
        ..query()
    };
    assert_eq!(log.page(&deletions).unwrap().items.len(), 2);
    audited.close().await;
    assert!(reserve.exists(), "it is made again when there is room");
    assert!(verify_directory(dir.path(), None).unwrap().is_sound());
}

const PATIENCE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_log_whose_disk_hangs_is_silent_and_waits_and_answers_when_the_disk_does() {
    let dir = tempfile::tempdir().unwrap();
    let (log, switch) = failing(&dir, OnFailure::Refuse);
    assert_eq!(log.vital(Duration::from_secs(60)).await.answer, Answer::Lives);
    let (release, hang) = std::sync::mpsc::channel();
    *switch.hang.lock().unwrap() = Some(hang);
    let intending = tokio::spawn({
        let log = log.clone();
        async move { log.intend(draft(Outcome::Intended)).await }
    });
    let silent = Answer::Silent { waits: true };
    let until_silent = async { while log.vital(PATIENCE).await.answer != silent {} };
    tokio::time::timeout(Duration::from_secs(60), until_silent)
        .await
        .unwrap();
    let steps = log.vital(PATIENCE).await.steps;
    // Also when the questions, or the changes, have filled its queue.
    while log.commands.capacity() > 0 {
        log.vital(Duration::ZERO).await;
    }
    assert_eq!(log.vital(Duration::from_secs(60)).await.answer, silent);
    drop(release);
    intending.await.unwrap().unwrap();
    let until_back = async { while log.vital(PATIENCE).await.answer != Answer::Lives {} };
    tokio::time::timeout(Duration::from_secs(60), until_back)
        .await
        .unwrap();
    assert!(log.vital(Duration::from_secs(60)).await.steps > steps);
    assert_eq!(log.concerns(), [""; 0]);
    log.close().await;
    assert_eq!(log.vital(Duration::from_secs(60)).await.answer, Answer::Absent);
}

#[tokio::test]
async fn a_log_whose_thread_failed_says_so_and_that_only_a_restart_helps() {
    let dir = tempfile::tempdir().unwrap();
    let (log, switch) = failing(&dir, OnFailure::Refuse);
    let mut registry = crate::metrics::Registry::default();
    log.register_metrics(&mut registry);
    switch.panic.store(true, Ordering::SeqCst);
    log.intend(draft(Outcome::Intended)).await.unwrap_err();
    let has_ended = async {
        while !log.commands.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), has_ended)
        .await
        .unwrap();
    assert_eq!(log.vital(PATIENCE).await.answer, Answer::Absent);
    let said = log.concerns().concat();
    assert!(said.contains("start promptd again"), "{said}");
    let refused = log
        .intend(draft(Outcome::Intended))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("start promptd again"), "{refused}");
    let text = crate::metrics::render(&registry).unwrap();
    assert!(
        text.lines().any(|line| line == "promptd_audit_failing 1"),
        "{text}"
    );
}
