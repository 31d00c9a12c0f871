//! Backups of a store that goes on, and what is restored from them.

use std::os::unix::fs::MetadataExt;

use super::*;
use crate::storage::{BackupReport, BackupRequest, Progress, RestoreReport, RestoreRequest, RestoreScope};

/// Two directories beside one another: a store, and where its backups go.
pub(super) struct Pair {
    dir: tempfile::TempDir,
    pub(super) store: Store,
}

impl Pair {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        Self {
            store: Self::store_of(dir.path()),
            dir,
        }
    }

    /// Another store with the same backup directory.
    pub(super) fn other(&self) -> Store {
        Self::store_of(self.dir.path())
    }

    fn store_of(backups: &Path) -> Store {
        let mut store = Store::quiet();
        store.options.backup_dir = Some(backups.to_owned());
        store
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }
}

pub(super) async fn back_up(storage: &FileSystemStorage, target: &str) -> Result<BackupReport, StorageError> {
    let request = BackupRequest {
        target: Some(target.to_owned()),
        job: "job_1".into(),
    };
    storage.backup(request, &Progress::default()).await
}

pub(super) fn restoring(source: &str, prompts: &[&str]) -> RestoreRequest {
    RestoreRequest {
        source: source.to_owned(),
        scope: if prompts.is_empty() {
            RestoreScope::Everything
        } else {
            RestoreScope::Prompts(prompts.iter().map(|prompt| id(prompt)).collect())
        },
        dry_run: false,
        lost: false,
        job: "job_2".into(),
        author: Author::daemon(),
    }
}

pub(super) async fn restore(
    storage: &FileSystemStorage,
    source: &str,
    prompts: &[&str],
) -> Result<RestoreReport, StorageError> {
    storage
        .restore_backup(restoring(source, prompts), &Progress::default())
        .await
}

async fn label(storage: &FileSystemStorage, prompt: &str, name: &str, number: &str) {
    let request = SetLabel {
        label: Label::new(name).unwrap(),
        version: version(number),
        expected: None,
        author: Author::daemon(),
    };
    storage.set_label(&id(prompt), request).await.unwrap();
}

async fn delete(storage: &FileSystemStorage, prompt: &str, number: &str) {
    let author = Author::daemon();
    let deleted = storage
        .delete(&id(prompt), &[version(number)], false, &author)
        .await;
    deleted.unwrap();
}

/// A prompt with two live versions, a label, a deleted version and a purged one; another with one version.
pub(super) async fn fill(storage: &FileSystemStorage) {
    for text in ["one", "two", "three", "four"] {
        put(storage, "p", text).await.unwrap();
    }
    label(storage, "p", "production", "1.0.1").await;
    delete(storage, "p", "1.0.2").await;
    delete(storage, "p", "1.0.3").await;
    storage.purge_trashed(&id("p"), &version("1.0.3")).await.unwrap();
    put(storage, STRANGER, "else").await.unwrap();
}

/// Every file of a store or snapshot but what is not in a backup, with its bytes.
pub(super) fn files(root: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, found: &mut std::collections::BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if [".tmp", ".lock", ".index.json", ".backup.json", ".metadata.json"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
            }
        }
    }
    let mut found = std::collections::BTreeMap::new();
    walk(root, root, &mut found);
    found
}

pub(super) fn hidden_names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_store_becomes_byte_for_byte_what_was_backed_up() {
    for target in ["daily", "x.tar.zst"] {
        let pair = Pair::new();
        let storage = pair.store.open().await;
        fill(&storage).await;
        let report = back_up(&storage, target).await.unwrap();
        assert_eq!(report.problems, []);
        assert_eq!(
            (
                report.counts.prompts,
                report.counts.versions,
                report.counts.trashed
            ),
            (2, 3, 1)
        );
        let other = pair.other();
        let restored = other.open().await;
        let report = restore(&restored, target, &[]).await.unwrap();
        assert_eq!(report.conflicts, [], "{target}");
        assert_eq!(
            (report.versions, report.trashed, report.labels),
            (3, 1, 1),
            "{target}"
        );
        assert_eq!(files(other.dir.path()), files(pair.store.dir.path()), "{target}");
        // The purged number stays used there, too.
        assert_eq!(put(&restored, "p", "new").await.unwrap(), version("1.0.4"));
        assert_eq!(
            storage.prompt(&id("p")).unwrap().labels,
            restored.prompt(&id("p")).unwrap().labels
        );
        assert_eq!(hidden_names(pair.dir.path()), [""; 0], "{target}");
        storage.close().await;
        restored.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_a_store_that_can_be_opened() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    fill(&storage).await;
    let report = back_up(&storage, "daily").await.unwrap();
    assert_eq!(files(&pair.path(&report.path)), files(pair.store.dir.path()));
    let copy = Store {
        dir: tempfile::tempdir().unwrap(),
        ..pair.other()
    };
    let copied = std::process::Command::new("cp")
        .args(["-a", "--"])
        .arg(pair.path(&report.path).join("."))
        .arg(copy.dir.path())
        .status();
    assert!(copied.unwrap().success());
    let opened = copy.open().await;
    assert_eq!(text_of(&opened, "p", "1.0.1").await.unwrap(), "two");
    let verified = opened.verify(&Progress::default()).await.unwrap();
    assert_eq!(verified.problems, []);
    assert_eq!(opened.totals(), storage.totals());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_snapshot_links_what_did_not_change_and_never_into_the_store() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    fill(&storage).await;
    let first = back_up(&storage, "daily").await.unwrap();
    assert_eq!(first.linked, 0);
    put(&storage, "p", "later").await.unwrap();
    label(&storage, "p", "staging", "1.0.4").await;
    let second = back_up(&storage, "daily").await.unwrap();
    assert_ne!(first.path, second.path);
    // The new version and the manifest.
    assert_eq!((second.copied, second.linked), (2, first.copied - 1));
    let layout = Layout {
        depth: ShardDepth::DEFAULT,
    };
    let place = layout.version_file(&id("p"), &version("1.0.0"));
    let inode = |root: &Path| std::fs::metadata(root.join(&place)).unwrap();
    let (one, two) = (inode(&pair.path(&first.path)), inode(&pair.path(&second.path)));
    assert_eq!((one.ino(), one.nlink()), (two.ino(), 2));
    assert_ne!(one.ino(), inode(pair.store.dir.path()).ino());
    assert_eq!(inode(pair.store.dir.path()).nlink(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_rotted_in_the_snapshot_before_is_written_anew() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    fill(&storage).await;
    let first = back_up(&storage, "daily").await.unwrap();
    let layout = Layout {
        depth: ShardDepth::DEFAULT,
    };
    let place = layout.version_file(&id("p"), &version("1.0.0"));
    let rotten = pair.path(&first.path).join(&place);
    let length = std::fs::read(&rotten).unwrap().len();
    std::fs::write(&rotten, vec![b'x'; length]).unwrap();
    let second = back_up(&storage, "daily").await.unwrap();
    assert_eq!(second.copied, 1);
    let check = storage
        .verify_backup(&first.path, &Progress::default())
        .await
        .unwrap();
    assert_eq!(check.problems.len(), 1);
    assert_eq!(check.damaged, 0);
    let check = storage
        .verify_backup("daily", &Progress::default())
        .await
        .unwrap();
    assert_eq!(
        (check.path, check.problems.len(), check.sealed),
        (second.path, 0, 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_in_the_backup_as_they_are_and_what_is_no_file_is_reported() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    fill(&storage).await;
    std::fs::write(pair.store.path("p", "1.0.0.json"), "torn {").unwrap();
    std::fs::write(pair.store.path("p", "1.0.7.json"), "").unwrap();
    std::fs::write(pair.store.path("p", "notes.txt"), "mine").unwrap();
    std::fs::write(pair.store.path(STRANGER, ".manifest.json"), "{").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", pair.store.path("p", "2.0.0.json")).unwrap();
    std::fs::create_dir(pair.store.path("p", "3.0.0.json")).unwrap();
    for target in ["daily", "x.tar.zst"] {
        let report = back_up(&storage, target).await.unwrap();
        let kinds: Vec<&str> = report
            .problems
            .iter()
            .map(|problem| problem.kind.as_str())
            .collect();
        assert_eq!(kinds, ["not-a-file", "not-a-file", "foreign-name"], "{target}");
        let check = storage.verify_backup(target, &Progress::default()).await.unwrap();
        assert_eq!((check.damaged, check.problems.len()), (2, 0), "{target}");
        let other = pair.other();
        let restored = other.open().await;
        assert_eq!(
            restore(&restored, target, &[]).await.unwrap().conflicts,
            [],
            "{target}"
        );
        for (prompt, file) in [
            ("p", "1.0.0.json"),
            ("p", "1.0.7.json"),
            (STRANGER, ".manifest.json"),
        ] {
            let (here, there) = (pair.store.path(prompt, file), other.path(prompt, file));
            assert_eq!(
                std::fs::read(here).unwrap(),
                std::fs::read(there).unwrap(),
                "{file}"
            );
        }
        restored.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_never_overwritten_and_every_conflict_is_reported() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    fill(&storage).await;
    label(&storage, "p", "staging", "1.0.0").await;
    put(&storage, "p", "five").await.unwrap();
    back_up(&storage, "daily").await.unwrap();
    let other = pair.other();
    let live = other.open().await;
    // 1.0.0 differs, 1.0.1 is deleted, 1.0.2 is live, 1.0.4 is purged.
    for text in ["another one", "two", "three", "x", "five"] {
        put(&live, "p", text).await.unwrap();
    }
    for number in ["1.0.1", "1.0.4"] {
        delete(&live, "p", number).await;
    }
    live.purge_trashed(&id("p"), &version("1.0.4")).await.unwrap();
    label(&live, "p", "production", "1.0.3").await;
    let before = files(other.dir.path());
    let report = restore(&live, "daily", &["p"]).await.unwrap();
    let kinds: std::collections::BTreeSet<&str> = report
        .conflicts
        .iter()
        .map(|problem| problem.kind.as_str())
        .collect();
    let expected = [
        "different-content",
        "in-trash",
        "label-elsewhere",
        "label-target",
        "live-here",
        "number-used",
    ];
    assert_eq!(kinds, expected.into());
    assert_eq!((report.versions, report.trashed, report.labels), (0, 0, 0));
    assert_eq!(files(other.dir.path()), before);
    assert!(live.prompt(&id(STRANGER)).is_none(), "it was not asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_version_comes_back_into_a_live_store_and_the_rest_is_unchanged() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    for text in ["one", "two", "three"] {
        put(&storage, "p", text).await.unwrap();
    }
    label(&storage, "p", "production", "1.0.1").await;
    back_up(&storage, "daily").await.unwrap();
    put(&storage, "p", "after the backup").await.unwrap();
    std::fs::remove_file(pair.store.path("p", "1.0.1.json")).unwrap();
    // A label remembers every number as used: whether it was lost or purged cannot be told.
    let report = restore(&storage, "daily", &["p"]).await.unwrap();
    assert_eq!(
        (report.versions, report.conflicts[0].kind.as_str()),
        (0, "number-used")
    );
    let mut request = restoring("daily", &["p"]);
    request.lost = true;
    request.dry_run = true;
    let before = files(pair.store.dir.path());
    let planned = storage
        .restore_backup(request.clone(), &Progress::default())
        .await
        .unwrap();
    assert_eq!(files(pair.store.dir.path()), before, "a dry run changes nothing");
    request.dry_run = false;
    let report = storage
        .restore_backup(request, &Progress::default())
        .await
        .unwrap();
    assert_eq!(
        (planned.versions, planned.unchanged),
        (report.versions, report.unchanged)
    );
    assert_eq!(
        (report.versions, report.unchanged, report.conflicts),
        (1, 3, Vec::new())
    );
    assert_eq!(text_of(&storage, "p", "1.0.1").await.unwrap(), "two");
    assert_eq!(versions(&storage, "p"), ["1.0.0", "1.0.1", "1.0.2", "1.0.3"]);
    let again = restore(&storage, "daily", &["p"]).await.unwrap();
    assert_eq!((again.versions, again.unchanged), (0, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_refused_before_anything_is_written() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    fill(&storage).await;
    let report = back_up(&storage, "daily").await.unwrap();
    let root = pair.path(&report.path);
    let layout = Layout {
        depth: ShardDepth::DEFAULT,
    };
    let file = root.join(layout.version_file(&id("p"), &version("1.0.0")));
    let good = std::fs::read(&file).unwrap();
    let other = pair.other();
    let empty = other.open().await;
    let refused = async |says: &str| {
        let error = restore(&empty, "daily", &[]).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(files(other.dir.path()).is_empty(), "{says}");
    };
    std::fs::remove_file(&file).unwrap();
    refused("it is in the inventory and not there").await;
    let mut flipped = good.clone();
    flipped[10] ^= 1;
    std::fs::write(&file, flipped).unwrap();
    refused("its content is not what the inventory says").await;
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    refused("cannot be").await;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, good).unwrap();
    std::fs::write(file.with_file_name("1.0.9.json"), "{}").unwrap();
    refused("it is there and not in the inventory").await;
    std::fs::remove_file(file.with_file_name("1.0.9.json")).unwrap();
    let inventory = std::fs::read(root.join(".backup.json")).unwrap();
    std::fs::write(root.join(".backup.json"), &inventory[..inventory.len() / 2]).unwrap();
    refused(".backup.json").await;
    std::fs::write(root.join(".backup.json"), inventory).unwrap();
    assert_eq!(restore(&empty, "daily", &[]).await.unwrap().conflicts, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_never_replaced_and_a_snapshot_is_no_target() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    fill(&storage).await;
    back_up(&storage, "x.tar.zst").await.unwrap();
    let error = back_up(&storage, "x.tar.zst").await.unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    let snapshot = back_up(&storage, "daily").await.unwrap().path;
    let error = back_up(&storage, &snapshot).await.unwrap_err().to_string();
    assert!(error.contains("is a snapshot itself"), "{error}");
    let listed = storage.backups().await.unwrap();
    let paths: Vec<&str> = listed.iter().map(|backup| backup.path.as_str()).collect();
    assert_eq!(paths, [snapshot.as_str(), "x.tar.zst"]);
    std::os::unix::fs::symlink("/tmp", pair.path("way_out")).unwrap();
    assert!(back_up(&storage, "way_out/x").await.is_err());
    let mode = std::fs::metadata(pair.path("daily")).unwrap().mode();
    assert_eq!(mode & 0o027, 0, "{mode:o}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_unfinished_is_removed_by_the_next_run_and_that_of_another_store_is_not() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    fill(&storage).await;
    let store_id = storage.store.store_id.replace('-', "");
    let ours = format!("daily/.partial-{}-job_0", &store_id[..16]);
    let theirs = "daily/.partial-0123456789abcdef-job_0";
    for dir in [ours.as_str(), theirs] {
        std::fs::create_dir_all(pair.path(dir).join("69/p")).unwrap();
        std::fs::write(pair.path(dir).join("69/p/1.0.0.json"), "half").unwrap();
    }
    back_up(&storage, "daily").await.unwrap();
    assert!(!pair.path(&ours).exists());
    assert!(pair.path(theirs).exists());
}

#[tokio::test]
async fn a_backup_directory_in_the_store_is_refused_at_start() {
    let mut store = Store::quiet();
    for place in ["", "backups", "a/b"] {
        store.options.backup_dir = Some(store.dir.path().join(place));
        let refused = FileSystemStorage::open(store.dir.path(), store.options.clone()).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("backup_dir"), "{error}");
    }
}

async fn executions(storage: &FileSystemStorage, number: &str) -> Vec<String> {
    let results = storage.evidence(&id("p"), &version(number)).await.unwrap();
    results.into_iter().map(|result| result.execution_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn test_results_go_with_the_prompt_and_never_to_another_content() {
    let pair = Pair::new();
    let storage = pair.store.open().await;
    for text in ["one", "two", "three"] {
        put(&storage, "p", text).await.unwrap();
    }
    for number in ["1.0.0", "1.0.1", "1.0.2"] {
        let added = storage
            .add_evidence(&id("p"), &version(number), &measured("a"))
            .await;
        assert_eq!(added.unwrap().added, 1);
    }
    delete(&storage, "p", "1.0.2").await;
    back_up(&storage, "daily").await.unwrap();

    let other = pair.other();
    let empty = other.open().await;
    let report = restore(&empty, "daily", &[]).await.unwrap();
    assert_eq!((report.evidence, report.conflicts.len()), (3, 0));
    assert_eq!(executions(&empty, "1.0.1").await, ["a"]);
    empty
        .restore(&id("p"), &version("1.0.2"), &Author::daemon())
        .await
        .unwrap();
    assert_eq!(executions(&empty, "1.0.2").await, ["a"]);
    let again = restore(&empty, "daily", &["p"]).await.unwrap();
    assert_eq!((again.evidence, again.conflicts.len()), (0, 0));

    let third = pair.other();
    let busy = third.open().await;
    for text in ["another one", "two"] {
        put(&busy, "p", text).await.unwrap();
    }
    busy.add_evidence(&id("p"), &version("1.0.1"), &measured("b"))
        .await
        .unwrap();
    let report = restore(&busy, "daily", &["p"]).await.unwrap();
    let kinds: Vec<&str> = report
        .conflicts
        .iter()
        .map(|problem| problem.kind.as_str())
        .collect();
    assert!(
        kinds.contains(&"evidence-target") && kinds.contains(&"different-content"),
        "{kinds:?}"
    );
    assert_eq!(executions(&busy, "1.0.0").await, [""; 0]);
    assert_eq!(executions(&busy, "1.0.1").await, ["b"]);
}
