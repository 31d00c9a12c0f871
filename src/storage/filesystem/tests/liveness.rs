//! Actors that are asked whether they live: those that hang, are busy, wait for a disk, or are not there.

use super::faulty_disk::{Call, Failure, Fault};
use super::*;
use crate::storage::liveness::{Answer, Vital};

const PATIENCE: Duration = Duration::from_millis(200);

async fn vital(storage: &FileSystemStorage, actor: &str) -> Vital {
    let vitals = storage.vitals(PATIENCE).await;
    vitals.into_iter().find(|vital| vital.actor == actor).unwrap()
}

fn spawn_put(
    storage: &Arc<FileSystemStorage>,
    prompt: &'static str,
) -> tokio::task::JoinHandle<Result<Version, StorageError>> {
    let storage = Arc::clone(storage);
    tokio::spawn(async move { put(&storage, prompt, "x").await })
}

fn shard_of(storage: &FileSystemStorage, prompt: &str) -> String {
    format!("shard {}", storage.shared.layout.shard_of(&id(prompt)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_asked_and_answers() {
    let mut store = Store::quiet();
    store.options.use_index = true;
    let storage = store.open().await;
    put(&storage, "p", "x").await.unwrap();
    eventually("all are up", async || {
        let vitals = storage.vitals(PATIENCE).await;
        let names: Vec<&str> = vitals.iter().map(|vital| vital.actor.as_str()).collect();
        assert_eq!(
            names,
            ["shard 14", "index", "watcher", "janitor", "storage supervisor"]
        );
        vitals.iter().all(|vital| vital.answer == Answer::Lives)
    })
    .await;
    storage.close().await;
    assert!(!storage.replace_actor("shard of nobody"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_hangs_is_silent_and_its_successor_serves() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "x").await.unwrap();
    let name = shard_of(&storage, "hang.here");
    let hung = spawn_put(&storage, "hang.here");
    eventually("it hangs", async || {
        // The shard is there once the put has begun.
        let vitals = storage.vitals(PATIENCE).await;
        let found = vitals.iter().find(|vital| vital.actor == name);
        found.is_some_and(|vital| vital.answer == Answer::Silent { waits: false })
    })
    .await;
    let shown = storage.describe();
    assert_eq!(shown["shards"]["busy"][0]["silent"], true, "{shown}");
    assert_eq!(storage.shared.shard_totals().silent, 1);
    let steps = vital(&storage, &name).await.steps;
    assert_eq!(vital(&storage, &name).await.steps, steps, "it takes no steps");
    assert!(storage.replace_actor(&name));
    assert_eq!(hung.await.unwrap().unwrap_err().code(), "interrupted");
    put_in_the_end(&storage, "hang.here", "y").await;
    eventually("it answers", async || {
        vital(&storage, &name).await.answer == Answer::Lives
    })
    .await;
    assert_eq!(storage.shared.shard_totals().silent, 0);
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_whose_disk_hangs_answers_and_is_not_taken_for_dead() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "x").await.unwrap();
    disk.arm(Fault::new(&[Call::SyncFile], 1, Failure::Hang).on("14"));
    let waiting = spawn_put(&storage, "p");
    eventually("the disk hangs", async || disk.hanging() == 1).await;
    assert_eq!(vital(&storage, "shard 14").await.answer, Answer::Lives);
    disk.release();
    waiting.await.unwrap().unwrap();
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_actor_whose_disk_hangs_is_known_to_wait() {
    let mut store = Store::quiet();
    store.options.use_index = true;
    store.options.index_interval = Duration::from_millis(1);
    let (storage, disk) = store.open_faulty().await;
    disk.arm(Fault::new(&[Call::SyncFile], 1, Failure::Hang).on(".index.json.tmp"));
    put(&storage, "p", "x").await.unwrap();
    eventually("the disk hangs", async || disk.hanging() == 1).await;
    assert_eq!(
        vital(&storage, "index").await.answer,
        Answer::Silent { waits: true }
    );
    assert_eq!(storage.describe()["actors"]["index"]["silent"], true);
    disk.release();
    eventually("it answers", async || {
        vital(&storage, "index").await.answer == Answer::Lives
    })
    .await;
    assert_eq!(storage.describe()["actors"]["index"]["silent"], false);
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_is_being_started_again_is_absent_and_not_silent() {
    let mut store = Store::quiet();
    store.options.restart.min_backoff = Duration::from_secs(3600);
    store.options.restart.max_backoff = Duration::from_secs(3600);
    let storage = store.open().await;
    put(&storage, "p", "x").await.unwrap();
    assert!(storage.replace_actor("shard 14"));
    eventually("it is absent", async || {
        vital(&storage, "shard 14").await.answer == Answer::Absent
    })
    .await;
    drop(storage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_settings_for_watching_start_the_watcher_anew() {
    let mut store = Store::quiet();
    let storage = store.open().await;
    let mode = async || storage.describe()["watch"]["mode"].clone();
    eventually("nothing is watched", async || mode().await == "off").await;
    store.options.watch.mode = WatchMode::Scan;
    store.options.watch.scan_interval = Duration::from_millis(20);
    storage.change_settings(&store.options);
    eventually("the store is scanned", async || mode().await == "scan").await;
    put(&storage, "p", "x").await.unwrap();
    let file = store.path("p", "1.0.1.json");
    std::fs::write(
        &file,
        serde_json::to_vec(&document("p", "1.0.1", "by hand")).unwrap(),
    )
    .unwrap();
    eventually("what was made by hand is seen", async || {
        text_of(&storage, "p", "1.0.1").await.is_ok()
    })
    .await;
    storage.close().await;
}
