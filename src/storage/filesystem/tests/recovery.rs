//! What a crash, or a person, left in a store, and what becomes of it.

use std::os::unix::fs::symlink;

use rustix::io::Errno;

use super::faulty_disk::{Call, Failure, Fault};
use super::*;
use crate::storage::{Problem, StoredVersion};

/// The bytes that promptd would write for a version.
pub(super) fn sealed(prompt: &str, number: &str, text: &str) -> Vec<u8> {
    let mut document = document(prompt, number, text);
    StoredVersion::seal(&mut document).unwrap().bytes.to_vec()
}

/// A store with `p` 1.0.0 ("live") and, in the trash, 1.0.1 ("deleted").
pub(super) async fn prepared() -> Store {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "live").await.unwrap();
    put(&storage, "p", "deleted").await.unwrap();
    let author = Author::daemon();
    storage
        .delete(&id("p"), &[version("1.0.1")], false, &author)
        .await
        .unwrap();
    storage.close().await;
    store
}

impl Store {
    fn tmp(&self, name: &str) -> PathBuf {
        self.path("p", "").parent().unwrap().join(".tmp").join(name)
    }

    fn tmp_names(&self) -> Vec<String> {
        names(&self.tmp(""))
    }
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn problems(storage: &FileSystemStorage) -> Vec<Problem> {
    let status = storage.status().await;
    serde_json::from_value(status["problems"]["first"].clone()).unwrap()
}

pub(super) async fn kinds(storage: &FileSystemStorage) -> Vec<String> {
    problems(storage)
        .await
        .into_iter()
        .map(|problem| problem.kind)
        .collect()
}

/// Opens the store with one leftover; it is dropped, and `p` is as it was but for the versions given.
async fn check_leftover(bytes: &[u8], expected: &[(&str, &str)]) {
    let store = prepared().await;
    std::fs::write(store.tmp("1-2.tmp"), bytes).unwrap();
    let storage = store.open().await;
    let listed = versions(&storage, "p");
    assert_eq!(
        listed,
        expected.iter().map(|(number, _)| *number).collect::<Vec<_>>()
    );
    for (number, text) in expected {
        assert_eq!(text_of(&storage, "p", number).await.unwrap(), *text);
    }
    assert_eq!(storage.trash(None, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.tmp_names(), [] as [&str; 0]);
    assert_eq!(problems(&storage).await, []);
}

#[tokio::test]
async fn a_whole_version_that_is_nowhere_is_put_again() {
    let whole = sealed("p", "1.0.2", "cut off");
    check_leftover(&whole, &[("1.0.0", "live"), ("1.0.2", "cut off")]).await;
}

/// Opens the store with a copy of one of its own files as a leftover; it is dropped, and nothing else happens.
async fn check_copy_is_dropped(of: fn(&Store) -> PathBuf) {
    let store = prepared().await;
    std::fs::copy(of(&store), store.tmp("1-2.tmp")).unwrap();
    let storage = store.open().await;
    assert_eq!(versions(&storage, "p"), ["1.0.0"]);
    assert_eq!(storage.trash(None, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.tmp_names(), [] as [&str; 0]);
    assert_eq!(problems(&storage).await, []);
}

#[tokio::test]
async fn a_whole_version_that_is_there_already_is_dropped() {
    check_copy_is_dropped(|store| store.path("p", "1.0.0.json")).await;
}

#[tokio::test]
async fn a_version_that_was_deleted_does_not_come_back() {
    check_copy_is_dropped(|store| store.dir.path().join(".trash/14/p@1.0.1.json")).await;
}

#[tokio::test]
async fn what_was_never_whole_is_dropped() {
    check_leftover(b"", &[("1.0.0", "live")]).await;
    check_leftover(b"\0\0\0\0", &[("1.0.0", "live")]).await;
    check_leftover(b"not json at all", &[("1.0.0", "live")]).await;
    check_leftover(br#"{"prompt_id": "p", "labels": {}}"#, &[("1.0.0", "live")]).await;
}

#[tokio::test]
async fn a_version_torn_at_any_length_is_never_served() {
    let store = prepared().await;
    let whole = sealed("p", "1.0.2", "torn");
    // Without its last newline it is whole.
    for length in 0..whole.len() - 1 {
        std::fs::write(store.tmp(&format!("1-{length}.tmp")), &whole[..length]).unwrap();
        // A hole: the length was written, a block in the middle was not.
        let mut holed = whole.clone();
        holed[length / 2..=length].fill(0);
        std::fs::write(store.tmp(&format!("2-{length}.tmp")), &holed).unwrap();
    }
    let storage = store.open().await;
    assert_eq!(versions(&storage, "p"), ["1.0.0"]);
    assert_eq!(store.tmp_names(), [] as [&str; 0]);
    assert_eq!(put(&storage, "p", "next").await.unwrap(), version("1.0.2"));
}

/// Opens the store with something that must be set aside, and opens it once more.
async fn check_set_aside(make: impl FnOnce(&Path), reason: &str) {
    let mut store = prepared().await;
    store.options.disk.max_file_bytes = 10_000;
    let live = std::fs::read(store.path("p", "1.0.0.json")).unwrap();
    make(&store.tmp("1-2.tmp"));
    let storage = store.open().await;
    assert_eq!(versions(&storage, "p"), ["1.0.0"], "{reason}");
    let found = problems(&storage).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].kind.as_str(), found[0].path.as_str()),
        ("quarantined", "14/.tmp/quarantine/1-2.tmp")
    );
    assert!(found[0].message.contains(reason), "{found:?}");
    storage.close().await;
    assert_eq!(std::fs::read(store.path("p", "1.0.0.json")).unwrap(), live);
    assert_eq!(store.tmp_names(), ["quarantine"]);
    let again = store.open().await;
    assert_eq!(
        kinds(&again).await,
        ["quarantined"],
        "it is reported until somebody takes it away"
    );
    let report = again.verify(&crate::storage::Progress::default()).await.unwrap();
    assert_eq!(report.problems[0].kind, "quarantined");
    let shard = again.shared.shard(&again.shared.layout.shard_of(&id("p")));
    shard
        .look_and_wait(work::Look::everything(), Duration::from_secs(9))
        .await
        .unwrap();
    assert_eq!(
        kinds(&again).await,
        ["quarantined"],
        "also after the names were looked at"
    );
}

#[tokio::test]
async fn what_contradicts_the_store_is_set_aside_and_reported() {
    let other = sealed("p", "1.0.0", "other content");
    check_set_aside(
        |path| std::fs::write(path, &other).unwrap(),
        "has another version 1.0.0",
    )
    .await;
    let strange = sealed(STRANGER, "1.0.0", "x");
    check_set_aside(|path| std::fs::write(path, &strange).unwrap(), "another shard").await;
    let mut unsealed = serde_json::to_vec(&document("p", "3.0.0", "x")).unwrap();
    check_set_aside(
        |path| std::fs::write(path, &unsealed).unwrap(),
        "not as promptd writes it",
    )
    .await;
    unsealed.resize(10_001, b' ');
    check_set_aside(
        |path| std::fs::write(path, &unsealed).unwrap(),
        "the limit is 10000",
    )
    .await;
}

#[tokio::test]
async fn what_is_no_file_is_set_aside_without_being_opened() {
    check_set_aside(|path| std::fs::create_dir(path).unwrap(), "not a regular file").await;
    check_set_aside(|path| symlink("/etc/passwd", path).unwrap(), "not a regular file").await;
    let fifo = |path: &Path| {
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
    };
    check_set_aside(fifo, "not a regular file").await;
}

#[tokio::test]
async fn a_damaged_file_in_the_place_of_a_leftover_stays_and_the_leftover_is_kept() {
    let store = prepared().await;
    std::fs::write(store.path("p", "1.0.2.json"), "{ torn").unwrap();
    std::fs::write(store.tmp("1.tmp"), sealed("p", "1.0.2", "good")).unwrap();
    let storage = store.open().await;
    let mut found = kinds(&storage).await;
    found.sort();
    assert_eq!(found, ["corrupt-version", "quarantined"]);
    assert_eq!(
        std::fs::read_to_string(store.path("p", "1.0.2.json")).unwrap(),
        "{ torn"
    );
    let kept = std::fs::read(store.tmp("quarantine/1.tmp")).unwrap();
    assert_eq!(kept, sealed_like(&kept));
}

/// The same bytes, if they are a sealed version.
fn sealed_like(bytes: &[u8]) -> Vec<u8> {
    let (stored, _) = StoredVersion::parse(bytes.to_vec().into()).unwrap();
    assert_eq!(stored.integrity, crate::model::Integrity::Sealed);
    stored.bytes.to_vec()
}

#[tokio::test]
async fn two_leftovers_of_one_name_are_both_kept() {
    let store = prepared().await;
    for text in ["one", "two", "three"] {
        std::fs::write(store.tmp("1.tmp"), sealed("p", "1.0.0", text)).unwrap();
        store.open().await.close().await;
    }
    assert_eq!(names(&store.tmp("quarantine")), ["1.tmp", "1.tmp~1", "1.tmp~2"]);
}

#[tokio::test]
async fn what_is_left_of_a_purged_prompt_goes() {
    let store = prepared().await;
    let doomed = store.tmp("1-2.purge");
    std::fs::create_dir_all(doomed.join("deeper")).unwrap();
    std::fs::write(doomed.join("1.0.0.json"), sealed("q", "1.0.0", "x")).unwrap();
    std::fs::write(doomed.join("deeper/note"), "x").unwrap();
    symlink(store.dir.path(), doomed.join("link")).unwrap();
    let storage = store.open().await;
    assert_eq!(store.tmp_names(), [] as [&str; 0]);
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "live");
}

#[tokio::test]
async fn a_number_that_is_live_and_in_the_trash_with_other_content_is_reported_and_neither_is_lost() {
    let store = prepared().await;
    let trash = store.dir.path().join(".trash/14/p@1.0.0.json");
    std::fs::write(&trash, sealed("p", "1.0.0", "older")).unwrap();
    let storage = store.open().await;
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "live");
    assert_eq!(kinds(&storage).await, ["live-and-trashed"]);
    let author = Author::daemon();
    storage
        .delete(&id("p"), &[version("1.0.0")], false, &author)
        .await
        .unwrap();
    let trashed = names(trash.parent().unwrap());
    assert!(trashed.contains(&"p@1.0.0~1.json".to_owned()), "{trashed:?}");
    storage
        .restore(&id("p"), &version("1.0.0"), &author)
        .await
        .unwrap();
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "live");
    storage.purge(&id("p"), false).await.unwrap();
    assert_eq!(
        names(trash.parent().unwrap()),
        [] as [&str; 0],
        "copies are forgotten too"
    );
}

#[tokio::test]
async fn a_store_without_its_own_directories_is_opened_and_written() {
    let mut store = prepared().await;
    store.options.use_index = true;
    store.open().await.close().await;
    std::fs::remove_dir_all(store.tmp("")).unwrap();
    std::fs::remove_dir_all(store.dir.path().join(".trash")).unwrap();
    let storage = store.open().await;
    assert_eq!(put(&storage, "p", "next").await.unwrap(), version("1.0.2"));
    // And while it runs.
    std::fs::remove_dir_all(store.tmp("")).unwrap();
    put(&storage, "p", "next").await.unwrap();
    std::fs::remove_dir_all(store.path("p", "").parent().unwrap()).unwrap();
    let error = put(&storage, "p", "next").await;
    assert!(error.is_ok(), "{error:?}");
    storage
        .delete(&id("p"), &[], false, &Author::daemon())
        .await
        .unwrap();
}

#[tokio::test]
async fn directories_removed_while_the_daemon_runs_are_made_again_by_every_change() {
    let store = Store::quiet();
    let storage = store.open().await;
    let (p, author) = (id("p"), Author::daemon());
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    // A purge moves the directory of the prompt into the directory of temporary files.
    std::fs::remove_dir_all(store.tmp("")).unwrap();
    storage.purge(&p, false).await.unwrap();
    assert!(!store.path("p", "").exists(), "it is really gone");
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    std::fs::remove_dir_all(store.dir.path().join(".trash")).unwrap_or_default();
    storage
        .delete(&p, &[version("1.0.1")], false, &author)
        .await
        .unwrap();
    // The trash is elsewhere: what lies in it can be brought back into a shard that is gone.
    std::fs::remove_dir_all(store.path("p", "").parent().unwrap()).unwrap();
    storage.restore(&p, &version("1.0.1"), &author).await.unwrap();
    assert_eq!(text_of(&storage, "p", "1.0.1").await.unwrap(), "b");
    // And emptied by hand while the daemon runs.
    storage
        .delete(&p, &[version("1.0.1")], false, &author)
        .await
        .unwrap();
    std::fs::remove_dir_all(store.dir.path().join(".trash")).unwrap();
    put(&storage, "p", "c").await.unwrap();
    storage.delete(&p, &[], false, &author).await.unwrap();
    assert_eq!(put(&storage, "p", "d").await.unwrap(), version("1.0.3"));
}

#[tokio::test]
async fn a_leftover_finds_its_place_though_the_shard_directory_is_full() {
    let mut store = prepared().await;
    std::fs::write(store.tmp("1.tmp"), sealed("p", "1.0.2", "cut off")).unwrap();
    store.options.disk.min_free_bytes = u64::MAX / 2;
    let storage = store.open().await;
    assert_eq!(text_of(&storage, "p", "1.0.2").await.unwrap(), "cut off");
    assert_eq!(put(&storage, "p", "x").await.unwrap_err().code(), "storage-full");
}

#[tokio::test]
async fn a_leftover_for_which_there_is_no_room_at_all_is_kept_aside_and_the_shard_serves() {
    let store = prepared().await;
    std::fs::write(store.tmp("1.tmp"), sealed("p", "1.0.2", "cut off")).unwrap();
    let opened = open_store(store.dir.path(), store.options.shard_depth).unwrap();
    let disk = FaultyDisk::over(Arc::clone(&opened.disk));
    let full = Failure::Short(Errno::NOSPC);
    disk.arm(Fault::new(&[Call::Write], 1, full));
    let over = Arc::clone(&disk);
    let storage = FileSystemStorage::open_with(opened, over, store.options.clone())
        .await
        .unwrap();
    assert_eq!(kinds(&storage).await, ["quarantined"]);
    assert_eq!(versions(&storage, "p"), ["1.0.0"]);
    assert_eq!(put(&storage, "p", "x").await.unwrap(), version("1.0.2"));
}

/// Recovery is itself cut off at any call, by an error or a crash of its actor, and done again.
async fn check_cut_off_recovery(failure: Failure) {
    for nth in 1.. {
        let store = prepared().await;
        std::fs::write(store.tmp("1.tmp"), sealed("p", "1.0.2", "cut off")).unwrap();
        std::fs::write(store.tmp("2.tmp"), sealed("p", "1.0.0", "other")).unwrap();
        std::fs::write(store.tmp("3.tmp"), sealed(&neighbour(1), "1.0.0", "new")).unwrap();
        std::fs::create_dir(store.tmp("4.purge")).unwrap();
        let live = store.path("p", "1.0.0.json");
        std::fs::hard_link(live, store.dir.path().join(".trash/14/p@1.0.0.json")).unwrap();
        let opened = open_store(store.dir.path(), store.options.shard_depth).unwrap();
        let disk = FaultyDisk::over(Arc::clone(&opened.disk));
        disk.arm(Fault::new(&[], nth, failure).on("14"));
        let over = Arc::clone(&disk);
        let storage = FileSystemStorage::open_with(opened, over, store.options.clone())
            .await
            .unwrap();
        let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
        eventually("it recovered", async || shard.is_up()).await;
        let hit = disk.disarm();
        let what = format!("call {nth} {hit:?}");
        storage.close().await;
        drop(storage);
        let again = store.open().await;
        let aside = names(&store.tmp("quarantine"));
        assert_eq!(store.tmp_names(), ["quarantine"], "{what}");
        assert!(aside.contains(&"2.tmp".to_owned()), "{what}");
        // A leftover that could not be read is set aside as it is.
        let could_not_read = matches!(hit, Some((Call::Read, _)));
        assert!(could_not_read || aside.len() == 1, "{what} {aside:?}");
        for (leftover, prompt, number) in [("1.tmp", "p", "1.0.2"), ("3.tmp", neighbour(1).as_str(), "1.0.0")]
        {
            let is_back = text_of(&again, prompt, number).await.is_ok();
            assert!(
                is_back != aside.contains(&leftover.to_owned()),
                "{what} {aside:?}"
            );
        }
        assert_eq!(text_of(&again, "p", "1.0.0").await.unwrap(), "live", "{what}");
        assert_eq!(again.trash(None, None, 9).await.unwrap().len(), 1, "{what}");
        if hit.is_none() {
            assert!(nth > 20, "recovery makes calls");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_cut_off_by_an_error_at_any_call_is_done_again() {
    check_cut_off_recovery(Failure::Errno(Errno::IO)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_cut_off_by_a_crash_at_any_call_is_done_again() {
    check_cut_off_recovery(Failure::Panic).await;
}

#[tokio::test]
async fn a_note_on_no_version_is_removed_and_a_copy_of_none_is_reported() {
    let store = prepared().await;
    let trash = store.dir.path().join(".trash/14");
    let note = std::fs::read(trash.join("p@1.0.1.deleted")).unwrap();
    // A crash came between the note and the version.
    std::fs::write(trash.join("p@1.0.0.deleted"), &note).unwrap();
    std::fs::write(trash.join("p@1.0.7~1.json"), sealed("p", "1.0.7", "older")).unwrap();
    let storage = store.open().await;
    assert_eq!(
        names(&trash),
        ["p@1.0.1.deleted", "p@1.0.1.json", "p@1.0.7~1.json"],
        "what belongs to a version stays, and so does content"
    );
    let found = problems(&storage).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].kind.as_str(), found[0].path.as_str()),
        ("trash-leftover", ".trash/14/p@1.0.7~1.json")
    );
}

#[tokio::test]
async fn a_second_name_of_the_metadata_is_removed() {
    let store = prepared().await;
    let (named, tmp) = (
        store.dir.path().join(".metadata.json"),
        store.dir.path().join(".metadata.json.tmp"),
    );
    // A crash kept the name under which it was written as well.
    std::fs::hard_link(&named, &tmp).unwrap();
    let before = std::fs::read(&named).unwrap();
    store.open().await;
    assert!(!tmp.exists());
    assert_eq!(std::fs::read(&named).unwrap(), before);
}
