//! Stores that other programs and people wrote or changed: what is good is served, what is not is left alone and told.

use std::os::unix::fs::PermissionsExt;

use rustix::io::Errno;

use super::faulty_disk::{Call, Failure, Fault};
use super::recovery::sealed;
use super::*;
use crate::model::Integrity;
use crate::storage::{Problem, Progress};

/// A version file as the Python system writes it.
fn python_file(prompt: &str, number: &str) -> String {
    format!(
        r#"{{
  "prompt_id": "{prompt}",
  "version": "{number}",
  "prompt": {{
    "id": "{prompt}",
    "workflow_id": "wf",
    "node_id": "llm_1",
    "node_type": "llm",
    "text": "Zusammenfassen: \u00fcber {{{{thema}}}}",
    "role": "system",
    "variables": ["thema"],
    "context": {{"label": "Müll"}},
    "extracted_at": "2025-01-02T03:04:05.678901"
  }},
  "analysis": {{
    "prompt_id": "{prompt}",
    "overall_score": 77.0,
    "clarity_score": 81.33333333333333,
    "efficiency_score": 70,
    "issues": [],
    "suggestions": [],
    "metadata": {{"character_count": 31}},
    "analyzed_at": "2025-01-02T03:04:06"
  }},
  "optimization_result": null,
  "parent_version": null,
  "created_at": "2025-01-02T03:04:07",
  "metadata": {{"author": "optimizer"}}
}}"#
    )
}

/// Every file of a store with its content, but for those that are promptd's own.
fn foreign_files(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut files, mut dirs) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
            if path.is_dir() && !hidden {
                dirs.push(path);
            } else if !hidden {
                let bytes = std::fs::read(&path).unwrap();
                files.push((path, bytes));
            }
        }
    }
    files.sort();
    files
}

async fn check_python_store(dir_of: fn(&str) -> String, depth: u8) {
    let store = Store::quiet();
    for (prompt, numbers) in [
        ("wf_001_llm_1", vec!["1.0.0", "1.10.0", "1.9.0"]),
        ("prompt_001", vec!["2.0.0"]),
    ] {
        let dir = store.dir.path().join(dir_of(prompt));
        std::fs::create_dir_all(&dir).unwrap();
        for number in numbers {
            std::fs::write(dir.join(format!("{number}.json")), python_file(prompt, number)).unwrap();
        }
        // What it leaves behind while it saves.
        std::fs::write(dir.join("1.2.0.tmp.4711"), "{").unwrap();
    }
    std::fs::write(
        store.dir.path().join(".index.json"),
        r#"{"version":"1.0.0","index":{}}"#,
    )
    .unwrap();
    let before = foreign_files(store.dir.path());
    let storage = store.open().await;
    assert_eq!(storage.status().await["shard_depth"], depth);
    assert_eq!(versions(&storage, "wf_001_llm_1"), ["1.0.0", "1.9.0", "1.10.0"]);
    let entry = storage.prompt(&id("wf_001_llm_1")).unwrap();
    assert_eq!(entry.created_at.as_ref().unwrap().as_str(), "2025-01-02T03:04:07");
    let stored = storage.read(&id("prompt_001"), &version("2.0.0")).await.unwrap();
    assert_eq!(stored.bytes, python_file("prompt_001", "2.0.0"));
    assert_eq!(stored.integrity, Integrity::Unsealed);
    let report = storage.verify(&Progress::default()).await.unwrap();
    assert_eq!(
        (
            report.versions,
            report.unsealed,
            report.problem_count(),
            report.note_count()
        ),
        (4, 4, 0, 2)
    );
    // It is written beside what is there.
    assert_eq!(
        put(&storage, "wf_001_llm_1", "new").await.unwrap(),
        version("1.10.1")
    );
    storage.close().await;
    let mut after = foreign_files(store.dir.path());
    after.retain(|(path, _)| !path.ends_with("1.10.1.json"));
    assert_eq!(after, before, "nothing of it was rewritten");
}

#[tokio::test]
async fn a_flat_store_of_the_python_system_is_served_byte_for_byte() {
    check_python_store(str::to_owned, 0).await;
}

#[tokio::test]
async fn a_sharded_store_of_the_python_system_is_served_byte_for_byte() {
    check_python_store(
        |prompt| {
            let shard = if prompt == "prompt_001" { "98" } else { "69" };
            format!("{shard}/{prompt}")
        },
        2,
    )
    .await;
}

/// Makes something in a store that has `p` 1.0.0, and tells which problems are reported: kind and path.
async fn check_reported(
    make: impl FnOnce(&Store),
    expected: &[(&str, &str)],
) -> (Store, Arc<FileSystemStorage>) {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "live").await.unwrap();
    storage.close().await;
    make(&store);
    let storage = store.open().await;
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "live");
    let report = storage.verify(&Progress::default()).await.unwrap();
    let shown = |problems: &[Problem]| -> Vec<(String, String)> {
        problems
            .iter()
            .map(|p| (p.kind.clone(), p.path.clone()))
            .collect()
    };
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(kind, path)| ((*kind).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(shown(&report.problems), expected);
    (store, storage)
}

#[tokio::test]
async fn names_that_do_not_belong_here_are_reported_and_left_alone() {
    let make = |store: &Store| {
        let root = store.dir.path();
        for dir in ["14/日本", "14/q", "zz", "lost+found", ".git"] {
            std::fs::create_dir(root.join(dir)).unwrap();
        }
        for file in [
            "14/readme.txt",
            "14/p/notes.md",
            "14/p/01.0.0.json",
            "README",
            "14/p/1.0.0.json~",
            "14/p/.x.swp",
        ] {
            std::fs::write(root.join(file), "x").unwrap();
        }
        std::fs::create_dir(root.join("14/p/2.0.0.json")).unwrap();
    };
    let expected = [
        ("foreign-name", "14/p/01.0.0.json"),
        ("not-a-file", "14/p/2.0.0.json"),
        ("foreign-name", "14/p/notes.md"),
        ("misplaced", "14/q"),
        ("foreign-name", "14/readme.txt"),
        ("foreign-name", "14/日本"),
        ("foreign-name", "README"),
        ("foreign-name", "zz"),
    ];
    let (store, storage) = check_reported(make, &expected).await;
    assert_eq!(put(&storage, "p", "next").await.unwrap(), version("1.0.1"));
    assert!(store.path("p", "notes.md").exists());
}

#[tokio::test]
async fn a_directory_full_of_strange_names_is_reported_in_few_words() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "live").await.unwrap();
    storage.close().await;
    for n in 0..250 {
        std::fs::write(store.path("p", &format!("{n}.txt")), "x").unwrap();
    }
    let storage = store.open().await;
    assert_eq!(storage.status().await["problems"]["count"], 101);
    let report = storage.verify(&Progress::default()).await.unwrap();
    let last = report
        .problems
        .iter()
        .find(|problem| problem.path == "14/p")
        .unwrap();
    assert!(last.message.contains("150 more"), "{last:?}");
}

#[tokio::test]
async fn files_that_are_not_what_their_path_says_are_not_served() {
    let make = |store: &Store| {
        std::fs::write(store.path("p", "2.0.0.json"), sealed("q", "2.0.0", "x")).unwrap();
        std::fs::write(store.path("p", "3.0.0.json"), sealed("p", "4.0.0", "x")).unwrap();
        std::fs::write(store.path("p", "5.0.0.json"), "{}").unwrap();
        std::os::unix::fs::symlink("1.0.0.json", store.path("p", "6.0.0.json")).unwrap();
    };
    let expected = [
        ("corrupt-version", "14/p/2.0.0.json"),
        ("corrupt-version", "14/p/3.0.0.json"),
        ("corrupt-version", "14/p/5.0.0.json"),
        ("not-a-file", "14/p/6.0.0.json"),
    ];
    let (_store, storage) = check_reported(make, &expected).await;
    for number in ["2.0.0", "3.0.0", "5.0.0"] {
        let error = storage.read(&id("p"), &version(number)).await.unwrap_err();
        assert_eq!(error.code(), "corrupt-version", "{number}");
        let taken = PutVersion::exact(document("p", number, "x"));
        let refused = storage.put(&id("p"), taken).await.unwrap_err();
        assert_eq!(
            refused.code(),
            "version-conflict",
            "a damaged file is never replaced"
        );
    }
    assert_eq!(put(&storage, "p", "next").await.unwrap(), version("5.0.1"));
}

#[tokio::test]
async fn a_damaged_manifest_is_reported_and_never_overwritten() {
    let damaged = r#"{"prompt_id": "p", "labels": {"production": "#;
    let make = |store: &Store| std::fs::write(store.path("p", ".manifest.json"), damaged).unwrap();
    let (store, storage) = check_reported(make, &[("corrupt-manifest", "14/p/.manifest.json")]).await;
    let author = Author::daemon();
    let request = SetLabel {
        label: Label::new("production").unwrap(),
        version: version("1.0.0"),
        expected: None,
        author: author.clone(),
    };
    let p = id("p");
    for refused in [
        storage.set_label(&p, request).await.map(drop),
        storage.label_history(&p).await.map(drop),
        storage.delete(&p, &[], false, &author).await.map(drop),
        storage.purge(&p, false).await,
    ] {
        assert_eq!(refused.unwrap_err().code(), "corrupt-version");
    }
    assert_eq!(put(&storage, "p", "next").await.unwrap(), version("1.0.1"));
    // Who insists may delete: it can be brought back.
    storage
        .delete(&p, &[version("1.0.1")], true, &author)
        .await
        .unwrap();
    let refused = storage.purge_trashed(&p, &version("1.0.1")).await.unwrap_err();
    assert_eq!(refused.code(), "corrupt-version", "the number could not be kept");
    storage.restore(&p, &version("1.0.1"), &author).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(store.path("p", ".manifest.json")).unwrap(),
        damaged
    );
    storage.purge(&p, true).await.unwrap();
    assert!(!store.path("p", "").exists());
}

#[tokio::test]
async fn a_prompt_directory_replaced_by_a_file_is_a_prompt_that_is_gone() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    std::fs::remove_dir_all(store.path("p", "")).unwrap();
    let place = store.path("p", "");
    std::fs::write(place.parent().unwrap().join("p"), "a file").unwrap();
    storage.rebuild_index(&Progress::default()).await.unwrap();
    assert!(storage.prompt(&id("p")).is_none());
    assert_eq!(put(&storage, "p", "b").await.unwrap_err().code(), "unavailable");
    put(&storage, &neighbour(1), "x").await.unwrap();
    storage.close().await;
    let again = store.open().await;
    assert_eq!(again.totals(), (1, 1));
    assert_eq!(again.status().await["problems"]["count"], 1);
}

/// `p` cannot be read; nothing of it is forgotten, and it is served again as soon as it can be.
async fn check_unreadable(storage: &FileSystemStorage) {
    assert_eq!(storage.available(&id("p")).unwrap_err().code(), "unavailable");
    let error = storage.read(&id("p"), &version("1.0.0")).await.unwrap_err();
    assert_eq!(error.code(), "unavailable");
    let error = put(storage, "p", "x").await.unwrap_err();
    assert_eq!(error.code(), "unavailable", "its numbers are not known: {error}");
    let kinds = &storage.status().await["problems"];
    assert_eq!(kinds["first"][0]["kind"], "unreadable", "{kinds}");
    put(storage, &neighbour(1), "x").await.unwrap();
}

#[tokio::test]
async fn a_directory_that_may_not_be_read_keeps_its_numbers_and_holds_up_nobody() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    storage.close().await;
    let (dir, mode) = (store.path("p", ""), std::fs::Permissions::from_mode(0o000));
    std::fs::set_permissions(&dir, mode).unwrap();
    if std::fs::read_dir(&dir).is_ok() {
        eprintln!("this user reads what nobody may read: the modes are not tested, the error is");
    } else {
        check_unreadable(&*store.open().await).await;
    }
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o750)).unwrap();
    let opened = open_store(store.dir.path(), store.options.shard_depth).unwrap();
    let disk = FaultyDisk::over(Arc::clone(&opened.disk));
    let denied = Failure::Errno(Errno::ACCESS);
    disk.arm(
        Fault::new(&[Call::List], 1, denied)
            .on("14/p")
            .times(usize::MAX / 2),
    );
    let over = Arc::clone(&disk);
    let storage = FileSystemStorage::open_with(opened, over, store.options.clone())
        .await
        .unwrap();
    check_unreadable(&storage).await;
    disk.disarm();
    assert_eq!(put(&storage, "p", "b").await.unwrap(), version("1.0.1"));
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "a");
}

#[tokio::test]
async fn a_directory_that_becomes_unreadable_is_still_listed_and_not_written() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "a").await.unwrap();
    let denied = Failure::Errno(Errno::ACCESS);
    disk.arm(
        Fault::new(&[Call::List], 1, denied)
            .on("14/p")
            .times(usize::MAX / 2),
    );
    storage.rebuild_index(&Progress::default()).await.unwrap();
    assert_eq!(versions(&storage, "p"), ["1.0.0"]);
    assert_eq!(
        text_of(&storage, "p", "1.0.0").await.unwrap(),
        "a",
        "from the cache"
    );
    assert_eq!(put(&storage, "p", "b").await.unwrap_err().code(), "unavailable");
    let report = storage.verify(&Progress::default()).await.unwrap();
    assert_eq!(report.problems[0].kind, "unreadable");
    disk.disarm();
    storage.rebuild_index(&Progress::default()).await.unwrap();
    assert_eq!(storage.status().await["problems"]["count"], 0);
    assert_eq!(put(&storage, "p", "b").await.unwrap(), version("1.0.1"));
}

#[tokio::test]
async fn a_file_that_nobody_knew_of_does_not_hold_up_its_number() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    // Nobody watches: these are found when their numbers are wanted.
    std::fs::write(store.path("p", "1.0.1.json"), sealed("p", "1.0.1", "by hand")).unwrap();
    std::fs::write(store.path("p", "1.0.2.json"), "damaged").unwrap();
    std::fs::create_dir(store.path("p", "1.0.3.json")).unwrap();
    let exact = PutVersion::exact(document("p", "1.0.1", "x"));
    assert_eq!(
        storage.put(&id("p"), exact).await.unwrap_err().code(),
        "version-conflict"
    );
    assert_eq!(put(&storage, "p", "b").await.unwrap(), version("1.0.4"));
    assert_eq!(versions(&storage, "p"), ["1.0.0", "1.0.1", "1.0.4"]);
    assert_eq!(text_of(&storage, "p", "1.0.1").await.unwrap(), "by hand");
}

#[tokio::test]
async fn a_file_added_beside_a_put_is_not_hidden_by_it_also_not_from_the_next_start() {
    let mut store = Store::quiet();
    store.options.use_index = true;
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    std::fs::write(store.path("p", "0.5.0.json"), sealed("p", "0.5.0", "by hand")).unwrap();
    put(&storage, "p", "b").await.unwrap();
    assert_eq!(versions(&storage, "p"), ["0.5.0", "1.0.0", "1.0.1"]);
    storage.close().await;
    assert_eq!(versions(&*store.open().await, "p"), ["0.5.0", "1.0.0", "1.0.1"]);
}

#[tokio::test]
async fn what_was_removed_by_hand_is_told_to_who_deletes_or_restores_it() {
    let store = Store::quiet();
    let storage = store.open().await;
    for text in ["a", "b", "c"] {
        put(&storage, "p", text).await.unwrap();
    }
    let (p, author) = (id("p"), Author::daemon());
    std::fs::remove_file(store.path("p", "1.0.1.json")).unwrap();
    let gone = storage.delete(&p, &[version("1.0.1")], false, &author).await;
    assert_eq!(gone.unwrap_err().code(), "not-found");
    assert_eq!(versions(&storage, "p"), ["1.0.0", "1.0.2"]);
    storage
        .delete(&p, &[version("1.0.2")], false, &author)
        .await
        .unwrap();
    let trashed = store.dir.path().join(".trash/14/p@1.0.2.json");
    std::fs::write(&trashed, "damaged").unwrap();
    let damaged = storage.restore(&p, &version("1.0.2"), &author).await.unwrap_err();
    assert_eq!(damaged.code(), "corrupt-version", "it is not brought back");
    assert_eq!(std::fs::read_to_string(&trashed).unwrap(), "damaged");
    std::fs::remove_file(&trashed).unwrap();
    let gone = storage.restore(&p, &version("1.0.2"), &author).await.unwrap_err();
    assert_eq!(gone.code(), "not-found");
    assert!(storage.trash(None, None, 9).await.unwrap().is_empty());
    assert_eq!(put(&storage, "p", "d").await.unwrap(), version("1.0.3"));
}

#[tokio::test]
async fn a_version_in_the_way_of_a_restoring_is_a_conflict_and_both_are_kept() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "deleted").await.unwrap();
    let (p, author) = (id("p"), Author::daemon());
    storage
        .delete(&p, &[version("1.0.1")], false, &author)
        .await
        .unwrap();
    std::fs::write(store.path("p", "1.0.1.json"), sealed("p", "1.0.1", "by hand")).unwrap();
    let taken = storage.restore(&p, &version("1.0.1"), &author).await.unwrap_err();
    assert_eq!(taken.code(), "version-conflict");
    assert_eq!(text_of(&storage, "p", "1.0.1").await.unwrap(), "by hand");
    let trashed = store.dir.path().join(".trash/14/p@1.0.1.json");
    assert!(std::fs::read_to_string(trashed).unwrap().contains("deleted"));
}
