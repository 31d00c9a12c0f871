//! The feed of changes: what is told of changes made by others, by a recovery, and of what no entry shows.

use super::*;
use crate::storage::feed::{Origin, StoreEvent};
use crate::storage::{Mend, Revision};

fn shown(event: &StoreEvent) -> String {
    let change = &event.change;
    let mut text = format!("{} {}", event.origin.as_str(), change.kind.as_str());
    if let Some(id) = &event.prompt_id {
        text.push_str(&format!(" {id}"));
    }
    for version in [&change.from, &change.version].into_iter().flatten() {
        text.push_str(&format!(" {version}"));
    }
    if let Some(label) = &change.label {
        text.push_str(&format!(" {label}"));
    }
    if let Some(problem) = &change.problem {
        text.push_str(&format!(" {}", problem.kind));
    }
    text
}

/// Saves a file as an editor does: as a whole.
fn save(path: &Path, bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    file.persist(path).unwrap();
}

/// What was told after a revision, in its order.
fn told(storage: &FileSystemStorage, since: Revision) -> Vec<String> {
    let mut following = storage.feed().subscribe(Some(since)).unwrap();
    let events = following.take_ready().unwrap();
    events.iter().map(|event| shown(event)).collect()
}

async fn eventually_told(storage: &FileSystemStorage, since: Revision, expected: &str) {
    eventually(
        &format!("{expected}; it says {:?}", told(storage, since)),
        async || told(storage, since).iter().any(|event| event == expected),
    )
    .await;
}

async fn look(storage: &FileSystemStorage, look: work::Look) {
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    shard.look_and_wait(look, Duration::from_secs(5)).await.unwrap();
}

async fn look_at(storage: &FileSystemStorage, name: &str) {
    look(storage, work::Look::file(id("p"), name.into())).await;
}

/// A store that nobody watches: whoever looks says where.
async fn unwatched(use_cache: bool) -> (Store, Arc<FileSystemStorage>) {
    let mut store = Store::quiet();
    store.options.use_cache = use_cache;
    let storage = store.open().await;
    (store, storage)
}

fn bytes(number: &str, text: &str) -> Vec<u8> {
    serde_json::to_vec(&document("p", number, text)).unwrap()
}

#[tokio::test]
async fn what_other_programs_do_to_files_is_told_as_it_is_noticed() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let since = storage.revision();
    save(&store.path("p", "1.0.5.json"), &bytes("1.0.5", "by hand"));
    eventually_told(&storage, since, "outside version-created p 1.0.5").await;
    save(&store.path("p", "1.0.0.json"), &bytes("1.0.0", "edited"));
    eventually_told(&storage, since, "outside version-changed p 1.0.0").await;
    std::fs::remove_file(store.path("p", "1.0.5.json")).unwrap();
    eventually_told(&storage, since, "outside version-removed p 1.0.5").await;
    save(&store.path("p", "1.0.0.json"), b"{");
    eventually_told(&storage, since, "outside problem-found p corrupt-version").await;
    save(&store.path("p", "1.0.0.json"), &bytes("1.0.0", "mended"));
    eventually_told(&storage, since, "outside problem-gone p corrupt-version").await;
    std::fs::remove_dir_all(store.path("p", "")).unwrap();
    eventually_told(&storage, since, "outside prompt-purged p").await;
}

#[tokio::test]
async fn own_writes_are_told_once_and_as_our_own_whatever_the_watcher_says_of_them() {
    for use_cache in [true, false] {
        let (_store, storage) = unwatched(use_cache).await;
        let since = storage.revision();
        put(&storage, "p", "a").await.unwrap();
        put(&storage, "p", "b").await.unwrap();
        let one = version("1.0.0");
        storage
            .delete(&id("p"), std::slice::from_ref(&one), false, &Author::daemon())
            .await
            .unwrap();
        storage.restore(&id("p"), &one, &Author::daemon()).await.unwrap();
        for name in ["1.0.0.json", "1.0.1.json", ".manifest.json"] {
            look_at(&storage, name).await;
            look_at(&storage, name).await;
        }
        look(&storage, work::Look::everything()).await;
        let expected = [
            "daemon version-created p 1.0.0",
            "daemon version-created p 1.0.1",
            "daemon version-deleted p 1.0.0",
            "daemon version-restored p 1.0.0",
        ];
        assert_eq!(told(&storage, since), expected, "with a cache: {use_cache}");
    }
}

#[tokio::test]
async fn an_edit_is_told_once_also_when_somebody_read_it_before_it_was_noticed() {
    for is_read_before in [false, true] {
        let (store, storage) = unwatched(true).await;
        put(&storage, "p", "a").await.unwrap();
        let since = storage.revision();
        std::fs::write(store.path("p", "1.0.0.json"), bytes("1.0.0", "edited")).unwrap();
        if is_read_before {
            storage.shared.cache.remove_where(|_| true);
            assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "edited");
        }
        look_at(&storage, "1.0.0.json").await;
        look_at(&storage, "1.0.0.json").await;
        let expected = ["outside version-changed p 1.0.0"];
        assert_eq!(told(&storage, since), expected, "read before: {is_read_before}");
    }
}

#[tokio::test]
async fn a_file_that_was_touched_and_says_the_same_is_no_change() {
    let (store, storage) = unwatched(true).await;
    put(&storage, "p", "a").await.unwrap();
    let (since, file) = (storage.revision(), store.path("p", "1.0.0.json"));
    let same = std::fs::read(&file).unwrap();
    std::fs::write(&file, same).unwrap();
    look_at(&storage, "1.0.0.json").await;
    assert!(told(&storage, since).is_empty(), "{:?}", told(&storage, since));
}

#[tokio::test]
async fn another_directory_under_the_same_name_has_changed_versions() {
    let (store, storage) = unwatched(true).await;
    put(&storage, "p", "a").await.unwrap();
    let since = storage.revision();
    let (dir, other) = (store.path("p", ""), store.dir.path().join("other"));
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("1.0.0.json"), bytes("1.0.0", "another")).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(&other, &dir).unwrap();
    look(&storage, work::Look::everything()).await;
    assert_eq!(told(&storage, since), ["outside version-changed p 1.0.0"]);
}

#[tokio::test]
async fn what_a_client_did_not_mean_to_do_was_done_by_others() {
    let (store, storage) = unwatched(true).await;
    put(&storage, "p", "a").await.unwrap();
    let since = storage.revision();
    std::fs::write(store.path("p", "1.0.1.json"), bytes("1.0.1", "by hand")).unwrap();
    // The number is taken: the directory is read again, and the next one is chosen.
    assert_eq!(put(&storage, "p", "b").await.unwrap(), version("1.0.2"));
    let expected = [
        "outside version-created p 1.0.1",
        "daemon version-created p 1.0.2",
    ];
    assert_eq!(told(&storage, since), expected);
}

#[tokio::test]
async fn labels_and_seals_are_told_with_where_they_were() {
    let (store, storage) = unwatched(true).await;
    put(&storage, "p", "a").await.unwrap();
    std::fs::write(store.path("p", "1.0.1.json"), bytes("1.0.1", "by hand")).unwrap();
    look_at(&storage, "1.0.1.json").await;
    let since = storage.revision();
    for number in ["1.0.0", "1.0.1"] {
        let request = SetLabel {
            label: Label::new("production").unwrap(),
            version: version(number),
            expected: None,
            author: Author::daemon(),
        };
        storage.set_label(&id("p"), request).await.unwrap();
    }
    storage.mend(&Mend::Seal(id("p"))).await.unwrap();
    look_at(&storage, "1.0.1.json").await;
    let expected = [
        "daemon label-set p 1.0.0 production",
        "daemon label-set p 1.0.0 1.0.1 production",
        "daemon version-changed p 1.0.1",
    ];
    assert_eq!(told(&storage, since), expected);
}

#[tokio::test]
async fn what_an_actor_could_not_tell_any_more_its_successor_tells() {
    let (store, storage) = unwatched(true).await;
    put(&storage, "p", "a").await.unwrap();
    let since = storage.revision();
    std::fs::write(store.path("p", "1.0.1.json"), bytes("1.0.1", "by hand")).unwrap();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    let actor = shard.actor.borrow().clone().unwrap();
    actor.kill();
    eventually_told(&storage, since, "recovery version-created p 1.0.1").await;
    assert_eq!(told(&storage, since).len(), 1);
}

#[tokio::test]
async fn a_shard_that_somebody_puts_into_the_store_is_told_as_theirs() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let since = storage.revision();
    let aside = tempfile::tempdir().unwrap();
    let shard = storage.shared.layout.shard_of(&id(STRANGER));
    std::fs::create_dir(aside.path().join(STRANGER)).unwrap();
    let document = serde_json::to_vec(&document(STRANGER, "1.0.0", "b")).unwrap();
    std::fs::write(aside.path().join(STRANGER).join("1.0.0.json"), document).unwrap();
    std::fs::rename(aside.path(), store.dir.path().join(shard.as_str())).unwrap();
    eventually_told(
        &storage,
        since,
        &format!("outside version-created {STRANGER} 1.0.0"),
    )
    .await;
}

#[tokio::test]
async fn a_start_tells_nothing_of_what_was_there_and_knows_nothing_of_before() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let before = storage.revision();
    storage.close().await;
    drop(storage);
    let storage = store.open().await;
    assert!(storage.feed().subscribe(Some(before)).is_err());
    assert!(storage.feed().is_empty());
    let mut following = storage.feed().subscribe(None).unwrap();
    put(&storage, "p", "b").await.unwrap();
    let events = following.next().await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].origin, Origin::Daemon);
}

#[tokio::test]
async fn whoever_lists_and_then_follows_from_the_revision_before_has_everything() {
    let store = Store::quiet();
    let storage = store.open().await;
    let writer = Arc::clone(&storage);
    let writing = tokio::spawn(async move {
        for n in 0..200 {
            put(&writer, &format!("p{}", n % 20), &format!("text {n}"))
                .await
                .unwrap();
        }
    });
    for _ in 0..20 {
        let since = storage.revision();
        let mut known = std::collections::BTreeSet::new();
        for n in 0..20 {
            let name = format!("p{n}");
            known.extend(
                versions(&storage, &name)
                    .into_iter()
                    .map(|number| (name.clone(), number)),
            );
        }
        let mut following = storage.feed().subscribe(Some(since)).unwrap();
        tokio::task::yield_now().await;
        let totals = storage.totals().1;
        loop {
            let events = following.take_ready().unwrap();
            if events.is_empty() {
                break;
            }
            known.extend(events.iter().map(|event| {
                let (id, version) = (&event.prompt_id, &event.change.version);
                (
                    id.as_ref().unwrap().to_string(),
                    version.as_ref().unwrap().to_string(),
                )
            }));
        }
        assert!(
            known.len() as u64 >= totals,
            "{} of {totals} are known",
            known.len()
        );
    }
    writing.await.unwrap();
}
