//! The table of docs/durability.md, section 8: which call fails with which error, and what the caller is told.

use rustix::io::Errno;

use super::faults::{Change, check_never_synced_again, picture, prepare, run};
use super::faulty_disk::{Call, Failure, Fault};
use super::*;

/// The errors, in the order of the columns below.
const ERRORS: [Errno; 5] = [Errno::IO, Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::MFILE];

/// The call, the change in which it fails, the path on which, and the answer for each error.
const TABLE: [(Call, Change, &str, [&str; 5]); 12] = [
    (Call::MakeDir, Change::PutNew, "14/p1098", PLAIN),
    (Call::Create, Change::PutNew, "14/.tmp", PLAIN),
    (Call::Write, Change::PutNew, "14/.tmp", CONTENT),
    (Call::SyncFile, Change::PutNew, "14/.tmp", CONTENT),
    (Call::RenameNew, Change::PutNew, "14/.tmp", NAMING),
    (Call::SyncDir, Change::PutNew, "14", UNKNOWN),
    (Call::RenameOver, Change::SetLabel, "14/.tmp", NAMING),
    (Call::Link, Change::Delete, "14/p", NAMING),
    (Call::Unlink, Change::Delete, "14/p", UNKNOWN),
    (Call::SyncDir, Change::Delete, ".trash", UNKNOWN),
    (Call::Read, Change::SetLabel, ".manifest.json", READING),
    (Call::List, Change::PurgeTrashed, ".trash", PLAIN),
];

/// Nothing happened.
const PLAIN: [&str; 5] = [
    "unavailable",
    "storage-full",
    "storage-full",
    "read-only-storage",
    "unavailable",
];
/// Nothing happened, but the disk may lose data: the shard recovers unless it is only full or read-only.
const CONTENT: [&str; 5] = [
    "interrupted",
    "storage-full",
    "storage-full",
    "read-only-storage",
    "interrupted",
];
/// After an I/O error nobody knows whether the name was given.
const NAMING: [&str; 5] = [
    "interrupted",
    "storage-full",
    "storage-full",
    "read-only-storage",
    "unavailable",
];
/// A part may be done, whatever the error.
const UNKNOWN: [&str; 5] = ["interrupted"; 5];
/// What cannot be read is not changed.
const READING: [&str; 5] = ["unavailable"; 5];

async fn check_cell(call: Call, change: Change, path: &str, errno: Errno, code: &str) {
    let what = format!("{call:?} of {path} in {change:?}: {errno:?}");
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    prepare(&storage).await;
    let before = picture(&storage).await;
    disk.arm(Fault::new(&[call], 1, Failure::Errno(errno)).on(path));
    let answers = run(&storage, change).await;
    let (call, failed) = disk.disarm().unwrap_or_else(|| panic!("{what}: no such call"));
    let codes: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().map_err(StorageError::code))
        .collect();
    assert_eq!(codes, [Err(code)], "{what}");
    check_never_synced_again(&disk, call, &failed, &what);
    // The daemon goes on, in every shard.
    put(&storage, STRANGER, "elsewhere").await.unwrap();
    put(&storage, "p", "afterwards")
        .await
        .unwrap_or_else(|e| panic!("{what}: then {e}"));
    storage.prompt(&id("p")).unwrap();
    let now = picture(&storage).await;
    if code != "interrupted" {
        // Nothing happened but the put afterwards.
        let others = |picture: &super::faults::Picture| {
            let mut picture = picture.clone();
            picture
                .get_mut("p")
                .unwrap()
                .0
                .retain(|_, text| text != "afterwards");
            picture
        };
        assert_eq!(others(&now), before, "{what}");
    }
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_error_of_each_call_has_the_answer_that_the_table_says() {
    for (call, change, path, codes) in TABLE {
        for (errno, code) in ERRORS.into_iter().zip(codes) {
            check_cell(call, change, path, errno, code).await;
        }
    }
    eprintln!(
        "covered: faults: {} calls with {} errors each",
        TABLE.len(),
        ERRORS.len()
    );
}

/// Recovery meets an error: the shard is down until the disk answers, the others serve, and nothing is lost.
async fn check_recovery(call: Call, path: &str, errno: Errno) {
    let mut store = Store::quiet();
    store.options.restart.max_restarts = 100;
    let storage = store.open().await;
    prepare(&storage).await;
    let before = picture(&storage).await;
    storage.close().await;
    drop(storage);
    let (storage, disk) = store.open_faulty().await;
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    disk.arm(Fault::new(&[call], 1, Failure::Errno(errno)).on(path).times(2));
    shard.actor.borrow().clone().unwrap().kill();
    eventually("it was tried", async || {
        disk.journal()
            .iter()
            .any(|(other, at)| *other == call && at.ends_with(path))
    })
    .await;
    put(&storage, STRANGER, "elsewhere").await.unwrap();
    eventually("the shard is up again", async || shard.is_up()).await;
    disk.disarm();
    put(&storage, "p", "afterwards").await.unwrap();
    let mut now = picture(&storage).await;
    now.get_mut("p").unwrap().0.retain(|_, text| text != "afterwards");
    assert_eq!(now, before, "{call:?} of {path}: {errno:?}");
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_while_a_shard_recovers_keeps_that_shard_down_alone_and_loses_nothing() {
    for errno in [Errno::IO, Errno::MFILE] {
        for path in ["14", "14/.tmp", ".trash/14"] {
            check_recovery(Call::List, path, errno).await;
        }
    }
    check_recovery(Call::SyncAll, "", Errno::IO).await;
}
