//! Changes made outside the daemon are noticed.

use super::*;

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
