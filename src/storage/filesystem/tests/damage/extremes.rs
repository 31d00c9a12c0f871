//! A manifest as large as one may be, and larger.

use super::*;
use crate::storage::filesystem::disk::MAX_MANIFEST_BYTES;

/// More moves than are kept, so that the next one has to drop some.
const MOVES: usize = 12_000;

/// A manifest of exactly so many bytes, with a history that no label ever had.
fn manifest_of(size: usize) -> String {
    let moves: Vec<_> = (0..MOVES)
        .map(|n| {
            json!({"label": "production", "from": null, "to": "1.0.0", "at": "2026-01-02T03:04:05Z",
                "by": {"name": format!("nobody-{n}"), "uid": 65534}})
        })
        .collect();
    let label =
        json!({"version": "1.0.0", "set_at": "2026-01-02T03:04:05Z", "set_by": {"name": "ada", "uid": 1}});
    let text = |padding: &str| {
        let manifest = json!({"prompt_id": "p", "labels": {"production": label}, "label_history": moves, "description": padding});
        // In the form in which it will be written again.
        String::from_utf8(crate::model::render(&manifest).unwrap()).unwrap()
    };
    let padding = "x".repeat(size - text("").len());
    text(&padding)
}

/// Opens a store whose `p` has a manifest of this size.
async fn open_with_manifest(size: usize) -> (Store, Arc<FileSystemStorage>) {
    let mut store = Store::quiet();
    // A build without optimisation on a busy machine takes its time over so many bytes.
    store.options.write_timeout = Duration::from_secs(120);
    let storage = store.open().await;
    put(&storage, "p", "live").await.unwrap();
    storage.close().await;
    std::fs::write(store.path("p", ".manifest.json"), manifest_of(size)).unwrap();
    let storage = store.open().await;
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "live");
    assert_eq!(put(&storage, "p", "next").await.unwrap(), version("1.0.1"));
    (store, storage)
}

fn to_staging() -> SetLabel {
    SetLabel {
        label: Label::new("staging").unwrap(),
        version: version("1.0.0"),
        expected: None,
        author: Author::daemon(),
    }
}

#[tokio::test]
async fn a_manifest_as_large_as_it_may_be_is_served_and_its_oldest_moves_make_room() {
    let (_store, storage) = open_with_manifest(usize::try_from(MAX_MANIFEST_BYTES).unwrap()).await;
    assert_eq!(storage.verify(&Progress::default()).await.unwrap().problems, []);
    assert_eq!(storage.label_history(&id("p")).await.unwrap().len(), MOVES);
    storage.set_label(&id("p"), to_staging()).await.unwrap();
    let history = storage.label_history(&id("p")).await.unwrap();
    assert_eq!(history.len(), 10_000);
    assert_eq!(history.last().unwrap().label.as_str(), "staging");
    assert_eq!(storage.prompt(&id("p")).unwrap().labels.len(), 2);
}

#[tokio::test]
async fn a_manifest_one_byte_too_large_is_damage_and_left_alone() {
    let size = usize::try_from(MAX_MANIFEST_BYTES).unwrap() + 1;
    let (store, storage) = open_with_manifest(size).await;
    let problems = storage.verify(&Progress::default()).await.unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].kind, "corrupt-manifest");
    let limit = MAX_MANIFEST_BYTES.to_string();
    assert!(problems[0].message.contains(&limit), "{problems:?}");
    let refused = storage.set_label(&id("p"), to_staging()).await.unwrap_err();
    assert_eq!(refused.code(), "corrupt-version");
    let kept = std::fs::metadata(store.path("p", ".manifest.json")).unwrap();
    assert_eq!(kept.len(), MAX_MANIFEST_BYTES + 1);
}

#[tokio::test]
async fn one_file_under_two_numbers_is_told_as_one_and_served_under_the_number_it_has() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "live").await.unwrap();
    storage.close().await;
    std::fs::hard_link(store.path("p", "1.0.0.json"), store.path("p", "1.0.5.json")).unwrap();
    let storage = store.open().await;
    let report = storage.verify(&Progress::default()).await.unwrap();
    let told: Vec<String> = report
        .problems
        .iter()
        .map(|p| format!("{} {}", p.kind, p.path))
        .collect();
    assert_eq!(
        told,
        ["shared-file 14/p/1.0.0.json", "corrupt-version 14/p/1.0.5.json"]
    );
    assert!(report.problems[0].message.contains("14/p/1.0.5.json"));
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "live");
    assert_eq!(put(&storage, "p", "next").await.unwrap(), version("1.0.6"));
}
