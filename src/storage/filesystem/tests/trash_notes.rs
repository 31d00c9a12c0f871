//! Bringing versions back from the trash over a disk that fails: no note stays without its version.

use rustix::io::Errno;

use super::faulty_disk::{Call, Failure, Fault};
use super::*;

/// Every name in the trash.
fn trash(store: &Store) -> Vec<String> {
    let shard = store.options.shard_depth.shard_of(&id("p"));
    let dir = store.dir.path().join(".trash").join(shard.as_str());
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_restoring_that_fails_leaves_no_note_without_its_version() {
    let mut failures = 0;
    for call in [Call::Link, Call::SyncDir, Call::Stat, Call::Unlink] {
        for nth in 1.. {
            let store = Store::quiet();
            let (storage, disk) = store.open_faulty().await;
            for text in ["a", "b"] {
                put(&storage, "p", text).await.unwrap();
            }
            let author = Author::daemon();
            storage
                .delete(&id("p"), &[version("1.0.0")], false, &author)
                .await
                .unwrap();
            assert_eq!(trash(&store).len(), 2, "the version and its note");
            disk.arm(Fault::new(&[call], nth, Failure::Errno(Errno::IO)));
            let restored = storage.restore(&id("p"), &version("1.0.0"), &author).await;
            let Some((_, path)) = disk.disarm() else {
                restored.unwrap();
                assert_eq!(trash(&store), [""; 0]);
                break;
            };
            failures += usize::from(restored.is_err());
            let live = store.path("p", "1.0.0.json");
            eventually("one or the other", async || {
                trash(&store).len() == if live.exists() { 0 } else { 2 }
            })
            .await;
            eventually("served again", async || storage.health().is_ok()).await;
            match storage.restore(&id("p"), &version("1.0.0"), &author).await {
                Ok(()) => {}
                Err(error) => assert_eq!(error.code(), "not-found", "{call:?} {nth} {path:?}: {error}"),
            }
            assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "a");
            assert_eq!(trash(&store), [""; 0], "{call:?} {nth} {path:?}");
            storage.close().await;
        }
    }
    assert!(failures > 4, "{failures}");
}

#[tokio::test]
async fn a_note_that_could_not_be_removed_is_removed_by_the_next_recovery() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    let author = Author::daemon();
    let doomed = [version("1.0.0")];
    storage.delete(&id("p"), &doomed, false, &author).await.unwrap();
    let note = trash(&store)
        .into_iter()
        .find(|name| name != "p@1.0.0.json")
        .unwrap();
    let fault = Fault::new(&[Call::Unlink], 1, Failure::Errno(Errno::IO));
    disk.arm(fault.on(&note).times(usize::MAX));
    let error = storage.restore(&id("p"), &doomed[0], &author).await.unwrap_err();
    assert_eq!(error.code(), "interrupted");
    eventually("the version is back", async || versions(&storage, "p").len() == 2).await;
    assert_eq!(trash(&store), [note], "it cannot be removed yet");
    assert!(disk.disarm().is_some());
    storage.close().await;
    let storage = store.open().await;
    assert_eq!(trash(&store), [""; 0]);
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "a");
}
