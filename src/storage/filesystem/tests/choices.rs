//! Deletions that were decided a moment ago: what they were decided by is looked at again in the shard.

use super::*;
use crate::storage::PromptEntry;

/// A store with one prompt of five versions, and the prompt as it is.
async fn five(store: &Store) -> (Arc<FileSystemStorage>, Arc<PromptEntry>) {
    let storage = store.open().await;
    for text in ["a", "b", "c", "d", "e"] {
        put(&storage, "p", text).await.unwrap();
    }
    let seen = storage.prompt(&id("p")).unwrap();
    (storage, seen)
}

async fn delete_chosen(
    storage: &FileSystemStorage,
    seen: &PromptEntry,
    chosen: &[&str],
) -> Result<Vec<Version>, StorageError> {
    let chosen: Vec<Version> = chosen.iter().map(|number| version(number)).collect();
    storage.delete_chosen(seen, &chosen, &Author::daemon()).await
}

fn check_refused(outcome: Result<Vec<Version>, StorageError>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), "precondition-failed", "{error}");
}

#[tokio::test]
async fn what_became_the_latest_since_it_was_chosen_is_not_deleted() {
    let store = Store::quiet();
    let (storage, seen) = five(&store).await;
    let author = Author::daemon();
    storage
        .delete(&id("p"), &[version("1.0.4")], false, &author)
        .await
        .unwrap();
    check_refused(delete_chosen(&storage, &seen, &["1.0.0", "1.0.3"]).await);
    assert_eq!(versions(&storage, "p"), ["1.0.0", "1.0.1", "1.0.2", "1.0.3"]);
    assert!(store.path("p", "1.0.3.json").exists());
}

#[tokio::test]
async fn a_label_or_a_child_that_came_since_keeps_what_was_chosen() {
    let store = Store::quiet();
    let (storage, seen) = five(&store).await;
    let request = SetLabel {
        label: Label::new("production").unwrap(),
        version: version("1.0.2"),
        expected: None,
        author: Author::daemon(),
    };
    storage.set_label(&id("p"), request).await.unwrap();
    check_refused(delete_chosen(&storage, &seen, &["1.0.0"]).await);
    let seen = storage.prompt(&id("p")).unwrap();
    let mut child = next("p", "made from the first");
    child.document.parent_version = Some(version("1.0.0"));
    storage.put(&id("p"), child).await.unwrap();
    check_refused(delete_chosen(&storage, &seen, &["1.0.0"]).await);
    assert_eq!(versions(&storage, "p").len(), 6);
}

#[tokio::test]
async fn a_version_that_came_since_and_has_nothing_to_do_with_the_choice_is_no_hindrance() {
    let store = Store::quiet();
    let (storage, seen) = five(&store).await;
    put(&storage, "p", "f").await.unwrap();
    let moved = delete_chosen(&storage, &seen, &["1.0.1", "1.0.0"]).await.unwrap();
    assert_eq!(moved, [version("1.0.0"), version("1.0.1")]);
    assert_eq!(versions(&storage, "p"), ["1.0.2", "1.0.3", "1.0.4", "1.0.5"]);
    let seen = storage.prompt(&id("p")).unwrap();
    assert_eq!(delete_chosen(&storage, &seen, &[]).await.unwrap(), []);
    assert_eq!(versions(&storage, "p").len(), 4, "none chosen is none, not all");
}
