//! Backups of a prompt that changes while it is read, is larger than the memory for it, or whose disk fails.

use rustix::io::Errno;

use super::backup::{Pair, back_up, fill, hidden_names};
use super::faulty_disk::{Call, Failure, Fault};
use super::*;
use crate::storage::{BackupReport, BackupRequest, Progress};

/// Reads of a prompt before its shard is asked to stand still, and reads while it does.
const BUSY: usize = 4;
const QUIET: usize = 3;

/// Begins a backup in which each reading of `p@1.0.0` waits.
async fn begin(
    pair: &Pair,
    progress: &Arc<Progress>,
) -> (
    Arc<FileSystemStorage>,
    Arc<FaultyDisk>,
    tokio::task::JoinHandle<Result<BackupReport, StorageError>>,
) {
    let (storage, disk) = pair.store.open_faulty().await;
    fill(&storage).await;
    let hang = Fault::new(&[Call::Read], 1, Failure::Hang).on("/p/1.0.0.json");
    disk.arm(hang.times(usize::MAX));
    let (owned, progress) = (Arc::clone(&storage), Arc::clone(progress));
    let backup = tokio::spawn(async move {
        let request = BackupRequest {
            target: Some("daily".into()),
            job: "job_1".into(),
        };
        owned.backup(request, &progress).await
    });
    (storage, disk, backup)
}

/// Lets another program change the prompt during so many readings.
async fn change(pair: &Pair, disk: &FaultyDisk, readings: std::ops::RangeInclusive<usize>) {
    for reading in readings {
        eventually("the next reading", async || disk.hung() == reading).await;
        std::fs::copy(
            pair.store.path("p", "1.0.0.json"),
            pair.store.path("p", &format!("5.0.{reading}.json")),
        )
        .unwrap();
        disk.release_one();
    }
}

async fn problems_of(storage: &FileSystemStorage, backup: &str) -> usize {
    let check = storage.verify_backup(backup, &Progress::default()).await;
    check.unwrap().problems.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_keeps_changing_is_read_while_its_shard_stands_still() {
    let pair = Pair::new();
    let (storage, disk, backup) = begin(&pair, &Arc::default()).await;
    change(&pair, &disk, 1..=BUSY).await;
    eventually("the reading in the shard", async || disk.hung() == BUSY + 1).await;
    let owned = Arc::clone(&storage);
    let mut write = tokio::spawn(async move { put(&owned, "p", "meanwhile").await });
    let waits = tokio::time::timeout(Duration::from_millis(100), &mut write).await;
    assert!(waits.is_err(), "nobody writes to the shard meanwhile");
    disk.release();
    let report = backup.await.unwrap().unwrap();
    let written = write.await.unwrap().unwrap();
    assert_eq!(report.problems, []);
    let snapshot = pair.path(&report.path);
    let layout = Layout {
        depth: ShardDepth::DEFAULT,
    };
    let there = |number: &str| {
        snapshot
            .join(layout.version_file(&id("p"), &version(number)))
            .exists()
    };
    assert!(there("1.0.0") && there(&format!("5.0.{BUSY}")));
    assert!(
        !there(&written.to_string()),
        "it came after the instant of the backup"
    );
    assert_eq!(problems_of(&storage, "daily").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_other_programs_never_leave_alone_is_taken_as_it_is() {
    let pair = Pair::new();
    let (storage, disk, backup) = begin(&pair, &Arc::default()).await;
    let all = BUSY + QUIET + 1;
    change(&pair, &disk, 1..=all).await;
    let report = backup.await.unwrap().unwrap();
    assert_eq!(disk.hung(), all, "the last reading is not repeated");
    disk.disarm();
    assert_eq!(report.problems, []);
    assert_eq!(problems_of(&storage, "daily").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_cancelled_in_the_middle_leaves_nothing() {
    let pair = Pair::new();
    let progress = Arc::new(Progress::default());
    let (storage, disk, backup) = begin(&pair, &progress).await;
    eventually("the middle", async || disk.hung() == 1).await;
    assert_eq!(hidden_names(&pair.path("daily")).len(), 1, "it is under way");
    progress.cancel();
    // What watches the work passes the total on, and then that it is cancelled: the second time it has done both.
    for _ in 0..2 {
        progress.set_total(u64::MAX);
        eventually("it is told", async || progress.get().1 != u64::MAX).await;
    }
    disk.release();
    let error = backup.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "interrupted", "{error}");
    assert_eq!(hidden_names(&pair.path("daily")), [""; 0]);
    assert_eq!(storage.backups().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_larger_than_the_memory_for_it_waits_on_disk() {
    for target in ["daily", "x.tar.zst"] {
        let mut pair = Pair::new();
        pair.store.options.backup_memory_bytes = 100;
        let storage = pair.store.open().await;
        fill(&storage).await;
        let real = Arc::new(RealDisk::open(pair.path("").as_path()).unwrap());
        let disk = FaultyDisk::over(real);
        *storage.backup_disk.lock().unwrap() = Some(Arc::clone(&disk) as Arc<dyn Disk>);
        let report = back_up(&storage, target).await.unwrap();
        let staged = |(call, path): &&(Call, PathBuf)| {
            *call == Call::Create && path.to_string_lossy().contains(".stage/")
        };
        assert!(disk.journal().iter().filter(staged).count() > 3, "{target}");
        assert_eq!(
            (report.counts.versions, report.counts.trashed),
            (3, 1),
            "{target}"
        );
        assert_eq!(problems_of(&storage, target).await, 0);
        assert_eq!(hidden_names(&pair.path("")), [""; 0], "{target}");
        storage.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_links_or_reads_fail_is_whole_or_leaves_nothing() {
    for target in ["daily", "x.tar.zst"] {
        let mut pair = Pair::new();
        // What is staged is read again, too.
        pair.store.options.backup_memory_bytes = 100;
        let storage = pair.store.open().await;
        fill(&storage).await;
        let real = Arc::new(RealDisk::open(pair.path("").as_path()).unwrap());
        let disk = FaultyDisk::over(real);
        *storage.backup_disk.lock().unwrap() = Some(Arc::clone(&disk) as Arc<dyn Disk>);
        back_up(&storage, "daily").await.unwrap();
        let (mut failed, mut survived) = (0, 0);
        for call in [Call::Link, Call::Read] {
            for nth in 1.. {
                disk.arm(Fault::new(&[call], nth, Failure::Errno(Errno::IO)));
                let made = back_up(&storage, target).await;
                let hit = disk.disarm();
                for dir in ["", "daily"] {
                    assert_eq!(hidden_names(&pair.path(dir)), [""; 0], "{target} {call:?} {nth}");
                }
                match made {
                    Ok(report) => {
                        assert_eq!(problems_of(&storage, &report.path).await, 0);
                        survived += usize::from(hit.is_some());
                    }
                    Err(error) => {
                        assert!(hit.is_some(), "{target} {call:?} {nth}: {error}");
                        failed += 1;
                    }
                }
                let _made = std::fs::remove_file(pair.path("x.tar.zst"));
                if hit.is_none() {
                    break;
                }
            }
        }
        eprintln!(
            "covered: backup: {failed} links and reads that failed, {survived} that were survived ({target})"
        );
        assert!(failed > 0);
    }
}
