//! Directories that are moved away or replaced in the middle of a change: what is acknowledged lies where the store is.

use std::future::Future;

use super::faulty_disk::{Call, Failure, Fault};
use super::*;

/// The directory of the shard of `p`.
fn shard_dir(store: &Store) -> PathBuf {
    store
        .dir
        .path()
        .join(ShardDepth::DEFAULT.shard_of(&id("p")).as_str())
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Moves a directory aside and puts a copy that was made before in its place.
struct Swap {
    dir: PathBuf,
    copy: PathBuf,
    aside: PathBuf,
}

impl Swap {
    fn of(store: &Store, dir: PathBuf) -> Self {
        let (copy, aside) = (store.dir.path().join(".copy"), store.dir.path().join(".aside"));
        copy_tree(&dir, &copy);
        Self { dir, copy, aside }
    }

    fn make(&self) {
        std::fs::rename(&self.dir, &self.aside).unwrap();
        std::fs::rename(&self.copy, &self.dir).unwrap();
    }
}

/// Makes files empty, as a copy has them that was made between their creation and their first byte.
fn truncate_files(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        std::fs::write(entry.path(), "").unwrap();
    }
}

/// Lets a change run into a call that hangs, swaps the directory meanwhile, and returns what the change was answered.
async fn swap_during<T: Send + 'static>(
    store: &Store,
    dir: PathBuf,
    disk: &FaultyDisk,
    fault: Fault,
    change: impl Future<Output = T> + Send + 'static,
) -> T {
    let swap = Swap::of(store, dir);
    disk.arm(fault);
    let change = tokio::spawn(change);
    eventually("the change hangs", async || disk.hanging() == 1).await;
    swap.make();
    disk.release();
    let answer = change.await.unwrap();
    disk.disarm();
    answer
}

fn hang(call: Call, path: &str) -> Fault {
    Fault::new(&[call], 1, Failure::Hang).on(path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_is_not_acknowledged_into_a_directory_that_was_swapped_away() {
    let calls = [
        (Call::Write, ".tmp"),
        (Call::SyncFile, ".tmp"),
        (Call::RenameNew, ".tmp"),
        (Call::SyncDir, "/p"),
    ];
    for (call, path) in calls {
        for whole_shard in [true, false] {
            let store = Store::quiet();
            let (storage, disk) = store.open_faulty().await;
            put(&storage, "p", "first").await.unwrap();
            let dir = if whole_shard {
                shard_dir(&store)
            } else {
                store.path("p", "")
            };
            let dir: PathBuf = dir.components().collect();
            let writer = Arc::clone(&storage);
            let answer = swap_during(&store, dir, &disk, hang(call, path), async move {
                put(&writer, "p", "second").await
            })
            .await;
            let in_place = store.path("p", "1.0.1.json").exists();
            match answer {
                Ok(number) => assert!(
                    in_place,
                    "{number} is not there: {call:?}, whole shard: {whole_shard}"
                ),
                Err(error) => assert!(["interrupted", "unavailable"].contains(&error.code()), "{error}"),
            }
            eventually("the catalog says what is there", async || {
                let expected = if store.path("p", "1.0.1.json").exists() {
                    2
                } else {
                    1
                };
                versions(&storage, "p").len() == expected
            })
            .await;
            // It goes on in the directory that is there now, and no number has two contents.
            let number = put(&storage, "p", "third").await.unwrap();
            assert!(store.path("p", &format!("{number}.json")).exists());
            storage.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_copy_of_a_temporary_file_is_neither_acknowledged_nor_named() {
    for call in [Call::SyncFile, Call::RenameNew] {
        let store = Store::quiet();
        let (storage, disk) = store.open_faulty().await;
        put(&storage, "p", "first").await.unwrap();
        disk.arm(hang(call, ".tmp"));
        let writer = Arc::clone(&storage);
        let change = tokio::spawn(async move { put(&writer, "p", "second").await });
        eventually("the put hangs", async || disk.hanging() == 1).await;
        let swap = Swap::of(&store, shard_dir(&store));
        truncate_files(&swap.copy.join(".tmp"));
        swap.make();
        disk.release();
        let error = change.await.unwrap().unwrap_err();
        disk.disarm();
        assert_eq!(error.code(), "interrupted", "{call:?}: {error}");
        if call == Call::SyncFile {
            assert!(!store.path("p", "1.0.1.json").exists(), "a torn file has a name");
        }
        put(&storage, "p", "third").await.unwrap();
        storage.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_is_not_acknowledged_into_a_directory_that_was_swapped_away() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "first").await.unwrap();
    let (writer, dir) = (Arc::clone(&storage), shard_dir(&store));
    let label = Label::new("production").unwrap();
    let request = SetLabel {
        label: label.clone(),
        version: version("1.0.0"),
        expected: None,
        author: Author::daemon(),
    };
    let set = async move { writer.set_label(&id("p"), request).await };
    let error = swap_during(&store, dir, &disk, hang(Call::SyncDir, "/p"), set)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "interrupted");
    eventually("what is there is served", async || {
        storage
            .prompt(&id("p"))
            .is_some_and(|entry| entry.labels.is_empty())
    })
    .await;
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_comes_back_from_the_trash_is_not_lost_with_a_directory_that_was_swapped_away() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "first").await.unwrap();
    put(&storage, "p", "second").await.unwrap();
    storage
        .delete(&id("p"), &[version("1.0.1")], false, &Author::daemon())
        .await
        .unwrap();
    let (writer, dir) = (Arc::clone(&storage), shard_dir(&store));
    let restore = async move {
        writer
            .restore(&id("p"), &version("1.0.1"), &Author::daemon())
            .await
    };
    let answer = swap_during(&store, dir, &disk, hang(Call::SyncDir, "/p"), restore).await;
    assert_eq!(answer.unwrap_err().code(), "interrupted");
    eventually("it lies in the trash", async || {
        storage
            .prompt(&id("p"))
            .is_some_and(|entry| entry.has_trashed(&version("1.0.1")))
    })
    .await;
    storage
        .restore(&id("p"), &version("1.0.1"), &Author::daemon())
        .await
        .unwrap();
    assert_eq!(text_of(&storage, "p", "1.0.1").await.unwrap(), "second");
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_saved_over_while_it_is_deleted_is_not_lost() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "first").await.unwrap();
    disk.arm(hang(Call::SyncDir, ".trash/14"));
    let writer = Arc::clone(&storage);
    let deletion = tokio::spawn(async move {
        writer
            .delete(&id("p"), &[version("1.0.0")], false, &Author::daemon())
            .await
    });
    eventually("the deletion hangs", async || disk.hanging() == 1).await;
    let (file, beside) = (store.path("p", "1.0.0.json"), store.path("p", ".new"));
    std::fs::write(
        &beside,
        serde_json::to_vec(&document("p", "1.0.0", "edited")).unwrap(),
    )
    .unwrap();
    std::fs::rename(&beside, &file).unwrap();
    disk.release();
    assert_eq!(deletion.await.unwrap().unwrap_err().code(), "interrupted");
    eventually("the edit is served", async || {
        text_of(&storage, "p", "1.0.0")
            .await
            .is_ok_and(|text| text == "edited")
    })
    .await;
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_was_edited_before_its_answer_is_served_as_it_is() {
    let mut store = Store::quiet();
    store.options.watch.mode = WatchMode::Inotify;
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "first").await.unwrap();
    disk.arm(hang(Call::SyncDir, "/p"));
    let writer = Arc::clone(&storage);
    let change = tokio::spawn(async move { put(&writer, "p", "second").await });
    eventually("the put hangs", async || disk.hanging() == 1).await;
    // In place, as some programs do: it stays the same file.
    let edited = serde_json::to_vec(&document("p", "1.0.1", "edited")).unwrap();
    std::fs::write(store.path("p", "1.0.1.json"), edited).unwrap();
    disk.release();
    assert_eq!(change.await.unwrap().unwrap(), version("1.0.1"));
    eventually("the edit is served", async || {
        text_of(&storage, "p", "1.0.1")
            .await
            .is_ok_and(|text| text == "edited")
    })
    .await;
    // What it is compared with is the edit, too.
    let same = PutVersion {
        sameness: Sameness::Content,
        ..next("p", "second")
    };
    let made = storage.put(&id("p"), same).await.unwrap();
    assert!(matches!(made, PutOutcome::Created(_)), "{made:?}");
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_appears_while_the_store_is_open_is_made_durable_before_anything_is_stored_in_it() {
    let mut store = Store::quiet();
    store.options.watch.mode = WatchMode::Inotify;
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "first").await.unwrap();
    let syncs = || {
        disk.journal()
            .iter()
            .filter(|(call, _)| *call == Call::SyncAll)
            .count()
    };
    assert_eq!(syncs(), 0, "a shard that promptd makes holds nothing yet");
    let beside = store.dir.path().join(".beside");
    let file = store.path(STRANGER, "1.0.0.json");
    let shard = file.ancestors().nth(2).unwrap();
    std::fs::create_dir_all(beside.join(STRANGER)).unwrap();
    let bytes = serde_json::to_vec(&document(STRANGER, "1.0.0", "copied")).unwrap();
    std::fs::write(beside.join(STRANGER).join("1.0.0.json"), bytes).unwrap();
    std::fs::rename(&beside, shard).unwrap();
    eventually("it is served", async || versions(&storage, STRANGER) == ["1.0.0"]).await;
    assert_eq!(syncs(), 1);
    assert_eq!(put(&storage, STRANGER, "next").await.unwrap(), version("1.0.1"));
    storage.close().await;
}

#[tokio::test]
async fn nothing_is_written_into_a_store_that_was_moved_away_until_it_is_back() {
    let mut store = Store::quiet();
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("store");
    store.options.watch.mode = WatchMode::Off;
    let storage = FileSystemStorage::open(&root, store.options.clone())
        .await
        .unwrap();
    put(&storage, "p", "first").await.unwrap();
    let aside = parent.path().join("aside");
    std::fs::rename(&root, &aside).unwrap();
    let error = put(&storage, "p", "second").await.unwrap_err();
    assert_eq!(error.code(), "unavailable");
    assert!(error.to_string().contains("moved"), "{error}");
    assert!(storage.health().unwrap_err().contains("moved"));
    copy_tree(&aside, &root);
    assert_eq!(
        put(&storage, "p", "second").await.unwrap_err().code(),
        "unavailable"
    );
    assert_eq!(
        text_of(&storage, "p", "1.0.0").await.unwrap(),
        "first",
        "what is known is read"
    );
    std::fs::remove_dir_all(&root).unwrap();
    std::fs::rename(&aside, &root).unwrap();
    assert_eq!(put(&storage, "p", "second").await.unwrap(), version("1.0.1"));
    assert_eq!(storage.health(), Ok(()));
    storage.close().await;
}
