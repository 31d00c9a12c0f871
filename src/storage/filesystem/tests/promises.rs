//! What the backend promises to its callers.

use super::*;

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

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_closed() {
    let store = Store::new();
    let storage = store.open().await;
    let refused = FileSystemStorage::open(store.dir.path(), store.options.clone()).await;
    assert!(matches!(refused, Err(OpenError::Locked { .. })));
    // The file is for people; whoever removes it lets nobody in.
    std::fs::remove_file(store.dir.path().join(".lock")).unwrap();
    let refused = FileSystemStorage::open(store.dir.path(), store.options.clone()).await;
    assert!(matches!(refused, Err(OpenError::Locked { .. })));
    storage.close().await;
    store.open().await.close().await;
}

#[tokio::test]
async fn an_index_that_is_switched_off_is_not_written() {
    let mut store = Store::new();
    store.options.use_index = false;
    let storage = store.open().await;
    put(&storage, "p", "x").await.unwrap();
    storage
        .rebuild_index(&crate::storage::Progress::default())
        .await
        .unwrap();
    storage.close().await;
    assert!(!store.dir.path().join(".index.json").exists());
}

#[tokio::test]
async fn a_trash_that_was_emptied_by_hand_gives_its_numbers_to_nobody() {
    let store = Store::new();
    let storage = store.open().await;
    for text in ["one", "two"] {
        put(&storage, "p", text).await.unwrap();
    }
    storage
        .delete(&id("p"), &[version("1.0.1")], false, &Author::daemon())
        .await
        .unwrap();
    storage.close().await;
    std::fs::remove_dir_all(store.dir.path().join(".trash")).unwrap();
    let storage = store.open().await;
    assert_eq!(storage.trash(None, None, 9).await.unwrap(), []);
    assert_eq!(put(&storage, "p", "three").await.unwrap(), version("1.0.2"));
    storage.close().await;
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
