//! What happens by itself: writes come back when there is room, damage is found before somebody reads it.

use super::faulty_disk::{Call, Failure, Fault};
use super::*;
use crate::storage::filesystem::disk::Space;

fn space(free: u64) -> Space {
    Space {
        free,
        total: 1 << 40,
        read_only: false,
    }
}

#[tokio::test]
async fn writes_come_back_by_themselves_but_only_above_the_upper_bound() {
    let mut store = Store::quiet();
    store.options.disk.min_free_bytes = 1 << 20;
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "a").await.unwrap();
    disk.set_space(Some(space((1 << 20) - 1)));
    assert_eq!(put(&storage, "p", "b").await.unwrap_err().code(), "storage-full");
    assert_eq!(storage.concerns().len(), 1);
    assert!(storage.health().is_ok(), "reads and deletes are served");
    disk.set_space(Some(space((1 << 20) + (100 << 10))));
    assert_eq!(
        put(&storage, "p", "b").await.unwrap_err().code(),
        "storage-full",
        "not yet"
    );
    let status = storage.status().await;
    assert_eq!(status["disk"]["full"]["cause"], "reserve");
    assert!(status["disk"]["full"]["since"].is_string());
    text_of(&storage, "p", "1.0.0").await.unwrap();
    disk.set_space(Some(space(2 << 20)));
    eventually("room, without a write", async || storage.concerns().is_empty()).await;
    put(&storage, "p", "b").await.unwrap();
}

#[tokio::test]
async fn a_disk_that_says_itself_that_it_is_full_is_tried_with_a_small_file_until_it_takes_it() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    let full = Failure::Errno(rustix::io::Errno::DQUOT);
    disk.arm(Fault::new(&[Call::Write], 1, full).times(2));
    assert_eq!(put(&storage, "p", "a").await.unwrap_err().code(), "storage-full");
    assert_eq!(storage.status().await["disk"]["full"]["cause"], "disk");
    eventually("room, without a write of a client", async || {
        storage.concerns().is_empty()
    })
    .await;
    assert!(!store.dir.path().join(".space-probe.tmp").exists());
    put(&storage, "p", "a").await.unwrap();
}

#[tokio::test]
async fn the_scrubber_finds_damage_that_nobody_reads_and_sees_when_it_is_mended() {
    let mut store = Store::quiet();
    store.options.on_external_edit = ExternalEdit::Refuse;
    store.options.scrub.first_pause = Duration::ZERO;
    store.options.scrub.pause = Duration::from_millis(1);
    let storage = store.open().await;
    for text in ["a", "b", "c"] {
        put(&storage, "p", text).await.unwrap();
    }
    storage.close().await;
    let path = store.path("p", "1.0.1.json");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, String::from_utf8_lossy(&good).replace("\"b\"", "\"B\"")).unwrap();
    let storage = store.open().await;
    let scrub = async || storage.status().await["scrub"].clone();
    eventually("the finding", async || scrub().await["found"] == 1).await;
    let found = scrub().await;
    assert_eq!(found["last_finding"]["prompt_id"], "p");
    assert_eq!(found["last_finding"]["version"], "1.0.1");
    assert_eq!(found["last_finding"]["kind"], "edited");
    assert!(
        storage.concerns()[0].contains("p@1.0.1"),
        "{:?}",
        storage.concerns()
    );
    assert!(storage.health().is_ok());
    assert_eq!(
        storage.status().await["cache"]["entries"],
        0,
        "nothing goes through the cache"
    );
    eventually("a whole cycle", async || scrub().await["last_cycle"].is_object()).await;
    std::fs::write(&path, good).unwrap();
    eventually("that it is mended", async || scrub().await["found"] == 0).await;
    assert!(storage.concerns().is_empty());
}

#[tokio::test]
async fn the_scrubber_reads_test_results_also_of_versions_in_the_trash() {
    let mut store = Store::quiet();
    store.options.scrub.first_pause = Duration::ZERO;
    store.options.scrub.pause = Duration::from_millis(1);
    let storage = store.open().await;
    for (text, number) in [("a", "1.0.0"), ("b", "1.0.1")] {
        put(&storage, "p", text).await.unwrap();
        let added = storage
            .add_evidence(&id("p"), &version(number), &measured("e"))
            .await;
        assert_eq!(added.unwrap().added, 1);
    }
    storage
        .delete(&id("p"), &[version("1.0.1")], false, &Author::daemon())
        .await
        .unwrap();
    let scrub = async || storage.status().await["scrub"].clone();
    eventually("that all is read", async || {
        scrub().await["last_cycle"]["evidence"] == 2
    })
    .await;
    assert_eq!(scrub().await["found"], 0);
    for number in ["1.0.0", "1.0.1"] {
        let path = store.path("p", &format!(".evidence-{number}.jsonl"));
        let good = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            good.replace("\"execution_id\":\"e\"", "\"execution_id\":\"f\""),
        )
        .unwrap();
        eventually("the finding", async || scrub().await["found"] == 1).await;
        let found = scrub().await["last_finding"].clone();
        assert_eq!(found["version"], number);
        assert_eq!(found["kind"], "corrupt-evidence");
        let concern = storage.concerns().concat();
        assert!(
            concern.contains(&format!("the test results of p@{number}")),
            "{concern}"
        );
        std::fs::write(&path, good).unwrap();
        eventually("that it is mended", async || scrub().await["found"] == 0).await;
    }
}

#[tokio::test]
async fn the_scrubber_only_notes_versions_that_were_edited_and_are_served() {
    let mut store = Store::quiet();
    store.options.scrub.first_pause = Duration::ZERO;
    let storage = store.open().await;
    for text in ["a", "b"] {
        put(&storage, "p", text).await.unwrap();
    }
    storage.close().await;
    let path = store.path("p", "1.0.0.json");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, String::from_utf8_lossy(&good).replace("\"a\"", "\"A\"")).unwrap();
    let storage = store.open().await;
    let scrub = async || storage.status().await["scrub"].clone();
    eventually("the note", async || scrub().await["edited"] == 1).await;
    assert_eq!(scrub().await["found"], 0);
    assert_eq!(scrub().await["last_finding"]["kind"], "edited");
    assert!(storage.concerns().is_empty(), "{:?}", storage.concerns());
    std::fs::write(&path, "torn {").unwrap();
    eventually("that it is damaged now", async || scrub().await["found"] == 1).await;
    assert_eq!(scrub().await["edited"], 0);
    assert!(storage.concerns()[0].contains("p@1.0.0"));
}
