//! Changes made outside the daemon are noticed.

use std::time::Instant;

use super::faulty_disk::{Call, Failure, Fault};
use super::*;
use crate::model::Integrity;
use crate::storage::filesystem::actors::ChildId;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_numbers_of_a_prompt_whose_every_file_was_removed_stay_used_until_it_is_purged() {
    for actor_dies in [false, true] {
        let store = Store::quiet();
        let storage = store.open().await;
        put(&storage, "p", "a").await.unwrap();
        std::fs::remove_dir_all(store.path("p", "")).unwrap();
        let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
        if actor_dies {
            let actor = shard.actor.borrow().clone().unwrap();
            actor.kill();
            eventually("another actor of the shard", async || {
                shard.is_up() && shard.actor.borrow().as_ref().map(|now| now.get_id()) != Some(actor.get_id())
            })
            .await;
        } else {
            let look = work::Look::everything();
            shard.look_and_wait(look, Duration::from_secs(5)).await.unwrap();
        }
        assert!(storage.prompt(&id("p")).is_none(), "the actor died: {actor_dies}");
        assert_eq!(storage.totals(), (0, 0));
        let next = put(&storage, "p", "b").await.unwrap();
        assert_eq!(next, version("1.0.1"), "the actor died: {actor_dies}");
        storage.purge(&id("p"), true).await.unwrap();
        let anew = put(&storage, "p", "c").await.unwrap();
        assert_eq!(anew, version("1.0.0"), "a purged prompt begins anew");
        storage.close().await;
    }
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

/// The bytes of a version as a person would write it.
fn by_hand(prompt: &str, number: &str, text: &str) -> Vec<u8> {
    serde_json::to_vec(&document(prompt, number, text)).unwrap()
}

async fn eventually_text(storage: &FileSystemStorage, prompt: &str, number: &str, text: &str) {
    eventually(&format!("{prompt}@{number} says {text}"), async || {
        text_of(storage, prompt, number)
            .await
            .is_ok_and(|found| found == text)
    })
    .await;
}

#[tokio::test]
async fn a_checkout_of_another_branch_is_seen_as_a_whole() {
    let store = Store::new();
    let storage = store.open().await;
    let prompts: Vec<String> = (0..20).map(|n| format!("prompt{n}")).collect();
    for prompt in &prompts {
        put(&storage, prompt, "main").await.unwrap();
    }
    // As git does it: the old file is unlinked, the new one is made under the same name; some come, some go.
    for (n, prompt) in prompts.iter().enumerate() {
        let file = store.path(prompt, "1.0.0.json");
        std::fs::remove_file(&file).unwrap();
        if n % 4 == 0 {
            std::fs::remove_dir(store.path(prompt, "")).unwrap();
            continue;
        }
        std::fs::write(&file, by_hand(prompt, "1.0.0", "branch")).unwrap();
        std::fs::write(
            store.path(prompt, "1.1.0.json"),
            by_hand(prompt, "1.1.0", "branch"),
        )
        .unwrap();
    }
    eventually("the branch", async || storage.totals() == (15, 30)).await;
    for (n, prompt) in prompts.iter().enumerate().filter(|(n, _)| n % 4 != 0) {
        eventually_text(&storage, prompt, "1.0.0", "branch").await;
        let number = put(&storage, prompt, "next").await.unwrap();
        assert_eq!(number, version("1.1.1"), "{n}");
    }
}

#[tokio::test]
async fn files_that_arrive_by_rsync_are_seen_and_their_temporary_names_are_not_reported() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "here").await.unwrap();
    for (number, text) in [("1.0.0", "replaced"), ("1.2.0", "new")] {
        let (tmp, file) = (
            store.path("p", &format!(".{number}.json.Xa4Bc2")),
            store.path("p", &format!("{number}.json")),
        );
        std::fs::write(&tmp, by_hand("p", number, text)).unwrap();
        std::fs::rename(&tmp, &file).unwrap();
    }
    eventually_text(&storage, "p", "1.0.0", "replaced").await;
    eventually_text(&storage, "p", "1.2.0", "new").await;
    assert_eq!(storage.status().await["problems"]["count"], 0);
}

/// Ways in which editors save a file.
fn save(way: &str, file: &Path, bytes: &[u8]) {
    let backup = file.with_extension("json~");
    match way {
        "vim" => {
            std::fs::rename(file, &backup).unwrap();
            std::fs::write(file, bytes).unwrap();
            std::fs::remove_file(&backup).unwrap();
        }
        "in place" => std::fs::write(file, bytes).unwrap(),
        "in two writes" => {
            let mut open = std::fs::File::create(file).unwrap();
            std::io::Write::write_all(&mut open, &bytes[..bytes.len() / 2]).unwrap();
            std::io::Write::write_all(&mut open, &bytes[bytes.len() / 2..]).unwrap();
        }
        _ => {
            let tmp = file.with_extension("tmp");
            std::fs::write(&tmp, bytes).unwrap();
            std::fs::rename(&tmp, file).unwrap();
        }
    }
}

#[tokio::test]
async fn a_version_saved_by_an_editor_is_served_as_it_now_is_and_marked() {
    for way in ["vim", "in place", "in two writes", "atomic"] {
        let store = Store::new();
        let storage = store.open().await;
        put(&storage, "p", "before").await.unwrap();
        let file = store.path("p", "1.0.0.json");
        let sealed = std::fs::read_to_string(&file).unwrap();
        for text in ["behind", "beyond", "before"] {
            save(way, &file, sealed.replace("before", text).as_bytes());
            eventually_text(&storage, "p", "1.0.0", text).await;
            let integrity = storage.read(&id("p"), &version("1.0.0")).await.unwrap().integrity;
            let expected = if text == "before" {
                Integrity::Sealed
            } else {
                Integrity::Edited
            };
            assert_eq!(integrity, expected, "{way}");
        }
        assert_eq!(versions(&storage, "p"), ["1.0.0"], "{way}");
        // What is the same as the latest is told by what it now says.
        save(way, &file, sealed.replace("before", "edited").as_bytes());
        eventually_text(&storage, "p", "1.0.0", "edited").await;
        let manager = crate::versions::VersionManager::new(Arc::clone(&storage) as Arc<dyn VersionStorage>);
        let new = crate::versions::NewVersion::of_text("before");
        let made = manager.create(&id("p"), new, &Author::daemon()).await.unwrap();
        assert!(made.is_new, "{way}");
    }
}

#[tokio::test]
async fn an_edited_version_is_refused_where_that_is_configured() {
    let mut store = Store::new();
    store.options.on_external_edit = ExternalEdit::Refuse;
    let storage = store.open().await;
    put(&storage, "p", "before").await.unwrap();
    put(&storage, "p", "other").await.unwrap();
    let file = store.path("p", "1.0.0.json");
    let sealed = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, sealed.replace("before", "behind")).unwrap();
    eventually("it is refused", async || {
        let read = storage.read(&id("p"), &version("1.0.0")).await;
        read.is_err_and(|error| error.code() == "edited-version")
    })
    .await;
    let both = storage
        .read_many(&id("p"), &[version("1.0.0"), version("1.0.1")])
        .await;
    assert_eq!(both[0].as_ref().unwrap_err().code(), "edited-version");
    assert!(both[1].is_ok());
    let report = storage
        .verify(&crate::storage::Progress::default())
        .await
        .unwrap();
    assert_eq!((report.edited, report.problems[0].kind.as_str()), (1, "edited"));
    std::fs::write(&file, &sealed).unwrap();
    eventually_text(&storage, "p", "1.0.0", "before").await;
}

#[tokio::test]
async fn a_manifest_edited_by_hand_is_believed() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let manifest = store.path("p", ".manifest.json");
    let labels = |name: &str| {
        format!(
            r#"{{"prompt_id": "p", "highest_version": "1.0.7", "description": "by hand", "tags": ["x"], "labels":
            {{"{name}": {{"version": "1.0.0", "set_at": "2025-01-02T03:04:05Z", "set_by": {{"name": "ada"}}}}}}}}"#
        )
    };
    std::fs::write(&manifest, labels("production")).unwrap();
    let production = Label::new("production").unwrap();
    let has = async |label: &Label| {
        let entry = storage.prompt(&id("p")).unwrap();
        entry.labels.contains_key(label) && entry.description.as_deref() == Some("by hand")
    };
    eventually("the label", async || has(&production).await).await;
    assert_eq!(put(&storage, "p", "b").await.unwrap(), version("1.0.8"));
    // In place, without a change of the directory.
    std::fs::write(&manifest, labels("staging")).unwrap();
    let staging = Label::new("staging").unwrap();
    eventually("the other label", async || has(&staging).await).await;
    // What is expected of a label is held against the file, whether or not anybody has seen it change.
    std::fs::write(&manifest, labels("production")).unwrap();
    let request = SetLabel {
        label: production,
        version: version("1.0.8"),
        expected: Some(None),
        author: Author::daemon(),
    };
    let refused = storage.set_label(&id("p"), request).await.unwrap_err();
    assert_eq!(refused.code(), "precondition-failed");
}

#[tokio::test]
async fn lost_events_end_in_looking_at_everything() {
    let mut store = Store::new();
    // Two paths are too many to be remembered: everything that happens at once is lost.
    store.options.watch.max_events = 1;
    store.options.watch.debounce = Duration::from_millis(100);
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    for prompt in ["new1", "new2", "new3"] {
        std::fs::create_dir_all(store.path(prompt, "")).unwrap();
        std::fs::write(store.path(prompt, "1.0.0.json"), by_hand(prompt, "1.0.0", "x")).unwrap();
    }
    eventually("the new prompts", async || storage.totals() == (4, 4)).await;
    eventually("that something was lost", async || {
        storage.status().await["watch"]["overflows"].as_u64() > Some(0)
    })
    .await;
    // Directories that were made while events were lost are watched.
    std::fs::write(store.path("new2", "1.0.1.json"), by_hand("new2", "1.0.1", "x")).unwrap();
    eventually("a file in one of them", async || storage.totals() == (4, 5)).await;
    // A file changed in place leaves no trace in its directory.
    text_of(&storage, "new3", "1.0.0").await.unwrap();
    for prompt in ["new1", "new3"] {
        std::fs::write(store.path(prompt, "1.0.0.json"), by_hand(prompt, "1.0.0", "y")).unwrap();
    }
    eventually_text(&storage, "new3", "1.0.0", "y").await;
}

#[tokio::test]
async fn a_shard_directory_that_comes_goes_and_comes_back_is_followed() {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let shard = store.path("p", "").parent().unwrap().to_owned();
    let aside = store.dir.path().join(".aside");
    std::fs::rename(&shard, &aside).unwrap();
    eventually("that it is gone", async || storage.totals() == (0, 0)).await;
    let other = store.path(STRANGER, "");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("1.0.0.json"), by_hand(STRANGER, "1.0.0", "x")).unwrap();
    eventually("a new shard", async || storage.totals() == (1, 1)).await;
    std::fs::rename(&aside, &shard).unwrap();
    eventually("that the first is back", async || storage.totals() == (2, 2)).await;
    std::fs::write(store.path("p", "1.0.1.json"), by_hand("p", "1.0.1", "x")).unwrap();
    eventually("that it is watched", async || storage.totals() == (2, 3)).await;
    std::fs::remove_dir_all(&shard).unwrap();
    eventually("that it is gone for good", async || storage.totals() == (1, 1)).await;
    put(&storage, "p", "again").await.unwrap();
    assert_eq!(storage.totals(), (2, 2));
}

#[tokio::test]
async fn beyond_the_limit_of_watches_directories_are_scanned() {
    let mut store = Store::new();
    store.options.watch.scan_interval = Duration::from_millis(20);
    let storage = store.open().await;
    storage.shared.max_watches.store(3, Ordering::Relaxed);
    let watcher = storage.shared.children.lock().unwrap()[&ChildId::Watcher].clone();
    for n in 0..5 {
        put(&storage, &format!("prompt{n}"), "x").await.unwrap();
    }
    // A new watcher meets the limit at once.
    watcher.kill();
    eventually("it scans", async || {
        storage.status().await["watch"]["mode"] == "scan"
    })
    .await;
    let error = storage.status().await["watch"]["last_error"].to_string();
    assert!(error.contains("max_user_watches"), "{error}");
    for n in 0..5 {
        let prompt = format!("prompt{n}");
        std::fs::write(store.path(&prompt, "1.0.1.json"), by_hand(&prompt, "1.0.1", "x")).unwrap();
    }
    eventually("all of them", async || storage.totals() == (5, 10)).await;
}

#[tokio::test]
async fn a_watcher_that_is_off_sees_nothing_until_it_is_asked_to() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    std::fs::write(store.path("p", "1.0.1.json"), by_hand("p", "1.0.1", "x")).unwrap();
    std::fs::create_dir_all(store.path(STRANGER, "")).unwrap();
    std::fs::write(
        store.path(STRANGER, "1.0.0.json"),
        by_hand(STRANGER, "1.0.0", "x"),
    )
    .unwrap();
    assert_eq!(storage.totals(), (1, 1));
    let counted = storage
        .rebuild_index(&crate::storage::Progress::default())
        .await
        .unwrap();
    assert_eq!(counted, (2, 3));
    assert_eq!(storage.status().await["watch"]["mode"], "off");
}

#[tokio::test]
async fn a_damaged_file_that_is_mended_is_served_again_though_nobody_watches() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    storage.close().await;
    let good = std::fs::read(store.path("p", "1.0.0.json")).unwrap();
    std::fs::write(store.path("p", "1.0.0.json"), "{").unwrap();
    let storage = store.open().await;
    let error = storage.read(&id("p"), &version("1.0.0")).await.unwrap_err();
    assert_eq!(error.code(), "corrupt-version");
    std::fs::write(store.path("p", "1.0.0.json"), good).unwrap();
    eventually_text(&storage, "p", "1.0.0", "a").await;
    assert_eq!(storage.status().await["problems"]["count"], 0);
}

/// Looks at everything, as it is done when events were lost.
async fn look_everywhere(storage: &FileSystemStorage) {
    for shard in storage.shared.shards.all() {
        let looked = shard.look_and_wait(work::Look::everything(), Duration::from_secs(10));
        looked.await.unwrap();
    }
}

/// Returns what a look at everything asks of the disk in the directories of some prompts.
async fn calls_of_look(storage: &FileSystemStorage, disk: &FaultyDisk, prompts: &[String]) -> Vec<Call> {
    disk.arm(Fault::new(&[Call::Space], usize::MAX, Failure::Panic));
    look_everywhere(storage).await;
    let is_inside = |path: &Path| {
        prompts
            .iter()
            .any(|prompt| path.iter().any(|part| part == prompt.as_str()))
    };
    let journal = disk.journal().into_iter();
    journal
        .filter(|(_, path)| is_inside(path))
        .map(|(call, _)| call)
        .collect()
}

#[tokio::test]
async fn a_look_at_all_of_a_store_that_was_just_written_soon_costs_two_stats_per_prompt() {
    let mut store = Store::new();
    store.options.watch.mode = WatchMode::Off;
    let (storage, disk) = store.open_faulty().await;
    let prompts: Vec<String> = (0..20).map(|n| format!("prompt{n}")).collect();
    for prompt in &prompts {
        put(&storage, prompt, "by the daemon").await.unwrap();
        std::fs::write(
            store.path(prompt, "1.2.0.json"),
            by_hand(prompt, "1.2.0", "by hand"),
        )
        .unwrap();
    }
    look_everywhere(&storage).await;
    assert_eq!(storage.totals(), (20, 40));
    storage.shared.cache.remove_where(|_| true);
    let (revision, begun) = (storage.revision(), Instant::now());
    loop {
        let calls = calls_of_look(&storage, &disk, &prompts).await;
        assert!(
            !calls.contains(&Call::Read),
            "what did not change is not read: {calls:?}"
        );
        if !calls.contains(&Call::List) {
            assert_eq!(calls, vec![Call::Stat; 2 * prompts.len()]);
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "still listed: {calls:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(storage.revision(), revision, "nothing was published");
}

#[tokio::test]
async fn a_change_that_left_no_trace_in_the_state_of_its_directory_is_found() {
    let mut store = Store::new();
    store.options.watch.mode = WatchMode::Off;
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    put(&storage, "p", "b").await.unwrap();
    look_everywhere(&storage).await;
    // As if the second had come within the tick in which the directory was listed.
    let catalog = storage
        .shared
        .catalog
        .shard(&storage.shared.layout.shard_of(&id("p")));
    let mut slot = catalog.slot(&id("p")).unwrap();
    Arc::make_mut(&mut slot.entry).versions.truncate(1);
    slot.listed_at = slot.dir.unwrap().ctime;
    catalog.apply(vec![(id("p"), Some(slot))], &Default::default());
    assert_eq!(versions(&storage, "p"), ["1.0.0"]);
    look_everywhere(&storage).await;
    assert_eq!(versions(&storage, "p"), ["1.0.0", "1.0.1"]);
}
