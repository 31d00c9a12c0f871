//! What a verification finds, what it does not mistake for damage, and what a repair does.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::*;
use crate::storage::{Mend, Progress, VerifyReport, VerifyScope, plan_repair};

async fn verify(storage: &FileSystemStorage) -> VerifyReport {
    storage.verify(&Progress::default()).await.unwrap()
}

fn kinds(report: &VerifyReport) -> Vec<String> {
    report
        .problems
        .iter()
        .map(|problem| format!("{} {}", problem.kind, problem.path))
        .collect()
}

/// Writes a version as another program does: without a checksum, with another layout, with keys nobody knows.
fn write_foreign(store: &Store, prompt: &str, number: &str, parent: Option<&str>) -> String {
    let text = format!(
        "{{\"prompt_id\":\"{prompt}\", \"version\":\"{number}\", \"later\": 1.50,\n \"prompt\": {{\"id\": \"{prompt}\", \
         \"workflow_id\": \"\", \"node_id\": \"\", \"node_type\": \"\", \"text\": \"hi\"}},\n \"analysis\": {{\"prompt_id\": \
         \"{prompt}\", \"overall_score\": 1.0, \"clarity_score\": 1.0, \"efficiency_score\": 1.0}}, \"parent_version\": {},\n \
         \"metadata\": {{\"mine\": true}}}}",
        parent.map_or("null".to_owned(), |parent| format!("\"{parent}\""))
    );
    let path = store.path(prompt, &format!("{number}.json"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, &text).unwrap();
    text
}

fn shard_of(prompt: &str) -> String {
    ShardDepth::DEFAULT.shard_of(&id(prompt)).to_string()
}

/// A store on disk whose index is kept.
fn indexed() -> Store {
    let mut store = Store::quiet();
    store.options.use_index = true;
    store
}

#[tokio::test]
async fn a_healthy_store_has_nothing_to_report_also_while_it_is_written() {
    let mut store = Store::new();
    store.options.watch.mode = WatchMode::Off;
    let storage = store.open().await;
    let writer = {
        let storage = Arc::clone(&storage);
        tokio::spawn(async move {
            let author = Author::daemon();
            for n in 0..40 {
                let prompt = format!("w{}", n % 5);
                let made = put(&storage, &prompt, &format!("text {n}")).await.unwrap();
                if n % 7 == 6 {
                    storage
                        .delete(&id(&prompt), &[made], true, &author)
                        .await
                        .unwrap();
                }
            }
        })
    };
    while !writer.is_finished() {
        assert_eq!(kinds(&verify(&storage).await), [""; 0]);
    }
    writer.await.unwrap();
    let report = verify(&storage).await;
    assert_eq!(
        (report.prompts, report.versions, report.problem_count()),
        (5, 35, 0)
    );
}

#[tokio::test]
async fn each_kind_of_damage_has_its_word_and_its_place() {
    let store = indexed();
    let storage = store.open().await;
    for prompt in ["a", "b", "c"] {
        for text in ["x", "y", "z"] {
            put(&storage, prompt, text).await.unwrap();
        }
    }
    label_on(&storage, "a", "production", "1.0.1").await;
    let author = Author::daemon();
    storage
        .delete(&id("c"), &[version("1.0.0")], false, &author)
        .await
        .unwrap();
    storage
        .delete(&id("c"), &[version("1.0.1")], false, &author)
        .await
        .unwrap();
    storage.close().await;
    let path = |prompt: &str, name: &str| store.path(prompt, name);
    // `a`: the middle version is damaged, a FIFO and a directory lie among them, and a label dangles.
    std::fs::write(path("a", "1.0.1.json"), "{").unwrap();
    std::fs::remove_file(path("a", "1.0.0.json")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(path("a", "1.0.7.json"))
            .status()
            .unwrap()
            .success()
    );
    assert!(
        std::fs::metadata(path("a", "1.0.7.json"))
            .unwrap()
            .file_type()
            .is_fifo()
    );
    std::os::unix::fs::symlink("1.0.2.json", path("a", "1.0.8.json")).unwrap();
    // `b`: two names for one file of which one is right, a foreign name, a manifest that is none.
    std::fs::hard_link(path("b", "1.0.0.json"), path("b", "1.0.9.json")).unwrap();
    std::fs::write(path("b", "notes.txt"), "hi").unwrap();
    std::fs::write(path("b", ".manifest.json"), "{").unwrap();
    // The trash of `c`: a damaged version, a note without its version, one that cannot be read, a stranger.
    let trash = store.dir.path().join(".trash").join(shard_of("c"));
    std::fs::write(trash.join("c@1.0.0.json"), "torn").unwrap();
    std::fs::write(trash.join("c@1.0.1.deleted"), "torn").unwrap();
    std::fs::write(trash.join("readme"), "hi").unwrap();
    let storage = store.open().await;
    // A start would settle these two.
    std::fs::write(store.dir.path().join(shard_of("a")).join(".tmp/left.tmp"), "{").unwrap();
    std::fs::write(trash.join("c@7.0.0.deleted"), "{}").unwrap();
    let found = kinds(&verify(&storage).await);
    let (a, b, c) = (shard_of("a"), shard_of("b"), shard_of("c"));
    for expected in [
        format!("corrupt-version {a}/a/1.0.1.json"),
        format!("not-a-file {a}/a/1.0.7.json"),
        format!("not-a-file {a}/a/1.0.8.json"),
        format!("leftover {a}/.tmp/left.tmp"),
        format!("corrupt-version {b}/b/1.0.9.json"),
        format!("shared-file {b}/b/1.0.0.json"),
        format!("foreign-name {b}/b/notes.txt"),
        format!("corrupt-manifest {b}/b/.manifest.json"),
        format!("corrupt-trash .trash/{c}/c@1.0.0.json"),
        format!("corrupt-note .trash/{c}/c@1.0.1.deleted"),
        format!("orphaned-note .trash/{c}/c@7.0.0.deleted"),
        format!("foreign-name .trash/{c}/readme"),
    ] {
        assert!(found.contains(&expected), "{expected} is not in {found:#?}");
    }
    assert_eq!(
        found.len(),
        12,
        "nothing else: the parent 1.0.1 of 1.0.2 is there, if damaged: {found:#?}"
    );
}

#[tokio::test]
async fn a_missing_parent_is_a_note_and_one_file_with_two_names_is_a_problem() {
    let store = Store::quiet();
    write_foreign(&store, "p", "1.0.1", Some("1.0.0"));
    let other = neighbour(0);
    write_foreign(&store, &other, "1.0.0", None);
    let storage = store.open().await;
    std::fs::create_dir_all(store.path(STRANGER, "")).unwrap();
    let report = verify(&storage).await;
    assert_eq!(report.problem_count(), 0, "{report:?}");
    assert_eq!(report.note_count(), 3, "{report:?}");
    std::fs::remove_file(store.path(&other, "1.0.0.json")).unwrap();
    std::fs::hard_link(store.path("p", "1.0.1.json"), store.path(&other, "1.0.1.json")).unwrap();
    let found = kinds(&verify(&storage).await);
    let shard = shard_of("p");
    assert!(
        found.contains(&format!("corrupt-version {shard}/{other}/1.0.1.json")),
        "{found:?}"
    );
    assert!(
        found.contains(&format!("shared-file {shard}/p/1.0.1.json"))
            || found.contains(&format!("shared-file {shard}/{other}/1.0.1.json")),
        "{found:?}"
    );
}

#[tokio::test]
async fn one_prompt_is_verified_without_the_others() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, STRANGER, "a").await.unwrap();
    std::fs::write(store.path(STRANGER, "1.0.0.json"), "{").unwrap();
    let scope = |prompt: &str| VerifyScope {
        prompts: vec![id(prompt)],
    };
    let within = async |prompt: &str| {
        let scope = scope(prompt);
        storage.verify_within(&scope, &Progress::default()).await.unwrap()
    };
    assert_eq!(within("p").await.problems, []);
    assert_eq!(within(STRANGER).await.problem_count(), 1);
}

#[tokio::test]
async fn the_index_is_held_against_the_directories_and_written_anew_by_a_repair() {
    let store = indexed();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    assert_eq!(
        kinds(&verify(&storage).await),
        [""; 0],
        "that it lags behind is no contradiction"
    );
    let index = store.dir.path().join(".index.json");
    let check = async |content: Option<&str>, kind: &str| {
        match content {
            Some(content) => std::fs::write(&index, content).unwrap(),
            None => std::fs::remove_file(&index).unwrap(),
        }
        let report = verify(&storage).await;
        assert_eq!(kinds(&report), [format!("{kind} .index.json")]);
        for mend in plan_repair(&report.problems) {
            let steps = storage.mend(&mend).await.unwrap();
            assert_eq!(steps[0].action, "index-rebuilt");
        }
        assert_eq!(kinds(&verify(&storage).await), [""; 0]);
    };
    let old = std::fs::read_to_string(&index).unwrap();
    check(None, "missing-index").await;
    check(Some("{"), "corrupt-index").await;
    put(&storage, "p", "b").await.unwrap();
    assert_eq!(kinds(&verify(&storage).await), [""; 0]);
    check(Some(&old), "stale-index").await;
}

#[tokio::test]
async fn a_repair_seals_what_has_no_checksum_and_changes_nothing_else_in_it() {
    let store = Store::quiet();
    let before = write_foreign(&store, "p", "1.0.0", None);
    let storage = store.open().await;
    put(&storage, "p", "later").await.unwrap();
    let report = verify(&storage).await;
    assert_eq!(
        (report.unsealed, plan_repair(&report.problems)),
        (1, vec![Mend::Seal(id("p"))])
    );
    let steps = storage.mend(&Mend::Seal(id("p"))).await.unwrap();
    assert_eq!(steps.len(), 1);
    let after = std::fs::read_to_string(store.path("p", "1.0.0.json")).unwrap();
    let cut = after.find(", \"checksum\"").unwrap();
    let end = cut + after[cut..].find('}').unwrap();
    assert_eq!(format!("{}{}", &after[..cut], &after[end..]), before);
    let report = verify(&storage).await;
    assert_eq!((report.sealed, report.unsealed, report.problems.len()), (2, 0, 0));
    let read = storage.read(&id("p"), &version("1.0.0")).await.unwrap();
    assert_eq!(&*read.bytes, after.as_bytes(), "the cache has it as well");
    assert_eq!(
        storage.mend(&Mend::Seal(id("p"))).await.unwrap(),
        [],
        "there is nothing left to do"
    );
}

#[tokio::test]
async fn an_edit_is_taken_only_when_that_is_asked_for() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "hello").await.unwrap();
    let path = store.path("p", "1.0.0.json");
    let edited = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\"hello\"", "\"bye\"");
    std::fs::write(&path, &edited).unwrap();
    let report = verify(&storage).await;
    assert_eq!((report.edited, plan_repair(&report.problems)), (1, vec![]));
    assert_eq!(storage.mend(&Mend::Seal(id("p"))).await.unwrap(), []);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), edited);
    let steps = storage
        .mend(&Mend::AcceptEdit(id("p"), version("1.0.0")))
        .await
        .unwrap();
    assert_eq!(steps[0].action, "edit-accepted");
    assert_eq!(verify(&storage).await.problems, []);
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "bye");
    let absent = storage.mend(&Mend::AcceptEdit(id("p"), version("9.0.0"))).await;
    assert_eq!(absent.unwrap_err().code(), "not-found");
}

#[tokio::test]
async fn a_damaged_manifest_is_kept_aside_and_what_is_understood_of_it_is_written_anew() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    label_on(&storage, "p", "production", "1.0.0").await;
    let path = store.path("p", ".manifest.json");
    let damaged = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\"tags\": []", "\"tags\": 7");
    std::fs::write(&path, &damaged).unwrap();
    let report = verify(&storage).await;
    assert_eq!(
        plan_repair(&report.problems),
        [Mend::Manifest(id("p"))],
        "{report:?}"
    );
    let steps = storage.mend(&Mend::Manifest(id("p"))).await.unwrap();
    assert_eq!(
        steps.iter().map(|step| step.action.as_str()).collect::<Vec<_>>(),
        ["manifest-set-aside", "manifest-restored"]
    );
    let kept = store.dir.path().join(Path::new(&steps[0].path));
    assert_eq!(std::fs::read_to_string(kept).unwrap(), damaged);
    let entry = storage.prompt(&id("p")).unwrap();
    assert_eq!(
        entry.labels.keys().map(ToString::to_string).collect::<Vec<_>>(),
        ["production"]
    );
    assert_eq!(
        kinds(&verify(&storage).await),
        [format!("quarantined {}", steps[0].path)]
    );
}

#[tokio::test]
async fn a_number_that_only_memory_knows_is_written_down() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    std::fs::remove_file(store.path("p", "1.0.1.json")).unwrap();
    let report = verify(&storage).await;
    let manifest = format!("{}/p/.manifest.json", shard_of("p"));
    assert_eq!(kinds(&report), [format!("forgotten-number {manifest}")]);
    storage.mend(&Mend::Manifest(id("p"))).await.unwrap();
    assert_eq!(verify(&storage).await.problems, []);
    storage.close().await;
    let storage = store.open().await;
    assert_eq!(put(&storage, "p", "c").await.unwrap(), version("1.0.2"));
}

#[tokio::test]
async fn a_temporary_file_that_is_left_over_is_settled_by_a_repair() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    let tmp = store.dir.path().join(shard_of("p")).join(".tmp");
    std::fs::rename(store.path("p", "1.0.0.json"), tmp.join("whole.tmp")).unwrap();
    std::fs::write(tmp.join("torn.tmp"), "{").unwrap();
    let report = verify(&storage).await;
    assert!(
        plan_repair(&report.problems).contains(&Mend::Leftovers),
        "{report:?}"
    );
    let steps = storage.mend(&Mend::Leftovers).await.unwrap();
    assert_eq!(
        steps
            .iter()
            .filter(|step| step.action == "leftover-settled")
            .count(),
        2
    );
    assert_eq!(
        text_of(&storage, "p", "1.0.0").await.unwrap(),
        "a",
        "the whole one was put again"
    );
    assert_eq!(verify(&storage).await.problems, []);
}

async fn label_on(storage: &FileSystemStorage, prompt: &str, label: &str, number: &str) {
    let request = SetLabel {
        label: Label::new(label).unwrap(),
        version: version(number),
        expected: None,
        author: Author::daemon(),
    };
    storage.set_label(&id(prompt), request).await.unwrap();
}

#[tokio::test]
async fn who_changes_a_damaged_version_is_told_of_the_damage_and_nothing_is_written() {
    let store = Store::quiet();
    let storage = store.open().await;
    for text in ["one", "two"] {
        put(&storage, "p", text).await.unwrap();
    }
    let (id, damaged, author) = (id("p"), version("1.0.0"), Author::daemon());
    std::fs::write(store.path("p", "1.0.0.json"), "{").unwrap();
    storage.rebuild_index(&Progress::default()).await.unwrap();
    let label = SetLabel {
        label: Label::new("production").unwrap(),
        version: damaged.clone(),
        expected: None,
        author: author.clone(),
    };
    let refused = [
        storage.evidence(&id, &damaged).await.map(drop),
        storage
            .add_evidence(&id, &damaged, &measured("a"))
            .await
            .map(drop),
        storage.set_label(&id, label).await.map(drop),
        storage
            .delete(&id, std::slice::from_ref(&damaged), true, &author)
            .await
            .map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert_eq!(error.code(), "corrupt-version");
        assert!(error.to_string().contains("1.0.0.json"), "{error}");
    }
    assert_eq!(
        std::fs::read_to_string(store.path("p", "1.0.0.json")).unwrap(),
        "{"
    );
    assert!(!store.path("p", ".evidence-1.0.0.jsonl").exists());
}

#[tokio::test]
async fn damaged_test_results_are_told_left_alone_and_stop_nothing_else() {
    let store = Store::quiet();
    let storage = store.open().await;
    for text in ["one", "two"] {
        put(&storage, "p", text).await.unwrap();
    }
    let (id, one, two) = (id("p"), version("1.0.0"), version("1.0.1"));
    for number in [&one, &two] {
        storage.add_evidence(&id, number, &measured("a")).await.unwrap();
    }
    assert_eq!(verify(&storage).await.problems, []);
    let file = |number: &str| store.path("p", &format!(".evidence-{number}.jsonl"));
    let good = std::fs::read(file("1.0.0")).unwrap();
    let torn = &good[..good.len() - 5];
    std::fs::write(file("1.0.0"), torn).unwrap();
    std::fs::write(file("7.0.0"), "").unwrap();
    let found = kinds(&verify(&storage).await);
    let shard = shard_of("p");
    let expected = [
        format!("corrupt-evidence {shard}/p/.evidence-1.0.0.jsonl"),
        format!("corrupt-evidence {shard}/p/.evidence-7.0.0.jsonl"),
        format!("orphan-evidence {shard}/p/.evidence-7.0.0.jsonl"),
    ];
    assert_eq!(found, expected);
    for error in [
        storage.evidence(&id, &one).await.unwrap_err(),
        storage.add_evidence(&id, &one, &measured("b")).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), "corrupt-evidence", "{error}");
    }
    assert_eq!(std::fs::read(file("1.0.0")).unwrap(), torn);
    assert_eq!(storage.evidence(&id, &two).await.unwrap().len(), 1);
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "one");
    put(&storage, "p", "three").await.unwrap();
    // Put right, it is read and added to at once.
    std::fs::write(file("1.0.0"), good).unwrap();
    assert_eq!(
        storage
            .add_evidence(&id, &one, &measured("b"))
            .await
            .unwrap()
            .total,
        2
    );
}

#[tokio::test]
async fn test_results_stay_with_the_number_until_it_is_forgotten() {
    let store = Store::quiet();
    let storage = store.open().await;
    for text in ["one", "two"] {
        put(&storage, "p", text).await.unwrap();
    }
    let (id, one, author) = (id("p"), version("1.0.0"), Author::daemon());
    let result = measured("a");
    storage.add_evidence(&id, &one, &result).await.unwrap();
    let file = store.path("p", ".evidence-1.0.0.jsonl");
    storage
        .delete(&id, std::slice::from_ref(&one), false, &author)
        .await
        .unwrap();
    assert_eq!(storage.evidence(&id, &one).await.unwrap_err().code(), "not-found");
    assert_eq!(
        storage.add_evidence(&id, &one, &result).await.unwrap_err().code(),
        "not-found"
    );
    storage.restore(&id, &one, &author).await.unwrap();
    assert_eq!(storage.evidence(&id, &one).await.unwrap().len(), 1);
    storage
        .delete(&id, std::slice::from_ref(&one), false, &author)
        .await
        .unwrap();
    assert!(file.exists());
    storage.purge_trashed(&id, &one).await.unwrap();
    assert!(!file.exists());
    assert_eq!(verify(&storage).await.problem_count(), 0);
}
