//! When the daemon writes no more, and what it still does then.

use rustix::io::Errno;

use super::faulty_disk::{Call, Failure, Fault};
use super::*;
use crate::storage::filesystem::disk::Space;

const EIO: Failure = Failure::Errno(Errno::IO);

const fn space(free: u64, read_only: bool) -> Space {
    Space {
        free,
        total: 1 << 40,
        read_only,
    }
}

async fn label(storage: &FileSystemStorage, name: &str) -> Result<(), StorageError> {
    let request = SetLabel {
        label: Label::new(name).unwrap(),
        version: version("1.0.0"),
        expected: None,
        author: Author::daemon(),
    };
    storage.set_label(&id("p"), request).await.map(drop)
}

#[tokio::test]
async fn three_failed_syncs_in_a_row_end_the_writing_of_a_shard_and_of_no_other() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "a").await.unwrap();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    let always = usize::MAX / 2;
    disk.arm(Fault::new(&[Call::SyncFile], 1, EIO).on("14/").times(always));
    for _ in 0..3 {
        assert_eq!(
            put(&storage, "p", "lost").await.unwrap_err().code(),
            "interrupted"
        );
        eventually("the shard is up", async || shard.is_up()).await;
        disk.disarm();
        disk.arm(Fault::new(&[Call::SyncFile], 1, EIO).on("14/").times(always));
    }
    // The disk is well again, but what it did is not forgotten: a restart of the daemon has to look.
    disk.disarm();
    let error = put(&storage, "p", "b").await.unwrap_err();
    assert_eq!(error.code(), "unavailable");
    assert!(error.to_string().contains("syncs in a row failed"), "{error}");
    assert!(
        storage
            .delete(&id("p"), &[], false, &Author::daemon())
            .await
            .is_err()
    );
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "a");
    put(&storage, STRANGER, "x").await.unwrap();
    assert!(storage.health().unwrap_err().contains("write no more: 14"));
    assert_eq!(storage.status().await["shards"]["down"][0]["shard"], "14");
    storage.close().await;
    let again = store.open().await;
    assert_eq!(put(&again, "p", "b").await.unwrap(), version("1.0.1"));
}

#[tokio::test]
async fn a_sync_that_succeeds_forgives_those_that_failed() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    for _ in 0..5 {
        disk.arm(Fault::new(&[Call::SyncFile], 1, EIO));
        assert!(put(&storage, "p", "lost").await.is_err());
        disk.disarm();
        put(&storage, "p", "kept").await.unwrap();
    }
    assert_eq!(versions(&storage, "p").len(), 5);
}

#[tokio::test]
async fn a_store_that_could_not_be_synced_at_start_is_only_read() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let leftover = storage.read(&id("p"), &version("1.0.0")).await.unwrap();
    storage.close().await;
    let tmp = store.path("p", "").parent().unwrap().join(".tmp/left.tmp");
    std::fs::write(&tmp, &leftover.bytes).unwrap();
    let mut opened = open_store(store.dir.path(), store.options.shard_depth).unwrap();
    opened.distrust = Some("an error".into());
    let disk = Arc::clone(&opened.disk);
    let storage = FileSystemStorage::open_with(opened, disk, store.options.clone())
        .await
        .unwrap();
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "a");
    for prompt in ["p", STRANGER] {
        let error = put(&storage, prompt, "b").await.unwrap_err();
        assert!(error.to_string().contains("an error"), "{error}");
    }
    assert!(storage.health().is_err());
    storage.close().await;
    assert!(tmp.exists(), "nothing was touched");
}

#[tokio::test]
async fn a_read_only_file_system_is_read_and_said_so_and_comes_back() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "a").await.unwrap();
    disk.set_space(Some(space(1 << 40, true)));
    let author = Author::daemon();
    for refused in [
        put(&storage, "p", "b").await.map(drop),
        storage.delete(&id("p"), &[], false, &author).await.map(drop),
        storage.purge(&id("p"), false).await,
        label(&storage, "production").await,
    ] {
        assert_eq!(refused.unwrap_err().code(), "read-only-storage");
    }
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "a");
    assert!(storage.health().unwrap_err().contains("read-only"));
    disk.set_space(None);
    put(&storage, "p", "b").await.unwrap();
}

#[tokio::test]
async fn a_shard_that_recovered_on_a_read_only_file_system_recovers_again_before_it_writes() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let first = storage.read(&id("p"), &version("1.0.0")).await.unwrap();
    storage.close().await;
    std::fs::rename(
        store.path("p", "1.0.0.json"),
        store.path("p", "").parent().unwrap().join(".tmp/cut-off.tmp"),
    )
    .unwrap();
    let opened = open_store(store.dir.path(), store.options.shard_depth).unwrap();
    let disk = FaultyDisk::over(Arc::clone(&opened.disk));
    disk.set_space(Some(space(1 << 40, true)));
    let over = Arc::clone(&disk);
    let storage = FileSystemStorage::open_with(opened, over, store.options.clone())
        .await
        .unwrap();
    assert_eq!(storage.totals(), (0, 0), "the cut-off version waits");
    assert_eq!(
        put(&storage, "p", "b").await.unwrap_err().code(),
        "read-only-storage"
    );
    disk.set_space(None);
    assert_eq!(put(&storage, "p", "b").await.unwrap_err().code(), "interrupted");
    assert_eq!(put(&storage, "p", "b").await.unwrap(), version("1.0.1"));
    let back = storage.read(&id("p"), &version("1.0.0")).await.unwrap();
    assert_eq!(back.bytes, first.bytes);
}

#[tokio::test]
async fn below_the_reserve_nothing_new_is_stored_but_room_can_be_made() {
    let mut store = Store::quiet();
    store.options.disk.min_free_bytes = 1 << 20;
    let (storage, disk) = store.open_faulty().await;
    for text in ["a", "b", "c", "d"] {
        put(&storage, "p", text).await.unwrap();
    }
    label(&storage, "production").await.unwrap();
    label(&storage, "staging").await.unwrap();
    disk.set_space(Some(space((1 << 20) - 1, false)));
    assert_eq!(put(&storage, "p", "e").await.unwrap_err().code(), "storage-full");
    label(&storage, "canary").await.unwrap();
    let author = Author::daemon();
    let staging = Label::new("staging").unwrap();
    storage
        .remove_label(&id("p"), &staging, None, &author)
        .await
        .unwrap();
    storage
        .delete(&id("p"), &[version("1.0.0")], true, &author)
        .await
        .unwrap();
    storage
        .delete(&id("p"), &[version("1.0.3")], false, &author)
        .await
        .unwrap();
    storage.purge_trashed(&id("p"), &version("1.0.3")).await.unwrap();
    storage
        .restore(&id("p"), &version("1.0.0"), &author)
        .await
        .unwrap();
    assert_eq!(versions(&storage, "p"), ["1.0.0", "1.0.1", "1.0.2"]);
    storage.purge(&id("p"), true).await.unwrap();
}

#[tokio::test]
async fn deleting_works_on_a_disk_without_a_single_free_block() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    let full = Failure::Short(Errno::NOSPC);
    disk.arm(Fault::new(&[Call::Write], 1, full).times(usize::MAX / 2));
    let author = Author::daemon();
    storage
        .delete(&id("p"), &[version("1.0.1")], false, &author)
        .await
        .unwrap();
    assert_eq!(put(&storage, "p", "c").await.unwrap_err().code(), "storage-full");
    disk.disarm();
    let trash = storage.trash(None, None, 10).await.unwrap();
    assert_eq!(
        (trash.len(), trash[0].deleted_by.clone()),
        (1, None),
        "nobody could be noted"
    );
}

#[tokio::test]
async fn a_shard_that_cannot_recover_says_so_instead_of_not_found() {
    let mut store = Store::quiet();
    store.options.restart.max_restarts = 2;
    store.options.restart.window = Duration::from_millis(300);
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, STRANGER, "x").await.unwrap();
    storage.close().await;
    let opened = open_store(store.dir.path(), store.options.shard_depth).unwrap();
    let disk = FaultyDisk::over(Arc::clone(&opened.disk));
    disk.arm(Fault::new(&[Call::List], 1, EIO).on("14").times(usize::MAX / 2));
    let over = Arc::clone(&disk);
    let storage = FileSystemStorage::open_with(opened, over, store.options.clone())
        .await
        .unwrap();
    assert_eq!(text_of(&storage, STRANGER, "1.0.0").await.unwrap(), "x");
    let manager = crate::versions::VersionManager::new(Arc::clone(&storage) as Arc<dyn VersionStorage>);
    assert_eq!(manager.prompt(&id("p")).unwrap_err().code(), "unavailable");
    for answer in [
        storage.read(&id("p"), &version("1.0.0")).await.map(drop),
        storage.label_history(&id("p")).await.map(drop),
        storage
            .restore(&id("p"), &version("1.0.0"), &Author::daemon())
            .await,
        storage.available(&id("p")),
    ] {
        assert_eq!(answer.unwrap_err().code(), "unavailable");
    }
    assert!(storage.health().unwrap_err().contains("shards down: 14"));
    eventually("it rests", async || {
        storage.status().await["shards"]["down"][0]["resting"] == true
    })
    .await;
    // A shard that rests is not waited for.
    let asked = std::time::Instant::now();
    let error = put(&storage, "p", "b").await.unwrap_err();
    assert!(error.to_string().contains("Input/output error"), "{error}");
    assert!(asked.elapsed() < store.options.write_timeout / 2);
    disk.disarm();
    eventually("it is back", async || storage.totals() == (2, 2)).await;
    assert_eq!(put(&storage, "p", "b").await.unwrap(), version("1.0.1"));
}
