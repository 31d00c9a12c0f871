//! Backups and restorings over disks that fail, or that are told to stop.

use rustix::io::Errno;

use super::backup::{Pair, back_up, files, fill, hidden_names, restore, restoring};
use super::faulty_disk::{Call, Failure, Fault};
use super::*;
use crate::storage::{BackupRequest, Progress};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_backup_disk_leaves_nothing_and_the_next_backup_succeeds() {
    for target in ["daily", "x.tar.zst"] {
        let pair = Pair::new();
        let storage = pair.store.open().await;
        fill(&storage).await;
        let real = Arc::new(RealDisk::open(pair.path("").as_path()).unwrap());
        let disk = FaultyDisk::over(real);
        *storage.backup_disk.lock().unwrap() = Some(Arc::clone(&disk) as Arc<dyn Disk>);
        let calls = [
            Call::Create,
            Call::Write,
            Call::SyncFile,
            Call::SyncDir,
            Call::RenameNew,
            Call::MakeDir,
        ];
        let (mut failures, errno) = (0, [Errno::NOSPC, Errno::IO]);
        for call in calls {
            for nth in 1.. {
                disk.arm(Fault::new(&[call], nth, Failure::Short(errno[nth % 2])));
                let made = back_up(&storage, target).await;
                let hit = disk.disarm();
                assert_eq!(
                    hidden_names(pair.path("").as_path()),
                    [""; 0],
                    "{target} {call:?} {nth}"
                );
                if hit.is_none() {
                    made.unwrap();
                    // The next kind of call fails from a fresh start.
                    let _there = std::fs::remove_file(pair.path("x.tar.zst"));
                    let _there = std::fs::remove_dir_all(pair.path("daily"));
                    break;
                }
                let error = made.unwrap_err();
                failures += 1;
                if errno[nth % 2] == Errno::NOSPC {
                    assert!(
                        error.to_string().contains("no room in the backup directory"),
                        "{error}"
                    );
                }
                for backup in storage.backups().await.unwrap() {
                    // A failed sync of the directory after the naming: it is whole, only its name may not be durable.
                    let check = storage.verify_backup(&backup.path, &Progress::default()).await;
                    assert_eq!(check.unwrap().problems, [], "{target} {call:?} {nth}");
                    assert_eq!(call, Call::SyncDir);
                    let _there = std::fs::remove_file(pair.path("x.tar.zst"));
                    let _there = std::fs::remove_dir_all(pair.path("daily"));
                }
            }
        }
        eprintln!("covered: backup: {failures} failures of the backup disk ({target})");
        assert!(failures >= 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restoring_that_fails_anywhere_is_done_again_and_ends_the_same() {
    let pair = Pair::new();
    let source = pair.store.open().await;
    fill(&source).await;
    back_up(&source, "daily").await.unwrap();
    let expected = files(pair.store.dir.path());
    let mut failures = 0;
    for call in [
        Call::Create,
        Call::Write,
        Call::SyncFile,
        Call::SyncDir,
        Call::RenameNew,
        Call::RenameOver,
    ] {
        for nth in 1.. {
            let other = pair.other();
            let (storage, disk) = other.open_faulty().await;
            disk.arm(
                Fault::new(&[call], nth, Failure::Errno(Errno::NOSPC))
                    .on("")
                    .times(1),
            );
            let first = restore(&storage, "daily", &[]).await;
            if disk.disarm().is_none() {
                first.unwrap();
                break;
            }
            failures += 1;
            // A crash here: whatever the actors know is gone.
            storage.close().await;
            drop(storage);
            let again = other.open().await;
            let report = restore(&again, "daily", &[]).await.unwrap();
            assert_eq!(report.conflicts, [], "{call:?} {nth}");
            assert_eq!(files(other.dir.path()), expected, "{call:?} {nth}");
            again.close().await;
        }
    }
    eprintln!("covered: restore: {failures} failures of the store's disk, each done again");
    assert!(failures > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_or_restoring_leaves_nothing_behind() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    fill(&storage).await;
    back_up(&storage, "x.tar.zst").await.unwrap();
    let progress = Progress::default();
    progress.cancel();
    for target in ["daily", "y.tar.zst"] {
        let request = BackupRequest {
            target: Some(target.into()),
            job: "job_3".into(),
        };
        // Asked to stop before it began, or in the middle: the work looks at every prompt.
        let _ended = storage.backup(request, &progress).await;
        assert_eq!(hidden_names(pair.path("").as_path()), [""; 0]);
    }
    let other = pair.other();
    let empty = other.open().await;
    let _ended = empty.restore_backup(restoring("x.tar.zst", &[]), &progress).await;
    assert_eq!(hidden_names(pair.path("").as_path()), [""; 0]);
}
