//! What a start makes of deletions that were cut off, and of what stands in the trash and is no file.

use std::os::unix::fs::symlink;

use super::recovery::{kinds, prepared, sealed};
use super::*;

#[tokio::test]
async fn a_deletion_that_was_cut_off_has_not_happened() {
    let store = prepared().await;
    let (live, trash) = (
        store.path("p", "1.0.0.json"),
        store.dir.path().join(".trash/14/p@1.0.0.json"),
    );
    std::fs::hard_link(&live, &trash).unwrap();
    let storage = store.open().await;
    assert_eq!(versions(&storage, "p"), ["1.0.0"]);
    assert_eq!(storage.trash(None, None, 9).await.unwrap().len(), 1);
    assert!(!trash.exists());
    assert_eq!(kinds(&storage).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_keeps_what_lay_in_the_trash_under_that_number() {
    let store = prepared().await;
    let (live, trash) = (
        store.path("p", "1.0.0.json"),
        store.dir.path().join(".trash/14/p@1.0.0.json"),
    );
    // Another version of this number was set aside, then the live one got its name in the trash, then the power failed.
    let older = trash.with_file_name("p@1.0.0~1.json");
    let content = sealed("p", "1.0.0", "older");
    std::fs::write(&older, &content).unwrap();
    std::fs::hard_link(&live, &trash).unwrap();
    let storage = store.open().await;
    assert_eq!(versions(&storage, "p"), ["1.0.0"]);
    assert!(!trash.exists());
    assert_eq!(std::fs::read(&older).unwrap(), content);
    assert_eq!(kinds(&storage).await, ["trash-leftover"]);
    let report = storage
        .verify(&crate::storage::Progress::default())
        .await
        .unwrap();
    let told: Vec<_> = report.problems.iter().map(|problem| &*problem.kind).collect();
    assert_eq!(told, ["trash-leftover"], "verify tells of it, too");
}

#[tokio::test]
async fn what_is_no_file_under_the_name_of_a_deleted_version_is_not_forgotten_unsaid() {
    let store = prepared().await;
    let trash = store.dir.path().join(".trash/14");
    let (linked, dir) = (trash.join("p@1.0.7.json"), trash.join("p@1.0.8.json"));
    symlink(store.dir.path(), &linked).unwrap();
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("inside"), "of somebody").unwrap();
    let storage = store.open().await;
    storage.purge_trashed(&id("p"), &version("1.0.7")).await.unwrap();
    assert!(
        std::fs::symlink_metadata(&linked).is_err(),
        "it comes back with the next start"
    );
    for purges_all in [false, true] {
        let refused = if purges_all {
            storage.purge(&id("p"), true).await
        } else {
            storage.purge_trashed(&id("p"), &version("1.0.8")).await
        };
        let error = refused.unwrap_err();
        assert_eq!(error.code(), "unavailable", "{error}");
        assert!(error.to_string().contains("p@1.0.8.json"), "{error}");
        assert!(dir.join("inside").exists());
        assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "live");
    }
    std::fs::rename(&dir, store.dir.path().join(".aside")).unwrap();
    storage.purge(&id("p"), true).await.unwrap();
    storage.close().await;
    assert_eq!(store.open().await.prompt(&id("p")), None);
}
