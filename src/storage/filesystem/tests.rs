//! The backend as a whole: on a real directory, with its actors.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::model::{Author, Bump, Label, PromptId, PromptVersion, Version};
use crate::storage::filesystem::actors::ShardMessage;
use crate::storage::{
    Numbering, PromptPage, PutOutcome, PutVersion, Sameness, SetLabel, StorageError, VersionStorage,
};

struct Store {
    dir: tempfile::TempDir,
    options: FileSystemOptions,
}

impl Store {
    fn new() -> Self {
        let mut options = FileSystemOptions::default();
        options.watch.debounce = Duration::from_millis(5);
        options.index_interval = Duration::from_millis(10);
        options.disk.min_free_bytes = 0;
        Self {
            dir: tempfile::tempdir().unwrap(),
            options,
        }
    }

    async fn open(&self) -> Arc<FileSystemStorage> {
        FileSystemStorage::open(self.dir.path(), self.options.clone())
            .await
            .unwrap()
    }

    fn path(&self, id: &str, file: &str) -> PathBuf {
        let id = PromptId::new(id).unwrap();
        let layout = Layout {
            depth: self.options.shard_depth,
        };
        self.dir.path().join(layout.prompt_dir(&id)).join(file)
    }
}

fn id(text: &str) -> PromptId {
    PromptId::new(text).unwrap()
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn document(prompt: &str, number: &str, text: &str) -> PromptVersion {
    serde_json::from_value(json!({
        "prompt_id": prompt, "version": number,
        "prompt": {"id": prompt, "workflow_id": "", "node_id": "", "node_type": "", "text": text},
        "analysis": {"prompt_id": prompt, "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
    }))
    .unwrap()
}

fn next(prompt: &str, text: &str) -> PutVersion {
    let document = document(prompt, "1.0.0", text);
    PutVersion {
        document,
        numbering: Numbering::Next(Bump::Patch),
        sameness: Sameness::Never,
        latest_seen: None,
    }
}

async fn put(storage: &FileSystemStorage, prompt: &str, text: &str) -> Result<Version, StorageError> {
    match storage.put(&id(prompt), next(prompt, text)).await? {
        PutOutcome::Created(stored) => Ok(stored.version.clone()),
        PutOutcome::Unchanged(version) => Ok(version),
    }
}

async fn text_of(storage: &FileSystemStorage, prompt: &str, number: &str) -> Result<String, StorageError> {
    let stored = storage.read(&id(prompt), &version(number)).await?;
    Ok(stored.document().unwrap().prompt.text)
}

fn versions(storage: &FileSystemStorage, prompt: &str) -> Vec<String> {
    let entry = storage.prompt(&id(prompt));
    entry
        .map(|entry| entry.versions.iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

/// Waits until something holds; outside changes come in their own time.
async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .is_ok(),
        "never: {what}"
    );
}

#[tokio::test]
async fn what_was_put_is_there_after_a_stop_and_after_an_end_without_one() {
    let store = Store::new();
    let storage = store.open().await;
    assert_eq!(put(&storage, "greet", "one").await.unwrap(), version("1.0.0"));
    assert_eq!(put(&storage, "greet", "two").await.unwrap(), version("1.0.1"));
    storage.close().await;
    let again = store.open().await;
    assert_eq!(versions(&again, "greet"), ["1.0.0", "1.0.1"]);
    assert_eq!(text_of(&again, "greet", "1.0.1").await.unwrap(), "two");
    put(&again, "greet", "three").await.unwrap();
    again.close().await;
    assert!(matches!(
        put(&again, "greet", "four").await,
        Err(StorageError::Unavailable(_))
    ));
}

#[tokio::test]
async fn a_write_reads_its_own_result_at_once() {
    let storage = Store::new();
    let storage = storage.open().await;
    for n in 0..20 {
        let number = put(&storage, "p", &format!("text {n}")).await.unwrap();
        assert_eq!(storage.prompt(&id("p")).unwrap().latest(), Some(&number));
        assert_eq!(
            text_of(&storage, "p", &number.to_string()).await.unwrap(),
            format!("text {n}")
        );
    }
    assert_eq!(storage.totals(), (1, 20));
}

#[tokio::test]
async fn many_clients_on_one_prompt_get_different_numbers() {
    let store = Store::new();
    let storage = store.open().await;
    let puts: Vec<_> = (0..64)
        .map(|n| {
            let storage = Arc::clone(&storage);
            tokio::spawn(async move { put(&storage, "p", &format!("text {n}")).await.unwrap() })
        })
        .collect();
    let mut numbers = Vec::new();
    for put in puts {
        numbers.push(put.await.unwrap());
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 64);
}

#[tokio::test]
async fn a_full_queue_answers_busy_and_nothing_is_lost() {
    let mut store = Store::new();
    store.options.max_queue_depth = 4;
    let storage = store.open().await;
    let puts: Vec<_> = (0..64)
        .map(|n| {
            let storage = Arc::clone(&storage);
            tokio::spawn(async move { put(&storage, "p", &format!("text {n}")).await })
        })
        .collect();
    let mut acknowledged = 0;
    for put in puts {
        match put.await.unwrap() {
            Ok(_) => acknowledged += 1,
            Err(error) => assert_eq!(error.code(), "busy"),
        }
    }
    assert_eq!(versions(&storage, "p").len(), acknowledged);
}

#[tokio::test]
async fn a_deleted_number_is_never_given_out_again() {
    let store = Store::new();
    let storage = store.open().await;
    for text in ["a", "b", "c"] {
        put(&storage, "p", text).await.unwrap();
    }
    let author = Author::daemon();
    storage
        .delete(&id("p"), &[version("1.0.2")], false, &author)
        .await
        .unwrap();
    assert!(matches!(
        storage
            .put(&id("p"), PutVersion::exact(document("p", "1.0.2", "x")))
            .await,
        Err(StorageError::Deleted { .. })
    ));
    storage.purge_trashed(&id("p"), &version("1.0.2")).await.unwrap();
    storage.close().await;
    std::fs::remove_file(store.dir.path().join(".index.json")).unwrap();
    let again = store.open().await;
    assert_eq!(put(&again, "p", "d").await.unwrap(), version("1.0.3"));
}

#[tokio::test]
async fn a_deleted_version_comes_back_as_it_was() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let before = std::fs::read(store.path("p", "1.0.0.json")).unwrap();
    let author = Author {
        name: "ada".into(),
        uid: Some(7),
    };
    storage.delete(&id("p"), &[], false, &author).await.unwrap();
    assert!(storage.read(&id("p"), &version("1.0.0")).await.is_err());
    let trash = storage.trash(None, None, 10).await.unwrap();
    assert_eq!(
        (trash.len(), trash[0].deleted_by.as_ref().unwrap().name.as_str()),
        (1, "ada")
    );
    storage
        .restore(&id("p"), &version("1.0.0"), &author)
        .await
        .unwrap();
    assert_eq!(std::fs::read(store.path("p", "1.0.0.json")).unwrap(), before);
    assert!(storage.trash(None, None, 10).await.unwrap().is_empty());
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "a");
}

#[tokio::test]
async fn labels_are_durable_and_keep_their_version_from_deletion() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let (label, author) = (Label::new("production").unwrap(), Author::daemon());
    let set = |expected| SetLabel {
        label: label.clone(),
        version: version("1.0.0"),
        expected,
        author: author.clone(),
    };
    storage.set_label(&id("p"), set(Some(None))).await.unwrap();
    assert_eq!(
        storage
            .set_label(&id("p"), set(Some(None)))
            .await
            .unwrap_err()
            .code(),
        "precondition-failed"
    );
    let refused = storage
        .delete(&id("p"), &[version("1.0.0")], false, &author)
        .await;
    assert_eq!(refused.unwrap_err().code(), "version-labelled");
    storage.close().await;
    let again = store.open().await;
    assert_eq!(
        again.prompt(&id("p")).unwrap().labels[&label].version,
        version("1.0.0")
    );
    again
        .delete(&id("p"), &[version("1.0.0")], true, &author)
        .await
        .unwrap();
    let history = again.label_history(&id("p")).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[1].to, None);
}

#[tokio::test]
async fn a_purged_prompt_leaves_nothing_and_starts_anew() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    storage
        .delete(&id("p"), &[version("1.0.1")], false, &Author::daemon())
        .await
        .unwrap();
    storage.purge(&id("p"), false).await.unwrap();
    assert!(!store.path("p", "").exists());
    assert!(storage.prompt(&id("p")).is_none());
    assert_eq!(put(&storage, "p", "c").await.unwrap(), version("1.0.0"));
}

async fn check_survives_the_end_of_an_actor(end: impl Fn(&ractor::ActorRef<ShardMessage>)) {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "first").await.unwrap();
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let storage = Arc::clone(&storage);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..20 {
                    match put(&storage, "p", &format!("client {client} text {n}")).await {
                        Ok(number) => acknowledged.push(number),
                        Err(error) => assert!(
                            ["interrupted", "unavailable", "busy"].contains(&error.code()),
                            "{error}"
                        ),
                    }
                }
                acknowledged
            })
        })
        .collect();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    for _ in 0..3 {
        eventually("the shard is up", async || shard.is_up()).await;
        let actor = shard.actor.borrow().clone();
        actor.iter().for_each(&end);
        eventually("the shard went down", async || {
            shard.actor.borrow().as_ref().map(|actor| actor.get_id())
                != actor.as_ref().map(|actor| actor.get_id())
        })
        .await;
    }
    let mut acknowledged = vec![version("1.0.0")];
    for client in clients {
        acknowledged.extend(client.await.unwrap());
    }
    for number in &acknowledged {
        assert!(
            storage.read(&id("p"), number).await.is_ok(),
            "{number} was acknowledged"
        );
    }
    let count = acknowledged.len();
    acknowledged.sort();
    acknowledged.dedup();
    assert_eq!(acknowledged.len(), count, "no number was given out twice");
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_a_shard_actor_loses_nothing_acknowledged_and_the_handle_stays_valid() {
    check_survives_the_end_of_an_actor(|actor| actor.kill()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_shard_actor_loses_nothing_acknowledged_and_the_handle_stays_valid() {
    check_survives_the_end_of_an_actor(|actor| drop(actor.cast(ShardMessage::Panic))).await;
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_closed() {
    let store = Store::new();
    let storage = store.open().await;
    let refused = FileSystemStorage::open(store.dir.path(), store.options.clone()).await;
    assert!(matches!(refused, Err(OpenError::Locked { .. })));
    storage.close().await;
    store.open().await.close().await;
}

#[tokio::test]
async fn the_index_is_there_after_opening_and_is_rebuilt_when_missing_or_damaged() {
    let store = Store::new();
    let index = store.dir.path().join(".index.json");
    let storage = store.open().await;
    assert!(index.exists());
    put(&storage, "a", "x").await.unwrap();
    put(&storage, "b", "x").await.unwrap();
    storage.close().await;
    let complete = std::fs::read_to_string(&index).unwrap();
    assert!(complete.contains("\"total_prompts\":2"), "{complete}");
    for damaged in ["{}", "", "{\"version\":\"1.0.0\",\"index\":{}}"] {
        std::fs::write(&index, damaged).unwrap();
        let again = store.open().await;
        assert_eq!(again.totals(), (2, 2), "{damaged}");
        again.close().await;
    }
    std::fs::remove_file(&index).unwrap();
    let again = store.open().await;
    assert_eq!(again.totals(), (2, 2));
    assert!(index.exists());
    again.close().await;
}

#[tokio::test]
async fn a_stale_index_is_not_believed() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    storage.close().await;
    let old_index = std::fs::read(store.dir.path().join(".index.json")).unwrap();
    let storage = store.open().await;
    put(&storage, "p", "b").await.unwrap();
    storage.close().await;
    std::fs::write(store.dir.path().join(".index.json"), old_index).unwrap();
    let again = store.open().await;
    assert_eq!(versions(&again, "p"), ["1.0.0", "1.0.1"]);
}

#[tokio::test]
async fn a_file_added_edited_and_removed_by_hand_is_seen() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let added =
        crate::model::render(&serde_json::to_value(document("p", "1.5.0", "by hand")).unwrap()).unwrap();
    std::fs::write(store.path("p", "1.5.0.json"), &added).unwrap();
    eventually("the added version", async || {
        versions(&storage, "p") == ["1.0.0", "1.5.0"]
    })
    .await;
    assert_eq!(text_of(&storage, "p", "1.5.0").await.unwrap(), "by hand");
    let edited = String::from_utf8(added).unwrap().replace("by hand", "by foot");
    std::fs::write(store.path("p", "1.5.0.json"), edited).unwrap();
    eventually("the edited text", async || {
        text_of(&storage, "p", "1.5.0")
            .await
            .is_ok_and(|text| text == "by foot")
    })
    .await;
    std::fs::remove_file(store.path("p", "1.5.0.json")).unwrap();
    eventually("the removal", async || versions(&storage, "p") == ["1.0.0"]).await;
    assert_eq!(
        put(&storage, "p", "b").await.unwrap(),
        version("1.5.1"),
        "the number stays used"
    );
}

#[tokio::test]
async fn directories_that_come_go_and_move_are_seen() {
    let store = Store::new();
    let storage = store.open().await;
    let bytes = |id: &str| serde_json::to_vec(&document(id, "1.0.0", "by hand")).unwrap();
    for prompt in ["new1", "new2", "new3"] {
        std::fs::create_dir_all(store.path(prompt, "")).unwrap();
        std::fs::write(store.path(prompt, "1.0.0.json"), bytes(prompt)).unwrap();
    }
    eventually("the new prompts", async || storage.totals() == (3, 3)).await;
    std::fs::remove_dir_all(store.path("new1", "")).unwrap();
    let aside = store.dir.path().join(".aside");
    std::fs::rename(store.path("new2", ""), &aside).unwrap();
    eventually("that they are gone", async || storage.totals() == (1, 1)).await;
    std::fs::rename(&aside, store.path("new2", "")).unwrap();
    eventually("that one is back", async || storage.totals() == (2, 2)).await;
    std::fs::write(
        store.path("new2", "1.0.1.json"),
        serde_json::to_vec(&document("new2", "1.0.1", "x")).unwrap(),
    )
    .unwrap();
    eventually("that the moved one is watched", async || {
        storage.totals() == (2, 3)
    })
    .await;
}

#[tokio::test]
async fn own_writes_cause_no_reading_of_directories() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let revision = storage.revision();
    storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    let shard = storage
        .shared
        .shards
        .get(&storage.shared.layout.shard_of(&id("p")))
        .unwrap();
    let look = work::Look::file(id("p"), "1.0.0.json".into());
    shard.look_and_wait(look, Duration::from_secs(5)).await.unwrap();
    assert_eq!(storage.revision(), revision, "nothing was published");
}

#[tokio::test]
async fn a_damaged_newest_file_does_not_hide_the_history_or_block_new_versions() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    std::fs::write(store.path("p", "1.0.1.json"), "{ torn").unwrap();
    eventually("that it is off the list", async || {
        versions(&storage, "p") == ["1.0.0"]
    })
    .await;
    let error = storage.read(&id("p"), &version("1.0.1")).await.unwrap_err();
    assert_eq!(error.code(), "corrupt-version");
    assert_eq!(put(&storage, "p", "c").await.unwrap(), version("1.0.2"));
    assert_eq!(
        std::fs::read_to_string(store.path("p", "1.0.1.json")).unwrap(),
        "{ torn",
        "it is left alone"
    );
    storage.close().await;
    let again = store.open().await;
    assert_eq!(
        versions(&again, "p"),
        ["1.0.0", "1.0.1", "1.0.2"],
        "a name until it is read"
    );
    assert_eq!(
        again.read(&id("p"), &version("1.0.1")).await.unwrap_err().code(),
        "corrupt-version"
    );
    eventually("that it is off the list again", async || {
        versions(&again, "p") == ["1.0.0", "1.0.2"]
    })
    .await;
}

#[tokio::test]
async fn listing_pages_over_all_shards() {
    let store = Store::new();
    let storage = store.open().await;
    for n in 0..30 {
        put(&storage, &format!("p{n:02}"), "x").await.unwrap();
    }
    let page = |after: Option<&str>| PromptPage {
        prefix: "p".into(),
        label: None,
        after: after.map(id),
        limit: 20,
    };
    let first = storage.prompts(&page(None));
    assert_eq!(first.len(), 20);
    let rest = storage.prompts(&page(Some(first[19].id.as_str())));
    assert_eq!(rest.first().unwrap().id.as_str(), "p20");
    assert_eq!(rest.len(), 10);
}
